//! Writing an export from the journal of a node that may be running.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::decoded::line_of;
use super::{End, ExportError, FORMAT, Header, Summary, Texts, failed, signed_bytes};
use crate::engine::record::{place_of, read_record};
use crate::folder::Glance;
use crate::journal::{Beside, JournalReader as _, Location, Position, Record, SystemDisk, disk};
use crate::trust::keys::Fingerprint;

/// What is to be exported.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Cases; all unless given.
    pub cases: Option<&'a BTreeSet<ChainId>>,
    /// Texts in clear, where they are asked for.
    pub texts: Option<&'a Texts>,
    /// Now.
    pub now: Moment,
}

/// Writes the cases of a data folder, and the registries that prove them, into a new file that its owner alone may read.
///
/// # Errors
/// An [`ExportError`]; no file is left then.
pub(crate) fn write(data: &Path, to: &Path, wanted: &Wanted<'_>) -> Result<Summary, ExportError> {
    if to.exists() {
        return Err(ExportError::Exists {
            path: to.to_owned(),
        });
    }
    let glance = Glance::at(data)?;
    let journal = Beside::look(data)?;
    let mut name = to.as_os_str().to_owned();
    name.push(disk::ASIDE);
    let aside = Path::new(&name);
    let written = write_aside(&glance, &journal, aside, wanted);
    let put = written.and_then(|summary| {
        std::fs::rename(aside, to).map_err(failed("write", to))?;
        Ok(summary)
    });
    if put.is_err() {
        // What failed is said; that half a file may be left beside it changes nothing.
        let _ = disk::remove_file(&SystemDisk, aside);
    }
    put
}

fn write_aside(
    glance: &Glance,
    journal: &Beside,
    aside: &Path,
    wanted: &Wanted<'_>,
) -> Result<Summary, ExportError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(aside)
        .map_err(failed("write", aside))?;
    let mut lines = Lines {
        file: BufWriter::new(file),
        path: aside,
        hash: Sha256::new(),
    };
    let header = header_of(glance, wanted);
    lines.add(&serde_json::to_value(&header).unwrap_or_default())?;
    let mut pass = Pass {
        journal,
        wanted,
        lines,
        registry: Registry::default(),
        seen: BTreeSet::new(),
        chains: BTreeSet::new(),
        cases: BTreeSet::new(),
        texts: 0,
    };
    for record in journal.reader().tail(Position(0)) {
        pass.record(&record?)?;
    }
    let sha256: [u8; 32] = pass.lines.hash.clone().finalize().into();
    let signature = glance.signing.sign(&signed_bytes(&sha256));
    let end = End {
        record: "end".to_owned(),
        entries: pass.seen.len() as u64,
        chains: pass.chains.len() as u64,
        sha256: Fingerprint::from_bytes(sha256),
        signature: HEXLOWER.encode(&signature),
    };
    pass.lines
        .add(&serde_json::to_value(&end).unwrap_or_default())?;
    pass.lines.finish()?;
    Ok(Summary {
        header,
        entries: end.entries,
        chains: end.chains,
        cases: pass.cases.len() as u64,
        texts: pass.texts,
        sha256: end.sha256,
    })
}

fn header_of(glance: &Glance, wanted: &Wanted<'_>) -> Header {
    let identity = &glance.identity;
    Header {
        record: "header".to_owned(),
        format: FORMAT,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        made: wanted.now.to_rfc3339(0).unwrap_or_default(),
        deployment: identity.deployment,
        root_key: glance.root.key,
        node: identity.node,
        place: identity.place,
        place_name: identity.place_name.clone(),
        signing_key: *glance.signing.public(),
        with_texts: wanted.texts.is_some(),
    }
}

/// Lines on their way to the disk, hashed as they pass.
struct Lines<'a> {
    file: BufWriter<File>,
    path: &'a Path,
    hash: Sha256,
}

impl Lines<'_> {
    fn add(&mut self, line: &Value) -> Result<(), ExportError> {
        let text = format!("{line}\n");
        self.hash.update(text.as_bytes());
        self.file
            .write_all(text.as_bytes())
            .map_err(failed("write", self.path))
    }

    fn finish(self) -> Result<(), ExportError> {
        let path = self.path;
        let file = self.file.into_inner();
        let file = file.map_err(|error| failed("write", path)(error.into_error()))?;
        file.sync_all().map_err(failed("sync", path))
    }
}

struct Pass<'a> {
    journal: &'a Beside,
    wanted: &'a Wanted<'a>,
    lines: Lines<'a>,
    registry: Registry,
    seen: BTreeSet<Hash>,
    chains: BTreeSet<ChainId>,
    cases: BTreeSet<ChainId>,
    texts: u64,
}

impl Pass<'_> {
    fn record(&mut self, record: &Record) -> Result<(), ExportError> {
        let unreadable = || {
            let what = std::io::Error::from(std::io::ErrorKind::InvalidData);
            failed("read a record of", self.lines.path)(what)
        };
        let at = record.position.0;
        let (facts, blobs) = read_record(at, &record.payload).map_err(|_| unreadable())?;
        for fact in &facts {
            let Fact::Entry(stored) = fact else { continue };
            let place = place_of(stored.blob.as_ref(), &blobs);
            let Some(place) = place.filter(|_| stored.verdict() == pb::EntryVerdict::Applied)
            else {
                continue;
            };
            let bytes = self.journal.reader().read(Location {
                position: Position(place.position),
                offset: place.offset,
                length: place.length,
            })?;
            if let Ok(entry) = Entry::parse(&bytes) {
                self.entry(&entry, &bytes)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), ExportError> {
        let asked = |chain| self.wanted.cases.is_none_or(|cases| cases.contains(chain));
        let goes = match entry.kind {
            pb::ChainKind::Registry => true,
            pb::ChainKind::Case => asked(&entry.chain),
            pb::ChainKind::Directive
            | pb::ChainKind::Rulebook
            | pb::ChainKind::Supervision
            | pb::ChainKind::Administration
            | pb::ChainKind::Access
            | pb::ChainKind::Unspecified => false,
        };
        if !goes || !self.seen.insert(entry.hash) {
            return Ok(());
        }
        if entry.kind == pb::ChainKind::Registry {
            // One that does not fit is a reader's to refuse; here it only names places.
            let _ = self.registry.apply(entry);
        } else {
            self.cases.insert(entry.chain);
        }
        self.chains.insert(entry.chain);
        let texts = self.wanted.texts.and_then(|texts| texts.get(&entry.hash));
        let texts = texts.map_or(&[][..], Vec::as_slice);
        self.texts += texts.len() as u64;
        let line = line_of(entry, &self.registry, bytes, texts);
        self.lines.add(&line)
    }
}
