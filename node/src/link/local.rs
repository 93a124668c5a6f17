//! Two hosted neighbours in one process: the same session at both ends, through the same identity check, over memory.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use fengqiao_proto::v1 as pb;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::down::Down;
use super::run::{Ending, drive, keep_trying};
use super::seat::{Leave, Seats};
use super::serve::{Admit, Admitted, Refused};
use super::{Draw, FRAMES_QUEUED, Limits, Port, nonce};
use crate::dial::{Unreached, Why};
use crate::replication::session::{Code, Session};
use crate::trust::IdentityError;

/// Keeps the link between two nodes of this process.
#[derive(Clone)]
pub(crate) struct LocalLink {
    /// The lower node.
    pub port: Arc<dyn Port>,
    /// Name of the link at the lower node.
    pub link: String,
    /// The lower node's chain, as it would present it, and the upper node's name, as it would dial it; asked at every
    /// attempt.
    pub presented: Arc<dyn Fn() -> (Vec<CertificateDer<'static>>, String) + Send + Sync>,
    /// The check the listener makes.
    pub admit: Admit,
    /// The process's sessions.
    pub seats: Arc<Seats>,
    /// For nonces and pauses.
    pub draw: Draw,
    /// Bounds.
    pub limits: Limits,
}

impl fmt::Debug for LocalLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLink")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

/// What a dialled node would have heard.
fn refused_here(error: &Refused) -> Down {
    let address = "this process".to_owned();
    match error.0.downcast_ref::<IdentityError>() {
        Some(identity) => Down::Unreached(Unreached {
            address,
            why: Why::Ours(identity.code()),
        }),
        None => Down::Unlinked(address),
    }
}

impl LocalLink {
    /// Keeps a session between the two until `stop` resolves.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let stopping = Leave::default();
        let attempt = |leave| self.attempt(leave);
        let mut trying = pin!(keep_trying(&self.limits, &self.draw, &stopping, attempt));
        tokio::select! {
            () = &mut trying => {}
            () = stop => {
                stopping.ask(Code::Draining);
                trying.await;
            }
        }
    }

    async fn attempt(&self, leave: Leave) -> Ending {
        let (chain, name) = (self.presented)();
        let admitted = match (self.admit)(&chain, Some(&name)) {
            Ok(admitted) => admitted,
            Err(error) => {
                let (link, why) = (&self.link, error.0.to_string());
                tracing::debug!(link, why, "a hosted neighbour has no link here");
                self.port.down(link, refused_here(&error));
                return Ending::cut();
            }
        };
        let (up, at_upper) = mpsc::channel(FRAMES_QUEUED);
        let (down, at_lower) = mpsc::channel(FRAMES_QUEUED);
        let (ending, ()) = tokio::join!(
            self.lower(leave, at_lower, up),
            self.upper(admitted, at_upper, down)
        );
        ending
    }

    async fn lower(
        &self,
        leave: Leave,
        incoming: mpsc::Receiver<pb::Frame>,
        outgoing: mpsc::Sender<pb::Frame>,
    ) -> Ending {
        let Some(identity) = self.port.identity(&self.link) else {
            return Ending::cut();
        };
        let Some(seat) = self.seats.take(identity.node, &self.link, leave).await else {
            return Ending::cut();
        };
        let session = Session::lower(identity, self.limits.session.clone());
        let incoming = ReceiverStream::new(incoming).map(Ok);
        let port = Arc::clone(&self.port);
        drive(session, seat, port, &self.link, incoming, outgoing).await
    }

    async fn upper(
        &self,
        Admitted { port, link }: Admitted,
        incoming: mpsc::Receiver<pb::Frame>,
        outgoing: mpsc::Sender<pb::Frame>,
    ) {
        let Some(identity) = port.identity(&link) else {
            return;
        };
        let seat = self.seats.take(identity.node, &link, Leave::default());
        if let Some(seat) = seat.await {
            let limits = self.limits.session.clone();
            let session = Session::upper(identity, nonce(&self.draw), limits);
            let incoming = ReceiverStream::new(incoming).map(Ok);
            drive(session, seat, port, &link, incoming, outgoing).await;
        }
    }
}
