//! The four processes, one a tier: their folders, ports and settings; started, stopped and killed from outside.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use fengqiao_hub::clock::Moment;
use tokio::process::{Child, ChildStdin, Command};

use super::plan::{Plan, Tier};
use crate::cli::SOCKET_NAME;

/// Open files a process of many places may need.
const OPEN_FILES: u64 = 16_384;
/// How long a process may take to drain.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(20);

/// Where everything of a replay lies.
#[derive(Debug)]
pub(super) struct Ground {
    root: PathBuf,
    ports: [[u16; 4]; 4],
    places: [Vec<String>; 4],
    temporary: bool,
}

/// Lines of a log that are shown when its process ends by itself.
const LOG_LINES: usize = 20;

/// A running process of one tier.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Open as long as the replay runs: the process ends with it, also when it is killed.
    _leash: Option<ChildStdin>,
}

fn index(tier: Tier) -> usize {
    match tier {
        Tier::City => 0,
        Tier::County => 1,
        Tier::Township => 2,
        Tier::Village => 3,
    }
}

/// The name of a place's folder.
pub(super) fn folder_name(tier: Tier, place: usize) -> String {
    format!("{}{place}", &tier.word()[..1])
}

impl Ground {
    /// Makes the folders, the catalogue and the settings of all four processes.
    pub(super) fn make(folder: Option<&Path>, plan: &Plan, start: Moment) -> anyhow::Result<Self> {
        let temporary = folder.is_none();
        let root = match folder {
            Some(folder) => folder.to_owned(),
            None => std::env::temp_dir().join(format!("fengqiao-replay-{}", std::process::id())),
        };
        if root.exists() && root.read_dir()?.next().is_some() {
            anyhow::bail!("FOLDER_NOT_EMPTY: {} is not empty", root.display());
        }
        std::fs::create_dir_all(&root)?;
        let root = root.canonicalize()?;
        let names = |tier: Tier| {
            plan.tree
                .of(tier)
                .map(|place| folder_name(tier, place))
                .collect::<Vec<_>>()
        };
        let ground = Self {
            ports: free_ports()?,
            places: Tier::DOWNWARDS.map(names),
            root,
            temporary,
        };
        std::fs::write(ground.catalogue(), &plan.catalogue)?;
        ground.set_clock(start)?;
        for tier in Tier::DOWNWARDS {
            if tier != Tier::City {
                std::fs::create_dir_all(ground.data(tier))?;
            }
            std::fs::write(ground.settings(tier), ground.configuration(tier))?;
        }
        raise_open_files();
        Ok(ground)
    }

    /// Folder of everything.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is to be removed in the end.
    pub(super) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Data folder of a process.
    pub(super) fn data(&self, tier: Tier) -> PathBuf {
        self.root.join(tier.word())
    }

    /// Data folder of one place's node.
    pub(super) fn folder(&self, tier: Tier, place: usize) -> PathBuf {
        if tier == Tier::City {
            self.data(tier)
        } else {
            self.data(tier).join(folder_name(tier, place))
        }
    }

    /// Socket of one place's node; a process of one place has its socket in its own folder.
    pub(super) fn socket(&self, tier: Tier, place: usize) -> PathBuf {
        if self.places[index(tier)].len() == 1 {
            return self.data(tier).join(SOCKET_NAME);
        }
        self.folder(tier, place).join(SOCKET_NAME)
    }

    /// Where newcomers join at a tier.
    pub(super) fn enrol_address(&self, tier: Tier) -> String {
        format!("127.0.0.1:{}", self.ports[index(tier)][1])
    }

    /// The file all clocks are set by.
    pub(super) fn clock(&self) -> PathBuf {
        self.root.join("clock")
    }

    fn catalogue(&self) -> PathBuf {
        self.root.join("catalogue.csv")
    }

    fn settings(&self, tier: Tier) -> PathBuf {
        self.root.join(format!("{}.toml", tier.word()))
    }

    /// Sets all clocks.
    pub(super) fn set_clock(&self, now: Moment) -> anyhow::Result<()> {
        let text = now
            .to_rfc3339(0)
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let aside = self.root.join("clock.next");
        std::fs::write(&aside, text)?;
        // A reader sees the old moment or the new one, never half of it.
        std::fs::rename(&aside, self.clock())?;
        Ok(())
    }

