//! The replay: requests of the Boston file through four tiers, as fast as it goes.
//!
//! Four processes on loopback, one a tier, each hosting the places of its tier, with their own certificates and
//! folders. What drives them knows only their sockets, and kills from outside. In the end every node says what its own
//! journal holds, and that is compared with what [`oracle()`] computes from the file alone.

mod building;
mod check;
mod ground;
mod kills;
mod lives;
mod oracle;
mod outcome;
mod plan;
mod report;
mod rows;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use clap::Parser;
use fengqiao_hub::clock::Moment;
use fengqiao_tests::kit::failed::{Done, Failed, Output, say};
use fengqiao_tests::kit::folder::damage_journal;
use indicatif::{ProgressBar, ProgressStyle};

use self::building::World;
use self::ground::Ground;
use self::lives::Meters;
use self::oracle::{Oracle, oracle};
use self::plan::{Plan, Tier};
use self::report::Report;
use self::rows::Rows;

/// The name of the file that ships.
const SAMPLE: &str = "sample";

const SAMPLE_TEXT: &str = include_str!("../../deploy/boston/requests_sample.csv");
const DISPATCH: &str = include_str!("../../deploy/boston/catalogue.csv");
/// The clocks start so long before the first request.
const BEFORE_MS: i64 = 2 * 3_600_000;

/// Replay requests of the Boston file through four tiers, and compare every end with what the file says (重放)
#[derive(Debug, Parser)]
#[command(name = "replay")]
pub(crate) struct Options {
    /// Table of requests; the sample that ships where none is named
    #[arg(value_name = "FILE", default_value = SAMPLE)]
    file: String,
    /// Folder to work in, new or empty, and kept; a temporary one unless given
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Kill the county process so often, 0 to 1000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    kills: u32,
    /// Cases under way at once, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    in_flight: u32,
    /// Change one byte of one journal before the ends are compared: it must notice
    #[arg(long, hide = true)]
    damage: bool,
    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    // Nodes join from within this process: this catches a library that would ask for a default provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<OsString> = std::env::args_os().collect();
    let options = match Options::try_parse_from(&words) {
        Ok(options) => options,
        Err(error) => return fengqiao_node::cli::exit_of_parser(&error, &words),
    };
    match play(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            failed.print(options.output);
            ExitCode::from(failed.exit)
        }
    }
}

/// Replays and compares.
///
/// # Errors
/// The file is not readable as such a table, the system does not come up, or `DIFFERENT`: something did not come out
/// as the file says.
fn play(options: &Options) -> Done<()> {
    let bytes = match options.file.as_str() {
        SAMPLE => SAMPLE_TEXT.as_bytes().to_vec(),
        path => std::fs::read(path).map_err(|error| {
            Failed::usage(
                "FILE_UNREADABLE",
                format!("cannot read {path}: {error}"),
                format!("无法读取 {path}"),
            )
        })?,
    };
    let rows = rows::read(&bytes)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|error| Failed::from(anyhow::Error::new(error)))?;
    let expected =
        oracle(text, DISPATCH).map_err(|error| Failed::from(anyhow::Error::new(error)))?;
    let Some(first) = rows.accepted.first().map(|request| request.created) else {
        return Err(Failed::usage(
            "TABLE_EMPTY",
            "no row can be replayed",
            "没有可以重放的行",
        ));
    };
    let Rows {
        accepted,
        refused,
        total,
    } = rows;
    let plan = plan::plan(accepted, DISPATCH)?;
    let start = Moment(first.0.saturating_sub(BEFORE_MS));
    let ground = Ground::make(options.folder.as_deref(), &plan, start).map_err(Failed::from)?;
    let (root, temporary) = (ground.root().to_owned(), ground.is_temporary());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failed::from(anyhow::Error::new(error)))?;
    let played = runtime.block_on(async {
        tokio::select! {
            played = replay(options, ground, plan, &expected) => played,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("INTERRUPTED: the replay was ended from outside")),
        }
    });
    drop(runtime);
    if temporary {
        clear(&root);
    }
    let mut report = played.map_err(Failed::from)?;
    report.rows = total;
    report.refused = refused;
    report.compare_rows(&expected);
    say(options.output, &report.json(), &report.text());
    if report.is_equal() {
        return Ok(());
    }
    let count = report.checked.count;
    Err(Failed::new(
        "DIFFERENT",
        format!("{count} things came out differently"),
        format!("{count} 处与原始数据不一致"),
    ))
}

