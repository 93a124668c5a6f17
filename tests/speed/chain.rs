//! Entries from the village to the city, over four processes and three links with certificates.
//!
//! The city takes cases in and dispatches them to the village, so that every entry written at the village goes up in
//! full through all tiers, signed once and verified three times, synced four times. An entry has arrived when the city's
//! status counts it: the count moves after the sync that covers it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fengqiao_tests::kit::folder::disk_bytes;
use fengqiao_tests::kit::moves;

use crate::Options;
use crate::clerks::{await_status, flood, register, text};
use crate::ground::{Ground, quantile};
use crate::report::Report;
use crate::tiers::Tiers;
use crate::usage::processor_time;

/// Open cases that get their entries in turn.
const CASES: u64 = 500;
const PAUSE: Duration = Duration::from_millis(5);
const NAMES: [&str; 4] = ["city", "county", "township", "village"];
const SYNC_GROUP: &str = "raw groups of 128";

/// In groups, from a back-log, one by one.
pub(crate) async fn measure(
    options: &Options,
    binary: &Path,
    folder: &Path,
    ground: &Ground,
    report: &mut Report,
) -> anyhow::Result<()> {
    let tiers = Tiers::start(binary, &folder.join("chain")).await?;
    let cases = Arc::new(cases(&tiers, CASES).await?);
    ground.look()?;
    grouped(options, &tiers, &cases, ground, report).await?;
    ground.look()?;
    backlog(options, &tiers, &cases, ground, report).await?;
    ground.look()?;
    singly(options, &tiers, &cases, ground, report).await?;
    Ok(())
}

/// Cases of the city in the village's hands.
async fn cases(tiers: &Tiers, count: u64) -> anyhow::Result<Vec<String>> {
    let made = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&made);
    flood(&tiers.nodes[0].socket(), 32, count, move |city, _| {
        let keep = Arc::clone(&keep);
        async move {
            let registered = city.act("", register(), &[("text", &text(0))]).await?;
            let case = registered.case;
            city.act(&case, moves::accept(), &[]).await?;
            city.act(&case, moves::dispatch("新华社区", 0), &[]).await?;
            keep.lock()
                .map_err(|_| anyhow::anyhow!("a caller failed"))?
                .push(case);
            Ok(())
        }
    })
    .await?;
    await_status(tiers.village(), PAUSE, |status| status.cases >= count).await?;
    let cases = made
        .lock()
        .map_err(|_| anyhow::anyhow!("a caller failed"))?;
    Ok(cases.clone())
}

async fn write(
    tiers: &Tiers,
    in_flight: usize,
    total: u64,
    cases: &Arc<Vec<String>>,
) -> anyhow::Result<Duration> {
    let cases = Arc::clone(cases);
    flood(
        &tiers.nodes[3].socket(),
        in_flight,
        total,
        move |village, index| {
            let case = cases[usize::try_from(index).unwrap_or(0) % cases.len()].clone();
            async move {
                let evidence = text(index);
                village
                    .act(&case, moves::take_action(), &[("evidence", &evidence)])
                    .await?;
                Ok(())
            }
        },
    )
    .await
}

async fn grouped(
    options: &Options,
    tiers: &Tiers,
    cases: &Arc<Vec<String>>,
    ground: &Ground,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (total, before) = (options.entries, Look::at(tiers).await?);
    let start = Instant::now();
    let written = write(tiers, options.in_flight, total, cases).await?;
    let expected = before.entries + total;
    await_status(tiers.city(), PAUSE, |status| status.entries >= expected).await?;
    let rate = total as f64 / start.elapsed().as_secs_f64();
    let raw = ground.entries_grouped();
    report.beside(
        "chain in groups: village -> city",
        rate,
        "entries/s",
        raw,
        SYNC_GROUP,
    );
    let rate = total as f64 / written.as_secs_f64();
    report.beside(
        "chain in groups: answered at the village",
        rate,
        "entries/s",
        raw,
        SYNC_GROUP,
    );
    Look::at(tiers).await?.since(&before, total, report);
    Ok(())
}

/// What the links carry when nobody writes meanwhile: entries of a time without a link.
async fn backlog(
    options: &Options,
    tiers: &Tiers,
    cases: &Arc<Vec<String>>,
    ground: &Ground,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (total, before) = (options.entries / 2, Look::at(tiers).await?.entries);
    tiers.wires[2].hold();
    write(tiers, options.in_flight, total, cases).await?;
    let start = Instant::now();
    tiers.wires[2].mend();
    let expected = before + total;
    await_status(tiers.city(), PAUSE, |status| status.entries >= expected).await?;
    let rate = total as f64 / start.elapsed().as_secs_f64();
    let raw = ground.entries_grouped();
    report.beside(
        "chain, back-log of a healed link",
        rate,
        "entries/s",
        raw,
        SYNC_GROUP,
    );
    Ok(())
}

