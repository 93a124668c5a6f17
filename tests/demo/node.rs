//! One node of the demonstration: a place, the process that serves it, the wire to its parent. What it refuses is told
//! with its name and the step.

use std::path::{Path, PathBuf};

use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit;
use fengqiao_tests::kit::desk::{Answer, Desk, refusal};
use fengqiao_tests::kit::failed::{Done, Failed};
use fengqiao_tests::kit::moves::{self, Action};
use fengqiao_tests::kit::wire::Wire;

use super::place::At;

/// Settings of every node of the demonstration: clocks looked at often and links dialled again soon, so that nobody waits.
const SETTINGS: [&str; 6] = [
    "time.tick_ms=100",
    "link.retry_ms_min=20",
    "link.retry_ms_max=200",
    "journal.segment_bytes=1048576",
    "journal.reserve_bytes=0",
    "store.cache_bytes=1048576",
];

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    /// Where.
    pub(super) at: At,
    /// Official name.
    pub(super) name: &'static str,
    /// Its folder, ports and process.
    pub(super) node: kit::node::Node,
    /// The wire to the parent.
    pub(super) wire: Option<Wire>,
}

impl Node {
    /// A node whose folder is still to be made.
    ///
    /// # Errors
    /// No ports are free, or its official name is not known.
    pub(super) fn new(at: At, folder: &Path, clock: &Path) -> Done<Self> {
        let name = at.name()?;
        let mut node = kit::node::Node::new(name, &folder.join(at.folder()))?;
        node.clock = Some(clock.to_owned());
        node.settings = SETTINGS.map(str::to_owned).to_vec();
        Ok(Self {
            at,
            name,
            node,
            wire: None,
        })
    }

    /// Data folder.
    pub(super) fn folder(&self) -> &PathBuf {
        &self.node.data
    }

    /// Starts the process and waits until it answers.
    pub(super) async fn start(&mut self) -> Done<()> {
        let started = self.node.start().await;
        started.map_err(|error| Failed::new("DEMO_START", format!("{error:#}"), "节点无法启动"))
    }

    /// Ends the process as a power failure would: SIGKILL, nothing drained.
    pub(super) fn kill(&mut self) -> Done<()> {
        let killed = self.node.kill();
        killed.map_err(|error| {
            Failed::new(
                "DEMO_KILL",
                format!("{}: {error:#}", self.name),
                "无法结束进程",
            )
        })
    }

    fn desk(&self, login: &str) -> Desk {
        self.node.desk().acting_as(login)
    }

    /// Makes a move as an account of this centre.
    pub(super) async fn act(
        &self,
        login: &str,
        case: &str,
        action: Action,
        texts: &[(&str, &str)],
    ) -> Done<pb::ActResponse> {
        let what = moves::name(&action);
        self.told(&what, self.desk(login).act(case, action, texts).await)
    }

    /// A case as this node knows it; nothing when it does not.
    pub(super) async fn case(&self, case: &str) -> Done<Option<pb::CaseView>> {
        match self.desk("clerk").case(case).await {
            Err(status) if refusal(&status).code == "CASE_UNKNOWN" => Ok(None),
            answer => self.told("case show", answer).map(Some),
        }
    }

    /// A case as this node knows it, with the texts it may show; or the code of the refusal.
    pub(super) async fn case_with_texts(&self, case: &str) -> Result<pb::CaseView, String> {
        let shown = self.desk("clerk").case_with_texts(case).await;
        shown.map_err(|status| refusal(&status).code)
    }

    /// Open cases, those known by notice too.
    pub(super) async fn open_cases(&self) -> Done<Vec<pb::CaseView>> {
        self.told("case list", self.desk("clerk").cases(false).await)
    }

    /// The count of a name in a class over every figure held here.
    pub(super) async fn count(&self, class: &str, name: &str) -> Done<u64> {
        let tallies = self.told("tallies", self.desk("clerk").tallies().await)?;
        let counts = tallies
            .tallies
            .iter()
            .filter(|tally| tally.class == class)
            .flat_map(|tally| &tally.counts);
        Ok(counts
            .filter(|count| count.name == name)
            .map(|count| count.count)
            .sum())
    }

    /// Status; nothing when it does not answer.
    pub(super) async fn status(&self) -> Option<pb::GetStatusResponse> {
        self.desk("admin").status().await.ok()
    }

    /// Digests, computed by the node from its journal.
    pub(super) async fn digest(&self) -> Done<pb::GetDigestResponse> {
        self.told("digest", self.desk("admin").digest().await)
    }

    /// Adds a place below and invites its node.
    pub(super) async fn invite(&self, below: At) -> Done<String> {
        let place = pb::AddPlaceRequest {
            code: below.code().to_owned(),
            name: below.name()?.to_owned(),
            level: below.level(),
            ..Default::default()
        };
        let invitation = pb::InviteRequest {
            place: below.code().to_owned(),
            ..Default::default()
        };
        let desk = self.desk("admin");
        self.told("place add", desk.add_place(place).await)?;
        self.told("invite", desk.invite(invitation).await)
    }

    /// Adds a unit of this centre with an account that handles for it.
    pub(super) async fn add_unit(&self, name: &str, login: &str) -> Done<String> {
        let unit = self.told("unit add", self.desk("admin").add_unit(name).await)?;
        self.add_account(login, name, &[pb::Role::Handler]).await?;
        Ok(unit)
    }

    /// Opens an account.
    pub(super) async fn add_account(
        &self,
        login: &str,
        unit: &str,
        roles: &[pb::Role],
    ) -> Done<()> {
        let set = self.desk("admin").account(login, roles, unit).await;
        self.told("account set", set).map(|_| ())
    }

    fn told<T>(&self, what: &str, answer: Answer<T>) -> Done<T> {
        answer.map_err(|status| {
            let told = refusal(&status);
            let (name, at) = (self.name, self.at.english());
            Failed::new(
                &told.code,
                format!("{name} ({at}): {what}: {}", told.english),
                "节点拒绝或没有答复",
            )
        })
    }
}
