//! Many open cases at one node: a page of the worklist, and what the disk takes beside the entries themselves.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use fengqiao_node::folder::Folder;
use fengqiao_node::journal::{FileJournal, Journal as _, Options as JournalOptions, Position};
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use crate::Options;
use crate::client::{Client, flood, register, text};
use crate::ground::quantile;
use crate::process::{Process, command, disk_bytes};
use crate::report::Report;

const PAGES: usize = 100;
const PAGE_CASES: u32 = 50;

/// Takes the cases in, pages through them, weighs the folder.
pub(crate) async fn measure(
    options: &Options,
    binary: &Path,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let data = folder.join("cases");
    command(
        binary,
        &data,
        &["init", "--name", "德州市", "--code", "3714"],
    )?;
    let process = Process::start(binary, &data, &[])?;
    let total = options.cases;
    flood(
        &process.socket(),
        options.in_flight,
        total,
        |client, index| async move {
            client
                .act("", register(), Some(("text", text(index))))
                .await?;
            Ok(())
        },
    )
    .await?;
    let client = Client::connect(&process.socket()).await?;
    let (mut first, mut later, mut token) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..PAGES {
        let start = Instant::now();
        client.page(PAGE_CASES, "").await?;
        first.push(start.elapsed());
        let start = Instant::now();
        token = client.page(PAGE_CASES, &token).await?.next_page_token;
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
        process.resident_bytes()? as f64 / 1e6,
        "MB",
    );
    drop(client);
    process.stop()?;
    let raw = entry_bytes(&data)?;
    for (name, bytes) in [
        ("journal", disk_bytes(&data.join("journal"))),
        ("store", disk_bytes(&data.join("store"))),
        ("keys", std::fs::metadata(data.join("keys"))?.len()),
    ] {
        report.beside(
            &format!("disk: {name} a case"),
            bytes as f64 / total as f64,
            "B",
            raw as f64 / total as f64,
            "raw entry",
        );
    }
    let all = disk_bytes(&data.join("journal")) + disk_bytes(&data.join("store"));
    report.beside(
        "disk: journal and store",
        all as f64 / 1e6,
        "MB",
        raw as f64 / 1e6,
        "raw entries",
    );
    let start = Process::start(binary, &data, &[])?;
    report.time("start with these cases", start.started_in);
    start.stop()
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
