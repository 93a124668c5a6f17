//! Everything a journal says, checked from its own bytes: records, hashes, signatures, custody, commitments.
//!
//! Goes through the journal once, in order, as the engine did when it wrote it, and believes nothing but the root key.
//! It holds the registry and of each entry what custody needs, and changes nothing.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;
use fengqiao_hub::custody::{Step, Tree, Verdict};
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, PlaceId};
use fengqiao_hub::jurisdiction::{Registry, is_by_root_key};
use fengqiao_hub::payload::Part;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;

use crate::engine::record::{place_of, read_record};
use crate::journal::{FileReader, JournalError, JournalReader as _, Location, Position, Record};

#[cfg(test)]
pub(crate) mod tests;

/// Problems listed by one audit; those beyond are counted.
pub(crate) const LISTED_MAX: usize = 1_000;

/// What does not hold, where, and the way to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// In English: where, what, and what to do.
    pub english: String,
    /// The same in Chinese.
    pub chinese: String,
}

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    /// Records read.
    pub records: u64,
    /// Chains in them.
    pub chains: u64,
    /// Entries checked.
    pub entries: u64,
    /// Entries that wait for something and were checked for form only.
    pub parked: u64,
    /// Sealed payloads compared with their commitments.
    pub payloads: u64,
    /// What does not hold; empty when all is well.
    pub problems: Vec<Problem>,
    /// Problems in all, listed or not.
    pub problems_total: u64,
    /// The registry as the journal proves it.
    pub registry: Registry,
}

impl Audited {
    /// Adds a problem found elsewhere.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems_total += 1;
        if self.problems.len() < LISTED_MAX {
            self.problems.push(problem);
        }
    }
}

/// The salt of commitments by its name in a key store, see [`Part::secret_id`], where it is known.
pub(crate) type Salts<'a> = &'a dyn Fn(&ChainId) -> Option<[u8; 32]>;

/// Checks a journal as far as the reader sees it. Payloads are compared with their commitments where `salts` knows how.
/// `progress` hears bytes done and bytes in all, for each of the two passes.
///
/// # Errors
/// The disk does not read, or a format is not known. What does not hold is no error, it is the answer.
pub(crate) fn audit(
    reader: &FileReader,
    root_key: &VerifyingKey,
    salts: Salts<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Audited, JournalError> {
    let scrubbed = reader.verify(progress)?;
    let mut pass = Pass {
        reader,
        salts,
        proof: Proof::new(root_key),
        found: Audited {
            records: scrubbed.records,
            ..Default::default()
        },
    };
    for damage in &scrubbed.damages {
        pass.found.add(Problem {
            code: "JOURNAL_DAMAGED",
            english: damage.to_string(),
            chinese: format!(
                "日志文件 {} 自位置 {} 起损坏",
                damage.segment, damage.position.0
            ),
        });
    }
    // What follows a damaged record rests on it: saying more would only repeat it.
    if !scrubbed.damages.is_empty() {
        return Ok(pass.found);
    }
    for record in reader.tail(Position(0)) {
        let record = record?;
        pass.record(&record)?;
        if record.position.0 % (1 << 16) < 1 << 10 {
            progress(record.next.0, scrubbed.bytes);
        }
    }
    pass.found.chains = pass.proof.chains() as u64;
    pass.found.registry = pass.proof.registry;
    Ok(pass.found)
}

/// What entries have proven so far, taken one after the other as they were stored, from the root key on.
#[derive(Debug)]
pub(crate) struct Proof {
    root_key: VerifyingKey,
    registry: Registry,
    chains: BTreeMap<ChainId, Tree>,
}

impl Proof {
    /// Nothing yet.
    #[must_use]
    pub(crate) fn new(root_key: &VerifyingKey) -> Self {
        Self {
            root_key: *root_key,
            registry: Registry::default(),
            chains: BTreeMap::new(),
        }
    }

    /// The registry as proven.
    #[must_use]
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Chains begun.
    #[must_use]
    pub(crate) fn chains(&self) -> usize {
        self.chains.len()
    }

    /// Adds an entry, if author, signature, registry and custody hold.
    ///
    /// # Errors
    /// A stable code and what does not hold; nothing was added.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), (&'static str, String)> {
        // What a neighbour sends again is stored again, and changes nothing.
        let known = self.chains.get(&entry.chain);
        if known.is_some_and(|tree| tree.contains(&entry.hash)) {
            return Ok(());
        }
        let (key, place) = self
            .author(entry)
            .ok_or(("ENTRY_AUTHOR", "no registry names its author".to_owned()))?;
        entry.check_signature(&key).map_err(|_| {
            let what = "its signature is not its author's".to_owned();
            ("ENTRY_SIGNATURE", what)
        })?;
        // What a neighbour sends again is stored again, and changes nothing.
        let known = self.chains.get(&entry.chain);
        if known.is_some_and(|tree| tree.contains(&entry.hash)) {
            return Ok(());
        }
        if entry.kind == pb::ChainKind::Registry {
            let applied = self.registry.apply(entry);
            applied.map_err(|error| ("ENTRY_REGISTRY", error.to_string()))?;
        }
        let tree = self.chains.entry(entry.chain).or_default();
        match tree.insert(Step::of(entry, place), &self.registry, true) {
            Verdict::Known | Verdict::Extended | Verdict::Overtook | Verdict::Joined => Ok(()),
            Verdict::Waits(waiting) => Err(("ENTRY_CUSTODY", waiting.code().to_owned())),
            Verdict::Refused(violation) => Err(("ENTRY_CUSTODY", violation.code().to_owned())),
        }
    }

    /// Who must have signed an entry, and for which place; some rest on the root key alone.
    fn author(&self, entry: &Entry) -> Option<(VerifyingKey, PlaceId)> {
        if is_by_root_key(entry) {
            return Some((self.root_key, entry.chain.place()?));
        }
        let node = self.registry.node(entry.author)?;
        Some((node.signing_key, node.place))
    }
}

