//! `fengqiao backup` and `fengqiao restore`: a node's journal and case keys, out of a folder and into a new one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::ground::{Failed, Ground, bar, clock_of, data_of, say};
use crate::backup::{
    Backup, BackupError, CaseKeys, KEYS_DAYS_MAX, LetGo, Made, Passphrase, Wanted, check_placement,
    create, create_keys, keep_newest, list, restore,
};
use crate::trust::keys::Fingerprint;
use crate::trust::random::OsRandom;

/// What the two commands are for, shown under their help.
pub(super) const ABOUT: &str = "\
A backup holds the journal, signed by the node; it may be made while the node runs, and a second one into the same
folder copies only what is new. It holds no key of the node. The case keys, without which no text of a case can be
read, go into a file of their own, encrypted to a passphrase and good for 30 days: keep it apart from the backup, and
make a new one each month at least.

  fengqiao backup create --data DATA --to /backup/dezhou --keys /safe/dezhou.keys --passphrase-file /safe/passphrase
  fengqiao backup verify /backup/dezhou
  fengqiao restore --from /backup/dezhou --data NEW --keys /safe/dezhou.keys --passphrase-file /safe/passphrase
  fengqiao recover --data NEW --parent HOST:PORT --token-file FILE     gives the restored folder its new identity

备份可在运行中进行；案件密钥另存一个文件，用口令加密，最多保存 30 天，请与备份分开保管。";

/// `backup`
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct BackupArgs {
    #[command(subcommand)]
    what: BackupWhat,
}

