//! Registrations at one node: through gRPC over its socket, and in this process without gRPC.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fengqiao_hub::id::Hash;
use fengqiao_node::config::{Config, Overrides};
use fengqiao_node::engine::{Caller, CaseMove};
use fengqiao_node::folder::Folder;
use fengqiao_node::node::clock::Clock;
use fengqiao_node::node::opening::{FIRST_LOGIN, Opener};
use fengqiao_node::node::{Node, pool::Pool};
use fengqiao_node::store::{Opening, Settings, boot_id, open_guarded};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use tokio::task::JoinSet;

use crate::Options;
use crate::clerks::{flood, register, text};
use crate::ground::Ground;
use crate::report::Report;
use crate::usage::{first, processor_time, start};

/// Both intakes.
pub(crate) async fn measure(
    options: &Options,
    binary: &Path,
    folder: &Path,
    ground: &Ground,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut intake = first(binary, &folder.join("intake"))?;
    let total = options.intake;
    start(&mut intake)?;
    let desk = intake.desk();
    let (before, used) = (desk.status().await?, processor_time(&intake)?);
    let elapsed = flood(
        &intake.socket(),
        options.in_flight,
        total,
        |desk, index| async move {
            desk.act("", register(), &[("text", &text(index))]).await?;
            Ok(())
        },
    )
    .await?;
    ground.look()?;
    let used = processor_time(&intake)?.saturating_sub(used);
    let after = desk.status().await?;
    put(report, "intake through gRPC", total, elapsed, ground);
    let each = |value: f64| value / total as f64;
    report.add(
        "  processor a registration",
        each(used.as_secs_f64() * 1e6),
        "us",
    );
    let syncs = after.syncs - before.syncs;
    report.add("  registrations a sync", total as f64 / syncs as f64, "");
    let journal = after.journal_bytes - before.journal_bytes;
    report.add("  journal a registration", each(journal as f64), "B");
    drop(desk);
    intake.stop().await?;

    let elapsed = in_process(&intake.data, options.in_flight, total).await?;
    ground.look()?;
    put(report, "intake in process, no gRPC", total, elapsed, ground);
    Ok(())
}

fn put(report: &mut Report, name: &str, total: u64, elapsed: Duration, ground: &Ground) {
    let rate = total as f64 / elapsed.as_secs_f64();
    let raw = ground.entries_grouped();
    report.beside(name, rate, "cases/s", raw, "raw groups of 128");
}

async fn in_process(data: &Path, in_flight: usize, total: u64) -> anyhow::Result<Duration> {
    let node = open(data)?;
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..in_flight {
        let (node, next) = (Arc::clone(&node), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= total {
                    return anyhow::Ok(());
                }
                registered(&node, index).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.context("a caller")??;
    }
    Ok(start.elapsed())
}

async fn registered(node: &Arc<Node>, index: u64) -> anyhow::Result<()> {
    let what = CaseMove {
        case: None,
        action: moves::register(moves::intake(pb::Channel::Phone, "disputes-neighbours")),
        content: Some(pb::PrivateContent {
            requester: None,
            texts: vec![pb::PrivateText {
                role: "text".to_owned(),
                text: text(index),
            }],
        }),
        linked: true,
        contact: fengqiao_hub::clock::Contact::Here,
    };
    let caller = Caller {
        login: FIRST_LOGIN.to_owned(),
    };
    let answer = node
        .act(format!("direct-{index}"), Hash::default(), caller, what)
        .await;
    answer.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    Ok(())
}

fn open(data: &Path) -> anyhow::Result<Arc<Node>> {
    let folder = Folder::open(data)?;
    let overrides = Overrides::new().set("speed", "data.folder", data.display().to_string());
    let config = Config::load(None, std::iter::empty(), &overrides)?;
    let opening = Opening {
        unix_s: 0,
        boot_id: boot_id()?,
    };
    let settings = Settings {
        cache_bytes: config.store.cache_bytes,
    };
    let store = open_guarded(&data.join("store"), settings, &opening)?.store;
    let opener = Opener {
        clock: Clock::System,
        pool: Pool::start(1)?,
        chains_held_max: 1_024,
    };
    let node = opener.open(&folder, &config, Arc::new(store), &mut |_, _| {})?;
    // The folder's lock is released with the process: nobody else opens it in this run.
    std::mem::forget(folder);
    Ok(node)
}
