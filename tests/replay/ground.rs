//! The four processes, one a tier: their folders, ports and settings; started, stopped and killed from outside.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fengqiao_hub::clock::Moment;
use fengqiao_node::config::SOCKET_NAME;
use fengqiao_tests::kit;
use fengqiao_tests::kit::ports::{Ports, loopback};
use fengqiao_tests::kit::process::{Process, binary, command, log_end, open_log};

use super::plan::{Plan, Tier};

/// Open files a process of many places may need.
const OPEN_FILES: u64 = 16_384;

/// Minutes east of UTC at which the clock is written.
const OFFSET_MINUTES: i32 = 0;

/// Where everything of a replay lies.
#[derive(Debug)]
pub(super) struct Ground {
    root: PathBuf,
    ports: [Ports; 4],
    places: [Vec<String>; 4],
    temporary: bool,
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
    /// Makes the folders and the settings of all four processes.
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
            ports: [
                Ports::free()?,
                Ports::free()?,
                Ports::free()?,
                Ports::free()?,
            ],
            places: Tier::DOWNWARDS.map(names),
            root,
            temporary,
        };
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
        loopback(self.ports[index(tier)].enrol)
    }

    /// The file all clocks are set by.
    pub(super) fn clock(&self) -> PathBuf {
        self.root.join("clock")
    }

    fn settings(&self, tier: Tier) -> PathBuf {
        self.root.join(format!("{}.toml", tier.word()))
    }

    /// Sets all clocks.
    pub(super) fn set_clock(&self, now: Moment) -> anyhow::Result<()> {
        kit::clock::set(&self.clock(), now, OFFSET_MINUTES)
    }

    fn configuration(&self, tier: Tier) -> String {
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
            "[link]\nretry_ms_min = 50\nretry_ms_max = 400\n\
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
        log_end(&self.log(tier))
    }

    /// Starts the process of a tier.
    pub(super) fn start(&self, tier: Tier) -> anyhow::Result<Process> {
        // Many small journals are synced side by side: a worker that waits for its disk costs nothing.
        let workers = match tier {
            Tier::City => 1,
            Tier::County => 16,
            Tier::Township | Tier::Village => 32,
        };
        let mut run = command(&binary()?);
        run.arg("run")
            .arg("--data")
            .arg(self.data(tier))
            .arg("--config")
            .arg(self.settings(tier))
            .arg("--clock")
            .arg(self.clock())
            .args(["--workers", &workers.to_string()]);
        for setting in self.ports[index(tier)].settings() {
            run.args(["--set", &setting]);
        }
        Process::start(run, open_log(&self.log(tier))?)
            .with_context(|| format!("the {} process does not start", tier.word()))
    }
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
