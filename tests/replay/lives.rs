//! The lives of the cases: each request is registered in its village, pushed up to who handles it, handled and closed.
//!
//! Many at once, each act as soon as the one before it is answered. A lost answer is asked for again by the same
//! request id.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::desk::{Answer, refusal};
use fengqiao_tests::kit::moves::{self, Action};
use indicatif::ProgressBar;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::building::{ADMIN, VISITOR, World};
use super::plan::{Planned, Tier, login_of};

/// Clocks are set when they would move by so much; a request may not come from further ahead than five minutes.
const CLOCK_STEP_MS: i64 = 240_000;
/// Escalations measured from the village to the city.
const SAMPLES: usize = 400;
/// Between two looks at whether a case has arrived.
const LOOK_US_MIN: u64 = 3_000;
const LOOK_US_MAX: u64 = 250_000;
/// A case that has not arrived after this is given up.
const ARRIVAL: Duration = Duration::from_secs(300);
/// What a taking is refused with while its offer is on the way.
const NOT_YET: [&str; 3] = ["CASE_UNKNOWN", "EARLIER_AWAITED", "FIELD_EMPTY"];
const REPLY_BYTES_MAX: usize = 8_000;

/// What is measured on the way.
#[derive(Debug, Default)]
pub(super) struct Meters {
    /// Cases that came to their end, or were given up.
    pub(super) done: AtomicUsize,
    /// Cases that the city is working on.
    pub(super) at_city: AtomicUsize,
    /// Offers upwards.
    pub(super) escalations: AtomicU64,
    /// Acts answered.
    pub(super) acts: AtomicU64,
    /// Milliseconds from an escalation's answer at the village until the city's node has it.
    pub(super) latencies_ms: Mutex<Vec<f64>>,
    /// Cases that did not come to their end: id, code.
    pub(super) failures: Mutex<Vec<(String, String)>>,
    /// How long the way up to each tier took lately, microseconds.
    ways_us: [AtomicU64; 3],
}

/// Lets all cases live.
pub(super) async fn replay(
    world: &Arc<World>,
    cases: Vec<Planned>,
    in_flight: usize,
    meters: &Arc<Meters>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let turns = Arc::new(Semaphore::new(in_flight));
    let every = cases.len().div_ceil(SAMPLES).max(1);
    let under_way: Arc<Mutex<BTreeSet<(Moment, String)>>> = Arc::default();
    let mut clock = Moment(i64::MIN);
    let mut living = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let created = case.request.created;
        // No due of a request under way may lie behind the clocks.
        while first_due(&under_way).is_some_and(|due| due <= created) {
            let Some(ended) = living.join_next().await else {
                break;
            };
            ended?;
        }
        let due = case.request.due.unwrap_or(Moment(i64::MAX));
        let key = (due, case.request.id.clone());
        under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone());
        if created.0 >= clock.0.saturating_add(CLOCK_STEP_MS) {
            world.ground.set_clock(created)?;
            clock = created;
        }
        let life = Life {
            world: Arc::clone(world),
            meters: Arc::clone(meters),
            case,
            measured: number % every == 0,
        };
        let (meters, bar, under_way) = (Arc::clone(meters), bar.clone(), Arc::clone(&under_way));
        living.spawn(async move {
            let id = life.case.request.id.clone();
            if let Err(status) = life.live().await {
                let failure = (id, refusal(&status).code);
                meters
                    .failures
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(failure);
            }
            under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            meters.done.fetch_add(1, Ordering::Relaxed);
            bar.inc(1);
            drop(turn);
        });
        while let Some(ended) = living.try_join_next() {
            ended?;
        }
    }
    while let Some(ended) = living.join_next().await {
        ended?;
    }
    Ok(())
}

fn first_due(under_way: &Mutex<BTreeSet<(Moment, String)>>) -> Option<Moment> {
    let under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
    under_way.first().map(|(due, _)| *due)
}

struct Life {
    world: Arc<World>,
    meters: Arc<Meters>,
    case: Planned,
    measured: bool,
}

impl Life {
    async fn live(&self) -> Answer<()> {
        let Some(village) = self.case.way.first().copied() else {
            return Ok(());
        };
        let registered = self
            .act(
                village,
                ADMIN,
                "",
                ("register", moves::register(self.intake())),
                &[("text", &self.description())],
            )
            .await?;
        let case = registered.case;
        for (height, pair) in self.case.way.windows(2).enumerate() {
            if let [lower, upper] = pair {
                self.push_up(&case, *lower, *upper, height).await?;
            }
        }
        let Some(handler) = self.case.way.last().copied() else {
            return Ok(());
        };
        let at_city = self.world.tree.places[handler].tier == Tier::City;
        if at_city {
            self.meters.at_city.fetch_add(1, Ordering::Relaxed);
        }
        let handled = self.handle(&case, handler).await;
        if at_city {
            self.meters.at_city.fetch_sub(1, Ordering::Relaxed);
        }
        handled
    }

    async fn push_up(&self, case: &str, lower: usize, upper: usize, height: usize) -> Answer<()> {
        let reason = [("reason", "beyond this centre's means")];
        let escalate = ("escalate", moves::escalate());
        let offered = self.act(lower, ADMIN, case, escalate, &reason).await?;
        let answered = Instant::now();
        self.meters.escalations.fetch_add(1, Ordering::Relaxed);
        if self.measured && height == 0 {
            self.measure(case, &offered.entry, answered).await?;
        }
        self.take(case, upper, height, answered).await
    }

