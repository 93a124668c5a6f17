//! `fengqiao doctor`: looks at a node's folder, disk, keys, certificates, clock, ports and parent, and says what to do.
//!
//! Reads beside a running node and changes nothing. It never goes through the whole journal: that is `verify`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Exit;
use super::ground::{Failed, Ground, clock_of, load, say};
use super::json::or_null;
use crate::folder::Glance;
use crate::host::folders_of;

mod checks;
mod finding;
mod parent;

use finding::{Finding, Patient, State};

/// `doctor`
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "FENGQIAO_CONFIG")]
    config: Option<PathBuf>,
    /// A configuration value, such as link.listen=0.0.0.0:7443; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

/// Looks at every folder of the configuration.
///
/// # Errors
/// `DOCTOR_FAILED` when any check fails; a configuration that does not read.
pub(super) fn run(args: &DoctorArgs, ground: &Ground) -> Result<(), Failed> {
    let config = load(args.config.as_ref(), &args.set, ground)?;
    let clock = clock_of(args.clock.as_ref());
    let now = clock.now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    let mut all = Vec::new();
    for folder in folders_of(&config) {
        let socket = if config.places.host.is_empty() {
            config.desk.socket.clone()
        } else {
            folder.join(crate::config::SOCKET_NAME)
        };
        let patient = Patient {
            folder: &folder,
            config: &config,
            clock: clock.clone(),
            now,
            glance: Glance::at(&folder),
            status: runtime.block_on(super::connection::status_of(&socket)),
        };
        all.push((folder.clone(), runtime.block_on(checks::all(&patient))));
    }
    answer(&all, ground)
}

fn answer(all: &[(PathBuf, Vec<Finding>)], ground: &Ground) -> Result<(), Failed> {
    let (mut objects, mut lines) = (Vec::new(), Vec::new());
    for (folder, findings) in all {
        if all.len() > 1 {
            lines.push(format!("{}:", folder.display()));
        }
        for finding in findings {
            objects.push(object_of(folder, finding));
            lines.push(line_of(finding));
        }
    }
    let count = |state| {
        let findings = all.iter().flat_map(|(_, findings)| findings);
        findings.filter(|finding| finding.state == state).count()
    };
    let (warnings, failures) = (count(State::Warn), count(State::Fail));
    lines.push(format!(
        "{failures} to mend, {warnings} to look at / 须处理 {failures} 项，留意 {warnings} 项"
    ));
    let object = serde_json::json!({
        "checks": objects, "warnings": warnings, "failures": failures,
    });
    say(ground.json, &object, &lines.join("\n"));
    if failures == 0 {
        return Ok(());
    }
    Err(Failed {
        code: "DOCTOR_FAILED".to_owned(),
        english: format!("{failures} checks failed"),
        chinese: format!("{failures} 项检查未通过"),
        exit: Exit::Refused.code(),
    })
}

fn object_of(folder: &Path, finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "folder": folder, "check": finding.check, "state": finding.state.word(),
        "english": finding.found.english, "chinese": finding.found.chinese,
        "to_do": or_null(&finding.to_do.english), "to_do_chinese": or_null(&finding.to_do.chinese),
    })
}

fn line_of(finding: &Finding) -> String {
    let Finding {
        check,
        state,
        found,
        to_do,
    } = finding;
    let mut line = format!(
        "{:<5} {check:<12} {} / {}",
        state.word(),
        found.english,
        found.chinese
    );
    if !to_do.english.is_empty() {
        line += &format!(
            "\n      {:<12} -> {} / {}",
            "", to_do.english, to_do.chinese
        );
    }
    line
}
