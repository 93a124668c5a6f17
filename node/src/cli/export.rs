//! `fengqiao export`: cases in an open form, and the proof that such a file is what was exported.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_proto::v1 as pb;

use super::connection::{Seen, cases_of};
use super::exit::Exit;
use super::ground::{Failed, Ground, clock_of, data_of, say};
use crate::export::access::{self, Access};
use crate::export::{ExportError, Summary, Text, Texts, Wanted, read, write};
use crate::folder::Glance;
use crate::trust::keys::Fingerprint;

const ABOUT: &str = "\
One JSON line an entry: the bytes its author signed, and what they say in plain fields. Any program can read it, and
prove it from the deployment's root key; the form is told in deploy/export/FORMAT.md. Texts stay sealed unless
--with-texts is given: then the running node is asked for each case as the account --as, which must be one that may read
it, and the export is written down in accesses.jsonl in the data folder before the file stands.

  fengqiao export create --data DATA --to cases.jsonl
  fengqiao export create --data DATA --to cases.jsonl --with-texts --as zhangsan --reason \"审计抽查\"
  fengqiao export verify cases.jsonl

导出为开放格式（每行一条 JSON），可由任何程序读取并凭根密钥核验；正文默认保持密封。";

/// `export`
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    what: ExportWhat,
}

#[derive(Debug, Subcommand)]
enum ExportWhat {
    /// Write cases of a node, running or not, into a new file (导出)
    Create(CreateArgs),
    /// Prove that a file is what was exported, and list its cases (核验导出文件)
    Verify {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Fingerprint of the deployment's root key: anything else is refused
        #[arg(long, value_name = "SHA256")]
        root: Option<Fingerprint>,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// File to be made
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Case id of 26 characters; may be given often. All cases unless given
    #[arg(long = "case", value_name = "ID")]
    cases: Vec<ChainId>,
    /// Also the texts in clear; the node must be running
    #[arg(long, requires = "reason")]
    with_texts: bool,
    /// Why the texts are wanted; written down
    #[arg(long, value_name = "TEXT", requires = "with_texts")]
    reason: Option<String>,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

impl From<ExportError> for Failed {
    fn from(error: ExportError) -> Self {
        Self {
            code: error.code().to_owned(),
            chinese: error.chinese(),
            exit: Exit::Refused.code(),
            english: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

/// Runs `export`.
///
/// # Errors
/// Why nothing was exported, or the file is refused.
pub(super) fn run(args: &ExportArgs, ground: &Ground) -> Result<(), Failed> {
    match &args.what {
        ExportWhat::Create(args) => create(args, ground),
        ExportWhat::Verify { file, root } => verify(file, *root, ground),
    }
}

fn create(args: &CreateArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let now = clock_of(args.clock.as_ref()).now();
    let cases: BTreeSet<ChainId> = args.cases.iter().copied().collect();
    let cases = (!cases.is_empty()).then_some(cases);
    let (mut texts, mut closed) = (None, 0);
    if args.with_texts {
        let login = ground.login.clone().unwrap_or_default();
        let asked = ask(&data, &login, cases.as_ref())?;
        let glance = Glance::at(&data)?;
        let access = Access {
            at: now.to_rfc3339(0).unwrap_or_default(),
            login,
            what: "export".to_owned(),
            reason: args.reason.clone().unwrap_or_default(),
            cases: asked.opened,
            previous: Fingerprint::from_bytes([0; 32]),
        };
        access::add(&data, access, &glance.signing)?;
        closed = asked.closed;
        texts = Some(asked.texts);
    }
    let wanted = Wanted {
        cases: cases.as_ref(),
        texts: texts.as_ref(),
        now,
    };
    let summary = write(&data, &args.to, &wanted)?;
    let mut text = words_of(&summary);
    if closed > 0 {
        text += &format!(
            "\n{closed} cases may not be read here by this account: their texts stay sealed"
        );
    }
    let mut object = object_of(&summary);
    object["cases_sealed"] = closed.into();
    say(ground.json, &object, &text);
    Ok(())
}

struct Asked {
    texts: Texts,
    opened: u64,
    closed: u64,
}

/// Asks the running node for the texts of each case, as it would show them.
fn ask(data: &Path, login: &str, cases: Option<&BTreeSet<ChainId>>) -> Result<Asked, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    let mut asked = Asked {
        texts: Texts::new(),
        opened: 0,
        closed: 0,
    };
    let socket = data.join(crate::config::SOCKET_NAME);
    let wanted = |case: &str| {
        let id = case.parse::<ChainId>();
        cases.is_none_or(|cases| id.is_ok_and(|id| cases.contains(&id)))
    };
    runtime.block_on(cases_of(&socket, login, &wanted, &mut |seen| match seen {
        Seen::Case(view) => {
            asked.opened += 1;
            asked.texts.extend(view.entries.iter().filter_map(texts_in));
        }
        Seen::Sealed => asked.closed += 1,
    }))?;
    Ok(asked)
}

fn texts_in(entry: &pb::EntryView) -> Option<(Hash, Vec<Text>)> {
    let hash: Fingerprint = entry.hash.parse().ok()?;
    let texts = entry.texts.iter().map(|text| Text {
        role: text.role.clone(),
        text: text.text.clone(),
    });
    let texts: Vec<Text> = texts.collect();
    (!texts.is_empty()).then_some((Hash(*hash.as_bytes()), texts))
}

fn verify(file: &Path, root: Option<Fingerprint>, ground: &Ground) -> Result<(), Failed> {
    let mut cases: std::collections::BTreeMap<ChainId, (u64, String)> = Default::default();
    let summary = read(file, root, &mut |entry, line| {
        if entry.kind == pb::ChainKind::Case {
            let case = cases.entry(entry.chain).or_default();
            case.0 += 1;
            case.1 = line["move"].as_str().unwrap_or_default().to_owned();
        }
    })?;
    let listed = cases.iter().map(|(case, (entries, last))| {
        serde_json::json!({ "case": case, "entries": entries, "last": last })
    });
    let mut object = object_of(&summary);
    object["list"] = listed.collect::<Vec<_>>().into();
    let mut text = words_of(&summary);
    for (case, (entries, last)) in &cases {
        text += &format!("\n{case}  {entries} entries, the last: {last}");
    }
    say(ground.json, &object, &text);
    Ok(())
}

fn object_of(summary: &Summary) -> serde_json::Value {
    serde_json::json!({
        "place": summary.header.place, "place_name": summary.header.place_name, "node": summary.header.node,
        "deployment": summary.header.deployment, "root": summary.header.root_key.fingerprint(),
        "made": summary.header.made, "entries": summary.entries, "chains": summary.chains, "cases": summary.cases,
        "texts": summary.texts, "sha256": summary.sha256,
    })
}

fn words_of(summary: &Summary) -> String {
    format!(
        "{} as of {}: {} cases, {} entries in {} chains, {} texts in clear\nexport {}, root key {}",
        summary.header.place_name,
        summary.header.made,
        summary.cases,
        summary.entries,
        summary.chains,
        summary.texts,
        summary.sha256,
        summary.header.root_key.fingerprint()
    )
}
