//! The figures of a process for Prometheus, in the text form of OpenMetrics. Names of places are labels; nothing of a
//! person is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::backup::last_backup;
use crate::desk::calls::Calls;
use crate::desk::open_cases;
use crate::node::hosted::Hosted;
use crate::node::{LinkEnd, Node};

/// What the answer is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Cases are counted anew when the last count is older: a city has a hundred thousand.
const COUNTED_EVERY: Duration = Duration::from_secs(30);
const LANES: [(pb::Lane, &str); 3] = [
    (pb::Lane::Control, "control"),
    (pb::Lane::Cases, "cases"),
    (pb::Lane::Bulk, "bulk"),
];

type Labels = Vec<(&'static str, String)>;
type Counts = BTreeMap<(String, String), u64>;

/// What the figures are made from.
#[derive(Clone)]
pub(super) struct Figures {
    hosted: Vec<Arc<Hosted>>,
    calls: Calls,
    counted: Arc<Mutex<BTreeMap<NodeId, (Instant, Counts)>>>,
}

impl Figures {
    pub(super) fn new(hosted: Vec<Arc<Hosted>>, calls: Calls) -> Self {
        Self {
            hosted,
            calls,
            counted: Arc::default(),
        }
    }

    /// All of them as they are now.
    pub(super) fn page(&self) -> String {
        let mut page = Page::default();
        self.calls.register(&mut page.registry);
        for hosted in &self.hosted {
            self.node(&mut page, hosted);
        }
        let build = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("protocol", "1".to_owned()),
        ];
        page.put("fengqiao_build_info", "Version of the binary", &build, 1);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &page.registry);
        text
    }

    fn node(&self, page: &mut Page, hosted: &Hosted) {
        let node = &hosted.node;
        let own = vec![
            ("node", node.me.at.node.to_string()),
            ("place", node.registry.load().name(node.me.at.place)),
        ];
        let figures = node.figures.load();
        let counts = &figures.counts;
        for (name, help, value) in [
            ("fengqiao_entries", "Entries stored", counts.entries),
            ("fengqiao_cases", "Cases whose chain is held", counts.cases),
            (
                "fengqiao_notices",
                "Cases known by notice only",
                counts.notices,
            ),
            (
                "fengqiao_parked_entries",
                "Entries and other signed items that wait",
                counts.parked,
            ),
            (
                "fengqiao_pending_submissions",
                "Submissions that wait",
                counts.submissions,
            ),
            (
                "fengqiao_journal_bytes",
                "End of the journal",
                figures.journal_bytes,
            ),
            (
                "fengqiao_alarms",
                "Alarms since the start, at most 50",
                figures.alarms.len() as u64,
            ),
            (
                "fengqiao_read_only",
                "Whether the disk has too little room to take anything in",
                u64::from(node.is_read_only()),
            ),
            (
                "fengqiao_closed",
                "Whether nothing is taken in until the node is recovered",
                u64::from(node.closed().is_some()),
            ),
        ] {
            page.put(name, help, &own, value);
        }
        page.count(
            "fengqiao_journal_syncs",
            "Syncs since the start",
            &own,
            figures.syncs,
        );
        for ((stage, lamp), cases) in self.open(hosted) {
            let labels = with(&own, &[("stage", stage), ("lamp", lamp)]);
            page.put("fengqiao_open_cases", "Open cases by stage and by the lamp of the clock that ends first; none where no clock runs", &labels, cases);
        }
        machine(page, hosted, &own);
        for (link, end) in node.link_ends() {
            peer(page, node, &own, link, &end);
        }
    }

    /// Open cases of a node by stage and lamp, not older than [`COUNTED_EVERY`].
    fn open(&self, hosted: &Hosted) -> Counts {
        let id = hosted.node.me.at.node;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, counts)) = counted.get(&id)
            && at.elapsed() < COUNTED_EVERY
        {
            return counts.clone();
        }
        // A row that does not read is the engine's to report; the figure is left out.
        let counts = open_cases(&hosted.node).unwrap_or_default();
        counted.insert(id, (Instant::now(), counts.clone()));
        counts
    }
}

