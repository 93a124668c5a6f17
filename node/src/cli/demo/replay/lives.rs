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
use indicatif::ProgressBar;
use pb::command::Move;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::building::World;
use super::desk::CallError;
use super::plan::{Planned, Tier, login_of};

const ADMIN: &str = "admin";
/// Clocks stand so far before the oldest request under way: no due of a request under way lies behind them.
const CLOCK_BEHIND_MS: i64 = 3_600_000;
/// Clocks are set when they would move by so much.
const CLOCK_STEP_MS: i64 = 1_800_000;
/// Escalations measured from the village to the city.
const SAMPLES: usize = 400;
/// Between two looks at whether a case has arrived.
const LOOK_US_MIN: u64 = 3_000;
const LOOK_US_MAX: u64 = 250_000;
/// A case that has not arrived after this is given up.
const ARRIVAL: Duration = Duration::from_secs(300);
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
        let key = (case.request.created, case.request.id.clone());
        let oldest = {
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.insert(key.clone());
            under_way.first().map_or(key.0, |(created, _)| *created)
        };
        let behind = Moment(oldest.0.saturating_sub(CLOCK_BEHIND_MS));
        if behind.0 >= clock.0.saturating_add(CLOCK_STEP_MS) {
            world.ground.set_clock(behind)?;
            clock = behind;
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
            if let Err(error) = life.live().await {
                tracing::warn!(id, %error, "a case did not come to its end");
                let failure = (id, error.code().to_owned());
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

struct Life {
    world: Arc<World>,
    meters: Arc<Meters>,
    case: Planned,
    measured: bool,
}

impl Life {
    async fn live(&self) -> Result<(), CallError> {
        let Some(village) = self.case.way.first().copied() else {
            return Ok(());
        };
        let registered = self
            .act(
                village,
                ADMIN,
                "",
                ("register", self.registration()),
                self.told("text", &self.description()),
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

    async fn push_up(
        &self,
        case: &str,
        lower: usize,
        upper: usize,
        height: usize,
    ) -> Result<(), CallError> {
        let reason = self.told("reason", "beyond this centre's means");
        let escalate = Move::Escalate(pb::Escalate {
            reason: pb::EscalationReason::Hard.into(),
        });
        let offered = self
            .act(lower, ADMIN, case, ("escalate", escalate), reason)
            .await?;
        let answered = Instant::now();
        self.meters.escalations.fetch_add(1, Ordering::Relaxed);
        if self.measured && height == 0 {
            self.measure(case, &offered.entry, answered).await?;
        }
        self.take(case, upper, height, answered).await
    }

    /// Waits until the city's node knows the entry as the case's head; nobody acts meanwhile.
    async fn measure(&self, case: &str, entry: &str, answered: Instant) -> Result<(), CallError> {
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
                Err(error) if matches!(error.code(), "CASE_UNKNOWN" | "EARLIER_AWAITED") => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Takes what was offered, as soon as it has arrived.
    async fn take(
        &self,
        case: &str,
        upper: usize,
        height: usize,
        offered: Instant,
    ) -> Result<(), CallError> {
        let lately = &self.meters.ways_us[height.min(2)];
        let mut look_us = lately
            .load(Ordering::Relaxed)
            .clamp(LOOK_US_MIN, LOOK_US_MAX);
        if self.measured && height == 0 {
            look_us = 0;
        }
        loop {
            tokio::time::sleep(Duration::from_micros(look_us)).await;
            // Without a reason of its own a taking only answers an offer: it is refused until the offer is here.
            let take = Move::Take(pb::Take {
                reason: pb::TakingReason::Unspecified.into(),
            });
            let taken = self
                .act(
                    upper,
                    ADMIN,
                    case,
                    ("take", take),
                    self.told("reason", "taken as offered"),
                )
                .await;
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
                Err(error)
                    if matches!(
                        error.code(),
                        "CASE_UNKNOWN" | "EARLIER_AWAITED" | "FIELD_EMPTY"
                    ) && offered.elapsed() < ARRIVAL => {}
                Err(error) => return Err(error),
            }
            look_us = (lately.load(Ordering::Relaxed) / 4).clamp(LOOK_US_MIN, LOOK_US_MAX);
        }
    }

    async fn handle(&self, case: &str, handler: usize) -> Result<(), CallError> {
        let request = &self.case.request;
        let lead = self
            .world
            .units
            .get(&(handler, request.agency.clone()))
            .cloned()
            .unwrap_or_default();
        let unit = login_of(&request.agency);
        let due_ms = request.due.map_or(0, |due| due.0);
        let dispatch = Move::Dispatch(pb::Dispatch {
            lead,
            due_ms,
            ..Default::default()
        });
        self.act(handler, ADMIN, case, ("dispatch", dispatch), Vec::new())
            .await?;
        if !request.closed && request.due.is_none() {
            return Ok(());
        }
        let (work, evidence) = if request.channel == "Employee Generated" {
            (
                Move::TakeAction(pb::TakeAction {}),
                self.told("evidence", &self.description()),
            )
        } else {
            (Move::Contact(pb::Contact { reached: true }), Vec::new())
        };
        self.act(handler, &unit, case, ("work", work), evidence)
            .await?;
        if !request.closed {
            return Ok(());
        }
        let reasonable = self.case.outcome != pb::Outcome::UnreasonableExplained;
        let reply = self.told("reply", &plain(&request.resolution));
        self.act(
            handler,
            &unit,
            case,
            ("draft", Move::DraftReply(pb::DraftReply { reasonable })),
            reply,
        )
        .await?;
        self.act(
            handler,
            ADMIN,
            case,
            ("approve", Move::ApproveReply(pb::ApproveReply {})),
            Vec::new(),
        )
        .await?;
        self.act(
            handler,
            ADMIN,
            case,
            ("send", Move::SendReply(pb::SendReply {})),
            Vec::new(),
        )
        .await?;
        let visit = Move::ReturnVisit(pb::ReturnVisit {
            reached: true,
            reasonable,
        });
        self.act(handler, ADMIN, case, ("visit", visit), Vec::new())
            .await?;
        let close = Move::Close(pb::Close {
            outcome: self.case.outcome.into(),
        });
        self.act(handler, ADMIN, case, ("close", close), Vec::new())
            .await?;
        Ok(())
    }

    async fn act(
        &self,
        place: usize,
        login: &str,
        case: &str,
        (word, mv): (&str, Move),
        texts: Vec<pb::PrivateText>,
    ) -> Result<pb::ActResponse, CallError> {
        let request = pb::ActRequest {
            // Each move is made once at a place, so the request's id and the move's word name it.
            request_id: format!("{} {}", self.case.request.id, word),
            case: case.to_owned(),
            command: Some(pb::Command { r#move: Some(mv) }),
            texts,
        };
        let answer = self.world.desks[place].act(login, request).await?;
        self.meters.acts.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    fn registration(&self) -> Move {
        let request = &self.case.request;
        let channel = match request.channel.as_str() {
            "Constituent Call" => pb::Channel::Phone,
            "Employee Generated" | "Maximo Integration" => pb::Channel::GridWorker,
            "Citizens Connect App" => pb::Channel::App,
            _ => pb::Channel::Web,
        };
        Move::Register(pb::Register {
            channel: channel.into(),
            class: self.case.class.clone(),
            urgency: pb::Urgency::Ordinary.into(),
            external_number: request.id.clone(),
            received_ms: request.created.0,
            requester: None,
        })
    }

    fn description(&self) -> String {
        plain(&format!(
            "{}, {}",
            self.case.request.kind, self.case.request.street
        ))
    }

    fn told(&self, role: &str, text: &str) -> Vec<pb::PrivateText> {
        vec![pb::PrivateText {
            role: role.to_owned(),
            text: text.to_owned(),
        }]
    }
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