/// One entry under way at a time: the next is written when the city has the one before.
async fn singly(
    options: &Options,
    tiers: &Tiers,
    cases: &[String],
    ground: &Ground,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut expected = Look::at(tiers).await?.entries;
    let (mut arrived, mut answered) = (Vec::new(), Vec::new());
    for index in 0..options.singles {
        let case = &cases[usize::try_from(index).unwrap_or(0) % cases.len()];
        let evidence = text(index);
        expected += 1;
        let start = Instant::now();
        let (village, city) = (tiers.village(), tiers.city());
        let act = async {
            village
                .act(case, moves::take_action(), &[("evidence", &evidence)])
                .await?;
            anyhow::Ok(start.elapsed())
        };
        let watch = await_status(city, Duration::ZERO, |status| status.entries >= expected);
        let (act, _) = tokio::try_join!(act, watch)?;
        arrived.push(start.elapsed());
        answered.push(act);
    }
    ground.look()?;
    let total: Duration = arrived.iter().sum();
    let rate = arrived.len() as f64 / total.as_secs_f64();
    report.beside(
        "chain one by one: village -> city",
        rate,
        "entries/s",
        ground.entries_each(),
        "raw one by one",
    );
    let least = ground.four_tiers().as_secs_f64() * 1e3;
    report.add("4 fdatasyncs + 3 round trips, same run", least, "ms");
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let time = quantile(&arrived, share).as_secs_f64() * 1e3;
        report.beside(
            &format!("one entry village -> city, {name}"),
            time,
            "ms",
            least,
            "4 syncs + 3 trips",
        );
        let time = quantile(&answered, share).as_secs_f64() * 1e3;
        let sync = ground.sync().as_secs_f64() * 1e3;
        report.beside(
            &format!("one entry answered at the village, {name}"),
            time,
            "ms",
            sync,
            "fdatasync",
        );
    }
    let start = Instant::now();
    for _ in 0..100 {
        tiers.city().status().await?;
    }
    report.time(
        "resolution of arrival: one look at the city's status",
        start.elapsed() / 100,
    );
    Ok(())
}

/// What had been used and stored at a moment.
struct Look {
    entries: u64,
    wire: Vec<u64>,
    journals: Vec<u64>,
    stores: Vec<u64>,
    syncs: Vec<u64>,
    processor: Vec<Duration>,
}

impl Look {
    async fn at(tiers: &Tiers) -> anyhow::Result<Self> {
        let mut look = Self {
            entries: tiers.city().status().await?.entries,
            wire: tiers.wires.iter().map(|wire| wire.bytes()).collect(),
            journals: Vec::new(),
            stores: Vec::new(),
            syncs: Vec::new(),
            processor: Vec::new(),
        };
        for (node, desk) in tiers.nodes.iter().zip(&tiers.desks) {
            let status = desk.status().await?;
            look.journals.push(status.journal_bytes);
            look.syncs.push(status.syncs);
            look.stores.push(disk_bytes(&node.data.join("store"))?);
            look.processor.push(processor_time(node)?);
        }
        Ok(look)
    }

    fn since(&self, before: &Self, total: u64, report: &mut Report) {
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / total as f64;
        for (at, name) in NAMES.iter().enumerate() {
            let used = self.processor[at].saturating_sub(before.processor[at]);
            let used = used.as_secs_f64() * 1e6 / total as f64;
            report.add(&format!("  {name}: processor an entry"), used, "us");
            let syncs = self.syncs[at].saturating_sub(before.syncs[at]);
            report.add(
                &format!("  {name}: entries a sync"),
                total as f64 / syncs as f64,
                "",
            );
            let journal = each(self.journals[at], before.journals[at]);
            report.add(&format!("  {name}: journal an entry"), journal, "B");
            let store = each(self.stores[at], before.stores[at]);
            report.add(&format!("  {name}: store an entry"), store, "B");
        }
        for (at, link) in ["city - county", "county - township", "township - village"]
            .iter()
            .enumerate()
        {
            let wire = each(self.wire[at], before.wire[at]);
            report.add(&format!("  wire {link}: both ways, an entry"), wire, "B");
        }
    }
}
