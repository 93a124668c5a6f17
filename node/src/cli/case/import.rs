//! `fengqiao case import`: what an export holds, handed to a running node as if a link had brought it.

use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::BASE64;
use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use serde_json::json;
use tokio::sync::mpsc;

use super::super::Context;
use super::super::failure::{Call, Failure};
use super::super::ground::clock_of;
use super::super::words;
use crate::export::access::{self, Access};
use crate::export::{ExportError, Summary, read};
use crate::folder::Glance;
use crate::trust::keys::Fingerprint;

pub(super) const ABOUT: &str = "\
The whole file is proven from the root key of this data folder before anything is handed in. Each record then passes what
one from a link passes: signature, registry, custody; what is here already is passed over, so a file may be imported
again. Records whose author this node's registry does not name are refused, by line and field. Texts come back sealed:
keys are in no export, they come from neighbours or from a backup of case keys; texts in clear in a file are not put
back. Who imported what is written down in accesses.jsonl in the data folder.

  fengqiao case import cases.jsonl --reason \"两台机器损坏\" --as zhangsan

整个文件先凭根密钥核验，再逐条按链路来件的规则入库；已有的不重复。正文仍为密封，密钥来自上下级节点或案卷密钥备份。";

/// Entries handed in at once, at most; the node takes no more.
const ENTRIES_A_REQUEST: usize = 200;
/// Their bytes together, at most.
const BYTES_A_REQUEST: usize = 512 * 1024;
/// Requests made ready while one is under way.
const REQUESTS_AHEAD: usize = 2;
/// The first entry stands below the header.
const FIRST_LINE: u64 = 2;
/// Refused lines shown; the rest is counted.
const REFUSALS_SHOWN_MAX: usize = 20;

/// Arguments of `case import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// File made by `export create`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Why; written down
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Outcome {
    new: u64,
    known: u64,
    parked: u64,
    refused: Vec<Refused>,
}

#[derive(Debug)]
struct Refused {
    line: u64,
    field: String,
    code: String,
}

/// Entries of following lines.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Vec<u8>>,
    bytes: usize,
}

impl ImportArgs {
    /// Runs it.
    ///
    /// # Errors
    /// The file is not what was exported, or of another deployment; the node does not answer; or it refused entries.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let data = context.data()?;
        let glance = Glance::at(&data).map_err(|error| {
            Failure::file_of(error.code(), "data", error.to_string(), error.chinese())
        })?;
        let root = glance.root.key.fingerprint();
        let proven = read(&self.file, Some(root), &mut |_, _| {}).map_err(|error| told(&error))?;
        let now = clock_of(self.clock.as_ref()).now();
        note(context, &data, &glance, &self, (&proven, now))?;
        let mut outcome = Outcome::default();
        let mut line = FIRST_LINE;
        let (mut batches, reading) = read_again(self.file.clone(), root);
        while let Some(batch) = batches.recv().await {
            outcome.hand_in(context, batch, &mut line).await?;
        }
        let read = reading
            .await
            .map_err(|_| Failure::file("file", "the file was not read to its end", "文件未读完"))?;
        read.map_err(|error| told(&error))?;
        context.answer(|| outcome.text(&proven), || outcome.json(&proven))?;
        outcome.failure()
    }
}

impl Outcome {
    async fn hand_in(
        &mut self,
        context: &Context,
        batch: Batch,
        line: &mut u64,
    ) -> Result<(), Failure> {
        let entries = batch.entries;
        let request = context.request(pb::ImportEntriesRequest {
            entries,
            request_id: words::request_id(None)?,
        })?;
        let mut client = context.node().await?;
        // Handed in again, each is known.
        let answer = client.import_entries(request);
        let answer = context.call(&Call::Read, answer).await?;
        for entry in answer.entries {
            match entry.outcome() {
                pb::ImportOutcome::New => self.new += 1,
                pb::ImportOutcome::Known => self.known += 1,
                pb::ImportOutcome::Parked => self.parked += 1,
                pb::ImportOutcome::Refused | pb::ImportOutcome::Unspecified => {
                    self.refused.push(Refused {
                        line: *line,
                        field: entry.field,
                        code: entry.reason,
                    });
                }
            }
            *line += 1;
        }
        Ok(())
    }

    fn text(&self, proven: &Summary) -> String {
        let mut text = format!(
            "{} new 新增, {} known 已有, {} parked 待判, {} refused 拒收; {} cases in the file 文件中案卷\n",
            self.new,
            self.known,
            self.parked,
            self.refused.len(),
            proven.cases
        );
        for refused in self.refused.iter().take(REFUSALS_SHOWN_MAX) {
            let Refused { line, field, code } = refused;
            text += &format!("line {line}, {field}: {code}\n");
        }
        text
    }

    fn json(&self, proven: &Summary) -> serde_json::Value {
        json!({
            "export": proven.sha256, "cases": proven.cases, "new": self.new, "known": self.known,
            "parked": self.parked, "refused": self.refused.iter().map(|refused| json!({
                "line": refused.line, "field": refused.field, "code": refused.code,
            })).collect::<Vec<_>>(),
        })
    }

    fn failure(&self) -> Result<(), Failure> {
        let Some(Refused { line, field, code }) = self.refused.first() else {
            return Ok(());
        };
        let count = self.refused.len();
        Err(Failure::file_of(
            "ENTRIES_REFUSED",
            "file",
            format!("{count} entries were refused, the first in line {line}, {field}: {code}"),
            format!("{count} 条被拒收，首条在第 {line} 行，{field}：{code}"),
        ))
    }
}

/// Who imports what, and why, before anything is handed in.
fn note(
    context: &Context,
    data: &Path,
    glance: &Glance,
    args: &ImportArgs,
    (proven, now): (&Summary, Moment),
) -> Result<(), Failure> {
    let login = context.login().ok_or_else(|| {
        Failure::usage(
            "as",
            "name the account that imports with --as LOGIN",
            "请用 --as 指明账号",
        )
    })?;
    let access = Access {
        at: now.to_rfc3339(0).unwrap_or_default(),
        login: login.to_owned(),
        what: format!("import {}", proven.sha256),
        reason: args.reason.clone(),
        cases: proven.cases,
        previous: Fingerprint::from_bytes([0; 32]),
    };
    access::add(data, access, &glance.signing).map_err(|error| told(&error))
}

type Reading = tokio::task::JoinHandle<Result<(), ExportError>>;

/// Reads the file once more, beside the requests.
fn read_again(file: PathBuf, root: Fingerprint) -> (mpsc::Receiver<Batch>, Reading) {
    let (batches, received) = mpsc::channel(REQUESTS_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let mut batch = Batch::default();
        let done = read(&file, Some(root), &mut |_, line| {
            let signed = line["signed"].as_str().unwrap_or_default();
            let bytes = BASE64.decode(signed.as_bytes()).unwrap_or_default();
            if batch.entries.len() == ENTRIES_A_REQUEST
                || batch.bytes + bytes.len() > BYTES_A_REQUEST
            {
                // Nobody receives once a request has failed: that failure is told.
                let _ = batches.blocking_send(std::mem::take(&mut batch));
            }
            batch.bytes += bytes.len();
            batch.entries.push(bytes);
        });
        let _ = batches.blocking_send(batch);
        done.map(|_| ())
    });
    (received, reading)
}

fn told(error: &ExportError) -> Failure {
    Failure::file_of(error.code(), "file", error.to_string(), error.chinese())
}
