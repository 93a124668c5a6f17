//! A clerk's program: gRPC over the local socket, many calls under way at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fengqiao_proto::v1 as pb;
use pb::casework_service_client::CaseworkServiceClient;
use pb::node_service_client::NodeServiceClient;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// Calls on one connection; a node takes 64.
const CALLS_EACH: usize = 48;
/// Until something awaited must have come.
const PATIENCE: Duration = Duration::from_secs(300);

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// One node's desk.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    casework: CaseworkServiceClient<Channel>,
    node: NodeServiceClient<Channel>,
}

impl Client {
    /// Connects to a socket.
    pub(crate) async fn connect(socket: &Path) -> anyhow::Result<Self> {
        let address = format!("unix:{}", socket.display());
        let channel = Endpoint::from_shared(address)?.connect().await?;
        Ok(Self {
            casework: CaseworkServiceClient::new(channel.clone())
                .max_decoding_message_size(64 << 20),
            node: NodeServiceClient::new(channel),
        })
    }

    /// Makes a move.
    pub(crate) async fn act(
        &self,
        case: &str,
        mv: pb::Action,
        text: Option<(&str, String)>,
    ) -> anyhow::Result<pb::ActResponse> {
        let request = pb::ActRequest {
            request_id: format!("speed-{}", REQUESTS.fetch_add(1, Ordering::Relaxed)),
            case: case.to_owned(),
            action: Some(mv),
            texts: text
                .map(|(role, text)| pb::PrivateText {
                    role: role.to_owned(),
                    text,
                })
                .into_iter()
                .collect(),
        };
        Ok(self.casework.clone().act(request).await?.into_inner())
    }

    /// A page of open cases.
    pub(crate) async fn page(
        &self,
        page_size: u32,
        token: &str,
    ) -> anyhow::Result<pb::ListCasesResponse> {
        let request = pb::ListCasesRequest {
            page_size,
            page_token: token.to_owned(),
            ..Default::default()
        };
        Ok(self
            .casework
            .clone()
            .list_cases(request)
            .await?
            .into_inner())
    }

    /// The status.
    pub(crate) async fn status(&self) -> anyhow::Result<pb::GetStatusResponse> {
        let answer = self
            .node
            .clone()
            .get_status(pb::GetStatusRequest {})
            .await?;
        Ok(answer.into_inner())
    }

    /// Waits until a place is known here with a node of its own.
    pub(crate) async fn await_place(&self, pause: Duration, name: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let request = pb::ListPlacesRequest::default();
            let known = self.node.clone().list_places(request).await?.into_inner();
            if known.places.iter().any(|place| place.name == name) {
                return Ok(());
            }
            anyhow::ensure!(start.elapsed() < PATIENCE, "{name} did not come");
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks for the status until it says what is awaited.
    pub(crate) async fn await_status(
        &self,
        pause: Duration,
        arrived: impl Fn(&pb::GetStatusResponse) -> bool,
    ) -> anyhow::Result<pb::GetStatusResponse> {
        let start = Instant::now();
        loop {
            let status = self.status().await?;
            if arrived(&status) {
                return Ok(status);
            }
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "{} did not come so far: {} entries, {} parked, {:?}",
                status.name,
                status.entries,
                status.parked,
                status.alarms
            );
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// A move that registers a case.
pub(crate) fn register() -> pb::Action {
    pb::Action::from(pb::Register {
        channel: pb::Channel::Phone.into(),
        class: "disputes-neighbours".to_owned(),
        urgency: pb::Urgency::Ordinary.into(),
        external_number: String::new(),
        received_ms: 0,
        requester: None,
        ..Default::default()
    })
}

/// A text that makes an entry of about 600 bytes.
pub(crate) fn text(index: u64) -> String {
    let mut text = format!("第{index}次上门，双方同意调解，约定下次见面。");
    while text.len() < 290 {
        text.push('和');
    }
    text
}

/// Runs `total` calls, `in_flight` at once over several connections; says how long it took.
pub(crate) async fn flood<F, Fut>(
    socket: &Path,
    in_flight: usize,
    total: u64,
    call: F,
) -> anyhow::Result<Duration>
where
    F: Fn(Client, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let mut clients = Vec::new();
    for _ in 0..in_flight.div_ceil(CALLS_EACH) {
        clients.push(Client::connect(socket).await?);
    }
    let (next, call) = (Arc::new(AtomicU64::new(0)), Arc::new(call));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for worker in 0..in_flight {
        let client = clients[worker % clients.len()].clone();
        let (next, call) = (Arc::clone(&next), Arc::clone(&call));
        workers.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return anyhow::Ok(());
                }
                call(client.clone(), index).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.context("a caller")??;
    }
    Ok(start.elapsed())
}
