//! The operations port: `/healthz`, `/readyz`, `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::listening::{accept, talk};
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
const LANES: [(pb::Lane, &str); 3] = [
    (pb::Lane::Control, "control"),
    (pb::Lane::Cases, "cases"),
    (pb::Lane::Bulk, "bulk"),
];

/// Serves the operations port until the process stops. An engine that has not finished a tick for `patience` hangs.
pub(crate) fn serve(
    hosted: Vec<Arc<Hosted>>,
    listener: TcpListener,
    places: Port,
    stop: watch::Receiver<bool>,
    patience: Duration,
    tasks: &mut JoinSet<()>,
) {
    let health = Health { hosted, patience };
    tasks.spawn(accept((listener, places), stop, move |stream, _| {
        let health = health.clone();
        let service = service_fn(move |request| {
            let response = answer(&request, &health);
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

fn answer(request: &Request<Incoming>, nodes: &Health) -> Response<String> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => health(nodes.hanging()),
        (&Method::GET, "/readyz") => health(nodes.unready()),
        (&Method::GET, "/metrics") => (
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            metrics(&nodes.hosted),
        ),
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

/// All figures in the text format of Prometheus.
fn metrics(hosted: &[Arc<Hosted>]) -> String {
    let mut page = Page::default();
    for hosted in hosted {
        let node = &hosted.node;
        let figures = node.figures.load();
        let own = format!("node=\"{}\"", node.me.at.node);
        page.put(
            "fengqiao_entries",
            "Entries stored.",
            &own,
            figures.counts.entries,
        );
        page.put(
            "fengqiao_cases",
            "Cases whose chain is held.",
            &own,
            figures.counts.cases,
        );
        page.put(
            "fengqiao_notices",
            "Cases known by notice only.",
            &own,
            figures.counts.notices,
        );
        page.put(
            "fengqiao_parked_entries",
            "Entries and other signed items that wait.",
            &own,
            figures.counts.parked,
        );
        page.put(
            "fengqiao_pending_submissions",
            "Submissions that wait.",
            &own,
            figures.counts.submissions,
        );
        page.put(
            "fengqiao_journal_bytes",
            "End of the journal.",
            &own,
            figures.journal_bytes,
        );
        page.put(
            "fengqiao_journal_syncs_total",
            "Syncs since the start.",
            &own,
            figures.syncs,
        );
        page.put(
            "fengqiao_alarms",
            "Alarms since the start, at most 50.",
            &own,
            figures.alarms.len() as u64,
        );
        for (link, end) in node.link_ends() {
            links(&mut page, node, link, &end);
        }
    }
    let build = format!("version=\"{}\",protocol=\"1\"", env!("CARGO_PKG_VERSION"));
    page.put("fengqiao_build_info", "Version of the binary.", &build, 1);
    page.finish()
}

fn links(page: &mut Page, node: &crate::node::Node, link: NodeId, end: &crate::node::LinkEnd) {
    let labels = format!("node=\"{}\",peer=\"{link}\"", node.me.at.node);
    page.put(
        "fengqiao_peer_connected",
        "Whether a session runs.",
        &labels,
        u64::from(end.is_connected()),
    );
    let skew = end.skew_ms.unsigned_abs() / 1000;
    page.put(
        "fengqiao_clock_skew_seconds",
        "Distance of the neighbour's clock.",
        &labels,
        skew,
    );
    for (lane, name) in LANES {
        // A row that does not read is the engine's to report; the figure is left out.
        let (Ok(row), Ok(receipt)) = (node.views.lane(link, lane), node.views.receipt(link, lane))
        else {
            continue;
        };
        let labels = format!("{labels},lane=\"{name}\"");
        let owed = row.owed.saturating_sub(receipt.acknowledged);
        page.put(
            "fengqiao_outbox_items",
            "Items owed and not acknowledged.",
            &labels,
            owed,
        );
    }
}

/// Figures grouped by name, each with its one line of help.
#[derive(Default)]
struct Page(std::collections::BTreeMap<&'static str, (&'static str, Vec<String>)>);

impl Page {
    fn put(&mut self, name: &'static str, help: &'static str, labels: &str, value: u64) {
        let (_, lines) = self.0.entry(name).or_insert_with(|| (help, Vec::new()));
        lines.push(format!("{name}{{{labels}}} {value}"));
    }

    fn finish(self) -> String {
        let mut text = String::new();
        for (name, (help, lines)) in self.0 {
            let kind = if name.ends_with("_total") {
                "counter"
            } else {
                "gauge"
            };
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{}",
                lines.join("\n")
            );
        }
        text
    }
}
