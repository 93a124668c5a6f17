//! The operations port: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::listening::{accept, talk};
use super::metrics::{CONTENT_TYPE as FIGURES_TYPE, Figures};
use crate::desk::calls::Calls;
use crate::node::hosted::Hosted;
use crate::ports::{Port, PortLimits};

/// Places of the operations port.
pub(crate) const PLACES: PortLimits = PortLimits {
    strangers_max: 64,
    strangers_a_network_max: 32,
    known_max: 0,
};
/// A request must have come by then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the operations port until the process stops. An engine that has not finished a tick for `patience` hangs.
pub(crate) fn serve(
    hosted: Vec<Arc<Hosted>>,
    listener: TcpListener,
    places: Port,
    stop: watch::Receiver<bool>,
    patience: Duration,
    calls: Calls,
    tasks: &mut JoinSet<()>,
) {
    let figures = Figures::new(hosted.clone(), calls);
    let health = Health { hosted, patience };
    tasks.spawn(accept((listener, places), stop, move |stream, _| {
        let (health, figures) = (health.clone(), figures.clone());
        let service = service_fn(move |request| {
            let response = answer(&request, &health, &figures);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        talk(stream, service, HEADER_TIMEOUT)
    }));
}

/// How the nodes of this process are.
#[derive(Clone)]
struct Health {
    hosted: Vec<Arc<Hosted>>,
    patience: Duration,
}

impl Health {
    /// What keeps a node from working at all; one line a node, empty when all are well.
    fn hanging(&self) -> String {
        let hangs = |hosted: &&Arc<Hosted>| hosted.node.silent_for() > self.patience;
        let lines = self.hosted.iter().filter(hangs).map(|hosted| {
            let (node, silent_s) = (&hosted.node, hosted.node.silent_for().as_secs());
            format!("HANGING {}: no tick for {silent_s} s\n", node.me.at.node)
        });
        lines.collect()
    }

    /// What keeps a node from taking cases in.
    fn unready(&self) -> String {
        let full = self
            .hosted
            .iter()
            .filter(|hosted| hosted.node.is_read_only());
        let full = full.map(|hosted| {
            let node = hosted.node.me.at.node;
            format!("READ_ONLY {node}: the disk has too little room\n")
        });
        let closed = self.hosted.iter().filter_map(|hosted| {
            let (node, refusal) = (hosted.node.me.at.node, hosted.node.closed()?.refusal());
            Some(format!(
                "{} {node}: {}\n",
                refusal.code.as_str(),
                refusal.english()
            ))
        });
        self.hanging() + &full.chain(closed).collect::<String>()
    }
}

/// `ok`, or what is wrong under a status that a program understands.
fn health(wrong: String) -> (StatusCode, &'static str, String) {
    let kind = "text/plain; charset=utf-8";
    if wrong.is_empty() {
        (StatusCode::OK, kind, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, kind, wrong)
    }
}

fn answer(request: &Request<Incoming>, nodes: &Health, figures: &Figures) -> Response<String> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => health(nodes.hanging()),
        (&Method::GET, "/readyz") => health(nodes.unready()),
        (&Method::GET, "/metrics") => (StatusCode::OK, FIGURES_TYPE, figures.page()),
        (&Method::GET, _) => (
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            "not found\n".to_owned(),
        ),
        _ => (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain; charset=utf-8",
            "only GET\n".to_owned(),
        ),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}
