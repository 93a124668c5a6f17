//! The whole demonstration: ground, stories, the last comparison, and what is said of it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use fengqiao_node::cli::output::table;
use fengqiao_tests::kit::failed::{Done, Failed, say};
use fengqiao_tests::kit::folder::damage_journal;
use fengqiao_tests::kit::ports::loopback;
use fengqiao_tests::kit::process::binary;
use serde_json::{Value, json};

use super::entrances;
use super::place::At;
use super::report::Report;
use super::scene::Scene;
use super::tale::Tale;
use super::{Options, node, stories, told_to_stop};

/// Plays it all; unless it is to end by itself, it then runs on until told to stop.
///
/// # Errors
/// The ground could not be made, a node refused, or something was otherwise than told: `DEMO_DIFFERS`.
pub(super) async fn demonstrate(options: &Options) -> Done<()> {
    let corrupt = options.corrupt.as_deref().map(place_of).transpose()?;
    let folder = Playground::make(options.folder.as_deref())?;
    let mut tale = Tale::new(options.output);
    let began = Instant::now();
    let (scene, report, ended) = play(&folder.path, corrupt, &mut tale).await;
    let seconds = began.elapsed().as_secs_f64();
    if let Err(failure) = &ended {
        tale.differences.push(failure.english.clone());
    }
    say(
        options.output,
        &whole(&tale, &report, scene.as_ref(), seconds),
        &ending(&tale, &report, seconds),
    );
    if tale.differences.is_empty() {
        if !options.once {
            if let Some(scene) = &scene {
                tale.print(&entrances::open(scene).await?);
            }
            tale.print(&addresses(scene.as_ref(), &tale));
            told_to_stop().await?;
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
        Ok(()) => Failed::new(
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
        && let Err(error) = damage_journal(scene.node(at).folder())
    {
        let failure = Failed::new("DEMO_FOLDER", error.to_string(), "无法更改日志");
        return (Some(scene), Report::default(), Err(failure));
    }
    match Report::take(&scene, tale).await {
        Ok(report) => (Some(scene), report, Ok(())),
        Err(failure) => (Some(scene), Report::default(), Err(failure)),
    }
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
    let ports = node.node.ports;
    json!({
        "place": node.name,
        "code": node.at.code(),
        "level": node.at.level(),
        "folder": node.folder(),
        "socket": node.node.socket(),
        "link": loopback(ports.link),
        "enrol": loopback(ports.enrol),
        "desk": loopback(ports.desk),
        "operations": loopback(ports.operations),
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
            let ports = node.node.ports;
            let folder = node.folder().display().to_string();
            vec![
                node.name.to_owned(),
                loopback(ports.desk),
                loopback(ports.link),
                loopback(ports.operations),
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
    let binary = binary().map_or_else(|_| "fengqiao".to_owned(), |path| path.display().to_string());
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
                scene.node(*at).folder().display()
            )
        })
        .collect();
    format!(
        "\n节点继续运行，可以看看、接着办 · The nodes run on; look around and go on:\n\n{}\n{}\n\n\
         按 Ctrl-C 结束 · Ctrl-C ends it all.",
        table(&header, &rows),
        examples.join("\n"),
    )
}
