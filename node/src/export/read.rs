//! Reading an export, believing nothing but the root key.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use fengqiao_hub::entry::Entry;
use fengqiao_proto::v1 as pb;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::decoded::line_of;
use super::{End, ExportError, FORMAT, Header, Summary, Text, failed, signed_bytes};
use crate::audit::Proof;
use crate::trust::keys::Fingerprint;

/// Longer than the line of any entry.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Reads and proves a file; `each` sees every entry with its line, proven as far as it goes. Only when all of it was
/// read is it known that nothing was altered or left out: what was gathered before an error is worth nothing.
///
/// # Errors
/// An [`ExportError`].
pub(crate) fn read(
    path: &Path,
    root: Option<Fingerprint>,
    each: &mut dyn FnMut(&Entry, &Value),
) -> Result<Summary, ExportError> {
    let file = File::open(path).map_err(failed("read", path))?;
    let mut lines = Lines {
        file: BufReader::new(file),
        path,
        number: 0,
        hash: Sha256::new(),
    };
    let header = header(&mut lines)?;
    let found = header.root_key.fingerprint();
    if let Some(wanted) = root.filter(|wanted| *wanted != found) {
        return Err(ExportError::OtherRoot {
            path: path.to_owned(),
            found: found.to_string(),
            wanted: wanted.to_string(),
        });
    }
    let mut pass = Pass {
        proof: Proof::new(header.root_key.verifying_key()),
        cases: BTreeSet::new(),
        entries: 0,
        texts: 0,
        exact: header.written_by == env!("CARGO_PKG_VERSION"),
    };
    loop {
        let before: [u8; 32] = lines.hash.clone().finalize().into();
        let text = lines.next()?;
        let value: Value = serde_json::from_str(&text).map_err(|error| lines.wrong(error))?;
        if value["record"] == "end" {
            let end: End = serde_json::from_value(value).map_err(|error| lines.wrong(error))?;
            pass.end(&header, &end, &before, &text)
                .map_err(|what| lines.wrong(what))?;
            lines.nothing_more()?;
            return Ok(Summary {
                header,
                entries: pass.entries,
                chains: pass.proof.chains() as u64,
                cases: pass.cases.len() as u64,
                texts: pass.texts,
                sha256: end.sha256,
            });
        }
        let entry = pass
            .entry(&value, &text)
            .map_err(|what| lines.wrong(what))?;
        each(&entry, &value);
    }
}

fn header(lines: &mut Lines<'_>) -> Result<Header, ExportError> {
    let text = lines.next()?;
    let value: Value = serde_json::from_str(&text).map_err(|error| lines.wrong(error))?;
    let format = value["format"].as_u64().unwrap_or_default();
    if value["record"] != "header" {
        return Err(lines.wrong("the first line is no header of an export"));
    }
    if format > u64::from(FORMAT) {
        return Err(ExportError::Newer {
            path: lines.path.to_owned(),
            found: u32::try_from(format).unwrap_or(u32::MAX),
        });
    }
    serde_json::from_value(value).map_err(|error| lines.wrong(error))
}

struct Lines<'a> {
    file: BufReader<File>,
    path: &'a Path,
    number: u64,
    hash: Sha256,
}

impl Lines<'_> {
    /// The next line without its end.
    fn next(&mut self) -> Result<String, ExportError> {
        self.number += 1;
        let mut bytes = Vec::new();
        (&mut self.file)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut bytes)
            .map_err(failed("read", self.path))?;
        self.hash.update(&bytes);
        if bytes.pop() != Some(b'\n') {
            return Err(self.wrong("there is no such whole line: the file ends early"));
        }
        String::from_utf8(bytes).map_err(|error| self.wrong(error))
    }

    fn nothing_more(&mut self) -> Result<(), ExportError> {
        let rest = self.file.fill_buf().map_err(failed("read", self.path))?;
        if rest.is_empty() {
            return Ok(());
        }
        Err(self.wrong("something follows the last line"))
    }

    fn wrong(&self, what: impl ToString) -> ExportError {
        ExportError::Altered {
            path: self.path.to_owned(),
            line: self.number,
            what: what.to_string(),
        }
    }
}

struct Pass {
    proof: Proof,
    cases: BTreeSet<fengqiao_hub::id::ChainId>,
    entries: u64,
    texts: u64,
    /// Written by this version: every field is known.
    exact: bool,
}

impl Pass {
    fn entry(&mut self, line: &Value, text: &str) -> Result<Entry, String> {
        let signed = line["signed"].as_str().ok_or("no signed bytes")?;
        let bytes = BASE64
            .decode(signed.as_bytes())
            .map_err(|error| error.to_string())?;
        let entry = Entry::parse(&bytes).map_err(|error| error.to_string())?;
        self.proof
            .add(&entry)
            .map_err(|(code, what)| format!("{code}: {what}"))?;
        let texts: Vec<Text> = match line.get("texts") {
            Some(texts) => {
                serde_json::from_value(texts.clone()).map_err(|error| error.to_string())?
            }
            None => Vec::new(),
        };
        // What a person reads must be what was signed. Another version may know other fields of it; those that name the
        // entry are the same in all.
        let again = line_of(&entry, self.proof.registry(), &bytes, &texts);
        let named = ["kind", "chain", "sequence", "hash", "author"];
        let same = named.iter().all(|field| again[*field] == line[*field]);
        let spelled = again.to_string();
        if !same || (self.exact && spelled != text) {
            return Err("what it says is not what was signed".to_owned());
        }
        if entry.kind == pb::ChainKind::Case {
            self.cases.insert(entry.chain);
        }
        self.entries += 1;
        self.texts += texts.len() as u64;
        Ok(entry)
    }

    fn end(&self, header: &Header, end: &End, before: &[u8; 32], text: &str) -> Result<(), String> {
        let again = serde_json::to_value(end).map_err(|error| error.to_string())?;
        let spelled = again.to_string();
        if spelled != text {
            return Err("the last line is spelled in another way".to_owned());
        }
        if end.sha256.as_bytes() != before {
            return Err("the lines before are not those that were signed".to_owned());
        }
        let signature = HEXLOWER.decode(end.signature.as_bytes());
        let signature = signature.map_err(|_| "the signature does not read")?;
        header
            .signing_key
            .verify(&signed_bytes(before), &signature)
            .map_err(|_| "the signature does not hold")?;
        let node = self.proof.registry().node(header.node);
        let pinned = node.is_some_and(|node| {
            node.place == header.place && node.signing_key == *header.signing_key.verifying_key()
        });
        if !pinned {
            return Err("it is not signed by a node that the registry in it names".to_owned());
        }
        if (end.entries, end.chains) != (self.entries, self.proof.chains() as u64) {
            return Err("it counts other entries than there are".to_owned());
        }
        Ok(())
    }
}
