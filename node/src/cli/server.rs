//! Commands of this machine: make a folder, join, run, show the configuration, verify.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use fengqiao_hub::rulebook::{Rulebook, Sources};
use indicatif::{ProgressBar, ProgressStyle};

use super::command::Ground;
use crate::config::{Config, Origins, Overrides, render_defaults};
use crate::enrolment::{Authorities, InitOptions, JoinOptions};
use crate::folder::Folder;
use crate::host::code_of;
use crate::node::clock::Clock;
use crate::trust::random::OsRandom;

const USAGE: u8 = 64;

/// Commands that need no running node.
#[derive(Debug, Subcommand)]
pub enum ServerCommands {
    /// Make a deployment: the data folder of its first place, with the root key (初始化)
    Init(InitArgs),
    /// Run the node, or all nodes, of a data folder until told to stop (运行)
    Run(super::run::RunArgs),
    /// Make a data folder by an invitation from the parent (接入)
    Join(JoinArgs),
    /// Give a lost node's place its next node: a restored folder goes on, or a new one is filled by the neighbours (恢复)
    Recover(super::recover::RecoverArgs),
    /// Show or check the configuration (配置)
    Config(ConfigArgs),
    /// Check the journal and every chain of a folder that is not running (核验)
    Verify(VerifyArgs),
    /// Back up the journal and case keys of a node, check and list backups (备份)
    Backup(super::backup::BackupArgs),
    /// Put a backup back into a new folder, which then waits for `recover` (恢复)
    Restore(super::backup::RestoreArgs),
    /// Write cases into a file of an open form, and prove such a file (导出)
    Export(super::export::ExportArgs),
    /// Look at folder, disk, keys, certificate, clock, ports and parent, and say what to do (体检)
    Doctor(super::doctor::DoctorArgs),
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Name of the first place, such as 德州市
    #[arg(long)]
    name: String,
    /// Official division code, such as 3714
    #[arg(long, default_value = "")]
    code: String,
    /// Level of its tier: 20 province, 30 city, 40 county, 50 township, 60 village
    #[arg(long, default_value_t = 30)]
    level: u32,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

/// `join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Enrol port of the parent, host:port
    #[arg(long, value_name = "HOST:PORT")]
    parent: Option<String>,
    /// Invitation; better given by --token-file or FENGQIAO_JOIN_TOKEN
    #[arg(long, env = "FENGQIAO_JOIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File that holds the invitation
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The parent's name in certificates, where its process hosts several nodes
    #[arg(long, value_name = "NAME")]
    parent_name: Option<String>,
    /// Whether this node will enrol others: if-granted, required, none
    #[arg(long, default_value = "if-granted", value_parser = ["if-granted", "required", "none"])]
    enrols: String,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

/// `config`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: ConfigWhat,
}

#[derive(Debug, Subcommand)]
enum ConfigWhat {
    /// Print every key with its default and its meaning
    Defaults,
    /// Print the configuration as the node would read it
    Show {
        /// Configuration file
        #[arg(long, value_name = "FILE", env = "FENGQIAO_CONFIG")]
        config: Option<PathBuf>,
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Check a configuration and its ports
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE", env = "FENGQIAO_CONFIG")]
        config: Option<PathBuf>,
    },
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {}

/// Runs a command of this machine.
#[must_use]
pub fn run(command: ServerCommands, ground: &Ground) -> ExitCode {
    let result = match command {
        ServerCommands::Init(args) => init(&args, ground),
        ServerCommands::Run(args) => super::run::run(&args, ground),
        ServerCommands::Join(args) => join(args, ground),
        ServerCommands::Recover(args) => super::recover::recover(args, ground),
        ServerCommands::Config(args) => config(&args, ground),
        ServerCommands::Backup(args) => super::backup::run(&args, ground),
        ServerCommands::Restore(args) => super::backup::put_back(&args, ground),
        ServerCommands::Verify(_) => super::verify::verify(ground),
        ServerCommands::Export(args) => super::export::run(&args, ground),
        ServerCommands::Doctor(args) => super::doctor::run(&args, ground),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(ground.json);
            ExitCode::from(failure.exit)
        }
    }
}

