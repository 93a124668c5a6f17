//! The stories, in the order they are played; and what all of them are told with.

mod dark;
mod lifted;
mod quarrel;
mod track;

use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::failed::{Done, Failed};
use fengqiao_tests::kit::moves::{self, Action};

use super::place::At;
use super::scene::Scene;
use super::tale::Tale;
use super::until;

/// Ground and tale.
#[derive(Debug)]
pub(super) struct Play<'a> {
    /// The ground.
    pub(super) scene: &'a mut Scene,
    /// The tale.
    pub(super) tale: &'a mut Tale,
}

/// Plays every story; their dates follow each other, because no clock runs backwards.
///
/// # Errors
/// A node refuses or does not answer: the stories cannot go on.
pub(super) async fn play(scene: &mut Scene, tale: &mut Tale) -> Done<()> {
    let mut play = Play { scene, tale };
    track::play(&mut play).await?;
    quarrel::play(&mut play).await?;
    lifted::play(&mut play).await?;
    dark::play(&mut play).await
}

impl Play<'_> {
    /// Sets every clock.
    fn on(&mut self, moment: &str) -> Done<()> {
        self.tale.moment(moment);
        self.scene.set_clock(moment)
    }

    /// Makes a move at a place, as an account there.
    async fn act(
        &self,
        at: At,
        login: &str,
        case: &str,
        action: Action,
        texts: &[(&str, &str)],
    ) -> Done<()> {
        self.scene
            .node(at)
            .act(login, case, action, texts)
            .await
            .map(|_| ())
    }

    /// Takes a case in and accepts it; gives its id.
    async fn take_in(&mut self, at: At, register: pb::Register, text: &str) -> Done<String> {
        let answer = self
            .scene
            .node(at)
            .act("clerk", "", moves::register(register), &[("text", text)])
            .await?;
        self.act(at, "clerk", &answer.case, moves::accept(), &[])
            .await?;
        self.tale.case(&answer.case, &answer.number);
        Ok(answer.case)
    }

    /// The case at a node that must know it.
    async fn seen(&self, at: At, case: &str) -> Done<pb::CaseView> {
        let seen = self.scene.node(at).case(case).await?;
        seen.ok_or_else(|| {
            Failed::new(
                "CASE_UNKNOWN",
                format!("{} does not know the case", at.english()),
                "节点没有此件",
            )
        })
    }

    /// Waits until a node sees a case as it should be.
    async fn await_case(
        &self,
        at: At,
        case: &str,
        what: &str,
        is_so: impl Fn(&pb::CaseView) -> bool,
    ) -> Done<pb::CaseView> {
        let node = self.scene.node(at);
        until(&format!("{}: {what}", at.english()), async || {
            Ok(node.case(case).await?.filter(|view| is_so(view)))
        })
        .await
    }

    /// Reply of a centre or its unit: drafted by one, approved by another, sent.
    async fn reply(&self, at: At, drafter: &str, case: &str, text: &str) -> Done<()> {
        let draft = moves::draft_reply(true);
        self.act(at, drafter, case, draft, &[("reply", text)])
            .await?;
        self.act(at, "leader", case, moves::approve_reply(), &[])
            .await?;
        self.act(at, "clerk", case, moves::send_reply(), &[]).await
    }

    /// Return visit, rating, closing as solved.
    async fn visit_and_close(&self, at: At, case: &str, score: u32) -> Done<()> {
        let visit = moves::return_visit(true);
        self.act(at, "visitor", case, visit, &[]).await?;
        self.act(at, "visitor", case, moves::rate(score), &[])
            .await?;
        let close = moves::close(pb::Outcome::Solved);
        self.act(at, "visitor", case, close, &[]).await
    }
}

/// Milliseconds of an RFC 3339 moment written in a story.
fn ms(moment: &str) -> Done<i64> {
    let parsed = Moment::parse_rfc3339(moment);
    parsed
        .map(|moment| moment.0)
        .map_err(|error| Failed::new("DEMO_CLOCK", error.to_string(), "日期有误"))
}

/// How often a move stands in a case.
fn count_of(view: &pb::CaseView, mv: &str) -> usize {
    view.entries
        .iter()
        .filter(|entry| entry.r#move == mv)
        .count()
}
