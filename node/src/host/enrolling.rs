//! Joins and renewals of a process: asked of whichever hosted node they concern.

use std::sync::Arc;

use fengqiao_proto::v1::{IntroduceRequest, IntroduceResponse};
use prost::Message;

use crate::engine::Input;
use crate::enrolment::{EnrolDesk, EnrolRefusal};
use crate::node::hosted::Hosted;
use crate::trust::code::Code;

/// Takes joins for whichever hosted node issued the invitation.
pub(super) struct HostDesk {
    pub(super) hosted: Vec<Arc<Hosted>>,
    pub(super) link_address: String,
}

#[tonic::async_trait]
impl EnrolDesk for HostDesk {
    async fn join(
        &self,
        request: fengqiao_proto::v1::JoinRequest,
    ) -> Result<fengqiao_proto::v1::JoinResponse, EnrolRefusal> {
        // Only the node that issued an invitation knows it; the others say so, and that must not hide its own words.
        let mut refusal = EnrolRefusal::NOT_ENROLLED_HERE;
        for hosted in &self.hosted {
            match hosted.node.join(request.clone()).await {
                Ok(mut response) => {
                    response.parent_name.clone_from(&hosted.name);
                    response.link_address.clone_from(&self.link_address);
                    return Ok(*response);
                }
                Err(refused)
                    if refused.code == Code::TokenUnknown.as_str()
                        || refused == EnrolRefusal::NO_AUTHORITY =>
                {
                    refusal = refused;
                }
                Err(refused) => return Err(refused),
            }
        }
        Err(refusal)
    }

    async fn renew(
        &self,
        peer: crate::trust::identity::PeerIdentity,
        request: fengqiao_proto::v1::RenewRequest,
    ) -> Result<fengqiao_proto::v1::RenewResponse, EnrolRefusal> {
        for hosted in &self.hosted {
            let registry = hosted.node.registry.load_full();
            let own = registry
                .node(peer.node())
                .filter(|node| registry.enrols(hosted.node.me.at.place, node));
            if let Some(registered) = own {
                return hosted.node.renew_for(&peer, registered, &request);
            }
        }
        Err(EnrolRefusal::NOT_ENROLLED_HERE)
    }

    fn introduce(&self, request: &IntroduceRequest) -> Result<IntroduceResponse, EnrolRefusal> {
        let place = &request.place;
        let asked = |hosted: &&Arc<Hosted>| {
            let at = hosted.node.me.at;
            at.unit.is_none() && (place.is_empty() || at.place.to_string() == *place)
        };
        let hosted = self.hosted.iter().find(asked);
        let hosted = hosted.ok_or(EnrolRefusal::NOT_ENROLLED_HERE)?;
        if !request.registry.is_empty() && hosted.node.me.is_successor() {
            // What does not prove itself is passed over; lost when the inbox is full, and told again.
            let told = request.registry.iter().map(Message::encode_to_vec);
            hosted.node.submit(Input::Introduced(told.collect()));
        }
        let registry = hosted.node.way_down().map_err(|error| {
            tracing::error!(%error, "the registry does not read");
            EnrolRefusal::STORED
        })?;
        Ok(IntroduceResponse {
            registry,
            certificate_chain: hosted.presented.chain_pem(),
            link_address: self.link_address.clone(),
        })
    }
}
