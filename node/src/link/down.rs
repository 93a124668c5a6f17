//! Why a link is down, in words for the person who is to mend it. Decides nothing about trying again.

use crate::dial::{Unreached, Why};
use crate::replication::session::Code as Session;
use crate::trust::Code;

/// Why a link is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// No connection.
    Unreached(Unreached),
    /// The node at the other end was found at another of its ports: the one where nodes join.
    EnrolPort(String),
    /// A link port, where the other one was to be.
    LinkPort(String),
    /// The other end is who it should be and has no link to this node.
    Unlinked(String),
    /// This node's certificate has expired; the other end says so, and this machine's clock.
    Expired(String),
    /// This node's certificate has not begun, by both clocks.
    NotYetValid(String),
    /// The other end holds this node's certificate to be out of its time, and this machine's clock does not.
    ClockOff(String),
    /// A session ended.
    Session(Session),
    /// The neighbour has not dialled since this process started.
    NotDialled,
}

/// The same thing in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// In English.
    pub english: String,
    /// In Chinese.
    pub chinese: String,
}

fn words(english: impl Into<String>, chinese: impl Into<String>) -> Words {
    Words {
        english: english.into(),
        chinese: chinese.into(),
    }
}

/// By what the certificate of this end is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnTime {
    /// When it begins, Unix milliseconds.
    pub begins_ms: i64,
    /// When it ends.
    pub ends_ms: i64,
    /// This machine's clock.
    pub now_ms: i64,
}

impl Down {
    /// Why a dial failed. TLS has one word for a certificate before its beginning and past its end: this machine's clock
    /// says which, or that the two clocks differ.
    #[must_use]
    pub fn of_dial(unreached: Unreached, own: OwnTime) -> Self {
        if unreached.why != Why::Ours(Code::CertificateExpired) {
            return Self::Unreached(unreached);
        }
        let at = unreached.address;
        if own.now_ms > own.ends_ms {
            Self::Expired(at)
        } else if own.now_ms < own.begins_ms {
            Self::NotYetValid(at)
        } else {
            Self::ClockOff(at)
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreached(unreached) => code_of(unreached.why),
            Self::EnrolPort(_) => "LINK_ENROL_PORT",
            Self::LinkPort(_) => "LINK_PORT_FOR_ENROL",
            Self::Unlinked(_) => "LINK_UNKNOWN_THERE",
            Self::Expired(_) => "LINK_EXPIRED",
            Self::NotYetValid(_) => "LINK_NOT_YET_VALID",
            Self::ClockOff(_) => "LINK_CLOCK_OFF",
            Self::Session(code) => code.as_str(),
            Self::NotDialled => "LINK_NOT_DIALLED",
        }
    }

    /// Whether another node than the one that was dialled answers there: it may have been replaced, or the address lead
    /// elsewhere.
    #[must_use]
    pub const fn is_another_node(&self) -> bool {
        matches!(
            self,
            Self::Unreached(Unreached {
                why: Why::Theirs(
                    Code::CertificateName
                        | Code::CertificateChain
                        | Code::CertificateUnregistered
                        | Code::CertificateKey
                        | Code::CertificateRevoked
                ),
                ..
            }) | Self::Unlinked(_)
        )
    }

    /// Whether a renewed certificate of this node may help.
    #[must_use]
    pub const fn wants_renewal(&self) -> bool {
        matches!(
            self,
            Self::Expired(_) | Self::NotYetValid(_) | Self::ClockOff(_)
        )
    }

    /// Whether the other end says that this node is revoked.
    #[must_use]
    pub const fn says_revoked(&self) -> bool {
        matches!(
            self,
            Self::Unreached(Unreached {
                why: Why::Ours(Code::CertificateRevoked),
                ..
            }) | Self::Session(Session::Revoked)
        )
    }

