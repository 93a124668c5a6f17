//! The city, its counties and its townships in one process: what starting and keeping them costs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::client::Client;
use crate::process::{Process, command};
use crate::proxy::Proxy;
use crate::report::Report;

const DIVISIONS: &str = include_str!("../../deploy/dezhou/divisions.csv");
/// Enrolments from one address.
const ENROLMENTS_EACH: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);

struct Place {
    code: String,
    parent: String,
    level: String,
    name: String,
}

fn places() -> Vec<Place> {
    let rows = DIVISIONS.lines().skip(1).map(|line| {
        let mut fields = line.trim().split(',').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        Place {
            code: field(),
            parent: field(),
            level: field(),
            name: field(),
        }
    });
    rows.filter(|place| place.level != "village").collect()
}

/// Enrols them one after the other, then starts all at once.
pub(crate) async fn measure(
    binary: &Path,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let data = folder.join("hosted");
    std::fs::create_dir_all(&data)?;
    let places = places();
    let city = places.first().context("a city")?;
    let at = data.join(&city.code);
    command(
        binary,
        &at,
        &["init", "--name", &city.name, "--code", &city.code],
    )?;
    let mut hosted = vec![city.code.clone()];
    for level in ["county", "township"] {
        let process = start(binary, &data, &hosted)?;
        for place in places.iter().filter(|place| place.level == level) {
            // One address may try to enrol only a few times a minute.
            let source = u8::try_from(hosted.len() / ENROLMENTS_EACH).unwrap_or(u8::MAX);
            let address = std::net::Ipv4Addr::new(127, 0, 1, source);
            let proxy = Proxy::before_from(process.enrol_port, Some(address)).await?;
            enrol(binary, &data, &proxy, place)?;
            hosted.push(place.code.clone());
        }
        process.stop()?;
    }
    let process = start(binary, &data, &hosted)?;
    let count = hosted.len() as f64;
    report.add("hosted: places in one process", count, "");
    report.time("hosted: start to all sockets", process.started_in);
    let began = std::time::Instant::now();
    let client = Client::connect(&data.join(&city.code).join("fengqiao.sock")).await?;
    client
        .await_status(PAUSE, |status| {
            status.links.len() >= 12 && status.links.iter().all(|link| link.connected)
        })
        .await?;
    report.time(
        "hosted: from there until the city's links stand",
        began.elapsed(),
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resident = process.resident_bytes()? as f64 / 1e6;
    report.add("hosted: resident memory", resident, "MB");
    report.add("hosted: threads", process.threads()? as f64, "");
    let before = process.processor_time()?;
    // Rest is what is measured here.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let used = process.processor_time()?.saturating_sub(before);
    report.add(
        "hosted: processor at rest over 10 s",
        used.as_secs_f64() * 10.0,
        "%",
    );
    process.stop()?;
    let alone = start(binary, &data, &hosted[..1])?;
    let first = alone.resident_bytes()? as f64 / 1e6;
    report.add(
        "hosted: memory of one more place",
        (resident - first) / (count - 1.0),
        "MB",
    );
    alone.stop()
}

fn start(binary: &Path, data: &Path, hosted: &[String]) -> anyhow::Result<Process> {
    let names: Vec<String> = hosted.iter().map(|name| format!("\"{name}\"")).collect();
    let config = data.join("hosted.toml");
    std::fs::write(
        &config,
        format!("[places]\nhost = [{}]\n", names.join(", ")),
    )?;
    let sockets: Vec<PathBuf> = hosted
        .iter()
        .map(|name| data.join(name).join("fengqiao.sock"))
        .collect();
    // A process with one place has its socket where the configuration says, not in the place's folder.
    let one = match sockets.as_slice() {
        [only] => vec![format!("desk.socket={}", only.display())],
        _ => Vec::new(),
    };
    Process::start_until(binary, data, Some(&config), &one, &sockets)
}

fn enrol(binary: &Path, data: &Path, proxy: &Proxy, place: &Place) -> anyhow::Result<()> {
    let above = data.join(&place.parent);
    let add = [
        "place",
        "add",
        &place.name,
        "--level",
        &place.level,
        "--code",
        &place.code,
    ];
    command(binary, &above, &add)?;
    let invited = command(binary, &above, &["invite", &place.code])?;
    let token = invited["token"].as_str().context("a token")?;
    let parent = format!("127.0.0.1:{}", proxy.port);
    let name = certificate_name(data, &above)?;
    let join = [
        "join",
        "--parent",
        &parent,
        "--parent-name",
        &name,
        "--token",
        token,
    ];
    command(binary, &data.join(&place.code), &join)?;
    Ok(())
}

/// The parent's name in certificates, which tells hosted places of one port apart: the process says it when it serves.
fn certificate_name(data: &Path, folder: &Path) -> anyhow::Result<String> {
    let identity = std::fs::read_to_string(folder.join("identity.json"))?;
    let identity: serde_json::Value = serde_json::from_str(&identity)?;
    let node = identity["node"].as_str().context("a node")?;
    let log = std::fs::read_to_string(data.with_extension("log"))?;
    let after = log
        .split(&format!("name=\"{node}."))
        .nth(1)
        .context("a name in the log")?;
    let rest = after.split('"').next().unwrap_or_default();
    Ok(format!("{node}.{rest}"))
}