    /// Waits until the city's node knows the entry as the case's head; nobody acts meanwhile.
    async fn measure(&self, case: &str, entry: &str, answered: Instant) -> Answer<()> {
        let city = &self.world.desks[0];
        while answered.elapsed() < ARRIVAL {
            match city.case(case).await {
                Ok(view) if view.head == entry => {
                    let elapsed_ms = answered.elapsed().as_secs_f64() * 1_000.0;
                    self.meters
                        .latencies_ms
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(elapsed_ms);
                    return Ok(());
                }
                Ok(_) => {}
                Err(status) if is_one_of(&status, &["CASE_UNKNOWN", "EARLIER_AWAITED"]) => {}
                Err(status) => return Err(status),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Takes what was offered, as soon as it has arrived.
    async fn take(&self, case: &str, upper: usize, height: usize, offered: Instant) -> Answer<()> {
        let lately = &self.meters.ways_us[height.min(2)];
        let mut look_us = lately
            .load(Ordering::Relaxed)
            .clamp(LOOK_US_MIN, LOOK_US_MAX);
        if self.measured && height == 0 {
            look_us = 0;
        }
        loop {
            tokio::time::sleep(Duration::from_micros(look_us)).await;
            // Refused until the offer is here.
            let take = ("take", moves::take());
            let reason = [("reason", "taken as offered")];
            let taken = self.act(upper, ADMIN, case, take, &reason).await;
            match taken {
                Ok(_) => {
                    let way_us =
                        u64::try_from(offered.elapsed().as_micros()).unwrap_or(LOOK_US_MAX);
                    let before = lately.load(Ordering::Relaxed);
                    lately.store(
                        (before * 7 + way_us.min(LOOK_US_MAX)) / 8,
                        Ordering::Relaxed,
                    );
                    return Ok(());
                }
                Err(status) if is_one_of(&status, &NOT_YET) && offered.elapsed() < ARRIVAL => {}
                Err(status) => return Err(status),
            }
            look_us = (lately.load(Ordering::Relaxed) / 4).clamp(LOOK_US_MIN, LOOK_US_MAX);
        }
    }

    async fn handle(&self, case: &str, handler: usize) -> Answer<()> {
        let request = &self.case.request;
        let lead = self
            .world
            .units
            .get(&(handler, request.agency.clone()))
            .cloned()
            .unwrap_or_default();
        let unit = login_of(&request.agency);
        let due_ms = request.due.map_or(0, |due| due.0);
        let dispatch = moves::dispatch_to_unit(&lead, due_ms);
        self.act(handler, ADMIN, case, ("dispatch", dispatch), &[])
            .await?;
        if !request.closed && request.due.is_none() {
            return Ok(());
        }
        let description = self.description();
        let (work, evidence) = if request.channel == "Employee Generated" {
            (
                moves::take_action(),
                vec![("evidence", description.as_str())],
            )
        } else {
            (moves::contact(), Vec::new())
        };
        self.act(handler, &unit, case, ("work", work), &evidence)
            .await?;
        if !request.closed {
            return Ok(());
        }
        let reasonable = self.case.outcome != pb::Outcome::UnreasonableExplained;
        let draft = ("draft", moves::draft_reply(reasonable));
        let reply = plain(&request.resolution);
        self.act(handler, &unit, case, draft, &[("reply", &reply)])
            .await?;
        for (login, rest) in [
            (ADMIN, ("approve", moves::approve_reply())),
            (ADMIN, ("send", moves::send_reply())),
            (VISITOR, ("visit", moves::return_visit(reasonable))),
            (VISITOR, ("close", moves::close(self.case.outcome))),
        ] {
            self.act(handler, login, case, rest, &[]).await?;
        }
        Ok(())
    }

    async fn act(
        &self,
        place: usize,
        login: &str,
        case: &str,
        (word, action): (&str, Action),
        texts: &[(&str, &str)],
    ) -> Answer<pb::ActResponse> {
        // Each move is made once at a place, so the request's id and the move's word name it.
        let request_id = format!("{} {word}", self.case.request.id);
        let desk = self.world.desks[place].acting_as(login);
        let answer = desk.ask(moves::request(request_id, case, action, texts));
        let answer = answer.await?;
        self.meters.acts.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    fn intake(&self) -> pb::Register {
        let request = &self.case.request;
        let channel = match request.channel.as_str() {
            "Constituent Call" => pb::Channel::Phone,
            "Employee Generated" | "Maximo Integration" => pb::Channel::GridWorker,
            "Citizens Connect App" => pb::Channel::App,
            _ => pb::Channel::Web,
        };
        pb::Register {
            external_number: request.id.clone(),
            received_ms: request.created.0,
            ..moves::intake(channel, &self.case.class)
        }
    }

    fn description(&self) -> String {
        plain(&format!(
            "{}, {}",
            self.case.request.kind, self.case.request.street
        ))
    }
}

fn is_one_of(status: &tonic::Status, codes: &[&str]) -> bool {
    codes.contains(&refusal(status).code.as_str())
}

/// A text a node takes: not empty, no control characters, not too long.
fn plain(text: &str) -> String {
    let mut plain: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    while plain.len() > REPLY_BYTES_MAX {
        plain.pop();
    }
    if plain.trim().is_empty() {
        "-".to_owned()
    } else {
        plain
    }
}
