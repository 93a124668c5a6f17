//! A parent that came back as another machine: its children ask at its address who it is now.
//!
//! What is answered proves itself, from the root key down: signed registry chains and a certificate chain under the same
//! root. So the other end need not be known, and nothing secret is sent. Whether the registry here takes the entries is
//! for the engine to judge; only then is the new node dialled. A child that the new machine does not know tells it what it
//! knows itself of the registry: nobody else may have it.

use std::sync::Arc;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{NodeId, PlaceId};
use fengqiao_hub::jurisdiction::registry_change;
use fengqiao_proto::v1 as pb;
use pb::registry_change::Change;
use prost::Message as _;

use super::client::{Asking, Standing, host_and_port, link_address};
use super::error::EnrolmentError;
use super::timestamp;
use super::verdict::AnswerError;
use crate::trust::authority::Chain;
use crate::trust::identity::{PeerIdentity, prove};
use crate::trust::keys::Fingerprint;
use crate::trust::tls::FirstContact;

/// Who stands at a parent's address.
#[derive(Debug)]
pub struct Introduction {
    /// Whose certificate it is; that it may serve the place, the registry says.
    pub node: PeerIdentity,
    /// Registry entries from the first place down, in order.
    pub registry: Vec<Vec<u8>>,
    /// Where it is linked to, `host:port`.
    pub link_address: String,
}

impl Introduction {
    /// Whether its registry knows a node.
    #[must_use]
    pub fn knows(&self, node: NodeId) -> bool {
        let names = |entry: Entry| {
            matches!(registry_change(entry.body.content.as_ref()), Some(Change::NodeEnrolled(enrolled))
                if enrolled.node == node.to_vec())
        };
        let mut read = self
            .registry
            .iter()
            .filter_map(|bytes| Entry::parse(bytes).ok());
        read.any(names)
    }
}

/// Asks at an enrol port who the node of a place is; without a place, of whichever node is shown there. Tells what is
/// `known` of the registry, for a machine that has lost it.
///
/// # Errors
/// An [`EnrolmentError`]: it is not reached, is of another root, or serves no such place.
pub async fn introduce(
    address: &str,
    place: Option<PlaceId>,
    known: Vec<pb::SignedEntry>,
    root: Fingerprint,
    now: Moment,
) -> Result<Introduction, EnrolmentError> {
    let (host, _) = host_and_port(address)?;
    let first = FirstContact::of_root(root);
    let dial = Asking {
        address,
        from: None,
        name: host,
        config: first.client_config(Arc::new(Standing(now)))?,
    };
    let mut connection = dial.connect().await?;
    let request = pb::IntroduceRequest {
        place: place.map(|place| place.to_string()).unwrap_or_default(),
        registry: known,
    };
    let response = connection.client.introduce(request).await;
    let response = response
        .map_err(|status| connection.failure(&status))?
        .into_inner();
    let chain = Chain::from_pem(&response.certificate_chain)?;
    let node = prove(chain.certificates(), &root, timestamp(now))
        .map_err(AnswerError::Identity)?
        .identity;
    let registry = response
        .registry
        .iter()
        .map(pb::SignedEntry::encode_to_vec)
        .collect();
    Ok(Introduction {
        node,
        registry,
        link_address: link_address(&response.link_address, host),
    })
}
