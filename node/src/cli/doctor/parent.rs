//! Whether the parent is reached, by the same way of dialling as the node's own, and what it says of this node.
//!
//! Where a node runs, its own word goes first. A probe shows the node's certificate and begins no session: it asks the
//! enrol service, which the link port does not have, so that the two ports are told apart and nothing is disturbed.

use std::sync::Arc;
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use pb::enrol_service_client::EnrolServiceClient;
use rustls::pki_types::ServerName;
use tonic::transport::Endpoint;

use super::finding::{Finding, Patient, words};
use crate::dial::{Dial, Unreached, Why};
use crate::folder::{Glance, Parent};
use crate::link::{Down, OwnTime};
use crate::node::clock::timestamp;
use crate::trust::Code;
use crate::trust::identity::prove;
use crate::trust::tls::{FirstContact, Presented};

/// For each address, and for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which port a probe looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Link,
    Enrol,
}

/// What is found of the way to the parent.
pub(super) async fn parent(glance: &Glance, patient: &Patient<'_>) -> Vec<Finding> {
    let Some(parent) = &glance.identity.parent else {
        let top = words("this is the top", "本节点为最高级");
        return vec![Finding::ok("parent", top)];
    };
    vec![
        link(glance, patient, parent).await,
        enrol(glance, patient, parent).await,
    ]
}

async fn link(glance: &Glance, patient: &Patient<'_>, parent: &Parent) -> Finding {
    let check = "parent";
    let configured = patient.config.link.parent_address.as_deref();
    let address = configured.unwrap_or(&parent.link_address);
    let status = patient.status.as_ref();
    let running = status.and_then(|status| status.links.iter().find(|link| link.direction == "up"));
    if let Some(link) = running {
        if link.connected {
            return overtaken(patient, parent).unwrap_or_else(|| {
                let name = &link.name;
                Finding::ok(
                    check,
                    words(format!("linked to {name}"), format!("已与 {name} 连通")),
                )
            });
        }
        if let Some(down) = &link.down {
            return Finding::warn(
                check,
                words(down.english.clone(), down.chinese.clone()),
                words(down.to_do.clone(), down.to_do_chinese.clone()),
            );
        }
    }
    match probe(glance, patient, parent, address, Port::Link).await {
        Ok(()) => Finding::ok(
            check,
            words(
                format!("{address} answers, and takes this node"),
                format!("{address} 可连通，并接受本节点"),
            ),
        ),
        Err(down) => {
            let (mut said, to_do) = (down.said(), down.to_do());
            if configured.is_some() && *address != parent.link_address {
                let learnt = &parent.link_address;
                said.english += &format!(" (as link.parent_address says; learnt was {learnt})");
                said.chinese += &format!("（按 link.parent_address；已获知的地址为 {learnt}）");
            }
            Finding::warn(check, said, to_do)
        }
    }
}

/// A link that came about by the learnt address, while the configuration names another.
fn overtaken(patient: &Patient<'_>, parent: &Parent) -> Option<Finding> {
    let status = patient.status.as_ref()?;
    let alarm = status
        .alarms
        .iter()
        .find(|alarm| alarm.starts_with("PARENT_ADDRESS"))?;
    let learnt = &parent.link_address;
    Some(Finding::warn(
        "parent",
        words(
            alarm.clone(),
            format!("link.parent_address 不是上级的地址；上级在 {learnt}，已按此连通"),
        ),
        words(
            "take link.parent_address out of the configuration, or correct it",
            "请从配置中删除或更正 link.parent_address",
        ),
    ))
}

async fn enrol(glance: &Glance, patient: &Patient<'_>, parent: &Parent) -> Finding {
    let check = "parent enrol";
    let address = &parent.enrol_address;
    match probe(glance, patient, parent, address, Port::Enrol).await {
        Ok(()) => Finding::ok(
            check,
            words(format!("{address} answers"), format!("{address} 可连通")),
        ),
        Err(down) => Finding::warn(
            check,
            down.said(),
            words(
                "certificates are renewed there: see that the parent runs and its enrol port is reached",
                "证书在此续期：请确认上级正在运行且其接入端口可达",
            ),
        ),
    }
}

async fn probe(
    glance: &Glance,
    patient: &Patient<'_>,
    parent: &Parent,
    address: &str,
    port: Port,
) -> Result<(), Down> {
    let (begin, end) = glance.credentials.window;
    let own = OwnTime {
        begins_ms: begin.as_millisecond(),
        ends_ms: end.as_millisecond(),
        now_ms: patient.now.0,
    };
    let down = |unreached| Down::of_dial(unreached, own);
    let unproven = || {
        let address = address.to_owned();
        let why = Why::Theirs(Code::CertificateChain);
        Down::Unreached(Unreached { address, why })
    };
    let first = FirstContact::of_root(glance.root.fingerprint());
    let time = Arc::new(patient.clock.clone());
    let config = match port {
        Port::Enrol => first.client_config(time),
        Port::Link => {
            let presented = Arc::new(Presented::new(&glance.credentials));
            first.client_config_showing(&presented, time)
        }
    };
    let dial = Dial {
        address,
        from: None,
        name: ServerName::try_from(parent.name.to_string()).map_err(|_| unproven())?,
        config: Arc::new(config.map_err(|_| unproven())?),
        limit: PATIENCE,
    };
    let connection = dial.connect().await.map_err(down)?;
    let verdict = connection.verdict.clone();
    let at = timestamp(patient.now);
    let shown = prove(&connection.chain, &glance.root.fingerprint(), at);
    if shown.is_ok_and(|shown| shown.identity.node() != parent.node) {
        return Err(Down::Unreached(Unreached {
            address: verdict.unreached().address,
            why: Why::Theirs(Code::CertificateName),
        }));
    }
    let endpoint = Endpoint::from_static("https://enrol.fq.internal").timeout(PATIENCE);
    let channel = connection.channel(endpoint).await.map_err(down)?;
    let asked = EnrolServiceClient::new(channel)
        .introduce(pb::IntroduceRequest::default())
        .await;
    let unreached = verdict.unreached();
    let is_link = match &asked {
        Err(status)
            if unreached.why != Why::Broken || std::error::Error::source(status).is_some() =>
        {
            return Err(match unreached.why {
                Why::Ours(Code::CertificateMissing) => Down::LinkPort(unreached.address),
                Why::Name
                | Why::Silent
                | Why::NoRoute
                | Why::NobodyListens
                | Why::Broken
                | Why::NotANode
                | Why::Theirs(_)
                | Why::Ours(_) => down(unreached),
            });
        }
        // A link port has no such service; an enrol port answers, or refuses by a code of its own.
        Err(status) => status.code() == tonic::Code::Unimplemented,
        Ok(_) => false,
    };
    match (port, is_link) {
        (Port::Link, true) | (Port::Enrol, false) => Ok(()),
        (Port::Link, false) => Err(Down::EnrolPort(unreached.address)),
        (Port::Enrol, true) => Err(Down::LinkPort(unreached.address)),
    }
}
