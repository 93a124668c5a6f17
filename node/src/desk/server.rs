//! Where the desk is reached: the socket in the data folder for whoever may open it, a TCP port for accounts with a
//! token; health and reflection beside it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fengqiao_hub::rulebook::BUNDLE_BYTES_MAX;
use fengqiao_proto::v1 as pb;
use pb::casework_service_server::CaseworkServiceServer;
use pb::import_service_server::ImportServiceServer;
use pb::node_service_server::NodeServiceServer;
use pb::rulebook_service_server::RulebookServiceServer;
use rustls::ServerConfig;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower::layer::util::{Identity, Stack};

use super::calls::Calls;
use super::port;
use super::service::Desk;
use crate::node::hosted::{Hosted, stopped};
use crate::ports::{Connections, Port, PortLimits};

/// Places of the desk, and as many of each local socket. A reverse proxy is one address.
pub(crate) const PLACES: PortLimits = PortLimits {
    strangers_max: 256,
    strangers_a_network_max: 128,
    known_max: 0,
};
/// A call that takes longer is given up; it may have been applied.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of one request.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Streams at once on one connection.
const STREAMS_MAX: u32 = 64;

/// Serves the local socket.
///
/// # Errors
/// The socket cannot be made.
pub(crate) fn serve_socket(
    hosted: Arc<Hosted>,
    path: PathBuf,
    places: Port,
    calls: Calls,
    stop: watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    // The folder's lock is held, so a socket that stands there is a dead process's.
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(
                anyhow::Error::new(error).context(format!("cannot replace {}", path.display()))
            );
        }
    }
    let socket = UnixListener::bind(&path).map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot make the socket {}", path.display()))
    })?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    tasks.spawn(async move {
        let desk = Desk {
            hosted,
            trusted: true,
        };
        let incoming = Connections::new(socket, places);
        let served = match router(desk, calls).await {
            Ok(router) => router
                .serve_with_incoming_shutdown(incoming, stopped(stop))
                .await
                .map_err(Into::into),
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "the local socket is not served");
        }
        remove(&path);
    });
    Ok(())
}

/// Serves the desk's TCP port. `tls` is what it shows to whoever comes over a network.
pub(crate) fn serve_tcp(
    hosted: Arc<Hosted>,
    listener: TcpListener,
    places: Port,
    tls: ServerConfig,
    calls: Calls,
    stop: watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    tasks.spawn(async move {
        let desk = Desk {
            hosted,
            trusted: false,
        };
        let incoming = ReceiverStream::new(port::open(listener, places, tls));
        let served = match router(desk, calls).await {
            Ok(router) => router
                .serve_with_incoming_shutdown(incoming, stopped(stop))
                .await
                .map_err(Into::into),
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "the desk is not served");
        }
    });
}

async fn router(desk: Desk, calls: Calls) -> anyhow::Result<Router<Stack<Calls, Identity>>> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<CaseworkServiceServer<Desk>>().await;
    health.set_serving::<NodeServiceServer<Desk>>().await;
    health.set_serving::<RulebookServiceServer<Desk>>().await;
    health.set_serving::<ImportServiceServer<Desk>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(fengqiao_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Ok(Server::builder()
        .layer(calls)
        .timeout(CALL_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(16 << 10)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(
            CaseworkServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_BYTES_MAX),
        )
        .add_service(
            ImportServiceServer::new(desk.clone()).max_decoding_message_size(REQUEST_BYTES_MAX),
        )
        .add_service(
            NodeServiceServer::new(desk.clone())
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(64 << 20),
        )
        .add_service(
            RulebookServiceServer::new(desk)
                .max_decoding_message_size(BUNDLE_BYTES_MAX + REQUEST_BYTES_MAX)
                .max_encoding_message_size(64 << 20),
        ))
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "the socket stays behind");
    }
}
