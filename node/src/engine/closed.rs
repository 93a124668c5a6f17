//! A node that must not write any more: it was revoked, or its folder is an older copy of itself.
//!
//! It answers what it is asked with that and takes nothing in. Whatever it signed now would be refused by everybody, or
//! would use a number a second time, which nobody could tell from two machines writing at once.

use fengqiao_hub::id::NodeId;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::commands::{Caller, accept};
use super::group::Group;
use super::{Administration, Engine, EngineError, Input, Output};
use crate::enrolment::EnrolRefusal;

/// Why a node writes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The registry says that this node is revoked.
    Revoked,
    /// A neighbour holds work of this node that this folder does not have.
    OlderCopy,
}

impl Closed {
    /// What whoever asks for a write is told.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Revoked => Refusal::of(Code::NodeRevoked, ""),
            Self::OlderCopy => Refusal::of(Code::OlderCopy, ""),
        }
    }

    /// What to do about it: English, Chinese.
    #[must_use]
    pub const fn to_do(self) -> (&'static str, &'static str) {
        match self {
            Self::Revoked => (
                "ask the upper centre; to go on with what is here: `fengqiao invite PLACE --successor` there, then stop this node and `fengqiao recover` it with that invitation",
                "请联系上级；如需以本机数据继续：上级执行 fengqiao invite 地区 --successor，本机停机后凭该邀请码执行 fengqiao recover",
            ),
            Self::OlderCopy => (
                "stop this node; `fengqiao invite PLACE --successor` at the parent, then `fengqiao recover` here (at the top by the root key). Where that neighbour is wrong, a leader goes on by `fengqiao waive NODE`",
                "请停机；上级执行 fengqiao invite 地区 --successor，本机再执行 fengqiao recover（最上级凭根密钥）。如该上下级所说有误，由负责人执行 fengqiao waive 节点",
            ),
        }
    }
}

impl Engine {
    /// Writes nothing from now on: this folder is an older copy of itself.
    pub fn close_as_older_copy(&mut self) {
        self.older_copy = true;
    }

    /// Whether it writes nothing any more, and why.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        if self.older_copy {
            return Some(Closed::OlderCopy);
        }
        let own = self.state.registry.node(self.me.at.node);
        own.is_some_and(|own| own.revoked.is_some())
            .then_some(Closed::Revoked)
    }
}

impl Group<'_> {
    /// Why nothing may be written, as of what this group has seen.
    pub(crate) fn closed(&self) -> Option<Closed> {
        if self.older_copy {
            return Some(Closed::OlderCopy);
        }
        let own = self.state.registry.node(self.me.at.node);
        own.is_some_and(|own| own.revoked.is_some())
            .then_some(Closed::Revoked)
    }

    /// Takes an input of a node that writes nothing any more.
    pub(crate) fn turn_away(&mut self, input: Input, closed: Closed) -> Result<(), EngineError> {
        match input {
            Input::Act(request) => self.turn_away_write(request.ticket, closed),
            Input::Administer(request) => {
                if let Administration::Waive(link) = request.what
                    && closed == Closed::OlderCopy
                {
                    let answer = self.disbelieve(&request.caller, link)?;
                    self.outputs.push(Output::Answer(request.ticket, answer));
                } else {
                    self.turn_away_write(request.ticket, closed);
                }
            }
            Input::Join { ticket, .. } => {
                let refusal = match closed {
                    Closed::Revoked => EnrolRefusal::REVOKED,
                    Closed::OlderCopy => EnrolRefusal::OLDER_COPY,
                };
                self.outputs.push(Output::Joined(ticket, Err(refusal)));
            }
            Input::Alarm { code, detail } => self.alarm(&code, &detail),
            // How it came to be revoked, and who serves its place now.
            Input::Introduced(entries) if closed == Closed::Revoked => self.introduced(&entries)?,
            Input::Started => {
                let (code, node) = (closed.refusal().code, self.me.at.node);
                self.alarm(code.as_str(), &node.to_string());
            }
            // The neighbours keep them: nothing was acknowledged, and the links are closed.
            Input::NoOlderCopy { link } => self.reopen(link),
            Input::OlderCopy { link, found } => self.close_as_older_copy(link, found),
            Input::Items { .. }
            | Input::PeerStored { .. }
            | Input::Introduced(_)
            | Input::Enrol { .. }
            | Input::Tick { .. }
            | Input::Errand(_) => {}
        }
        Ok(())
    }

    pub(crate) fn close_as_older_copy(&mut self, link: NodeId, found: String) {
        self.older_copy = true;
        self.alarm(Code::OlderCopy.as_str(), &format!("{link}: {found}"));
        self.outputs.push(Output::OlderCopy(link, found));
    }

    fn reopen(&mut self, link: NodeId) {
        if self.older_copy {
            self.older_copy = false;
            self.outputs.push(Output::NoOlderCopy(link));
        }
    }

    /// A leader does not believe what a neighbour says of this folder: one that may say anything could close this node
    /// with a word.
    fn disbelieve(
        &mut self,
        caller: &Caller,
        link: NodeId,
    ) -> Result<Result<Vec<u8>, Refusal>, EngineError> {
        let actor = accept!(self.actor(caller)?);
        if !actor.roles.contains(&pb::Role::Leader) {
            return Ok(Err(Refusal::of(Code::RoleMissing, "").because("leader")));
        }
        self.reopen(link);
        Ok(Ok(pb::WaiveNeighbourResponse {}.encode_to_vec()))
    }

    fn turn_away_write(&mut self, ticket: super::Ticket, closed: Closed) {
        self.outputs
            .push(Output::Answer(ticket, Err(closed.refusal())));
    }
}
