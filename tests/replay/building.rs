//! The tree comes to be: the city is made, every other node is invited by the one above it and joins over its port.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fengqiao_node::enrolment::{Authorities, InitOptions, JoinOptions, init, join_from};
use fengqiao_node::node::clock::Clock;
use fengqiao_node::trust::random::OsRandom;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::desk::{Answer, Desk};
use fengqiao_tests::kit::process::Process;
use indicatif::ProgressBar;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ground::Ground;
use super::plan::{CITY, Plan, Tier, Tree, login_of};

/// The account that acts for a centre.
pub(super) const ADMIN: &str = "admin";
/// The account that had no hand in a case, visits and closes.
pub(super) const VISITOR: &str = "visitor";
/// A node that answers nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a process may take to drain.
const DRAIN: Duration = Duration::from_secs(20);
/// Joins under way at once.
const JOINS: usize = 24;
/// Between two looks at whether everything has arrived.
const LOOK: Duration = Duration::from_millis(100);
/// Calls to different nodes at once.
const CALLS: usize = 32;

/// The running system.
#[derive(Debug)]
pub(super) struct World {
    /// Where it lies.
    pub(super) ground: Ground,
    /// Its places.
    pub(super) tree: Tree,
    /// Each place's desk, as its administrator.
    pub(super) desks: Vec<Desk>,
    /// Ids of units by place and agency.
    pub(super) units: BTreeMap<(usize, String), String>,
    /// Its processes by tier.
    pub(super) processes: tokio::sync::Mutex<BTreeMap<Tier, Process>>,
}

impl World {
    /// Makes and starts everything of a plan.
    ///
    /// The statuses are those before the first case, in the order of the places.
    pub(super) async fn build(
        ground: Ground,
        plan: &Plan,
        bar: &ProgressBar,
    ) -> anyhow::Result<(Self, Vec<pb::GetStatusResponse>)> {
        let tree = plan.tree.clone();
        let desks = tree.places.iter().enumerate();
        let desks = desks
            .map(|(index, place)| {
                let desk = Desk::of_socket(ground.socket(place.tier, index));
                desk.acting_as(ADMIN).patient(PATIENCE)
            })
            .collect();
        let mut world = Self {
            ground,
            tree,
            desks,
            units: BTreeMap::new(),
            processes: tokio::sync::Mutex::default(),
        };
        bar.set_length(world.tree.places.len() as u64);
        let options = InitOptions {
            name: CITY.to_owned(),
            code: String::new(),
            level: 30,
            deployment: None,
            rulebook: plan.rulebook(),
        };
        let now = Clock::of_file(world.ground.clock()).now();
        let made = init(&world.ground.data(Tier::City), &options, now, &mut OsRandom)?;
        let mut names = vec![String::new(); world.tree.places.len()];
        names[0] = made.folder.credentials.own.name.to_string();
        drop(made);
        bar.inc(1);
        world.start(Tier::City).await?;
        for pair in Tier::DOWNWARDS.windows(2) {
            if let [upper, lower] = pair {
                world.add_units(*upper).await?;
                world.join_all(*upper, *lower, &mut names, bar).await?;
                world.start(*lower).await?;
            }
        }
        let statuses = world.settle().await?;
        Ok((world, statuses))
    }

    /// Starts the process of a tier, and waits until its nodes answer.
    pub(super) async fn start(&self, tier: Tier) -> anyhow::Result<()> {
        let process = self.ground.start(tier)?;
        self.processes.lock().await.insert(tier, process);
        tokio::select! {
            answered = self.statuses(self.tree.of(tier).collect()) => answered.map(|_| ()),
            ended = self.ended(tier) => Err(ended),
        }
    }

