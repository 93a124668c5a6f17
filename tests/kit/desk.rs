//! The way to a node as a clerk or a program uses it: the generated clients over a socket or a port, one account a desk.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fengqiao_hub::id::base32;
use fengqiao_node::desk::LOGIN_KEY;
use fengqiao_node::desk::error::{Told, told};
use fengqiao_node::trust::random::{OsRandom, draw};
use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::casework_service_client::CaseworkServiceClient;
use pb::node_service_client::NodeServiceClient;
use tokio::net::UnixStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::moves::{self, Action};

const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A digest names every case of a node.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Cases on a page, as many as a node gives.
const PAGE: u32 = 500;
/// Between two attempts while a process is away.
const PAUSE: Duration = Duration::from_millis(25);

/// What a call comes to.
pub type Answer<T> = Result<T, Status>;

/// One way to a node, as one account.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The connection. It is made when first used, and again when it broke.
    pub channel: Channel,
    login: Option<MetadataValue<Ascii>>,
    bearer: Option<MetadataValue<Ascii>>,
    patience: Duration,
}

/// An id for a request, drawn anew.
#[must_use]
pub fn request_id() -> String {
    // Without randomness the system is broken beyond what a request can show: the empty id is refused.
    draw::<10>(&mut OsRandom).map_or_else(|_| String::new(), |drawn| base32(&drawn))
}

impl Desk {
    /// By a local socket, which need not be there yet. Within a runtime.
    #[must_use]
    pub fn of_socket(path: PathBuf) -> Self {
        let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://fengqiao.local");
        Self::over(endpoint.connect_with_connector_lazy(connector))
    }

    /// By a TCP port, with a token or without.
    ///
    /// # Errors
    /// The token cannot stand in a header.
    pub fn of_port(port: u16, bearer: Option<&str>) -> anyhow::Result<Self> {
        let address = format!("http://{}", super::ports::loopback(port));
        let bearer = bearer
            .map(|token| MetadataValue::try_from(format!("Bearer {token}")))
            .transpose()?;
        Ok(Self {
            bearer,
            ..Self::over(Endpoint::from_shared(address)?.connect_lazy())
        })
    }

    fn over(channel: Channel) -> Self {
        Self {
            channel,
            login: None,
            bearer: None,
            patience: Duration::ZERO,
        }
    }

    /// The same as another account.
    #[must_use]
    pub fn acting_as(&self, login: &str) -> Self {
        Self {
            // What cannot be a login is none: the node says so.
            login: MetadataValue::try_from(login).ok(),
            ..self.clone()
        }
    }

