//! What a process costs: from its start to its socket, its memory, threads and processor time, as the system counts them.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use fengqiao_tests::kit::node::Node;
use fengqiao_tests::kit::process::log_end;
use serde_json::Value;

const READY: Duration = Duration::from_secs(120);
/// Between two looks at a socket: fine enough for what is measured.
const LOOK_PAUSE: Duration = Duration::from_micros(500);

/// A node of a binary, in a folder that need not be made yet.
pub(crate) fn node(binary: &Path, data: &Path) -> anyhow::Result<Node> {
    let mut node = Node::new(&data.display().to_string(), data)?;
    binary.clone_into(&mut node.binary);
    Ok(node)
}

/// The same, as the first node of a deployment.
pub(crate) fn first(binary: &Path, data: &Path) -> anyhow::Result<Node> {
    let node = node(binary, data)?;
    command(&node, &["init", "--name", "德州市", "--code", "3714"])?;
    Ok(node)
}

/// Runs a command on a node's folder and reads its JSON.
pub(crate) fn command(node: &Node, words: &[&str]) -> anyhow::Result<Value> {
    let said = node.say(&[&["--output", "json"], words].concat())?;
    ensure!(said.code == 0, "{words:?}: {}", said.err);
    serde_json::from_str(&said.out).with_context(|| format!("{words:?} printed {}", said.out))
}

/// Starts a node; how long it took to its socket.
pub(crate) fn start(node: &mut Node) -> anyhow::Result<Duration> {
    let socket = node.socket();
    start_until(node, &[socket])
}

/// Starts a process; how long it took until it listened on all the sockets named.
pub(crate) fn start_until(node: &mut Node, sockets: &[PathBuf]) -> anyhow::Result<Duration> {
    for socket in sockets {
        // One that was left behind is not the sign of this start.
        if let Err(error) = std::fs::remove_file(socket) {
            ensure!(error.kind() == std::io::ErrorKind::NotFound, error);
        }
    }
    let start = Instant::now();
    node.spawn()?;
    // The file is there a moment before it is listened on.
    while !sockets.iter().all(|at| UnixStream::connect(at).is_ok()) {
        let said = || log_end(&node.log);
        ensure!(start.elapsed() < READY, "not ready:\n{}", said());
        ensure!(!node.has_ended(), "it ended:\n{}", log_end(&node.log));
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(start.elapsed())
}

/// Resident memory, bytes.
pub(crate) fn resident_bytes(node: &Node) -> anyhow::Result<u64> {
    Ok(status_line(node, "VmRSS:")? * 1024)
}

/// Threads.
pub(crate) fn threads(node: &Node) -> anyhow::Result<u64> {
    status_line(node, "Threads:")
}

fn of(node: &Node, file: &str) -> anyhow::Result<String> {
    let id = node.process().context("it does not run")?.id();
    Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
}

fn status_line(node: &Node, name: &str) -> anyhow::Result<u64> {
    of(node, "status")?
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("no {name}"))
}

/// Processor time used so far, in user and kernel.
pub(crate) fn processor_time(node: &Node) -> anyhow::Result<Duration> {
    let stat = of(node, "stat")?;
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}
