//! Calls to one node over its socket, made again until they are answered: each write carries a request id.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::casework_service_client::CaseworkServiceClient;
use pb::node_service_client::NodeServiceClient;
use tokio::net::UnixStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

use crate::desk::LOGIN_KEY;
use crate::desk::error::{Told, told};

/// A node that answers nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two attempts while a process is away.
const PAUSE: Duration = Duration::from_millis(25);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The node said no.
    #[error("{}: {}", .0.code, .0.english)]
    Refused(Box<Told>),
    /// It said nothing.
    #[error("no answer from {0}: {1}")]
    NoAnswer(String, tonic::Status),
}

impl CallError {
    /// Stable code.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused(told) => &told.code,
            Self::NoAnswer(..) => "NO_ANSWER",
        }
    }
}

/// One node's socket.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    name: String,
    casework: CaseworkServiceClient<Channel>,
    node: NodeServiceClient<Channel>,
}

impl Desk {
    /// Of a socket that need not exist yet. Within a runtime.
    pub(super) fn at(socket: PathBuf) -> Self {
        let name = socket.display().to_string();
        let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let channel =
            Endpoint::from_static("http://fengqiao.local").connect_with_connector_lazy(connector);
        Self {
            name,
            casework: CaseworkServiceClient::new(channel.clone()),
            node: NodeServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX),
        }
    }

    /// Makes a move as `login`.
    pub(super) async fn act(
        &self,
        login: &str,
        act: pb::ActRequest,
    ) -> Result<pb::ActResponse, CallError> {
        self.again(login, act, |mut desk, request| {
            Box::pin(async move { desk.casework.act(request).await })
        })
        .await
    }

    /// Shows a case.
    pub(super) async fn case(&self, case: &str) -> Result<pb::CaseView, CallError> {
        let request = pb::GetCaseRequest {
            case: case.to_owned(),
            show_texts: false,
        };
        let answer = self.again("admin", request, |mut desk, request| {
            Box::pin(async move { desk.casework.get_case(request).await })
        });
        Ok(answer.await?.case.unwrap_or_default())
    }

    /// The status.
    pub(super) async fn status(&self) -> Result<pb::GetStatusResponse, CallError> {
        let request = pb::GetStatusRequest {};
        self.again("admin", request, |mut desk, request| {
            Box::pin(async move { desk.node.get_status(request).await })
        })
        .await
    }

    /// The digest, computed from the journal on disk.
    pub(super) async fn digest(&self) -> Result<pb::GetDigestResponse, CallError> {
        let request = pb::GetDigestRequest {};
        self.again("admin", request, |mut desk, request| {
            Box::pin(async move { desk.node.get_digest(request).await })
        })
        .await
    }

    /// Adds places below.
    pub(super) async fn add_places(
        &self,
        places: Vec<pb::AddPlaceRequest>,
    ) -> Result<Vec<String>, CallError> {
        let request = pb::AddPlacesRequest { places };
        let answer = self.again("admin", request, |mut desk, request| {
            Box::pin(async move { desk.node.add_places(request).await })
        });
        Ok(answer.await?.places)
    }

    /// Adds a unit and an account that works in it.
    pub(super) async fn add_unit(&self, name: &str, login: &str) -> Result<String, CallError> {
        let unit = pb::AddUnitRequest {
            name: name.to_owned(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
        };
        let added = self.again("admin", unit, |mut desk, request| {
            Box::pin(async move { desk.node.add_unit(request).await })
        });
        let unit = added.await?.unit;
        let account = pb::SetAccountRequest {
            login: login.to_owned(),
            unit: unit.clone(),
            roles: vec![pb::Role::Handler.into()],
            closed: false,
        };
        self.again("admin", account, |mut desk, request| {
            Box::pin(async move { desk.node.set_account(request).await })
        })
        .await?;
        Ok(unit)
    }

    /// Mints an invitation.
    pub(super) async fn invite(&self, place: &str) -> Result<String, CallError> {
        let request = pb::InviteRequest {
            place: place.to_owned(),
            unit: String::new(),
            hours: 0,
            successor: false,
        };
        let answer = self.again("admin", request, |mut desk, request| {
            Box::pin(async move { desk.node.invite(request).await })
        });
        Ok(answer.await?.token)
    }

    async fn again<Q: Clone, A>(
        &self,
        login: &str,
        message: Q,
        call: impl Fn(Self, tonic::Request<Q>) -> Answering<A>,
    ) -> Result<A, CallError> {
        let begun = Instant::now();
        loop {
            let mut request = tonic::Request::new(message.clone());
            request.set_timeout(CALL_TIMEOUT);
            if let Ok(login) = MetadataValue::try_from(login) {
                request.metadata_mut().insert(LOGIN_KEY, login);
            }
            let status = match call(self.clone(), request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            match told(&status) {
                Some(told) if told.retry_after.is_none() => {
                    return Err(CallError::Refused(Box::new(told)));
                }
                // What has no words of its own and comes from the disk does not mend itself.
                None if status.code() == tonic::Code::DataLoss => {
                    return Err(CallError::NoAnswer(self.name.clone(), status));
                }
                Some(_) | None if begun.elapsed() > PATIENCE => {
                    return Err(CallError::NoAnswer(self.name.clone(), status));
                }
                Some(_) | None => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

type Answering<A> = std::pin::Pin<
    Box<dyn std::future::Future<Output = Result<tonic::Response<A>, tonic::Status>> + Send>,
>;
