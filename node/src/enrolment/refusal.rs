//! What the enrol port refuses, and how a refusal travels.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use fengqiao_hub::clock::Moment;
use tonic::{Code as Grpc, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::ports::network;
use crate::trust::Code;

/// Domain of the codes on the wire.
const DOMAIN: &str = "fengqiao";
const CHINESE: &str = "zh-CN";

/// A refusal with a stable code and words for the person who asked. The request
/// was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrolRefusal {
    /// Stable code.
    pub code: &'static str,
    /// In English.
    pub english: &'static str,
    /// In Chinese.
    pub chinese: &'static str,
}

impl EnrolRefusal {
    /// Too many joins from one address.
    pub const RATE: Self = Self {
        code: "ENROL_RATE",
        english: "Too many attempts from this address; wait a minute.",
        chinese: "该地址尝试次数过多，请一分钟后再试。",
    };
    /// This centre may let nobody below it enrol others.
    pub const LEVELS: Self = Self {
        code: "ENROL_LEVELS",
        english: "No further level of authorities may stand below this centre.",
        chinese: "本中心之下不能再设签发机构。",
    };
    /// An invitation for no hours, or too many.
    pub const HOURS: Self = Self {
        code: "ENROL_HOURS",
        english: "An invitation is good for 1 to 720 hours.",
        chinese: "邀请码的有效期为 1 至 720 小时。",
    };
    /// A renewal with a key that is not the registered one.
    pub const OTHER_KEY: Self = Self {
        code: "ENROL_OTHER_KEY",
        english: "A renewal keeps the registered key; for a new key ask for an invitation.",
        chinese: "续期须使用已登记的密钥；更换密钥请重新申请邀请码。",
    };
    /// A renewal asked of a centre that did not enrol the node.
    pub const NOT_ENROLLED_HERE: Self = Self {
        code: "ENROL_NOT_HERE",
        english: "The node was not enrolled by this centre; ask the one above it.",
        chinese: "该节点不是由本中心登记的，请向其上级中心申请。",
    };
    /// A stored invitation that cannot be read.
    pub const STORED: Self = Self {
        code: "ENROL_STORED",
        english: "The invitation as stored here cannot be read; ask the centre's administrator.",
        chinese: "本地保存的邀请记录无法读取，请联系中心管理员。",
    };

    /// A node without an issuing authority.
    pub const NO_AUTHORITY: Self = Self {
        code: "ENROL_NOBODY_HERE",
        english: "This node has no issuing authority and enrols nobody.",
        chinese: "本节点没有签发机构，不办理接入。",
    };

    /// A node that came back from a loss and does not yet write its registry.
    pub const RECOVERING: Self = Self {
        code: "ENROL_RECOVERING",
        english: "This node is recovering from a loss and enrols nobody until its neighbours have said what they hold.",
        chinese: "本节点正在恢复，上下级节点说明所存之前不办理接入，请稍后再试。",
    };

    /// A node that was revoked itself.
    pub const REVOKED: Self = Self {
        code: "ENROL_REVOKED",
        english: "This node is revoked and enrols nobody; ask the centre above it.",
        chinese: "本节点已被吊销，不办理接入，请联系其上级中心。",
    };

    /// A node whose folder is an older copy of itself.
    pub const OLDER_COPY: Self = Self {
        code: "ENROL_OLDER_COPY",
        english: "This node's data folder is an older copy; it enrols nobody until it is recovered.",
        chinese: "本节点的数据目录是旧副本，恢复之前不办理接入。",
    };

    /// The place has ended since it was invited.
    pub const PLACE_ENDED: Self = Self {
        code: "ENROL_PLACE_ENDED",
        english: "The place has ended; another one stands in for it.",
        chinese: "该地区已撤并，由其他地区接续。",
    };

    /// The place is served already, and not by the node the invitation lets succeed.
    pub const PLACE_HAS_NODE: Self = Self {
        code: "ENROL_PLACE_HAS_NODE",
        english: "The place has a node. If that machine is lost, ask for an invitation with --successor.",
        chinese: "该地区已有节点。若原机器已丢失，请上级用 --successor 重新邀请。",
    };

    /// The node failed at it.
    pub const INTERNAL: Self = Self {
        code: "ENROL_INTERNAL",
        english: "This node failed at the request; nothing was changed. Its administrator sees why in its alarms.",
        chinese: "本节点处理请求失败，未作任何更改；请联系其管理员查看告警。",
    };

    /// Every refusal that is not one of the trust floor's codes.
    pub const OWN: [Self; 13] = [
        Self::RATE,
        Self::LEVELS,
        Self::HOURS,
        Self::OTHER_KEY,
        Self::NOT_ENROLLED_HERE,
        Self::STORED,
        Self::NO_AUTHORITY,
        Self::RECOVERING,
        Self::REVOKED,
        Self::OLDER_COPY,
        Self::PLACE_ENDED,
        Self::PLACE_HAS_NODE,
        Self::INTERNAL,
    ];

    /// The refusal of a code, if this version knows it.
    pub fn of_code(code: &str) -> Option<Self> {
        let own = Self::OWN.iter().find(|refusal| refusal.code == code);
        let trust = || Code::ALL.iter().find(|known| known.as_str() == code);
        own.copied().or_else(|| trust().map(|code| (*code).into()))
    }

