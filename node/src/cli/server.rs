//! Commands of this machine: make a folder, join, run, show the configuration, verify.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use fengqiao_hub::rulebook::Problem;
use fengqiao_proto::v1 as pb;

use super::bundle;
use super::ground::{Failed, Ground, clock_of, data_of, load, say};
use super::join::{JoinArgs, join};
use crate::config::{Origins, render_defaults};
use crate::enrolment::InitOptions;
use crate::pages::entrance::links;
use crate::trust::random::OsRandom;

/// Commands that need no running node.
#[derive(Debug, Subcommand)]
pub(super) enum ServerCommands {
    /// Make a deployment: the data folder of its first place, with the root key (初始化)
    Init(InitArgs),
    /// Run the node, or all nodes, of a data folder until told to stop (运行)
    Run(super::run::RunArgs),
    /// Make a data folder by an invitation from the parent (接入)
    Join(JoinArgs),
    /// Give a lost node's place its next node: a restored folder goes on, or a new one is filled by the neighbours (恢复)
    Recover(super::recover::RecoverArgs),
    /// At the top, every three years: renew the authority that issues certificates, by the root key (更新签发证书)
    RenewAuthority(super::authority::RenewAuthorityArgs),
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
pub(super) struct InitArgs {
    /// Name of the first place, such as 德州市
    #[arg(long)]
    name: String,
    /// Official division code, such as 3714
    #[arg(long, default_value = "")]
    code: String,
    /// Level of its tier: 20 province, 30 city, 40 county, 50 township, 60 village
    #[arg(long, default_value_t = 30)]
    level: u32,
    /// Folder with the rules to begin with: rules.toml, classes.csv, calendar.json; those that ship unless given
    #[arg(long, value_name = "FOLDER")]
    rulebook: Option<PathBuf>,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

/// `config`
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
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
pub(super) struct VerifyArgs {}

/// Runs a command of this machine.
#[must_use]
pub(super) fn run(command: ServerCommands, ground: &Ground) -> ExitCode {
    let result = match command {
        ServerCommands::Init(args) => init(&args, ground),
        ServerCommands::Run(args) => super::run::run(&args, ground),
        ServerCommands::Join(args) => join(args, ground),
        ServerCommands::Recover(args) => super::recover::recover(args, ground),
        ServerCommands::RenewAuthority(args) => super::authority::renew_authority(&args, ground),
        ServerCommands::Config(args) => config(&args, ground),
        ServerCommands::Backup(args) => super::backup::run(&args, ground),
        ServerCommands::Restore(args) => super::backup::put_back(&args, ground),
        ServerCommands::Verify(_) => super::verify::verify(ground),
        ServerCommands::Export(args) => super::export::run(&args, ground),
        ServerCommands::Doctor(args) => super::doctor::run(&args, ground),
    };
    match result {
        Ok(()) => ExitCode::from(super::exit::Exit::Done.code()),
        Err(failure) => {
            failure.print(ground.json);
            ExitCode::from(failure.exit)
        }
    }
}

fn init(args: &InitArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let options = InitOptions {
        name: args.name.clone(),
        code: args.code.clone(),
        level: args.level,
        deployment: None,
        rulebook: first_rulebook(args.rulebook.as_deref())?,
    };
    let now = clock_of(args.clock.as_ref()).now();
    let made = crate::enrolment::init(&data, &options, now, &mut OsRandom)?;
    let first = links::make(&data, crate::node::opening::FIRST_LOGIN, now)?;
    let first = links::address(&first);
    let identity = &made.folder.identity;
    let object = serde_json::json!({
        "node": identity.node.to_string(), "place": identity.place.to_string(),
        "deployment": identity.deployment.to_string(), "root_key_file": made.root_key_file,
        "sign_in_link": first,
    });
    let text = format!(
        "{} is ready: node {}, place {}\n{}\n{}\nnext: fengqiao run --data {}\nthen, in a browser, the first administrator's password (72 hours, once) \
         首任管理员设置密码：{first}",
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

/// The files that a deployment begins with: sound by themselves, or nothing is made.
fn first_rulebook(folder: Option<&Path>) -> Result<Vec<pb::BundleFile>, Failed> {
    let Some(folder) = folder else {
        return Ok(bundle::shipped());
    };
    let files = bundle::read_files(folder)
        .map_err(|error| Failed::usage("BUNDLE_UNREADABLE", error.to_string(), error.chinese()))?;
    bundle::whole(&files).map_err(|unsound| {
        let chinese: Vec<String> = unsound.0.iter().map(Problem::in_chinese).collect();
        Failed::usage("BUNDLE_UNSOUND", unsound.to_string(), chinese.join("\n"))
    })?;
    Ok(files)
}

fn config(args: &ConfigArgs, ground: &Ground) -> Result<(), Failed> {
    let text = match &args.what {
        ConfigWhat::Defaults => render_defaults(),
        ConfigWhat::Show { config, origin } => {
            let loaded = load(config.as_ref(), &[], ground)?;
            let origins = if *origin && !ground.json {
                Origins::Shown
            } else {
                Origins::Hidden
            };
            loaded.render(origins)
        }
        ConfigWhat::Check { config } => {
            let loaded = load(config.as_ref(), &[], ground)?;
            loaded.check_ports_differ()?;
            loaded.check_ports_free()?;
            say(ground.json, &serde_json::json!({ "sound": true }), "ok");
            return Ok(());
        }
    };
    if ground.json {
        let sections: toml::Table = toml::from_str(&text).map_err(anyhow::Error::from)?;
        say(true, &serde_json::json!(sections), "");
    } else {
        let _ = write!(std::io::stdout().lock(), "{text}");
    }
    Ok(())
}
