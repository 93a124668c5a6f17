//! A node that must not write any more: it was revoked, or its folder is an older copy of itself.
//!
//! It answers what it is asked with that and takes nothing in. Whatever it signed now would be refused by everybody, or
//! would use a number a second time, which nobody could tell from two machines writing at once.

use fengqiao_hub::jurisdiction::NodeRecord;
use fengqiao_hub::refusal::{Code, Refusal};

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
    /// What is known of a node, by its own record in the registry and by what neighbours said of its folder.
    #[must_use]
    pub(super) fn of(own: Option<&NodeRecord>, older_copy: bool) -> Option<Self> {
        if older_copy {
            return Some(Self::OlderCopy);
        }
        own.is_some_and(|own| own.revoked.is_some())
            .then_some(Self::Revoked)
    }

    /// What whoever wants to join here is told.
    #[must_use]
    pub(super) const fn to_newcomers(self) -> EnrolRefusal {
        match self {
            Self::Revoked => EnrolRefusal::REVOKED,
            Self::OlderCopy => EnrolRefusal::OLDER_COPY,
        }
    }

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