    fn configuration(&self, tier: Tier) -> String {
        let [link, enrol, desk, operations] = self.ports[index(tier)];
        let host = match tier {
            Tier::City => String::new(),
            Tier::County | Tier::Township | Tier::Village => {
                let names: Vec<String> = self.places[index(tier)]
                    .iter()
                    .map(|name| format!("\"{name}\""))
                    .collect();
                format!("[places]\nhost = [{}]\n", names.join(", "))
            }
        };
        let (segment_bytes, cache_bytes) = match tier {
            Tier::City => (16 << 20, 64 << 20),
            Tier::County | Tier::Township => (4 << 20, 64 << 20),
            Tier::Village => (1 << 20, 64 << 20),
        };
        // The clock file moves days in a minute, so two processes read it far apart: no skew is worth an alarm.
        format!(
            "[link]\nlisten = \"127.0.0.1:{link}\"\nretry_ms_min = 50\nretry_ms_max = 400\n\
             [enrol]\nlisten = \"127.0.0.1:{enrol}\"\n\
             [desk]\nlisten = \"127.0.0.1:{desk}\"\n\
             [operations]\nlisten = \"127.0.0.1:{operations}\"\n\
             [journal]\nsegment_bytes = {segment_bytes}\nreserve_bytes = 1048576\n\
             [store]\ncache_bytes = {cache_bytes}\n\
             [time]\nzone_offset_minutes = -240\ntick_ms = 3600000\nclock_skew_warn_s = 31536000\nclock_skew_stop_s = 31536000\n\
             [log]\nfilter = \"warn\"\n{host}"
        )
    }

    fn log(&self, tier: Tier) -> PathBuf {
        self.root.join(format!("{}.log", tier.word()))
    }

    /// The last lines that a tier's process logged.
    pub(super) fn log_end(&self, tier: Tier) -> String {
        let log = std::fs::read(self.log(tier)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Starts the process of a tier.
    pub(super) fn start(&self, tier: Tier) -> anyhow::Result<Process> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log(tier))?;
        // Many small journals are synced side by side: a worker that waits for its disk costs nothing.
        let workers = match tier {
            Tier::City => 1,
            Tier::County => 16,
            Tier::Township | Tier::Village => 32,
        };
        let mut command = Command::new(std::env::current_exe().context("the program's own path")?);
        command
            .arg("run")
            .arg("--data")
            .arg(self.data(tier))
            .arg("--config")
            .arg(self.settings(tier))
            .arg("--catalogue")
            .arg(self.catalogue())
            .arg("--clock")
            .arg(self.clock())
            .args(["--workers", &workers.to_string()])
            .arg("--while-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("the {} process does not start", tier.word()))?;
        let leash = child.stdin.take();
        Ok(Process {
            child,
            _leash: leash,
        })
    }
}

impl Process {
    /// How it ended, when it did by itself.
    pub(super) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGSTOP: it does nothing more, and its neighbours are not told.
    pub(super) fn freeze(&self) -> anyhow::Result<()> {
        self.signal(rustix::process::Signal::STOP)
    }

    /// SIGCONT.
    pub(super) fn thaw(&self) -> anyhow::Result<()> {
        self.signal(rustix::process::Signal::CONT)
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("the process is not killed")
    }

    /// SIGTERM, and waits until it has drained.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(rustix::process::Signal::TERM)?;
        if tokio::time::timeout(DRAIN, self.child.wait())
            .await
            .is_err()
        {
            self.child.kill().await?;
        }
        Ok(())
    }

    fn signal(&self, signal: rustix::process::Signal) -> anyhow::Result<()> {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        let id = id.context("the process has ended by itself")?;
        rustix::process::kill_process(id, signal).context("the process takes no signal")
    }
}

/// Ports that are free now. All are held until all are found.
fn free_ports() -> anyhow::Result<[[u16; 4]; 4]> {
    let mut held = Vec::new();
    let mut ports = [[0; 4]; 4];
    for port in ports.iter_mut().flatten() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Each hosted place keeps a journal and a socket open; the children inherit the limit.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        // Where it may not be raised, a process that runs out says so itself.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