struct Pass<'a> {
    reader: &'a FileReader,
    salts: Salts<'a>,
    proof: Proof,
    found: Audited,
}

impl Pass<'_> {
    fn record(&mut self, record: &Record) -> Result<(), JournalError> {
        let at = record.position.0;
        let Ok((facts, blobs)) = read_record(at, &record.payload) else {
            self.problem("RECORD", format!("the record at {at} does not read as one"));
            return Ok(());
        };
        for fact in &facts {
            let Fact::Entry(stored) = fact else { continue };
            let Some(place) = place_of(stored.blob.as_ref(), &blobs) else {
                self.problem(
                    "RECORD",
                    format!("a fact at {at} names bytes that are not there"),
                );
                continue;
            };
            let bytes = self.reader.read(Location {
                position: Position(place.position),
                offset: place.offset,
                length: place.length,
            })?;
            match (Entry::parse(&bytes), stored.verdict()) {
                (Ok(entry), pb::EntryVerdict::Applied) => self.entry(&entry, at),
                (Err(error), pb::EntryVerdict::Applied) => {
                    self.problem("ENTRY_UNREADABLE", format!("the entry at {at}: {error}"));
                }
                (_, pb::EntryVerdict::Parked | pb::EntryVerdict::Unspecified) => {
                    self.found.parked += 1;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, at: u64) {
        self.found.entries += 1;
        let named = format!(
            "chain {} sequence {} ({}), record at {at}",
            entry.chain,
            entry.sequence,
            entry.hash.short()
        );
        match self.proof.add(entry) {
            Ok(()) => self.payloads(entry, &named),
            Err((code, what)) => self.problem(code, format!("{named}: {what}")),
        }
    }

    fn payloads(&mut self, entry: &Entry, named: &str) {
        for part in Part::ALL {
            let sealed = entry.payloads_of(part).count();
            if sealed == 0 {
                continue;
            }
            let Some(salt) = (self.salts)(&part.secret_id(entry.chain)) else {
                continue;
            };
            self.found.payloads += sealed as u64;
            if entry.check_payloads(part, &salt).is_err() {
                let what = format!("{named}: a sealed text is not the one its envelope commits to");
                self.problem("PAYLOAD", what);
            }
        }
    }

    fn problem(&mut self, code: &'static str, what: String) {
        self.found.add(Problem {
            code,
            chinese: format!("日志内容不成立：{what}；请从备份恢复后执行 recover，缺少的条目由上级补回"),
            english: format!(
                "{what}; mend: restore a backup into a new folder and `fengqiao recover` it, what is missing comes back \
                 from the neighbours"
            ),
        });
    }
}