    /// Comes back when the process of a tier ends by itself, with what it said last.
    async fn ended(&self, tier: Tier) -> anyhow::Error {
        loop {
            let mut processes = self.processes.lock().await;
            if let Some(process) = processes.get_mut(&tier)
                && let Some(status) = process.ended()
            {
                return anyhow::anyhow!(
                    "the {} process ended by itself, {status}:\n{}",
                    tier.word(),
                    self.ground.log_end(tier)
                );
            }
            drop(processes);
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn add_units(&mut self, tier: Tier) -> anyhow::Result<()> {
        let mut adding = JoinSet::new();
        for place in self.tree.of(tier) {
            let agencies = self.tree.places[place].units.clone();
            if !agencies.is_empty() {
                self.desks[place]
                    .account(VISITOR, &[pb::Role::Clerk], "")
                    .await?;
            }
            for agency in agencies {
                let desk = self.desks[place].clone();
                adding.spawn(async move {
                    let unit = desk.add_unit(&agency).await?;
                    desk.account(&login_of(&agency), &[pb::Role::Handler], &unit)
                        .await?;
                    anyhow::Ok(((place, agency), unit))
                });
            }
        }
        while let Some(added) = adding.join_next().await {
            let (key, unit) = added??;
            self.units.insert(key, unit);
        }
        Ok(())
    }

    async fn join_all(
        &self,
        upper: Tier,
        lower: Tier,
        names: &mut [String],
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let turns = Arc::new(Semaphore::new(JOINS));
        let mut joining = JoinSet::new();
        for parent in self.tree.of(upper) {
            let children: Vec<usize> = self.tree.below(parent).collect();
            let wanted = children.iter().map(|child| pb::AddPlaceRequest {
                name: self.tree.places[*child].name.clone(),
                level: lower.level(),
                ..Default::default()
            });
            let ids = self.desks[parent].add_places(wanted.collect()).await?;
            for (child, id) in children.into_iter().zip(ids) {
                let (desk, turns) = (self.desks[parent].clone(), Arc::clone(&turns));
                let newcomer = Newcomer {
                    path: self.ground.folder(lower, child),
                    address: self.ground.enrol_address(upper),
                    parent_name: names[parent].clone(),
                    enrols: lower != Tier::Village,
                    clock: self.ground.clock(),
                    from: loopback(child),
                };
                joining.spawn(async move {
                    let _turn = turns.acquire_owned().await?;
                    let invitation = pb::InviteRequest {
                        place: id,
                        ..Default::default()
                    };
                    let token = desk.invite(invitation).await?;
                    let runtime = tokio::runtime::Handle::current();
                    let name = tokio::task::spawn_blocking(move || {
                        runtime.block_on(newcomer.join(&token))
                    })
                    .await??;
                    anyhow::Ok((child, name))
                });
            }
        }
        while let Some(joined) = joining.join_next().await {
            let (child, name) = joined??;
            names[child] = name;
            bar.inc(1);
        }
        Ok(())
    }

    /// The statuses of some places, in the order asked for.
    pub(super) async fn statuses(
        &self,
        places: Vec<usize>,
    ) -> anyhow::Result<Vec<pb::GetStatusResponse>> {
        self.ask(places, CALLS, |desk| async move { desk.status().await })
            .await
    }

    /// The digests of all places.
    pub(super) async fn digests(&self, at_once: usize) -> Vec<Answer<pb::GetDigestResponse>> {
        let places = (0..self.desks.len()).collect();
        let asked = self.ask(
            places,
            at_once,
            |desk| async move { Ok(desk.digest().await) },
        );
        asked.await.unwrap_or_default()
    }

    async fn ask<A, F>(
        &self,
        places: Vec<usize>,
        at_once: usize,
        call: fn(Desk) -> F,
    ) -> anyhow::Result<Vec<A>>
    where
        A: Send + 'static,
        F: Future<Output = Answer<A>> + Send + 'static,
    {
        let turns = Arc::new(Semaphore::new(at_once));
        let mut asking = JoinSet::new();
        for (order, place) in places.into_iter().enumerate() {
            let (desk, turns) = (self.desks[place].clone(), Arc::clone(&turns));
            asking.spawn(async move {
                let _turn = turns.acquire_owned().await?;
                anyhow::Ok((order, call(desk).await?))
            });
        }
        let mut answers = BTreeMap::new();
        while let Some(answer) = asking.join_next().await {
            let (order, answer) = answer??;
            answers.insert(order, answer);
        }
        Ok(answers.into_values().collect())
    }

    /// Waits until every link stands and nothing is owed on any.
    pub(super) async fn settle(&self) -> anyhow::Result<Vec<pb::GetStatusResponse>> {
        loop {
            let statuses = self.statuses((0..self.desks.len()).collect()).await?;
            let expected: usize = (0..self.desks.len())
                .map(|place| {
                    self.tree.below(place).count()
                        + usize::from(self.tree.places[place].parent.is_some())
                })
                .sum();
            let links: usize = statuses.iter().map(|status| status.links.len()).sum();
            let rest = statuses
                .iter()
                .flat_map(|status| &status.links)
                .all(|link| link.connected && link.owed == 0);
            if rest && links == expected {
                return Ok(statuses);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops everything, the lowest tier first.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        let mut processes = self.processes.lock().await;
        for tier in [Tier::Village, Tier::Township, Tier::County, Tier::City] {
            if let Some(process) = processes.remove(&tier) {
                process.stop(DRAIN).await?;
            }
        }
        Ok(())
    }
}

struct Newcomer {
    path: PathBuf,
    address: String,
    parent_name: String,
    enrols: bool,
    clock: PathBuf,
    from: Ipv4Addr,
}

/// Each newcomer has an address of its own: a parent takes few joins a minute from one.
fn loopback(place: usize) -> Ipv4Addr {
    let [.., high, low] = place.to_be_bytes();
    Ipv4Addr::new(127, 7, high, low.max(1))
}

impl Newcomer {
    /// Joins; gives the node's name in certificates.
    async fn join(self, token: &str) -> anyhow::Result<String> {
        let options = JoinOptions {
            path: &self.path,
            token,
            address: &self.address,
            parent_name: Some(&self.parent_name),
            recovers: false,
            authorities: if self.enrols {
                Authorities::Required
            } else {
                Authorities::None
            },
        };
        let now = Clock::of_file(self.clock).now();
        let folder = join_from(&options, Some(self.from), now, &mut OsRandom)
            .await
            .context("a node does not join")?;
        Ok(folder.credentials.own.name.to_string())
    }
}
