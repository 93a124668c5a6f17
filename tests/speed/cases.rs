//! Many open cases at one node: a page of the worklist, and what the disk takes beside the entries themselves.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use fengqiao_node::folder::Folder;
use fengqiao_node::journal::{FileJournal, Journal as _, Options as JournalOptions, Position};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::desk::Desk;
use fengqiao_tests::kit::folder::disk_bytes;
use pb::fact::Fact;
use prost::Message as _;

use crate::Options;
use crate::clerks::{flood, register, text};
use crate::ground::quantile;
use crate::report::Report;
use crate::usage::{first, resident_bytes, start};

const PAGES: usize = 100;
const PAGE_CASES: u32 = 50;

/// Takes the cases in, pages through them, weighs the folder.
pub(crate) async fn measure(
    options: &Options,
    binary: &Path,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut node = first(binary, &folder.join("cases"))?;
    start(&mut node)?;
    let total = options.cases;
    flood(
        &node.socket(),
        options.in_flight,
        total,
        |desk, index| async move {
            desk.act("", register(), &[("text", &text(index))]).await?;
            Ok(())
        },
    )
    .await?;
    let desk = node.desk();
    let (mut first, mut later, mut token) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..PAGES {
        let start = Instant::now();
        page(&desk, "").await?;
        first.push(start.elapsed());
        let start = Instant::now();
        token = page(&desk, &token).await?.next_page_token;
        later.push(start.elapsed());
    }
    report.add("worklist: cases", total as f64, "");
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        report.time(
            &format!("worklist: first page of 50, {name}"),
            quantile(&first, share),
        );
        report.time(
            &format!("worklist: pages in turn, {name}"),
            quantile(&later, share),
        );
    }
    report.add(
        "worklist: resident memory",
        resident_bytes(&node)? as f64 / 1e6,
        "MB",
    );
    drop(desk);
    node.stop().await?;
    let raw = entry_bytes(&node.data)?;
    for (name, bytes) in [
        ("journal", disk_bytes(&node.data.join("journal"))?),
        ("store", disk_bytes(&node.data.join("store"))?),
        ("keys", std::fs::metadata(node.data.join("keys"))?.len()),
    ] {
        report.beside(
            &format!("disk: {name} a case"),
            bytes as f64 / total as f64,
            "B",
            raw as f64 / total as f64,
            "raw entry",
        );
    }
    let all = disk_bytes(&node.data.join("journal"))? + disk_bytes(&node.data.join("store"))?;
    report.beside(
        "disk: journal and store",
        all as f64 / 1e6,
        "MB",
        raw as f64 / 1e6,
        "raw entries",
    );
    report.time("start with these cases", start(&mut node)?);
    node.stop().await?;
    Ok(())
}

async fn page(desk: &Desk, page_token: &str) -> anyhow::Result<pb::ListCasesResponse> {
    let wanted = pb::ListCasesRequest {
        page_size: PAGE_CASES,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    Ok(desk.page(wanted).await?)
}

/// Bytes of all entries as they are signed and carried.
fn entry_bytes(data: &Path) -> anyhow::Result<u64> {
    let folder = Folder::open(data)?;
    let identity = folder.identity.journal();
    let opened = FileJournal::open_or_create(folder.lock(), identity, JournalOptions::default())?;
    let reader = opened.journal.reader();
    let mut bytes = 0;
    for record in reader.tail(Position(0)) {
        let record = pb::JournalRecord::decode(&record?.payload[..])?;
        for fact in record.facts {
            if let Some(Fact::Entry(stored)) = fact.fact {
                let blob = stored.blob.context("a blob")?.index as usize;
                bytes += record.blobs.get(blob.wrapping_sub(1)).map_or(0, Vec::len) as u64;
            }
        }
    }
    Ok(bytes)
}