/// Disk, certificate and backup.
fn machine(page: &mut Page, hosted: &Hosted, own: &Labels) {
    let node = &hosted.node;
    if let Ok(disk) = rustix::fs::statvfs(&node.folder) {
        let unit = disk.f_frsize;
        let (free, all) = (
            disk.f_bavail.saturating_mul(unit),
            disk.f_blocks.saturating_mul(unit),
        );
        page.put(
            "fengqiao_disk_free_bytes",
            "Room left on the disk of the data folder",
            own,
            free,
        );
        page.put(
            "fengqiao_disk_bytes",
            "Size of the disk of the data folder",
            own,
            all,
        );
    }
    let now_s = node.clock.now().0.div_euclid(1000);
    // Held while the certificate is renewed: the next answer has it again.
    if let Ok(folder) = hosted.folder.try_lock() {
        let (_, end) = folder.credentials.window;
        let left = u64::try_from(end.as_second().saturating_sub(now_s)).unwrap_or(0);
        page.put(
            "fengqiao_certificate_seconds",
            "Until the certificate for links ends",
            own,
            left,
        );
    }
    if let Some(made) = last_backup(&node.folder) {
        let age = u64::try_from(now_s.saturating_sub(made.0.div_euclid(1000))).unwrap_or(0);
        page.put(
            "fengqiao_backup_age_seconds",
            "Since the last backup of the data folder",
            own,
            age,
        );
    }
}

fn peer(page: &mut Page, node: &Node, own: &Labels, link: NodeId, end: &LinkEnd) {
    let registry = node.registry.load();
    let place = registry.node(link).map(|peer| registry.name(peer.place));
    let labels = with(
        own,
        &[
            ("peer", link.to_string()),
            ("peer_place", place.unwrap_or_default()),
        ],
    );
    page.put(
        "fengqiao_peer_connected",
        "Whether a session runs",
        &labels,
        u64::from(end.is_connected()),
    );
    let skew = end.skew_ms.unsigned_abs() / 1000;
    page.put(
        "fengqiao_clock_skew_seconds",
        "Distance of the neighbour's clock",
        &labels,
        skew,
    );
    for (lane, name) in LANES {
        // A row that does not read is the engine's to report; the figure is left out.
        let (Ok(row), Ok(receipt)) = (node.views.lane(link, lane), node.views.receipt(link, lane))
        else {
            continue;
        };
        let labels = with(&labels, &[("lane", name.to_owned())]);
        let owed = row.owed.saturating_sub(receipt.acknowledged);
        page.put(
            "fengqiao_outbox_items",
            "Items owed and not acknowledged",
            &labels,
            owed,
        );
    }
}

fn with(labels: &Labels, more: &[(&'static str, String)]) -> Labels {
    labels.iter().chain(more).cloned().collect()
}

/// Figures by name, each with its one line of help.
#[derive(Default)]
struct Page {
    registry: Registry,
    gauges: BTreeMap<&'static str, Family<Labels, Gauge>>,
    counters: BTreeMap<&'static str, Family<Labels, Counter>>,
}

impl Page {
    fn put(&mut self, name: &'static str, help: &str, labels: &Labels, value: u64) {
        let gauge = self.gauges.entry(name).or_insert_with(|| {
            let gauge = Family::default();
            self.registry.register(name, help, Family::clone(&gauge));
            gauge
        });
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        gauge.get_or_create(labels).set(value);
    }

    fn count(&mut self, name: &'static str, help: &str, labels: &Labels, value: u64) {
        let counter = self.counters.entry(name).or_insert_with(|| {
            let counter = Family::default();
            self.registry.register(name, help, Family::clone(&counter));
            counter
        });
        counter.get_or_create(labels).inc_by(value);
    }
}
