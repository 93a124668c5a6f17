//! Real processes: one node each, in a data folder of its own, with ports the system chose.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

const READY: Duration = Duration::from_secs(120);

/// A running node.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its data folder.
    pub(crate) data: PathBuf,
    /// Where links are taken.
    pub(crate) link_port: u16,
    /// Where newcomers enrol.
    pub(crate) enrol_port: u16,
    /// From the start of the process to its socket.
    pub(crate) started_in: Duration,
    child: Child,
}

/// Runs the command line and reads its JSON.
pub(crate) fn command(binary: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = Command::new(binary)
        .arg("--data")
        .arg(data)
        .args(["--output", "json"])
        .args(arguments)
        .output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {words}");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).with_context(|| format!("{arguments:?} printed {text}"))
}

/// Three ports that were free a moment ago, and differ.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let bind = || std::net::TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?, bind()?];
    let [link, enrol, desk] = &held;
    Ok([
        link.local_addr()?.port(),
        enrol.local_addr()?.port(),
        desk.local_addr()?.port(),
    ])
}

impl Process {
    /// Starts a node and waits for its socket.
    pub(crate) fn start(binary: &Path, data: &Path, set: &[String]) -> anyhow::Result<Self> {
        Self::start_until(binary, data, None, set, &[data.join("fengqiao.sock")])
    }

    /// Starts a process and waits for all the sockets named.
    pub(crate) fn start_until(
        binary: &Path,
        data: &Path,
        config: Option<&Path>,
        set: &[String],
        sockets: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let [link_port, enrol_port, desk_port] = free_ports()?;
        let mut run = Command::new(binary);
        run.arg("--data").arg(data).arg("run");
        for (key, port) in [
            ("link.listen", link_port),
            ("enrol.listen", enrol_port),
            ("desk.listen", desk_port),
            // Whatever is free: nobody asks it here.
            ("operations.listen", 0),
        ] {
            run.arg("--set").arg(format!("{key}=127.0.0.1:{port}"));
        }
        if let Some(config) = config {
            run.arg("--config").arg(config);
        }
        for pair in set {
            run.arg("--set").arg(pair);
        }
        for socket in sockets {
            // One that was left behind is not the sign of this start.
            if let Err(error) = std::fs::remove_file(socket) {
                ensure!(error.kind() == std::io::ErrorKind::NotFound, error);
            }
        }
        let log = std::fs::File::create(data.with_extension("log"))?;
        let start = Instant::now();
        let child = run.stdout(Stdio::null()).stderr(log).spawn()?;
        let mut process = Self {
            data: data.to_owned(),
            link_port,
            enrol_port,
            started_in: Duration::ZERO,
            child,
        };
        // The file is there a moment before it is listened on.
        while !sockets.iter().all(|at| UnixStream::connect(at).is_ok()) {
            if let Some(status) = process.child.try_wait()? {
                bail!("{} ended: {status}", data.display());
            }
            ensure!(start.elapsed() < READY, "{} is not ready", data.display());
            std::thread::sleep(Duration::from_micros(500));
        }
        process.started_in = start.elapsed();
        Ok(process)
    }

    /// The local socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("fengqiao.sock")
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").arg(id).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        Ok(self.status_line("VmRSS:")? * 1024)
    }

    /// Threads.
    pub(crate) fn threads(&self) -> anyhow::Result<u64> {
        self.status_line("Threads:")
    }

    fn status_line(&self, name: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .with_context(|| format!("no {name}"))
    }

    /// Processor time used so far, in user and kernel.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u64 = after
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A run that failed half way leaves nothing behind; one that was stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of all files below a folder as the disk keeps them.
pub(crate) fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
            Ok(found) => std::os::unix::fs::MetadataExt::blocks(&found) * 512,
            Err(_) => 0,
        })
        .sum()
}
