//! The configuration of one node process: one TOML file, environment, flags.
//!
//! Flag beats environment beats file beats default. Every key stands once, in `config/keys.rs`, with
//! its default, its bounds and its explanation; the commented file and the refusals come from
//! there. A wrong configuration is refused before anything starts, with every problem at its line
//! and column. Nothing here holds a secret (each has a file of its own, named by a `*_file` key),
//! starts anything, or changes after loading.

mod error;
mod filter;
mod keys;
mod ports;
mod reader;
mod render;
mod source;
mod unknown;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use error::{Code, ConfigError, PROBLEMS_SHOWN_MAX, Place, Problem};
pub use render::Origins;
pub use source::{ENVIRONMENT_PREFIX, FILE_BYTES_MAX, Overrides};

use reader::{Key, Reader};
use source::Sources;

/// The most places that one process hosts.
pub const PLACES_HOSTED_MAX: usize = 1024;
/// Name of the local socket in a data folder.
pub const SOCKET_NAME: &str = "fengqiao.sock";
/// The longest path of a socket in the file system, in bytes: a bound of the kernel.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Everything that can be set, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the node keeps everything.
    pub data: Data,
    /// Links to parent and children.
    pub link: Link,
    /// Where new nodes enrol.
    pub enrol: Enrol,
    /// gRPC for clerks and other systems.
    pub desk: Desk,
    /// Pages for people with a browser.
    pub pages: Pages,
    /// Metrics and health.
    pub operations: Operations,
    /// The journal.
    pub journal: Journal,
    /// The index of the journal.
    pub store: Store,
    /// Clock and calendar.
    pub time: Time,
    /// What is written to the log.
    pub log: Log,
    /// Which places this process hosts.
    pub places: Places,
    keys: Vec<Key>,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The folder of journal, store and keys.
    pub folder: PathBuf,
}

/// `[link]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where children and departments dial in.
    pub listen: SocketAddr,
    /// `host:port` of the parent; none at the top.
    pub parent_address: Option<String>,
    /// Between two pings on an idle connection.
    pub keepalive_interval_ms: u64,
    /// Until an unanswered ping ends the connection.
    pub keepalive_timeout_ms: u64,
    /// Until an attempt to connect is given up.
    pub connect_timeout_ms: u64,
    /// The first pause before dialling again.
    pub retry_ms_min: u64,
    /// The longest pause before dialling again.
    pub retry_ms_max: u64,
    /// The largest frame taken in.
    pub frame_bytes_max: u64,
    /// After this a connection is renewed.
    pub connection_age_s: u64,
    /// Until a TLS handshake is given up.
    pub handshake_timeout_ms: u64,
    /// Streams at once on one connection.
    pub streams_max: u64,
    /// Entries in flight on one lane.
    pub credit_items: u64,
    /// Bytes in flight on one lane.
    pub credit_bytes: u64,
}

/// `[enrol]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrol {
    /// Where invited nodes enrol.
    pub listen: SocketAddr,
}

/// `[desk]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// gRPC over TCP.
    pub listen: SocketAddr,
    /// gRPC over a socket in the file system, for the command line on this machine.
    pub socket: PathBuf,
}

/// `[pages]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Pages over HTTPS.
    pub listen: SocketAddr,
    /// HTTP that only sends browsers on to HTTPS.
    pub redirect: SocketAddr,
    /// Names and addresses under which browsers come, beside this machine's own; they stand in its own certificate.
    pub names: Vec<String>,
    /// Certificate chain in PEM, when it is not to be the node's own.
    pub certificate_file: Option<PathBuf>,
    /// Its key in PEM.
    pub key_file: Option<PathBuf>,
}

/// `[operations]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operations {
    /// Metrics and health over HTTP.
    pub listen: SocketAddr,
}

/// `[journal]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Size at which a segment file is sealed.
    pub segment_bytes: u64,
    /// Entries that share one sync.
    pub group_entries_max: u64,
    /// Bytes that share one sync.
    pub group_bytes_max: u64,
    /// Space kept back for the last words of a full disk.
    pub reserve_bytes: u64,
    /// Below this share of free space the node only reads.
    pub read_only_below_percent: u64,
    /// Below this much free space the node only reads.
    pub read_only_below_bytes: u64,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Memory for pages of the index.
    pub cache_bytes: u64,
}

