//! A desk of the kit as a test uses it: it waits for what must come, and what should work and does not, panics.

use std::ops::Deref;

use fengqiao_node::desk::error::told;
use fengqiao_proto::v1 as pb;
use tonic::{Code, Status};

use super::until;
use crate::kit;
use crate::kit::moves::{self, Action, Whose};

pub use crate::kit::desk::request_id;

/// A second account: who drafted a reply cannot approve it.
pub const SECOND: &str = "second";
/// A third account: who had a hand in the work does not judge it.
pub const THIRD: &str = "third";

/// One way to a node, as one account.
#[derive(Debug, Clone)]
pub struct Desk(kit::desk::Desk);

impl From<kit::desk::Desk> for Desk {
    fn from(desk: kit::desk::Desk) -> Self {
        Self(desk)
    }
}

impl Deref for Desk {
    type Target = kit::desk::Desk;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Desk {
    /// By the TCP port, with a token or without.
    #[must_use]
    pub fn of_port(port: u16, bearer: Option<&str>) -> Self {
        Self(kit::desk::Desk::of_port(port, bearer).unwrap())
    }

    /// The same as another account.
    #[must_use]
    pub fn acting_as(&self, login: &str) -> Self {
        Self(self.0.acting_as(login))
    }

    /// The status, or `None` where nobody answers.
    pub async fn try_status(&self) -> Option<pb::GetStatusResponse> {
        self.0.status().await.ok()
    }

    /// The status.
    pub async fn status(&self) -> pb::GetStatusResponse {
        self.0.status().await.unwrap()
    }

    /// The digests, or `None` where nobody answers.
    pub async fn try_digest(&self) -> Option<pb::GetDigestResponse> {
        self.0.digest().await.ok()
    }

    /// The digests.
    pub async fn digest(&self) -> pb::GetDigestResponse {
        self.0.digest().await.unwrap()
    }

    /// Registers a case.
    pub async fn register(&self, text: &str) -> pb::ActResponse {
        self.act("", register(), &[("text", text)]).await.unwrap()
    }

    /// Makes moves one after the other, each with the text it needs; a reply is approved by the second account.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn moves(&self, case: &str, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            let who = match moves::whose(&action) {
                Whose::Approver => self.second().await,
                Whose::Judge => self.third().await,
                Whose::Worker => self.clone(),
            };
            let texts: Vec<_> = moves::required_role(&action)
                .map(|role| (role, "已处理"))
                .into_iter()
                .collect();
            let name = moves::name(&action);
            let made = who.act(case, action, &texts).await;
            assert!(
                made.is_ok(),
                "{name}: {:?}",
                made.err().map(|status| refusal(&status))
            );
        }
    }

    /// The second account, opened where it is not.
    pub async fn second(&self) -> Self {
        self.account(SECOND, &[pb::Role::Approver, pb::Role::Leader], "")
            .await;
        self.acting_as(SECOND)
    }

    /// The third account, which has no hand in the work.
    pub async fn third(&self) -> Self {
        self.account(THIRD, &[pb::Role::Clerk, pb::Role::Leader], "")
            .await;
        self.acting_as(THIRD)
    }

    /// Opens an account; its token, once.
    pub async fn account(&self, login: &str, roles: &[pb::Role], unit: &str) -> String {
        self.0.account(login, roles, unit).await.unwrap()
    }

    /// Waits until a case is here as wanted.
    pub async fn sees(
        &self,
        case: &str,
        what: &str,
        wanted: impl Fn(&pb::CaseView) -> bool,
    ) -> pb::CaseView {
        until(what, async || {
            self.case(case).await.ok().filter(|case| wanted(case))
        })
        .await
    }

    /// Waits until a case stands here at a stage.
    pub async fn sees_stage(&self, case: &str, stage: &str) -> pb::CaseView {
        let what = format!("case at stage {stage}");
        let shown = until(&what, async || {
            let seen = self.case(case).await.ok()?;
            (seen.stage == stage).then_some(seen)
        });
        shown.await
    }

    /// Waits until the last thing known here of a case is this move of this centre.
    pub async fn sees_move(&self, case: &str, name: &str, place: &str) -> pb::CaseView {
        let what = format!("{name} of {place}");
        self.sees(case, &what, |case| {
            let last = case.entries.last();
            last.is_some_and(|last| last.r#move == name && last.place_name == place)
        })
        .await
    }

    /// Every case known here, closed ones and notices too.
    pub async fn all_cases(&self) -> Vec<pb::CaseView> {
        self.cases(true).await.unwrap()
    }

    /// Adds a place below and invites a node for it.
    pub async fn invite_place(&self, name: &str, level: u32) -> String {
        let place = pb::AddPlaceRequest {
            name: name.to_owned(),
            level,
            ..Default::default()
        };
        self.add_place(place).await.unwrap();
        self.invite(name, "", 0).await
    }

    /// Adds a unit.
    pub async fn add_unit(&self, name: &str) {
        self.0.add_unit(name).await.unwrap();
    }

    /// Mints an invitation.
    pub async fn invite(&self, place: &str, unit: &str, hours: u32) -> String {
        let invitation = pb::InviteRequest {
            place: place.to_owned(),
            unit: unit.to_owned(),
            hours,
            ..Default::default()
        };
        self.0.invite(invitation).await.unwrap()
    }

    /// Mints an invitation for the successor of a lost node.
    pub async fn invite_successor(&self, place: &str) -> String {
        let invitation = pb::InviteRequest {
            place: place.to_owned(),
            successor: true,
            ..Default::default()
        };
        self.0.invite(invitation).await.unwrap()
    }

    /// Revokes a node.
    pub async fn revoke(&self, node: &str) {
        self.0.revoke(node).await.unwrap();
    }

    /// Waits until an alarm stands in the status that holds a word.
    pub async fn alarmed(&self, word: &str) -> String {
        until(&format!("an alarm {word}"), async || {
            let status = self.try_status().await?;
            status.alarms.into_iter().find(|alarm| alarm.contains(word))
        })
        .await
    }

    /// The link to a neighbour, by the name of its place or unit.
    pub async fn link(&self, name: &str) -> Option<pb::LinkStatus> {
        let status = self.try_status().await?;
        status.links.into_iter().find(|link| link.name == name)
    }

    /// Waits until the link to the tier above runs.
    pub async fn sees_up(&self) {
        until("the link up runs", async || {
            let status = self.try_status().await?;
            status
                .links
                .into_iter()
                .find(|link| link.direction == "up" && link.connected)
        })
        .await;
    }

    /// Waits until the link to a neighbour runs, or does not.
    pub async fn link_runs(&self, name: &str, runs: bool) {
        let what = format!("the link to {name} runs: {runs}");
        until(&what, async || {
            self.link(name).await.filter(|link| link.connected == runs)
        })
        .await;
    }
}

