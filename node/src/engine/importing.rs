//! Entries of an export, handed in by an administrator: judged and kept as if a link had brought them.
//!
//! Nothing is taken that a link would not bring to apply, and an entry that is here is passed over, so a file may be
//! imported any number of times. What a link's entry would leave behind when it is refused, a parked row and an alarm,
//! this leaves to the answer: whoever imports is told line by line.

use std::sync::Arc;

use fengqiao_hub::entry::Entry;
use fengqiao_hub::jurisdiction::is_by_root_key;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::ImportOutcome as Outcome;

use super::EngineError;
use super::arrivals::reason_of;
use super::group::Group;
use super::parking::Hindrance;
use super::requests::{Answer, Answered};
use crate::store::{Read as _, tables};

/// Entries taken in one record, at most.
pub(crate) const ENTRIES_MAX: usize = 256;
/// Their bytes together, at most.
pub(crate) const BYTES_MAX: usize = 1 << 20;

impl Group<'_> {
    /// Takes them one after the other; says what became of each.
    pub(crate) fn import_entries(&mut self, entries: &[Vec<u8>]) -> Answered {
        let bytes: usize = entries.iter().map(Vec::len).sum();
        if entries.len() > ENTRIES_MAX || bytes > BYTES_MAX {
            let most = format!("{ENTRIES_MAX} entries, {BYTES_MAX} bytes");
            return Ok(Err(Refusal::of(Code::OutOfRange, "entries").because(most)));
        }
        let mut fates = Vec::with_capacity(entries.len());
        for bytes in entries {
            fates.push(self.import_entry(bytes)?);
        }
        Ok(Ok(Answer::of(&pb::ImportEntriesResponse {
            entries: fates,
        })))
    }

    fn import_entry(&mut self, bytes: &[u8]) -> Result<pb::ImportedEntry, EngineError> {
        let entry = match Entry::parse(bytes) {
            Ok(entry) => Arc::new(entry),
            Err(error) => return Ok(refused(reason_of(error))),
        };
        // What else an export holds would be another node's ledger or log.
        if !matches!(entry.kind, pb::ChainKind::Case | pb::ChainKind::Registry) {
            return Ok(refused("CHAIN_KIND"));
        }
        if self.chain(entry.chain)?.tree.contains(&entry.hash) {
            return Ok(fate(Outcome::Known, "", ""));
        }
        let waits = self.overlay.get(&tables::parked(entry.chain, entry.hash))?;
        if waits.is_some() {
            return Ok(fate(Outcome::Parked, "", ""));
        }
        // A link waits for the registry that names an author: it may be under way. A file is all there is of it.
        if !is_by_root_key(&entry) && self.registry().node(entry.author).is_none() {
            return Ok(refused("AUTHOR_UNKNOWN"));
        }
        match self.admissible(&entry)? {
            Ok(()) => {
                self.keep_entry(&entry, bytes, None)?;
                Ok(fate(Outcome::New, "", ""))
            }
            Err(waits @ Hindrance::Waits(reason)) => {
                let (reference, _) = self.record.blob(bytes);
                if self.park(Some(&entry), bytes, reference, waits, None)? {
                    Ok(fate(Outcome::Parked, reason, ""))
                } else {
                    Ok(refused("PARKED_FULL"))
                }
            }
            Err(Hindrance::Refused(reason)) => Ok(refused(reason)),
        }
    }
}

fn fate(outcome: Outcome, reason: &str, field: &str) -> pb::ImportedEntry {
    pb::ImportedEntry {
        outcome: outcome.into(),
        reason: reason.to_owned(),
        field: field.to_owned(),
    }
}

/// Names the field of a line that is at fault.
fn refused(reason: &str) -> pb::ImportedEntry {
    let field = match reason {
        "AUTHOR_UNKNOWN" | "REVOKED" | "NOT_CUSTODIAN" => "author",
        "CHAIN_KIND" => "kind",
        // Nothing is wrong with the entry.
        "PARKED_FULL" => "",
        _ => "signed",
    };
    fate(Outcome::Refused, reason, field)
}