    /// What is so, without a full stop.
    #[must_use]
    pub fn said(&self) -> Words {
        match self {
            Self::Unreached(unreached) => words(unreached.english(), unreached.chinese()),
            Self::EnrolPort(at) => words(
                format!("{at} is the neighbour's enrol port, not its link port"),
                format!("{at} 是对方的接入端口，不是链路端口"),
            ),
            Self::LinkPort(at) => words(
                format!("{at} is the neighbour's link port, not its enrol port"),
                format!("{at} 是对方的链路端口，不是接入端口"),
            ),
            Self::Unlinked(at) => words(
                format!("the registry at {at} knows no link to this node"),
                format!("{at} 的登记中没有与本节点的链路"),
            ),
            Self::Expired(at) => words(
                format!("{at} refuses this node: its certificate has expired"),
                format!("{at} 拒绝本节点：本节点证书已过期"),
            ),
            Self::NotYetValid(at) => words(
                format!("{at} refuses this node: its certificate is not valid yet"),
                format!("{at} 拒绝本节点：本节点证书尚未生效"),
            ),
            Self::ClockOff(at) => words(
                format!(
                    "{at} holds this node's certificate to be out of its time, and by this clock it is not: one of the two clocks is wrong"
                ),
                format!("{at} 认为本节点证书不在有效期内，而按本机时钟有效：两端时钟有一个不准"),
            ),
            Self::Session(code) => of_session(*code),
            Self::NotDialled => words(
                "the neighbour has not dialled since this process started",
                "本进程启动以来，对方尚未拨入",
            ),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn to_do(&self) -> Words {
        match self {
            Self::Unreached(unreached) => to_do_unreached(unreached.why),
            Self::EnrolPort(_) => words(
                "give link.parent_address the link port, 7443 unless it was set otherwise",
                "请将 link.parent_address 改为链路端口（未另行设置时为 7443）",
            ),
            Self::LinkPort(_) => words(
                "give the enrol port, 7444 unless it was set otherwise",
                "请改用接入端口（未另行设置时为 7444）",
            ),
            Self::Unlinked(_) => words(
                "ask the upper centre whether this place was moved or its node replaced",
                "请向上级核实本地区是否已调整隶属或更换节点",
            ),
            Self::Expired(_) | Self::NotYetValid(_) => words(
                "see that this machine's clock is right and the parent's enrol port is reached: the certificate is renewed by itself",
                "请校准本机时钟并确保能连上上级的接入端口，证书会自动续期",
            ),
            Self::ClockOff(_) => words(
                "compare both machines' clocks with the right time; the certificate is renewed by itself when they agree",
                "请将两端时钟与标准时间核对；一致后证书会自动续期",
            ),
            Self::Session(code) => to_do_session(*code),
            Self::NotDialled => words(
                "look there with `fengqiao status`: the lower node dials, and knows why it does not come through",
                "请在对方机器上执行 fengqiao status：由下级拨号，原因在下级显示",
            ),
        }
    }
}

const fn code_of(why: Why) -> &'static str {
    match why {
        Why::Name => "LINK_NAME_UNKNOWN",
        Why::Silent => "LINK_SILENT",
        Why::NoRoute => "LINK_NO_ROUTE",
        Why::NobodyListens => "LINK_NOBODY_LISTENS",
        Why::Broken => "LINK_BROKEN",
        Why::NotANode => "LINK_NOT_A_NODE",
        Why::Theirs(Code::CertificateExpired) => "LINK_PEER_EXPIRED",
        Why::Theirs(Code::CertificateNotYetValid) => "LINK_PEER_NOT_YET_VALID",
        Why::Theirs(Code::CertificateRevoked) => "LINK_PEER_REVOKED",
        Why::Theirs(Code::CertificateName) => "LINK_OTHER_NODE",
        Why::Theirs(_) => "LINK_PEER_UNPROVEN",
        Why::Ours(Code::CertificateRevoked) => "LINK_REVOKED",
        Why::Ours(_) => "LINK_REFUSED",
    }
}

fn to_do_unreached(why: Why) -> Words {
    match why {
        Why::Name => words(
            "check the name service and link.parent_address",
            "请检查域名解析与 link.parent_address",
        ),
        Why::Silent | Why::NoRoute | Why::Broken => words(
            "check cable, firewall and link.parent_address; the node works on without the link",
            "请检查线路、防火墙与 link.parent_address；断开期间节点照常工作",
        ),
        Why::NobodyListens => words(
            "see that the node there runs and that link.parent_address names its link port",
            "请确认对方节点正在运行，且 link.parent_address 为其链路端口",
        ),
        Why::NotANode => words(
            "give link.parent_address the link port, 7443 unless it was set otherwise",
            "请将 link.parent_address 改为链路端口（未另行设置时为 7443）",
        ),
        Why::Theirs(Code::CertificateExpired | Code::CertificateNotYetValid) => words(
            "compare both machines' clocks with the right time; where they are right, start the node there so that it renews its certificate",
            "请将两端时钟与标准时间核对；如均正确，请在对方机器上启动节点以续期证书",
        ),
        Why::Theirs(Code::CertificateName) => words(
            "correct link.parent_address or take it out: the address learnt is then dialled. A parent's new machine is found by itself",
            "请更正或删除 link.parent_address（删除后拨打已获知的地址）；上级更换机器会自动发现",
        ),
        Why::Theirs(_) => words(
            "check link.parent_address; if it is right, ask who runs the machine there",
            "请检查 link.parent_address；如无误，请与对方机器的管理员核实",
        ),
        Why::Ours(Code::CertificateRevoked) => words(
            "this node may not write any more: ask the upper centre; to go on, `fengqiao invite --successor` there and `fengqiao recover` here",
            "本节点已被吊销，不得再写入：请联系上级；如需继续，请上级执行 fengqiao invite --successor，本机执行 fengqiao recover",
        ),
        Why::Ours(_) => words(
            "ask the upper centre: its log says why it refuses this node",
            "请联系上级：其日志中有拒绝本节点的原因",
        ),
    }
}

fn of_session(code: Session) -> Words {
    match code {
        Session::Version => words(
            "the two ends speak no version in common",
            "两端程序版本不兼容",
        ),
        Session::Node => words(
            "the other end calls itself another node than its certificate does",
            "对方自称的节点与其证书不符",
        ),
        Session::CursorStore => words(
            "one end holds records of another data folder of the other",
            "一端所存记录出自对方的另一个数据目录",
        ),
        Session::CursorAhead => words(
            "one end has lost records that it had sent: its data folder is an older copy",
            "一端丢失了已发出的记录：其数据目录是旧副本",
        ),
        Session::CursorBehind => words(
            "one end has lost records that it had received: its data folder is an older copy",
            "一端丢失了已收到的记录：其数据目录是旧副本",
        ),
        Session::CursorHash => words(
            "the two ends hold different records under the same number",
            "两端同一序号下的记录不同",
        ),
        Session::Gap | Session::Credit | Session::Frame => words(
            format!("one end sent what the other does not understand ({code})"),
            format!("一端发送了对方无法理解的内容（{code}）"),
        ),
        Session::ItemTooLarge | Session::RangeTooLarge => words(
            format!("something does not fit into a frame ({code})"),
            format!("有内容超出单帧上限（{code}）"),
        ),
        Session::DigestDiffers => words("the digests of the two ends differ", "两端比对摘要不一致"),
        Session::Silent => words("the other end did not greet in time", "对方未按时应答"),
        Session::Replaced => words("a newer connection took its place", "已由新连接取代"),
        Session::Age => words(
            "the connection is renewed for its age",
            "连接到期，正在重建",
        ),
        Session::Draining => words("one end is stopping", "一端正在停机"),
        Session::Busy => words("one end has too much to do", "一端正忙"),
        Session::ParkedFull => words(
            "too much of what one end sent waits at the other",
            "一端发来的待补前序记录过多",
        ),
        Session::Revoked => words(
            "the registry links the two nodes no longer: one is revoked or was moved",
            "登记中两节点已无链路：其一已被吊销或调整隶属",
        ),
        Session::Cut => words("the connection broke", "连接中断"),
        Session::Unknown => words(
            "the other end gave a reason that only a newer version knows",
            "对方给出的原因须由新版本程序解读",
        ),
    }
}

fn to_do_session(code: Session) -> Words {
    match code {
        Session::CursorStore
        | Session::CursorAhead
        | Session::CursorBehind
        | Session::CursorHash => words(
            "run `fengqiao doctor` at both ends: it says which is the older copy and how that one is recovered",
            "请在两端执行 fengqiao doctor：会指明哪一端是旧副本及如何恢复",
        ),
        Session::Version | Session::Unknown => words(
            "bring both nodes to the same version of the program",
            "请将两端程序升级到同一版本",
        ),
        Session::Node
        | Session::Gap
        | Session::Credit
        | Session::Frame
        | Session::ItemTooLarge
        | Session::RangeTooLarge
        | Session::DigestDiffers => words(
            "bring both nodes to the same version; if it stays, keep both logs and report it",
            "请将两端升级到同一版本；如仍出现，请保留两端日志并报告",
        ),
        Session::Revoked => words(
            "ask the upper centre whether one of the nodes was revoked or a place moved",
            "请向上级核实是否有节点被吊销或地区调整隶属",
        ),
        Session::Silent
        | Session::Replaced
        | Session::Age
        | Session::Draining
        | Session::Busy
        | Session::ParkedFull
        | Session::Cut => words(
            "nothing: it is dialled again by itself and nothing is lost",
            "无需处理：会自动重连，数据不会丢失",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "city.example:7443";

    fn refused_as_out_of_time(now_ms: i64) -> Down {
        let unreached = Unreached {
            address: AT.to_owned(),
            why: Why::Ours(Code::CertificateExpired),
        };
        let own = OwnTime {
            begins_ms: 100,
            ends_ms: 200,
            now_ms,
        };
        Down::of_dial(unreached, own)
    }

    #[test]
    fn one_word_of_tls_is_three_reasons() {
        let at = || AT.to_owned();
        assert_eq!(refused_as_out_of_time(99), Down::NotYetValid(at()));
        assert_eq!(refused_as_out_of_time(100), Down::ClockOff(at()));
        assert_eq!(refused_as_out_of_time(200), Down::ClockOff(at()));
        assert_eq!(refused_as_out_of_time(201), Down::Expired(at()));
    }

    #[test]
    fn every_reason_has_words_and_something_to_do_in_both_languages() {
        let whys = [
            Why::Name,
            Why::Silent,
            Why::NoRoute,
            Why::NobodyListens,
            Why::Broken,
            Why::NotANode,
        ];
        let whys = whys.into_iter().chain(
            Code::ALL
                .iter()
                .flat_map(|code| [Why::Theirs(*code), Why::Ours(*code)]),
        );
        let at = || AT.to_owned();
        let unreached = whys.map(|why| Down::Unreached(Unreached { address: at(), why }));
        let sessions = Session::ALL.iter().map(|code| Down::Session(*code));
        let others = [
            Down::EnrolPort(at()),
            Down::LinkPort(at()),
            Down::Unlinked(at()),
            Down::Expired(at()),
            Down::NotYetValid(at()),
            Down::ClockOff(at()),
            Down::NotDialled,
        ];
        for down in unreached.chain(sessions).chain(others) {
            for said in [down.said(), down.to_do()] {
                assert!(
                    said.english.is_ascii() && !said.english.is_empty(),
                    "{down:?}"
                );
                assert!(!said.chinese.is_ascii(), "{down:?}");
                assert!(!said.chinese.ends_with('。'), "{down:?}");
            }
        }
    }
}