    /// As it goes over the wire.
    pub fn to_status(self) -> Status {
        let mut details = ErrorDetails::new();
        details
            .set_error_info(self.code, DOMAIN, [])
            .set_localized_message(CHINESE, self.chinese);
        if self == Self::RATE {
            details.set_retry_info(Some(std::time::Duration::from_secs(60)));
        }
        Status::with_error_details(self.grpc(), self.english, details)
    }

    /// As it came over the wire; `None` for anything but a refusal.
    pub fn of_status(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info()?;
        (info.domain == DOMAIN)
            .then(|| Self::of_code(&info.reason))
            .flatten()
    }

    /// What to show of a status that is no refusal this version knows: code and
    /// words of a later one, or the bare kind of failure.
    pub fn words_of(status: &Status) -> String {
        match status.get_details_error_info() {
            Some(info) if info.domain == DOMAIN => {
                format!("{}: {}", info.reason, status.message())
            }
            Some(_) | None => format!("{:?}", status.code()),
        }
    }

    fn grpc(self) -> Grpc {
        match self.code {
            "ENROL_RATE" => Grpc::ResourceExhausted,
            "ENROL_TRY_AGAIN" | "ENROL_RECOVERING" | "ENROL_OLDER_COPY" => Grpc::Unavailable,
            "ENROL_REQUEST" | "ENROL_KEY_PROOF" | "ENROL_HOURS" | "TOKEN_MALFORMED" => {
                Grpc::InvalidArgument
            }
            "ENROL_PLACE_ENDED"
            | "ENROL_REVOKED"
            | "ENROL_ISSUER"
            | "ENROL_LEVELS"
            | "ENROL_STORED"
            | "ENROL_PLACE_HAS_NODE" => Grpc::FailedPrecondition,
            "CERT_MISSING" => Grpc::Unauthenticated,
            _ => Grpc::PermissionDenied,
        }
    }
}

impl From<Code> for EnrolRefusal {
    fn from(code: Code) -> Self {
        Self {
            code: code.as_str(),
            english: code.english(),
            chinese: code.chinese(),
        }
    }
}

/// Joins of one address in one minute.
pub(super) const JOINS_PER_MINUTE: usize = 5;
/// Introductions of one address in one minute: a process of many places asks once a minute for each of them.
pub(super) const INTRODUCTIONS_PER_MINUTE: usize = 300;
/// Networks remembered; beyond it the one that tried least lately is forgotten, so that nobody keeps a newcomer out.
pub(super) const NETWORKS_MAX: usize = 4096;
/// An IPv6 site of 48 bits may try as often as so many of its 65,536 networks.
pub(super) const NETWORKS_OF_A_SITE: usize = 10;
const MINUTE_MS: i64 = 60_000;

/// Counts requests by network. Pure: time is an argument.
#[derive(Debug)]
pub(super) struct Rate {
    a_minute_max: usize,
    networks: BTreeMap<IpAddr, Vec<Moment>>,
    sites: BTreeMap<IpAddr, Vec<Moment>>,
}

impl Rate {
    /// At most so many of one address in one minute.
    #[must_use]
    pub(super) fn of(a_minute_max: usize) -> Self {
        Self {
            a_minute_max,
            networks: BTreeMap::new(),
            sites: BTreeMap::new(),
        }
    }

    /// Whether one more request of `address` is admitted now; if so, it counts. Addresses of one IPv6 network of 64 bits
    /// are one.
    pub(super) fn admit(&mut self, address: IpAddr, now: Moment) -> bool {
        let site_max = self.a_minute_max.saturating_mul(NETWORKS_OF_A_SITE);
        let site = site(address);
        let of_site = site.map(|site| tries(&mut self.sites, site, now));
        if of_site.is_some_and(|tries| tries.len() >= site_max) {
            return false;
        }
        let of_network = tries(&mut self.networks, network(address), now);
        if of_network.len() >= self.a_minute_max {
            return false;
        }
        of_network.push(now);
        if let Some(site) = site {
            tries(&mut self.sites, site, now).push(now);
        }
        true
    }
}

/// The tries of the last minute; one more is remembered, and one forgotten where that are too many.
fn tries(seen: &mut BTreeMap<IpAddr, Vec<Moment>>, from: IpAddr, now: Moment) -> &mut Vec<Moment> {
    let recent = |at: &Moment| at.0 > now.0.saturating_sub(MINUTE_MS) && *at <= now;
    if !seen.contains_key(&from) && seen.len() >= NETWORKS_MAX {
        let last = |(network, tries): (&IpAddr, &Vec<Moment>)| (tries.last().copied(), *network);
        if let Some((_, quietest)) = seen.iter().map(last).min() {
            seen.remove(&quietest);
        }
    }
    let tries = seen.entry(from).or_default();
    tries.retain(recent);
    tries
}

/// What one subscriber is given of IPv6 at most.
fn site(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = network(address) else {
        return None;
    };
    let [a, b, c, ..] = address.segments();
    Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_read_back_from_its_own_code() {
        for refusal in EnrolRefusal::OWN {
            assert_eq!(EnrolRefusal::of_code(refusal.code), Some(refusal));
        }
        for code in Code::ALL {
            let refusal = EnrolRefusal::from(*code);
            assert_eq!(
                EnrolRefusal::of_code(code.as_str()),
                Some(refusal),
                "{code}"
            );
        }
    }
}
