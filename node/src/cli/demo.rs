//! `fengqiao demo`: four tiers on this machine, played with the real names of Dezhou and the dates of 2023.
//!
//! Seven processes of this binary, each with its own folder and certificates, talk over mutual TLS on loopback; a wire
//! that can be cut stands between each and its parent, and the nodes are not told. Nothing here reaches into a node: all
//! that happens is asked for over the socket a clerk uses. Whatever differs from the story ends with exit code 1.

mod node;
mod place;
mod proxy;
mod report;
mod scene;
mod stories;
mod tale;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use self::place::At;
use self::report::Report;
use self::scene::Scene;
use self::tale::Tale;
use super::command::Ground;
use super::server::Failed;

/// An event that the stories wait for comes within this time, or the demonstration has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Between two looks at whether it came.
const LOOK_PAUSE: Duration = Duration::from_millis(15);

type Done<T> = Result<T, Failed>;

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the stories instead of running on
    #[arg(long)]
    once: bool,
    /// Folder to play in, new or empty; a temporary one that is removed at the end unless given
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Change one byte of this place's journal (its official code) before the last digest: the demonstration must notice
    #[arg(long, hide = true, value_name = "CODE")]
    corrupt: Option<String>,
}

/// Plays the demonstration.
///
/// # Errors
/// The ground could not be made, a node refused, or something was otherwise than told: `DEMO_DIFFERS`.
pub fn run(args: &DemoArgs, ground: &Ground) -> Done<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(anyhow::Error::new)?;
    runtime.block_on(async {
        tokio::select! {
            played = demonstrate(args, ground) => played,
            told = told_to_stop() => told,
        }
    })
}

async fn demonstrate(args: &DemoArgs, ground: &Ground) -> Done<()> {
    let corrupt = args.corrupt.as_deref().map(place_of).transpose()?;
    let folder = Playground::make(args.folder.as_deref())?;
    let mut tale = Tale::new(ground.json);
    let began = Instant::now();
    let (scene, report, ended) = play(&folder.path, corrupt, &mut tale).await;
    let seconds = began.elapsed().as_secs_f64();
    if let Err(failure) = &ended {
        tale.differences.push(failure.english.clone());
    }
    if ground.json {
        super::server::say(true, &whole(&tale, &report, scene.as_ref(), seconds), "");
    } else {
        tale.print(&ending(&tale, &report, seconds));
    }
    if tale.differences.is_empty() {
        if !args.once {
            tale.print(&addresses(scene.as_ref(), &tale));
            std::future::pending::<()>().await;
        }
        return Ok(());
    }
    let kept = folder.keep();
    let where_to_look = format!("; logs and folders: {}", kept.display());
    Err(match ended {
        Err(failure) => Failed {
            english: failure.english.clone() + &where_to_look,
            ..failure
        },
        Ok(()) => failed(
            "DEMO_DIFFERS",
            tale.differences.join("; ") + &where_to_look,
            "演示结果与预期不符",
        ),
    })
}

/// Everything from the first process to the last digest. The scene is handed back however it ends.
async fn play(
    folder: &Path,
    corrupt: Option<At>,
    tale: &mut Tale,
) -> (Option<Scene>, Report, Done<()>) {
    tale.print("枫桥演示：七个节点，四个层级，一个程序（2023年2月至3月，德州）");
    tale.print(
        "Fengqiao: seven nodes on four tiers, one program (Dezhou, February and March 2023)\n",
    );
    tale.print("建立部署，逐级凭邀请入网 · Each node joins its parent by invitation, with certificates of its own:");
    let mut scene = match Scene::build(folder, tale).await {
        Ok(scene) => scene,
        Err(failure) => return (None, Report::default(), Err(failure)),
    };
    if let Err(failure) = stories::play(&mut scene, tale).await {
        return (Some(scene), Report::default(), Err(failure));
    }
    if let Some(at) = corrupt
        && let Err(failure) = change_one_byte(&scene.node(at).folder)
    {
        return (Some(scene), Report::default(), Err(failure));
    }
    match Report::take(&scene, tale).await {
        Ok(report) => (Some(scene), report, Ok(())),
        Err(failure) => (Some(scene), Report::default(), Err(failure)),
    }
}

/// Changes the byte in the middle of what the last segment of a journal holds.
fn change_one_byte(folder: &Path) -> Done<()> {
    use std::os::unix::fs::FileExt as _;
    let change = || -> std::io::Result<()> {
        let segments = std::fs::read_dir(folder.join("journal"))?;
        let mut sized = Vec::new();
        for segment in segments {
            let path = segment?.path();
            let content = std::fs::read(&path)?;
            // What was reserved and not yet written is zero.
            let written = content
                .iter()
                .rposition(|byte| *byte != 0)
                .unwrap_or_default();
            sized.push((written, path, content));
        }
        let largest = sized.into_iter().max_by_key(|(written, _, _)| *written);
        let (written, path, content) = largest.ok_or(std::io::ErrorKind::NotFound)?;
        let at = written / 2;
        let file = std::fs::OpenOptions::new().write(true).open(path)?;
        file.write_all_at(&[content[at] ^ 1], at as u64)
    };
    change().map_err(|error| failed("DEMO_FOLDER", error.to_string(), "无法更改日志"))
}

fn place_of(code: &str) -> Done<At> {
    let found = At::ALL.into_iter().find(|at| at.code() == code);
    found.ok_or_else(|| {
        Failed::usage(
            "PLACE_UNKNOWN",
            format!("no node of the demonstration has code {code}"),
            "没有此地区的节点",
        )
    })
}