/// A command that failed: a stable code, words, and how the process exits.
#[derive(Debug)]
pub struct Failed {
    /// Stable code.
    pub code: String,
    /// Words in English.
    pub english: String,
    /// Words in Chinese, or empty.
    pub chinese: String,
    /// Exit code.
    pub exit: u8,
}

impl Failed {
    pub(crate) fn usage(
        code: &str,
        english: impl Into<String>,
        chinese: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            english: english.into(),
            chinese: chinese.into(),
            exit: USAGE,
        }
    }

    fn print(&self, json: bool) {
        let mut err = std::io::stderr().lock();
        // Nobody is left to tell when the terminal is gone.
        let _ = if json {
            let object = serde_json::json!({
                "error": { "code": self.code, "message": self.english, "message_zh": self.chinese }
            });
            writeln!(err, "{object}")
        } else if self.chinese.is_empty() {
            writeln!(err, "error: {}: {}", self.code, self.english)
        } else {
            writeln!(
                err,
                "error: {}: {} / {}",
                self.code, self.english, self.chinese
            )
        };
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        let folder = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<crate::folder::FolderError>());
        let chinese = folder
            .map(crate::folder::FolderError::chinese)
            .unwrap_or_default();
        let english = format!("{error:#}");
        let code = code_of(&error).map_or_else(|| code_in(&english), str::to_owned);
        Self {
            code,
            english,
            chinese,
            exit: 1,
        }
    }
}

/// A code that a message carries at its front, such as `PORT_IN_USE: …`.
fn code_in(text: &str) -> String {
    let head = text.split(':').next().unwrap_or_default();
    let is_code = !head.is_empty()
        && head
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if is_code {
        head.to_owned()
    } else {
        "FAILED".to_owned()
    }
}

