//! The city, its counties and its townships in one process: what starting and keeping them costs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use fengqiao_node::config::SOCKET_NAME;
use fengqiao_tests::kit::desk::Desk;
use fengqiao_tests::kit::node::Node;
use fengqiao_tests::kit::ports::loopback;
use fengqiao_tests::kit::wire::{Laying, Wire};

use crate::clerks::await_status;
use crate::report::Report;
use crate::usage::{self, command, processor_time, resident_bytes, start_until, threads};

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
    let mut host = usage::node(binary, &data)?;
    let init = ["init", "--name", &city.name, "--code", &city.code];
    command(&usage::node(binary, &data.join(&city.code))?, &init)?;
    let mut hosted = vec![city.code.clone()];
    for level in ["county", "township"] {
        start(&mut host, &hosted)?;
        for place in places.iter().filter(|place| place.level == level) {
            // One address may try to enrol only a few times a minute.
            let source = u8::try_from(hosted.len() / ENROLMENTS_EACH).unwrap_or(u8::MAX);
            let address = std::net::Ipv4Addr::new(127, 0, 1, source);
            let laying = Laying {
                from: Some(address),
                ..Laying::default()
            };
            let wire = Wire::laid(loopback(host.ports.enrol).parse()?, laying).await?;
            enrol(&host, &wire, place)?;
            hosted.push(place.code.clone());
        }
        host.stop().await?;
    }
    let started_in = start(&mut host, &hosted)?;
    let count = hosted.len() as f64;
    report.add("hosted: places in one process", count, "");
    report.time("hosted: start to all sockets", started_in);
    let began = std::time::Instant::now();
    let desk = Desk::of_socket(data.join(&city.code).join(SOCKET_NAME));
    await_status(&desk, PAUSE, |status| {
        status.links.len() >= 12 && status.links.iter().all(|link| link.connected)
    })
    .await?;
    report.time(
        "hosted: from there until the city's links stand",
        began.elapsed(),
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resident = resident_bytes(&host)? as f64 / 1e6;
    report.add("hosted: resident memory", resident, "MB");
    report.add("hosted: threads", threads(&host)? as f64, "");
    let before = processor_time(&host)?;
    // Rest is what is measured here.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let used = processor_time(&host)?.saturating_sub(before);
    report.add(
        "hosted: processor at rest over 10 s",
        used.as_secs_f64() * 10.0,
        "%",
    );
    drop(desk);
    host.stop().await?;
    start(&mut host, &hosted[..1])?;
    let first = resident_bytes(&host)? as f64 / 1e6;
    report.add(
        "hosted: memory of one more place",
        (resident - first) / (count - 1.0),
        "MB",
    );
    host.stop().await?;
    Ok(())
}

/// Starts the process with these places; how long it took to all their sockets.
fn start(host: &mut Node, hosted: &[String]) -> anyhow::Result<Duration> {
    let names: Vec<String> = hosted.iter().map(|name| format!("\"{name}\"")).collect();
    let config = host.data.join("hosted.toml");
    let host_key = format!("[places]\nhost = [{}]\n", names.join(", "));
    std::fs::write(&config, host_key)?;
    host.words = vec!["--config".to_owned(), config.display().to_string()];
    let sockets: Vec<PathBuf> = hosted
        .iter()
        .map(|name| host.data.join(name).join(SOCKET_NAME))
        .collect();
    // A process with one place has its socket where the configuration says, not in the place's folder.
    host.settings = match sockets.as_slice() {
        [only] => vec![format!("desk.socket={}", only.display())],
        _ => Vec::new(),
    };
    start_until(host, &sockets)
}

fn enrol(host: &Node, wire: &Wire, place: &Place) -> anyhow::Result<()> {
    let data = &host.data;
    let above = usage::node(&host.binary, &data.join(&place.parent))?;
    let add = [
        "place",
        "add",
        &place.name,
        "--level",
        &place.level,
        "--code",
        &place.code,
    ];
    command(&above, &add)?;
    let invited = command(&above, &["invite", &place.code])?;
    let token = invited["token"].as_str().context("a token")?;
    let parent = wire.address().to_string();
    let name = certificate_name(&host.log, &above.data)?;
    let join = [
        "join",
        "--parent",
        &parent,
        "--parent-name",
        &name,
        "--token",
        token,
    ];
    command(&usage::node(&host.binary, &data.join(&place.code))?, &join)?;
    Ok(())
}

/// The parent's name in certificates, which tells hosted places of one port apart: the process says it when it serves.
fn certificate_name(log: &Path, folder: &Path) -> anyhow::Result<String> {
    let identity = std::fs::read_to_string(folder.join("identity.json"))?;
    let identity: serde_json::Value = serde_json::from_str(&identity)?;
    let node = identity["node"].as_str().context("a node")?;
    let log = std::fs::read_to_string(log)?;
    let after = log
        .split(&format!("name=\"{node}."))
        .nth(1)
        .context("a name in the log")?;
    let rest = after.split('"').next().unwrap_or_default();
    Ok(format!("{node}.{rest}"))
}