impl Report {
    /// Accepted and refused rows are all rows, and the same ones as the other opinion has.
    fn compare_rows(&mut self, expected: &Oracle) {
        if self.accepted + self.refused.len() != self.rows || self.rows != expected.rows {
            let (accepted, refused, rows) = (self.accepted, self.refused.len(), self.rows);
            self.checked.differs(format!(
                "{accepted} accepted + {refused} refused are not {rows} rows"
            ));
        }
        let mut refused: Vec<&str> = self.refused.iter().map(|row| row.id.as_str()).collect();
        let mut other: Vec<&str> = expected.refused.iter().map(String::as_str).collect();
        refused.sort_unstable();
        other.sort_unstable();
        if refused != other {
            self.checked
                .differs("other rows were refused than the file's dates say".to_owned());
        }
    }
}

async fn replay(
    options: &Options,
    ground: Ground,
    plan: Plan,
    expected: &Oracle,
) -> anyhow::Result<Report> {
    let building = Instant::now();
    let bar = bar("{msg} {wide_bar} {pos}/{len}", "nodes join 节点接入");
    let (world, before) = World::build(ground, &plan, &bar).await?;
    let world = Arc::new(world);
    bar.finish_and_clear();
    let built_in = building.elapsed();

    let replaying = Instant::now();
    let meters = Arc::new(Meters::default());
    let cases = plan.cases.len();
    let bar = self::bar("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}", "cases 案卷");
    bar.set_length(cases as u64);
    let killing = kills::kill_county(&world, &meters, options.kills, cases);
    let living = lives::replay(
        &world,
        plan.cases,
        options.in_flight as usize,
        &meters,
        &bar,
    );
    let (kills, lived) = tokio::join!(killing, living);
    lived?;
    let statuses = world.settle().await?;
    bar.finish_and_clear();
    let replayed_in = replaying.elapsed();

    let comparing = Instant::now();
    if options.damage {
        damage(&world)?;
    }
    let kills = kills?;
    let mut checked = check::check(&world, &statuses, expected).await;
    if kills.killed.len() != options.kills as usize {
        checked.differs(format!(
            "the county was killed {} times of {}",
            kills.killed.len(),
            options.kills
        ));
    }
    for status in statuses
        .iter()
        .filter(|status| status.parked > 0 || !status.alarms.is_empty())
    {
        checked.differs(format!(
            "{}: {} parked, alarms {:?}",
            status.name, status.parked, status.alarms
        ));
    }
    for (id, code) in meters
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
    {
        checked.differs_first(format!("case {id} was refused a move: {code}"));
    }
    let mut latencies_ms = std::mem::take(
        &mut *meters
            .latencies_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    latencies_ms.sort_by(f64::total_cmp);
    world.stop().await?;
    Ok(Report {
        file: options.file.clone(),
        rows: 0,
        accepted: cases,
        refused: Vec::new(),
        escalations: meters.escalations.load(Ordering::Relaxed),
        acts: meters.acts.load(Ordering::Relaxed),
        tiers: report::tier_figures(&world.tree, &before, &statuses, &kills),
        latencies_ms,
        kills,
        checked,
        built_in,
        replayed_in,
        checked_in: comparing.elapsed(),
    })
}

/// Changes one byte in the middle of a township's journal, behind its node's back.
fn damage(world: &World) -> anyhow::Result<()> {
    if let Some(township) = world.tree.of(Tier::Township).next() {
        damage_journal(&world.ground.folder(Tier::Township, township))?;
    }
    Ok(())
}

fn bar(template: &str, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(message);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn clear(root: &Path) {
    if let Err(error) = std::fs::remove_dir_all(root) {
        // Nobody is harmed by it, and nobody but its owner can remove it.
        let _ = writeln!(
            std::io::stderr(),
            "{} stays behind: {error}",
            root.display()
        );
    }
}