impl From<crate::enrolment::EnrolmentError> for Failed {
    fn from(error: crate::enrolment::EnrolmentError) -> Self {
        Self {
            code: error.code().to_owned(),
            chinese: error.chinese(),
            exit: error.exit_code(),
            english: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

impl From<crate::config::ConfigError> for Failed {
    fn from(error: crate::config::ConfigError) -> Self {
        let code = error.problems().first().map_or_else(
            || "CONFIG".to_owned(),
            |problem| problem.code.as_str().to_owned(),
        );
        Self::usage(&code, error.to_string(), "")
    }
}

impl From<crate::folder::FolderError> for Failed {
    fn from(error: crate::folder::FolderError) -> Self {
        let (code, chinese) = (error.code().to_owned(), error.chinese());
        Self {
            code,
            chinese,
            exit: 1,
            english: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

pub(crate) fn data_of(ground: &Ground) -> Result<PathBuf, Failed> {
    ground.data.clone().ok_or_else(|| {
        Failed::usage(
            "DATA_MISSING",
            "name the data folder with --data FOLDER or FENGQIAO_DATA",
            "请用 --data 指明数据文件夹",
        )
    })
}

pub(crate) fn clock_of(file: Option<&PathBuf>) -> Clock {
    file.map_or(Clock::System, |file| Clock::of_file(file.clone()))
}

pub(crate) fn say(json: bool, object: &serde_json::Value, text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = if json {
        writeln!(out, "{object}")
    } else {
        writeln!(out, "{text}")
    };
}

fn init(args: &InitArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let options = InitOptions {
        name: args.name.clone(),
        code: args.code.clone(),
        level: args.level,
        deployment: None,
    };
    let now = clock_of(args.clock.as_ref()).now();
    let made = crate::enrolment::init(&data, &options, now, &mut OsRandom)?;
    let identity = &made.folder.identity;
    let object = serde_json::json!({
        "node": identity.node.to_string(), "place": identity.place.to_string(),
        "deployment": identity.deployment.to_string(), "root_key_file": made.root_key_file,
    });
    let text = format!(
        "{} is ready: node {}, place {}\n{}\n{}\nnext: fengqiao run --data {}",
        identity.place_name,
        identity.node,
        identity.place,
        made.advice(),
        made.advice_chinese(),
        data.display()
    );
    say(ground.json, &object, &text);
    Ok(())
}

fn join(args: JoinArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let folder = join_by(args, &data, false)?;
    let identity = &folder.identity;
    let object = serde_json::json!({
        "node": identity.node.to_string(), "place": identity.place.to_string(), "name": identity.place_name,
    });
    let text = format!(
        "joined: {} is node {} of place {}\nnext: fengqiao run --data {}",
        identity.place_name,
        identity.node,
        identity.place,
        data.display()
    );
    say(ground.json, &object, &text);
    Ok(())
}

/// Redeems an invitation; `recovers` where the folder may be a restored one.
pub(crate) fn join_by(args: JoinArgs, data: &Path, recovers: bool) -> Result<Folder, Failed> {
    let parent = args.parent.ok_or_else(|| {
        Failed::usage(
            "PARENT_MISSING",
            "name the parent's enrol port with --parent HOST:PORT",
            "请用 --parent 指明上级的接入端口",
        )
    })?;
    let token = match (args.token, &args.token_file) {
        (Some(token), _) => token,
        (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| {
            Failed::usage(
                "TOKEN_UNREADABLE",
                format!("cannot read {}: {error}", file.display()),
                "无法读取邀请文件",
            )
        })?,
        (None, None) => {
            return Err(Failed::usage(
                "TOKEN_MISSING",
                "give the invitation with --token-file or --token",
                "请提供邀请码",
            ));
        }
    };
    let authorities = match args.enrols.as_str() {
        "required" => Authorities::Required,
        "none" => Authorities::None,
        _ => Authorities::IfGranted,
    };
    let options = JoinOptions {
        path: data,
        token: token.trim(),
        address: &parent,
        parent_name: args.parent_name.as_deref(),
        authorities,
        recovers,
    };
    let now = clock_of(args.clock.as_ref()).now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    Ok(runtime.block_on(crate::enrolment::join(&options, now, &mut OsRandom))?)
}

impl JoinArgs {
    /// The clock to read, where it is not the machine's.
    pub(crate) fn clock(&self) -> Option<&PathBuf> {
        self.clock.as_ref()
    }
}

fn config(args: &ConfigArgs, ground: &Ground) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match &args.what {
        ConfigWhat::Defaults => {
            let _ = write!(out, "{}", render_defaults());
        }
        ConfigWhat::Show { config, origin } => {
            let loaded = load(config.as_ref(), &[], ground)?;
            let origins = if *origin {
                Origins::Shown
            } else {
                Origins::Hidden
            };
            let _ = write!(out, "{}", loaded.render(origins));
        }
        ConfigWhat::Check { config } => {
            let loaded = load(config.as_ref(), &[], ground)?;
            loaded.check_ports_differ()?;
            loaded.check_ports_free()?;
            let _ = writeln!(out, "ok");
        }
    }
    Ok(())
}

pub(crate) fn load(
    file: Option<&PathBuf>,
    set: &[String],
    ground: &Ground,
) -> Result<Config, Failed> {
    let mut overrides = Overrides::new();
    if let Some(data) = &ground.data {
        overrides = overrides.set("--data", "data.folder", data.display().to_string());
    }
    for pair in set {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failed::usage(
                "CONFIG_BAD_VALUE",
                format!("--set {pair}: give KEY=VALUE"),
                "--set 应为 键=值",
            ));
        };
        overrides = overrides.set("--set", key, value);
    }
    Ok(Config::load(
        file.map(PathBuf::as_path),
        std::env::vars(),
        &overrides,
    )?)
}

/// The catalogue and calendar that ship with the binary.
///
/// # Errors
/// The files in the source tree are not sound: a broken build.
pub fn shipped_catalogue(file: Option<&PathBuf>) -> anyhow::Result<Arc<Rulebook>> {
    let classes = match file {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            anyhow::Error::new(error).context(format!("CATALOGUE_UNREADABLE: {}", file.display()))
        })?,
        None => include_str!("../../../deploy/catalogue/classes.csv").to_owned(),
    };
    let sources = Sources {
        rules: include_str!("../../../deploy/catalogue/rules.toml"),
        classes: &classes,
        calendar: include_str!("../../../deploy/calendar/holidays_cn.json"),
    };
    Ok(Arc::new(Rulebook::read(&sources, 1)?))
}

pub(crate) fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

/// The folder of a node that is not running, locked.
pub(crate) fn resting_folder(ground: &Ground) -> Result<Folder, Failed> {
    let data = data_of(ground)?;
    let folder = Folder::open(&data)?;
    Ok(folder)
}