/// `[time]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// East of UTC.
    pub zone_offset_minutes: i64,
    /// A clock that differs by more is shown.
    pub clock_skew_warn_s: u64,
    /// A clock that differs by more stops automatic warnings.
    pub clock_skew_stop_s: u64,
    /// Between two looks at due times and the disk.
    pub tick_ms: u64,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines are written, in the syntax of `tracing`'s `EnvFilter`.
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `[places]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Folders under the data folder, one a hosted place; empty: the data folder is the one place.
    pub host: Vec<String>,
}

impl Config {
    /// Reads the file if there is one, the variables that begin with [`ENVIRONMENT_PREFIX`], and
    /// the flags.
    ///
    /// Relative paths in the file start at the folder of the file.
    ///
    /// # Errors
    /// Every problem found, see [`Code`]. Ports are checked by [`Config::check_ports_differ`] and
    /// [`Config::check_ports_free`].
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &Overrides,
    ) -> Result<Config, ConfigError> {
        let mut sources = Sources::default();
        if let Some(path) = path {
            sources.read_file(path)?;
        }
        sources.read_environment(environment);
        sources.read_overrides(flags);
        Config::from_sources(sources)
    }

    fn from_sources(sources: Sources) -> Result<Config, ConfigError> {
        let mut reader = Reader::new(sources);
        let mut config = Config::ask(&mut reader);
        let mut problems = std::mem::take(&mut reader.problems);
        problems.extend(unknown::unknown_keys(&reader, unknown::RENAMED));
        if problems.is_empty() {
            problems = contradictions(&config, &reader);
        }
        config.keys = reader.keys;
        ConfigError::from_problems(problems).map_or(Ok(config), Err)
    }

    /// The commented file that gives this configuration.
    #[must_use]
    pub fn render(&self, origins: Origins) -> String {
        render::render(&self.keys, origins)
    }

    /// Keys that have another value in `other`, as `section.key`, in the order of the file.
    #[must_use]
    pub fn differing(&self, other: &Config) -> Vec<String> {
        let pairs = self.keys.iter().zip(&other.keys);
        pairs
            .filter(|(here, there)| here.shown != there.shown)
            .map(|(key, _)| format!("{}.{}", key.section, key.name))
            .collect()
    }

    /// Where the value of `section.key` stands.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
        let found = self
            .keys
            .iter()
            .find(|key| format!("{}.{}", key.section, key.name) == name);
        found.map_or_else(|| Place::Default(name.to_owned()), |key| key.place.clone())
    }
}

/// The commented file in which every key has its default.
///
/// Loading it gives the defaults.
#[must_use]
pub fn render_defaults() -> String {
    let mut reader = Reader::default();
    Config::ask(&mut reader);
    render::render(&reader.keys, Origins::Hidden)
}

/// What no single key can say.
fn contradictions(config: &Config, reader: &Reader) -> Vec<Problem> {
    let Config {
        link,
        journal,
        time,
        ..
    } = config;
    let orders = [
        (
            "link",
            "retry_ms_min",
            link.retry_ms_min,
            "retry_ms_max",
            link.retry_ms_max,
        ),
        (
            "link",
            "frame_bytes_max",
            link.frame_bytes_max,
            "credit_bytes",
            link.credit_bytes,
        ),
        (
            "journal",
            "group_bytes_max",
            journal.group_bytes_max,
            "segment_bytes",
            journal.segment_bytes,
        ),
        (
            "time",
            "clock_skew_warn_s",
            time.clock_skew_warn_s,
            "clock_skew_stop_s",
            time.clock_skew_stop_s,
        ),
    ];
    let mut problems = Vec::new();
    for (section, low, low_value, high, high_value) in orders {
        if low_value > high_value {
            let places = [reader.place(section, low), reader.place(section, high)];
            let is_given = |place: &Place| !matches!(place, Place::Default(_));
            let [low_place, high_place] = places;
            problems.push(Problem {
                code: Code::Contradiction,
                place: if is_given(&low_place) {
                    low_place
                } else {
                    high_place
                },
                english: format!(
                    "{section}.{low} = {low_value} may not exceed {section}.{high} = {high_value}"
                ),
                chinese: format!(
                    "{section}.{low} = {low_value} 不能大于 {section}.{high} = {high_value}"
                ),
            });
        }
    }
    if config.pages.certificate_file.is_some() != config.pages.key_file.is_some() {
        problems.push(Problem {
            code: Code::Contradiction,
            place: reader.place("pages", "certificate_file"),
            english: "pages.certificate_file and pages.key_file are given together or not at all"
                .to_owned(),
            chinese: "pages.certificate_file 与 pages.key_file 须同时填写或同时不填".to_owned(),
        });
    }
    let socket_bytes = config.desk.socket.as_os_str().len();
    if socket_bytes > SOCKET_PATH_BYTES_MAX {
        problems.push(Problem {
            code: Code::Contradiction,
            place: reader.place("desk", "socket"),
            english: format!(
                "desk.socket has {socket_bytes} bytes, the system allows {SOCKET_PATH_BYTES_MAX}: \
                 set a shorter path"
            ),
            chinese: format!(
                "desk.socket 路径长 {socket_bytes} 字节，系统只允许 {SOCKET_PATH_BYTES_MAX}：\
                 请换一个短路径"
            ),
        });
    }
    problems
}

#[cfg(test)]
mod tests;