/// The folder played in.
#[derive(Debug)]
struct Playground {
    path: PathBuf,
    is_removed: bool,
}

impl Playground {
    fn make(given: Option<&Path>) -> Done<Self> {
        let (path, is_removed) = match given {
            Some(path) => (path.to_owned(), false),
            None => (
                std::env::temp_dir().join(format!("fengqiao-demo-{}", std::process::id())),
                true,
            ),
        };
        let unusable = |why: String| {
            Failed::usage(
                "FOLDER_UNUSABLE",
                format!("{}: {why}", path.display()),
                "请给出新的或空的文件夹",
            )
        };
        std::fs::create_dir_all(&path).map_err(|error| unusable(error.to_string()))?;
        let is_empty = std::fs::read_dir(&path)
            .map_err(|error| unusable(error.to_string()))?
            .next()
            .is_none();
        if !is_empty {
            return Err(unusable("it is not empty".to_owned()));
        }
        Ok(Self { path, is_removed })
    }

    /// Leaves it for whoever looks for the reason.
    fn keep(mut self) -> PathBuf {
        self.is_removed = false;
        self.path.clone()
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        if self.is_removed {
            // A temporary folder that stays behind harms nobody.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn ending(tale: &Tale, report: &Report, seconds: f64) -> String {
    let verdict = if tale.differences.is_empty() {
        format!(
            "全部相符：每条链路两端摘要相等，用时{seconds:.0}秒\nEverything is as told, every digest equal, in {seconds:.0} s"
        )
    } else {
        let told: Vec<String> = tale
            .differences
            .iter()
            .map(|difference| format!("  {difference}"))
            .collect();
        format!("不符 DIFFERENT:\n{}", told.join("\n"))
    };
    format!("\n{}\n{verdict}", report.text())
}

fn whole(tale: &Tale, report: &Report, scene: Option<&Scene>, seconds: f64) -> Value {
    let (steps, facts) = tale.json();
    let (cases, links) = report.json();
    let nodes: Vec<Value> = scene
        .map(Scene::nodes)
        .unwrap_or_default()
        .iter()
        .map(node_json)
        .collect();
    json!({
        "ok": tale.differences.is_empty(),
        "differences": tale.differences,
        "cases": cases,
        "links": links,
        "facts": facts,
        "steps": steps,
        "nodes": nodes,
        "seconds": seconds,
    })
}

fn node_json(node: &node::Node) -> Value {
    json!({
        "place": node.name,
        "code": node.at.code(),
        "level": node.at.level(),
        "folder": node.folder,
        "socket": node.folder.join(super::SOCKET_NAME),
        "link": node.ports.link,
        "enrol": node.ports.enrol,
        "desk": node.ports.desk,
        "operations": node.ports.operations,
    })
}

fn addresses(scene: Option<&Scene>, tale: &Tale) -> String {
    let Some(scene) = scene else {
        return String::new();
    };
    let rows: Vec<Vec<String>> = scene
        .nodes()
        .iter()
        .map(|node| {
            let ports = node.ports;
            let folder = node.folder.display().to_string();
            vec![
                node.name.to_owned(),
                ports.desk.to_string(),
                ports.link.to_string(),
                ports.operations.to_string(),
                folder,
            ]
        })
        .collect();
    let header = [
        "节点 NODE",
        "gRPC",
        "链路 LINK",
        "运行 OPERATIONS",
        "数据 DATA FOLDER",
    ];
    let binary = std::env::current_exe()
        .map_or_else(|_| "fengqiao".to_owned(), |path| path.display().to_string());
    let number = |story| {
        tale.cases
            .iter()
            .find(|told| told.story == story)
            .map_or("", |told| told.number.as_str())
    };
    let lines = [
        (At::City, "status".to_owned()),
        (At::City, "case list --notices --closed".to_owned()),
        (At::City, "tally".to_owned()),
        (At::Lingcheng, format!("case show {} --texts", number('d'))),
        (At::Wangjia, format!("case show {} --texts", number('c'))),
        (
            At::Wangjia,
            format!(
                "--as clerk case take-action {} --evidence 已按决定恢复界石",
                number('c')
            ),
        ),
        (At::Wangjia, "digest".to_owned()),
    ];
    let examples: Vec<String> = lines
        .iter()
        .map(|(at, line)| {
            format!(
                "{binary} --data {} {line}",
                scene.node(*at).folder.display()
            )
        })
        .collect();
    format!(
        "\n节点继续运行，可以看看、接着办 · The nodes run on; look around and go on:\n\n{}\n{}\n\n\
         按 Ctrl-C 结束 · Ctrl-C ends it all.",
        super::output::table(&header, &rows),
        examples.join("\n"),
    )
}

/// Resolves when the process is told to stop; what it started ends with it.
async fn told_to_stop() -> Done<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(anyhow::Error::new);
    let (mut interrupt, mut terminate, mut hang_up) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Waits until a look at the nodes finds what is awaited, no longer than [`WAIT_MAX`].
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Done<Option<T>>) -> Done<T> {
    let found = tokio::time::timeout(WAIT_MAX, async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    });
    found.await.unwrap_or_else(|_| {
        Err(failed(
            "DEMO_STUCK",
            format!("waited in vain: {what}"),
            "等待超时",
        ))
    })
}

fn failed(code: &str, english: impl Into<String>, chinese: &str) -> Failed {
    Failed {
        code: code.to_owned(),
        english: english.into(),
        chinese: chinese.to_owned(),
        exit: 1,
    }
}