    /// The same, asking again as long as the node is away or says that it should be asked again. Every write has a
    /// request id, so that what was asked twice is done once.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// A request of this account.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(CALL_TIMEOUT);
        let metadata = request.metadata_mut();
        if let Some(login) = &self.login {
            metadata.insert(LOGIN_KEY, login.clone());
        }
        if let Some(bearer) = &self.bearer {
            metadata.insert("authorization", bearer.clone());
        }
        request
    }

    /// The client for casework.
    #[must_use]
    pub fn casework(&self) -> CaseworkServiceClient<Channel> {
        CaseworkServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The client for administration.
    #[must_use]
    pub fn node(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    async fn call<Q, A, F>(&self, message: Q, call: impl Fn(Request<Q>) -> F) -> Answer<A>
    where
        Q: Clone,
        F: Future<Output = Answer<Response<A>>>,
    {
        let began = Instant::now();
        loop {
            let status = match call(self.request(message.clone())).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let again = match told(&status) {
                Some(told) => told.retry_after.is_some(),
                // What has no words of its own and comes from the disk does not mend itself.
                None => status.code() != Code::DataLoss,
            };
            if !again || began.elapsed() >= self.patience {
                return Err(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes a move, under a request id of its own. Texts are pairs of role and text.
    ///
    /// # Errors
    /// The refusal.
    pub async fn act(
        &self,
        case: &str,
        action: Action,
        texts: &[(&str, &str)],
    ) -> Answer<pb::ActResponse> {
        self.ask(moves::request(request_id(), case, action, texts))
            .await
    }

    /// Makes the move of a request.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask(&self, request: pb::ActRequest) -> Answer<pb::ActResponse> {
        self.call(request, |request| {
            let mut casework = self.casework();
            async move { casework.act(request).await }
        })
        .await
    }

    /// A case as this node knows it.
    ///
    /// # Errors
    /// The refusal.
    pub async fn case(&self, case: &str) -> Answer<pb::CaseView> {
        self.look(case, false).await
    }

    /// A case with its texts.
    ///
    /// # Errors
    /// The refusal.
    pub async fn case_with_texts(&self, case: &str) -> Answer<pb::CaseView> {
        self.look(case, true).await
    }

    async fn look(&self, case: &str, show_texts: bool) -> Answer<pb::CaseView> {
        let wanted = pb::GetCaseRequest {
            case: case.to_owned(),
            show_texts,
            ..Default::default()
        };
        let shown = self.call(wanted, |request| {
            let mut casework = self.casework();
            async move { casework.get_case(request).await }
        });
        Ok(shown.await?.case.unwrap_or_default())
    }

    /// A page of cases.
    ///
    /// # Errors
    /// The refusal.
    pub async fn page(&self, wanted: pb::ListCasesRequest) -> Answer<pb::ListCasesResponse> {
        self.call(wanted, |request| {
            let mut casework = self.casework();
            async move { casework.list_cases(request).await }
        })
        .await
    }

    /// Every open case known here, also by its notice only; closed ones where they are wanted.
    ///
    /// # Errors
    /// The refusal.
    pub async fn cases(&self, with_closed: bool) -> Answer<Vec<pb::CaseView>> {
        let mut cases = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = self
                .page(pb::ListCasesRequest {
                    page_size: PAGE,
                    page_token,
                    with_notices: true,
                    with_closed,
                    ..Default::default()
                })
                .await?;
            cases.extend(page.cases);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(cases);
            }
        }
    }

    /// Every figure held here.
    ///
    /// # Errors
    /// The refusal.
    pub async fn tallies(&self) -> Answer<pb::ListTalliesResponse> {
        self.call(pb::ListTalliesRequest {}, |request| {
            let mut casework = self.casework();
            async move { casework.list_tallies(request).await }
        })
        .await
    }

    /// The status.
    ///
    /// # Errors
    /// The refusal.
    pub async fn status(&self) -> Answer<pb::GetStatusResponse> {
        self.call(pb::GetStatusRequest {}, |request| {
            let mut node = self.node();
            async move { node.get_status(request).await }
        })
        .await
    }

    /// The digests, computed by the node from its journal on disk.
    ///
    /// # Errors
    /// The refusal.
    pub async fn digest(&self) -> Answer<pb::GetDigestResponse> {
        self.call(pb::GetDigestRequest {}, |request| {
            let mut node = self.node();
            async move { node.get_digest(request).await }
        })
        .await
    }

    /// Places known here.
    ///
    /// # Errors
    /// The refusal.
    pub async fn places(&self) -> Answer<pb::ListPlacesResponse> {
        self.call(pb::ListPlacesRequest::default(), |request| {
            let mut node = self.node();
            async move { node.list_places(request).await }
        })
        .await
    }

    /// Adds a place below.
    ///
    /// # Errors
    /// The refusal.
    pub async fn add_place(&self, place: pb::AddPlaceRequest) -> Answer<pb::AddPlaceResponse> {
        let place = pb::AddPlaceRequest {
            request_id: request_id(),
            ..place
        };
        self.call(place, |request| {
            let mut node = self.node();
            async move { node.add_place(request).await }
        })
        .await
    }

    /// Adds places below, all or none; their ids in the same order.
    ///
    /// # Errors
    /// The refusal.
    pub async fn add_places(&self, places: Vec<pb::AddPlaceRequest>) -> Answer<Vec<String>> {
        let wanted = pb::AddPlacesRequest {
            places,
            request_id: request_id(),
        };
        let added = self.call(wanted, |request| {
            let mut node = self.node();
            async move { node.add_places(request).await }
        });
        Ok(added.await?.places)
    }

    /// Adds a department that is always there; its id.
    ///
    /// # Errors
    /// The refusal.
    pub async fn add_unit(&self, name: &str) -> Answer<String> {
        let unit = pb::AddUnitRequest {
            name: name.to_owned(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
            request_id: request_id(),
        };
        let added = self.call(unit, |request| {
            let mut node = self.node();
            async move { node.add_unit(request).await }
        });
        Ok(added.await?.unit)
    }

    /// Opens an account of the centre, or of a unit by name or id; its token, said once.
    ///
    /// # Errors
    /// The refusal.
    pub async fn account(&self, login: &str, roles: &[pb::Role], unit: &str) -> Answer<String> {
        let account = pb::SetAccountRequest {
            login: login.to_owned(),
            unit: Some(unit.to_owned()),
            roles: roles.iter().map(|role| i32::from(*role)).collect(),
            request_id: request_id(),
            ..Default::default()
        };
        let set = self.call(account, |request| {
            let mut node = self.node();
            async move { node.set_account(request).await }
        });
        Ok(set.await?.token)
    }

    /// Mints an invitation; its token.
    ///
    /// # Errors
    /// The refusal.
    pub async fn invite(&self, invitation: pb::InviteRequest) -> Answer<String> {
        let invitation = pb::InviteRequest {
            request_id: request_id(),
            ..invitation
        };
        let invited = self.call(invitation, |request| {
            let mut node = self.node();
            async move { node.invite(request).await }
        });
        Ok(invited.await?.token)
    }

    /// Revokes a node.
    ///
    /// # Errors
    /// The refusal.
    pub async fn revoke(&self, node: &str) -> Answer<()> {
        let revoked = pb::RevokeNodeRequest {
            node: node.to_owned(),
            request_id: request_id(),
        };
        self.call(revoked, |request| {
            let mut node = self.node();
            async move { node.revoke_node(request).await }
        })
        .await
        .map(|_| ())
    }
}

/// What a node said, or what became of the call where no node said anything: then the code is `NO_ANSWER`.
#[must_use]
pub fn refusal(status: &Status) -> Told {
    told(status).unwrap_or_else(|| Told {
        code: "NO_ANSWER".to_owned(),
        field: String::new(),
        english: format!("{:?}: {}", status.code(), status.message()),
        chinese: String::new(),
        retry_after: None,
    })
}