#[derive(Debug, Subcommand)]
enum BackupWhat {
    /// Copy what is new in the journal of a node, running or not, and write down what is there (备份)
    Create(CreateArgs),
    /// Check that a backup is what was made, and everything its journal says (核验备份)
    Verify {
        /// Folder of backups
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Name of the backup, as `list` shows it; the newest unless given
        #[arg(long, value_name = "NAME")]
        at: Option<String>,
    },
    /// List the backups in a folder (列出备份)
    List {
        /// Folder of backups
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Folder for the backups of this place; made when absent
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// File for the case keys; an older one gives way. Keep it apart from the backup
    #[arg(long, value_name = "FILE", requires = "passphrase_file")]
    keys: Option<PathBuf>,
    /// File whose first line is the passphrase of the key file, readable by you alone
    #[arg(long, value_name = "FILE", requires = "keys")]
    passphrase_file: Option<PathBuf>,
    /// Days after which the key file opens no more
    #[arg(long, value_name = "DAYS", default_value_t = KEYS_DAYS_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(KEYS_DAYS_MAX)))]
    keys_days: u32,
    /// Keep so many backups in the folder, this one included, and let go of older ones; all unless given
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    keep: Option<u32>,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

/// `restore`
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct RestoreArgs {
    /// Folder of backups
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Name of the backup, as `backup list` shows it; the newest unless given
    #[arg(long, value_name = "NAME")]
    at: Option<String>,
    /// File of case keys; without it texts stay unreadable until neighbours send the keys again
    #[arg(long, value_name = "FILE", requires = "passphrase_file")]
    keys: Option<PathBuf>,
    /// File whose first line is the passphrase of the key file
    #[arg(long, value_name = "FILE", requires = "keys")]
    passphrase_file: Option<PathBuf>,
    /// Fingerprint of the deployment's root key (the first part of an invitation after `fq1.`): anything else is refused
    #[arg(long, value_name = "SHA256")]
    root: Option<Fingerprint>,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

impl From<BackupError> for Failed {
    fn from(error: BackupError) -> Self {
        Self {
            code: error.code().to_owned(),
            chinese: error.chinese(),
            exit: Exit::Refused.code(),
            english: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

/// Runs `backup`.
///
/// # Errors
/// Why it was not made, or is not what was made.
pub(super) fn run(args: &BackupArgs, ground: &Ground) -> Result<(), Failed> {
    match &args.what {
        BackupWhat::Create(args) => make(args, ground),
        BackupWhat::Verify { folder, at } => verify(folder.clone(), at.as_deref(), ground),
        BackupWhat::List { folder } => show(folder.clone(), ground),
    }
}

fn make(args: &CreateArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let now = clock_of(args.clock.as_ref()).now();
    // Read before anything is copied: a wrong passphrase file is said at once.
    let passphrase = passphrase_in(args.passphrase_file.as_deref())?;
    check_placement(&data, &args.to, args.keys.as_deref())?;
    let bar = bar();
    let made = create(&data, &args.to, now, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    // Keys after the journal: whatever stands in it has its keys already.
    let keys = match (&args.keys, &passphrase) {
        (Some(file), Some(passphrase)) => {
            let random = &mut OsRandom;
            let (cases, closed) =
                create_keys(&data, file, passphrase, args.keys_days, now, random)?;
            Some((file, cases, closed))
        }
        (Some(_), None) | (None, _) => None,
    };
    let gone = match args.keep {
        Some(count) => keep_newest(&args.to, usize::try_from(count).unwrap_or(usize::MAX))?,
        None => LetGo::default(),
    };
    let Made {
        manifest, copied, ..
    } = &made;
    let object = serde_json::json!({
        "name": manifest.name, "made": manifest.made, "position": manifest.position,
        "chain_hash": manifest.chain_hash, "segments": manifest.segments.len(), "bytes": manifest.bytes(),
        "segments_copied": copied, "bytes_copied": made.bytes_copied,
        "keys": keys.map(|(file, cases, closed)| serde_json::json!({
            "file": file, "cases": cases, "unopened": closed,
        })),
        "let_go": gone.backups, "segments_removed": gone.segments,
    });
    let mut text = format!(
        "backup {} of {}: {} segments, {} bytes up to position {}; {copied} copied now, {} bytes",
        manifest.name,
        manifest.place_name,
        manifest.segments.len(),
        manifest.bytes(),
        manifest.position,
        made.bytes_copied
    );
    text += &match keys {
        Some((file, cases, 0)) => format!("\ncase keys: {cases} cases in {}", file.display()),
        Some((file, cases, closed)) => format!(
            "\ncase keys: {cases} cases in {}; {closed} of them are sealed to a key this node has not",
            file.display()
        ),
        None => "\ncase keys: none; give --keys and --passphrase-file to keep them too".to_owned(),
    };
    if !gone.backups.is_empty() {
        text += &format!("\nlet go: {}", gone.backups.join(", "));
    }
    say(ground.json, &object, &text);
    Ok(())
}

/// The passphrase in a file, which may be one that the service manager handed over.
fn passphrase_in(file: Option<&Path>) -> Result<Option<Passphrase>, BackupError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    file.map(|file| Passphrase::read(file, credentials.as_deref()))
        .transpose()
}

fn verify(folder: PathBuf, at: Option<&str>, ground: &Ground) -> Result<(), Failed> {
    let backup = Backup::open(&folder, at)?;
    let bar = bar();
    let mut progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
    };
    backup.check_files(&mut progress)?;
    let audited = backup.audit(&mut progress)?;
    bar.finish_and_clear();
    super::verify::report(&audited, ground)
}

fn show(folder: PathBuf, ground: &Ground) -> Result<(), Failed> {
    let found = list(&folder)?;
    if found.is_empty() {
        return Err(BackupError::None { path: folder }.into());
    }
    let (mut objects, mut lines) = (Vec::new(), Vec::new());
    for listed in &found {
        match &listed.manifest {
            Ok(manifest) => {
                objects.push(serde_json::json!({
                    "name": manifest.name, "made": manifest.made, "place": manifest.place,
                    "place_name": manifest.place_name, "node": manifest.node, "position": manifest.position,
                    "segments": manifest.segments.len(), "bytes": manifest.bytes(),
                }));
                lines.push(format!(
                    "{}  {}  node {}  position {}  {} bytes",
                    manifest.name,
                    manifest.place_name,
                    manifest.node,
                    manifest.position,
                    manifest.bytes()
                ));
            }
            Err(error) => {
                objects.push(serde_json::json!({ "name": listed.name, "error": error.code() }));
                lines.push(format!("{}  {}: {error}", listed.name, error.code()));
            }
        }
    }
    let text = lines.join("\n");
    say(
        ground.json,
        &serde_json::json!({ "backups": objects }),
        &text,
    );
    Ok(())
}

/// Runs `restore`.
///
/// # Errors
/// Why nothing was put back.
pub(super) fn put_back(args: &RestoreArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let passphrase = passphrase_in(args.passphrase_file.as_deref())?;
    let bar = bar();
    let wanted = Wanted {
        from: &args.from,
        name: args.at.as_deref(),
        keys: args.keys.as_deref().zip(passphrase.as_ref()),
        root: args.root,
        now: clock_of(args.clock.as_ref()).now(),
    };
    let restored = restore(&wanted, &data, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let expires = args.keys.as_deref().map(CaseKeys::read).transpose()?;
    let object = serde_json::json!({
        "place": restored.place, "place_name": restored.place_name, "node": restored.node,
        "deployment": restored.deployment, "root": restored.root, "backup_made": restored.backup_made,
        "position": restored.position, "keys": restored.keys, "next": restored.next_command(&data),
    });
    let keys = match expires {
        Some(keys) => format!("with case keys (the file expires {})", keys.expires()),
        None => {
            "without case keys: texts are unreadable until neighbours send them again".to_owned()
        }
    };
    let next = restored.next_command(&data);
    let first = if restored.enrol_address.is_some() {
        "next: have the parent run `fengqiao invite PLACE --successor` and put its token into FILE, then\n\
         下一步：请上级执行 fengqiao invite 地区 --successor，将邀请码存入文件，再执行"
    } else {
        "next, with the root key brought from where it is locked away\n\
         下一步：取回离线保存的根密钥，执行"
    };
    let text = format!(
        "{} as of {}: journal up to position {}, {keys}\nroot key {}\nthe folder has no identity and does not run yet\n\
         {first}\n  {next}",
        restored.place_name, restored.backup_made, restored.position, restored.root
    );
    say(ground.json, &object, &text);
    Ok(())
}