/// The request of one move.
#[must_use]
pub fn act(case: &str, action: Action, texts: &[(&str, &str)]) -> pb::ActRequest {
    moves::request(request_id(), case, action, texts)
}

/// Takes a quarrel in.
#[must_use]
pub fn register() -> Action {
    moves::register(quarrel())
}

/// A quarrel as it is known at the window.
#[must_use]
pub fn quarrel() -> pb::Register {
    moves::intake(pb::Channel::Window, "disputes-neighbours")
}

/// Dispatches to a place below, without a due.
#[must_use]
pub fn dispatch(place: &str) -> Action {
    moves::dispatch(place, 0)
}

/// The work that ends in a reply.
#[must_use]
pub fn reply() -> Vec<Action> {
    vec![
        moves::take_action(),
        moves::draft_reply(true),
        moves::approve_reply(),
        moves::send_reply(),
    ]
}

/// The end of a life.
#[must_use]
pub fn close() -> Vec<Action> {
    vec![
        moves::return_visit(true),
        moves::rate(5),
        moves::close(pb::Outcome::Solved),
    ]
}

/// gRPC's code, the stable one and the field of a refusal.
#[must_use]
pub fn refusal(status: &Status) -> (Code, String, String) {
    match told(status) {
        Some(told) => (status.code(), told.code, told.field),
        None => (status.code(), status.message().to_owned(), String::new()),
    }
}
