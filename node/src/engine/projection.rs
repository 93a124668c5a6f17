//! From facts to rows: the one way by which a record reaches the store, live and on replay alike.

mod links;
mod parked;
mod receipts;
mod recorder;
mod rows;

use std::sync::Arc;

use fengqiao_hub::case::{Running, clocks_of_notice};
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, SubmissionId};
use fengqiao_hub::signed;
use fengqiao_hub::submission::Submission;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::fact::Fact;
use prost::Message as _;

use super::chains::author_place;
use super::loading::{load_chain, read_bytes};
use super::record::{RecordWriter, place_of};
use super::{EngineError, Me, State};
use crate::journal::JournalReader;
use crate::replication::session::item_hash;
use crate::store::Read as _;
use crate::store::tables::{self, ChainRow, EntryRow, Place};

pub(crate) use parked::{item_parking_key, parking_key};
pub(crate) use recorder::{Recorder, replay};
pub(crate) use rows::{Rows, is_waiting, lane_row, receipt_row, waiting_count};

/// Applies facts to rows and to the state in memory.
struct Projection<'a, 's> {
    me: &'a Me,
    state: &'a mut State,
    rows: &'a mut Rows<'s>,
    reader: &'a dyn JournalReader,
    record: &'a RecordWriter,
}

impl Projection<'_, '_> {
    /// Applies one fact of a record that is read again. What cannot be applied by what is known today is put aside: a
    /// record that was written once must never keep a node from starting.
    pub(crate) fn replay(&mut self, fact: &Fact, blobs: &[Place]) -> Result<(), EngineError> {
        match self.apply(fact, blobs) {
            Err(error) if !error.is_of_machine() => self.unfit(fact, blobs, &error),
            applied => applied,
        }
    }

    /// Applies one fact of a record whose blobs stand at `blobs`.
    fn apply(&mut self, fact: &Fact, blobs: &[Place]) -> Result<(), EngineError> {
        let blob = |reference: Option<&pb::BlobReference>| {
            place_of(reference, blobs).ok_or(EngineError::Unreadable("a blob reference"))
        };
        match fact {
            Fact::Entry(stored) => {
                let at = blob(stored.blob.as_ref())?;
                let bytes = read_bytes(self.record, self.reader, &at)?;
                let entry = Entry::parse(&bytes).ok();
                match (stored.verdict(), entry) {
                    (pb::EntryVerdict::Applied, Some(entry)) => {
                        let from = stored.link.parse::<NodeId>().ok();
                        let reason = match self.entry(&Arc::new(entry.clone()), at, from)? {
                            Verdict::Waits(waiting) => waiting.code(),
                            Verdict::Refused(violation) => violation.code(),
                            Verdict::Known
                            | Verdict::Extended
                            | Verdict::Overtook
                            | Verdict::Joined => return Ok(()),
                        };
                        self.put_aside(Some(&entry), &bytes, at, stored, reason)?;
                    }
                    (pb::EntryVerdict::Applied, None) => {
                        self.put_aside(None, &bytes, at, stored, "MALFORMED")?;
                    }
                    (_, entry) => self.parked(entry.as_ref(), &bytes, at, stored)?,
                }
            }
            Fact::Owed(owed) => self.owed(owed, blob(owed.blob.as_ref())?)?,
            Fact::Received(moved) => self.received(moved)?,
            Fact::Kept(kept) => {
                let at = blob(kept.blob.as_ref())?;
                let bytes = read_bytes(self.record, self.reader, &at)?;
                self.kept(kept, &bytes, at)?;
            }
            Fact::ItemParked(parked) => {
                let at = blob(parked.blob.as_ref())?;
                let bytes = read_bytes(self.record, self.reader, &at)?;
                self.item_parked(parked, &bytes, at)?;
            }
            Fact::Answered(answered) => {
                let row = tables::AnswerRow {
                    asked: answered.asked.clone(),
                    answer: answered.answer.clone(),
                };
                let key = tables::request(&answered.login, &answered.request);
                self.put(key, row.encode_to_vec());
            }
            Fact::Number(number) => {
                self.put(
                    tables::named(&number.name),
                    number.value.to_be_bytes().to_vec(),
                );
            }
            Fact::Invitation(invitation) => {
                self.state
                    .book
                    .insert(invitation.invitation.clone(), invitation.stored.clone());
                self.put(
                    tables::invitation(&invitation.invitation),
                    invitation.stored.clone().into_bytes(),
                );
            }
            Fact::Started(started) => self.state.counts.boot = started.boot,
            Fact::Recovered(recovered) => self.recovered(recovered)?,
            Fact::Heard(heard) => {
                let link = heard.link.parse::<NodeId>();
                let link = link.map_err(|_| EngineError::Unreadable("a link"))?;
                let life = self.rows.get(&tables::named("incarnation"))?;
                let life = life.unwrap_or_else(|| 1_u64.to_be_bytes().to_vec());
                self.put(tables::heard(link, heard.lane()), life);
            }
            Fact::HandingOver(step) => {
                let link = step.link.parse::<NodeId>();
                let link = link.map_err(|_| EngineError::Unreadable("a link"))?;
                let row = tables::HandingRow {
                    after: step.after.clone(),
                    done: step.done,
                };
                self.put(tables::handing(link), row.encode_to_vec());
            }
            Fact::PassingOn(step) => {
                if step.done {
                    self.rows.remove(tables::passing_on());
                } else {
                    self.put(tables::passing_on(), step.after.clone());
                }
            }
            Fact::SubmissionEnded(ended) => {
                if let Some(id) = SubmissionId::from_bytes(&ended.submission) {
                    self.end_submission(id, &ended.code)?;
                }
            }
            Fact::ParkingEnded(ended) => {
                let key = ChainId::from_bytes(&ended.chain).zip(Hash::from_bytes(&ended.entry));
                if let Some((chain, hash)) = key {
                    self.unpark(chain, hash)?;
                }
            }
            Fact::AnnexHeld(held) => self.annex_held(held)?,
        }
        Ok(())
    }

    /// An entry joins its tree; says what became of it.
    fn entry(
        &mut self,
        entry: &Arc<Entry>,
        at: Place,
        from: Option<NodeId>,
    ) -> Result<Verdict, EngineError> {
        if let Some(link) = from.filter(|link| !self.is_whole_at(*link, entry.chain)) {
            // Whoever sends the first entry known here has all that is here, and gets what follows, if its author stands on
            // that side; who sends a later one may lack the earlier.
            let first =
                self.rows.get(&tables::chain(entry.chain))?.is_none() && self.follows(link, entry);
            self.carries(
                link,
                entry.chain,
                Carried {
                    extent: tables::Extent::Full,
                    notice: None,
                    whole: first,
                },
            )?;
        }
        if self.knows(entry)? {
            return Ok(Verdict::Known);
        }
        let mut registry = Arc::clone(&self.state.registry);
        let place = author_place(&registry, entry).ok_or(EngineError::Unfit("an author"))?;
        if entry.kind == pb::ChainKind::Registry {
            let applied = Arc::make_mut(&mut registry).apply(entry);
            applied.map_err(|_| EngineError::Unfit("a registry entry"))?;
            let applied = Arc::make_mut(&mut self.state.registry).apply(entry);
            applied.map_err(|_| EngineError::Unreadable("a registry entry"))?;
            self.put(tables::registry(entry.chain), Vec::new());
            self.stand_at(self.me.at.place);
        }
        load_chain(self.rows, self.reader, self.record, self.state, entry.chain)?;
        let chain = self
            .state
            .chains
            .get_mut(entry.chain)
            .ok_or(EngineError::Unreadable("a chain"))?;
        let fresh = chain.tree.is_empty();
        let verdict = chain.insert(Arc::clone(entry), place, &registry);
        if !matches!(
            verdict,
            Verdict::Extended | Verdict::Overtook | Verdict::Joined
        ) {
            return Ok(verdict);
        }
        let is_whole = chain.case.is_some();
        if entry.kind == pb::ChainKind::Registry {
            self.state.registry = registry;
            self.put(tables::registry(entry.chain), Vec::new());
        }
        self.state.counts.entries += 1;
        if fresh && entry.kind == pb::ChainKind::Case {
            self.state.counts.cases += 1;
        }
        if entry.kind == pb::ChainKind::Rulebook && verdict == Verdict::Extended {
            Arc::make_mut(&mut self.state.rulebooks).apply(entry, place);
            self.put(tables::rulebook(entry.chain), Vec::new());
        }
        // Above a gap the notice stays: other takings from it are judged by it until the chain has come.
        if is_whole && self.rows.get(&tables::notice(entry.chain))?.is_some() {
            self.rows.remove(tables::notice(entry.chain));
            self.state.counts.notices = self.state.counts.notices.saturating_sub(1);
        }
        let row = EntryRow {
            at: Some(at),
            ..Default::default()
        };
        self.put(
            tables::entry(entry.chain, entry.sequence, entry.hash),
            row.encode_to_vec(),
        );
        if entry.author == self.me.at.node && entry.incarnation == self.me.incarnation {
            self.state.author_sequence = self.state.author_sequence.max(entry.author_sequence);
            let row = self.state.author_sequence.to_be_bytes().to_vec();
            self.put(tables::named("author-sequence"), row);
            let life = u64::from(entry.incarnation).to_be_bytes().to_vec();
            self.put(tables::named("author-incarnation"), life);
        } else {
            self.heard_from(entry)?;
        }
        self.remember(entry)?;
        self.refresh(entry.chain)?;
        Ok(verdict)
    }

    /// Puts an entry aside that was applied once and cannot be by what is known today.
    fn put_aside(
        &mut self,
        entry: Option<&Entry>,
        bytes: &[u8],
        at: Place,
        stored: &pb::EntryStored,
        reason: &str,
    ) -> Result<(), EngineError> {
        self.alarm_unfit(reason);
        let stored = pb::EntryStored {
            reason: reason.to_owned(),
            ..stored.clone()
        };
        self.parked(entry, bytes, at, &stored)
    }

    /// A fact that was written once and cannot be applied: what it brought is kept for a person to look at.
    fn unfit(
        &mut self,
        fact: &Fact,
        blobs: &[Place],
        error: &EngineError,
    ) -> Result<(), EngineError> {
        let Fact::Entry(stored) = fact else {
            self.alarm_unfit(&error.to_string());
            return Ok(());
        };
        let at = place_of(stored.blob.as_ref(), blobs);
        let at = at.ok_or(EngineError::Unreadable("a blob reference"))?;
        let bytes = read_bytes(self.record, self.reader, &at)?;
        let entry = Entry::parse(&bytes).ok();
        self.put_aside(entry.as_ref(), &bytes, at, stored, "UNFIT")
    }

    fn alarm_unfit(&mut self, reason: &str) {
        tracing::warn!(reason, "a record holds what cannot be applied");
        self.state.alarm(format!("RECORD_UNFIT: {reason}"));
    }

    /// The rules follow the way up of this place.
    fn stand_at(&mut self, place: PlaceId) {
        let registry = Arc::clone(&self.state.registry);
        if self.state.rulebooks.stands_otherwise(place, &registry) {
            Arc::make_mut(&mut self.state.rulebooks).stand_at(place, &registry);
        }
    }

    /// Whether what follows an entry goes by the link it came by: everything goes up, and down to where its author is.
    fn follows(&self, link: NodeId, entry: &Entry) -> bool {
        let registry = &self.state.registry;
        let author = author_place(registry, entry);
        let on_its_side = |place| self.me.at.towards(place, registry) == Some(link);
        entry.kind != pb::ChainKind::Case
            || self.me.at.up(registry) == Some(link)
            || author.is_some_and(on_its_side)
    }

    /// The last author sequence stored of a node enrolled here: what a revocation lets stand.
    fn heard_from(&mut self, entry: &Entry) -> Result<(), EngineError> {
        let enrolled_here = self
            .state
            .registry
            .node(entry.author)
            .is_some_and(|node| node.pinned_at.0 == self.me.at.place);
        if !enrolled_here {
            return Ok(());
        }
        let key = tables::named(&format!("author {}", entry.author));
        let known = self
            .rows
            .get(&key)?
            .and_then(|row| <[u8; 8]>::try_from(&row[..]).ok());
        if known.is_none_or(|known| u64::from_be_bytes(known) < entry.author_sequence) {
            self.put(key, entry.author_sequence.to_be_bytes().to_vec());
        }
        Ok(())
    }

    /// Entries came not to stand: the clock of their adoption runs.
    fn annex_held(&mut self, held: &pb::AnnexHeld) -> Result<(), EngineError> {
        let (Some(id), Some(due)) = (ChainId::from_bytes(&held.chain), &held.due) else {
            return Err(EngineError::Unreadable("an annex"));
        };
        load_chain(self.rows, self.reader, self.record, self.state, id)?;
        for entry in held
            .entries
            .iter()
            .filter_map(|hash| Hash::from_bytes(hash))
        {
            self.put(tables::annexed(id, entry), due.encode_to_vec());
            if let Some(chain) = self.state.chains.get_mut(id) {
                chain.annex_due.insert(entry, due.clone());
            }
        }
        self.refresh(id)
    }

    fn knows(&self, entry: &Entry) -> Result<bool, EngineError> {
        Ok(self
            .rows
            .get(&tables::entry(entry.chain, entry.sequence, entry.hash))?
            .is_some())
    }

    /// Rows of their own that some contents have.
    fn remember(&mut self, entry: &Entry) -> Result<(), EngineError> {
        if let Some(submission) = entry.submission {
            self.end_submission(submission, "")?;
        }
        match &entry.body.content {
            // A copy of the log of the place below says who works there, not here.
            Some(Content::Administration(pb::AdministrationChange {
                change: Some(pb::administration_change::Change::AccountSet(account)),
            })) if entry.chain == ChainId::administration_of(self.me.at.place, self.me.at.unit) => {
                self.put(tables::account(&account.login), account.encode_to_vec());
            }
            Some(Content::Supervision(pb::SupervisionChange {
                change: Some(pb::supervision_change::Change::RedWarned(warned)),
            })) => {
                if let Some(id) = Hash::from_bytes(&warned.warning) {
                    self.put(tables::warning(id), Vec::new());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes a chain's short row, its place in the worklist and its number anew.
    fn refresh(&mut self, id: ChainId) -> Result<(), EngineError> {
        let kept = self.state.chains.get_mut(id);
        let before = match kept.and_then(|chain| chain.row.take()) {
            Some(row) => Some(row),
            None => {
                let row = self.rows.get(&tables::chain(id))?;
                row.and_then(|row| ChainRow::decode(&row[..]).ok())
            }
        };
        let Some(chain) = self.state.chains.get(id) else {
            return Ok(());
        };
        let mut row = ChainRow {
            kind: chain.kind.into(),
            digest: chain.tree.digest().to_vec(),
            listed_at: tables::NOT_LISTED,
            ..Default::default()
        };
        if let Some(head) = chain.tree.head() {
            row.head = head.hash.to_vec();
            row.sequence = head.sequence;
        }
        if let Some(case) = &chain.case {
            row.stage = case.stage().as_str().to_owned();
            row.outcome = case.visit.outcome.into();
            row.number.clone_from(&case.intake.number);
            row.external_number.clone_from(&case.intake.external_number);
            let clocks = chain.clocks();
            row.listed_at = match clocks.first() {
                Some(first) => first.due.0,
                None if case.stage().is_over() => tables::NOT_LISTED,
                None => tables::LISTED_LAST,
            };
            row.clocks = clocks.iter().map(Running::to_wire).collect();
        }
        self.relist(
            id,
            before
                .as_ref()
                .map_or(tables::NOT_LISTED, |row| row.listed_at),
            row.listed_at,
        );
        if !row.number.is_empty() && before.is_none_or(|before| before.number != row.number) {
            self.put(tables::number(&row.number, id), Vec::new());
        }
        self.put(tables::chain(id), row.encode_to_vec());
        if let Some(chain) = self.state.chains.get_mut(id) {
            chain.row = Some(row);
        }
        Ok(())
    }

    fn relist(&mut self, id: ChainId, before: i64, after: i64) {
        if before == after {
            return;
        }
        if before != tables::NOT_LISTED {
            self.rows.remove(tables::worklist(before, id));
        }
        if after != tables::NOT_LISTED {
            self.put(tables::worklist(after, id), Vec::new());
        }
    }

    fn kept(&mut self, kept: &pb::ItemKept, bytes: &[u8], at: Place) -> Result<(), EngineError> {
        match kept.kind() {
            pb::ItemKind::Notice => self.keep_notice(kept, bytes),
            pb::ItemKind::Tally => {
                if let Some(tally) = signed::kept::<pb::Tally>(bytes) {
                    self.put(tables::tally(&tally), bytes.to_vec());
                }
                Ok(())
            }
            pb::ItemKind::DirectiveCount => {
                let count = signed::kept::<pb::DirectiveCount>(bytes);
                let key = count.and_then(|count| {
                    Some(tables::directive_count(
                        ChainId::from_bytes(&count.directive)?,
                        PlaceId::from_bytes(&count.place)?,
                    ))
                });
                if let Some(key) = key {
                    self.put(key, bytes.to_vec());
                }
                Ok(())
            }
            pb::ItemKind::Submission => self.keep_submission(kept, bytes, at),
            pb::ItemKind::Unspecified
            | pb::ItemKind::Entry
            | pb::ItemKind::Refusal
            | pb::ItemKind::Sealed
            | pb::ItemKind::Parked
            | pb::ItemKind::HandedOver => Ok(()),
        }
    }

    fn keep_notice(&mut self, kept: &pb::ItemKept, bytes: &[u8]) -> Result<(), EngineError> {
        let notice = signed::kept::<pb::Notice>(bytes);
        let Some((notice, case)) = notice.and_then(|notice| {
            let case = ChainId::from_bytes(&notice.case)?;
            Some((notice, case))
        }) else {
            return Ok(());
        };
        if let Ok(link) = kept.link.parse::<NodeId>() {
            let hash = item_hash(pb::ItemKind::Notice, bytes);
            self.carries(link, case, Carried::notice(hash))?;
        }
        if self.rows.get(&tables::chain(case))?.is_some() {
            return Ok(());
        }
        let before = self.rows.get(&tables::notice(case))?;
        let before = before.and_then(|row| signed::kept::<pb::Notice>(&row));
        if before.is_none() {
            self.state.counts.notices += 1;
        }
        self.relist(
            case,
            before.as_ref().map_or(tables::NOT_LISTED, notice_listed_at),
            notice_listed_at(&notice),
        );
        if before.is_none_or(|before| before.number != notice.number) {
            self.put(tables::number(&notice.number, case), Vec::new());
        }
        self.put(tables::notice(case), bytes.to_vec());
        Ok(())
    }

    fn keep_submission(
        &mut self,
        kept: &pb::ItemKept,
        bytes: &[u8],
        at: Place,
    ) -> Result<(), EngineError> {
        let Ok(submission) = Submission::parse(bytes) else {
            return Ok(());
        };
        let key = tables::submission(submission.id);
        if self.rows.get(&key)?.is_none() {
            self.state.counts.submissions += 1;
        }
        let row = tables::SubmissionRow {
            at: Some(at),
            case: submission.case.to_vec(),
            refused: String::new(),
            own: kept.link.is_empty(),
        };
        self.put(key, row.encode_to_vec());
        self.put(
            tables::submission_of(submission.case, submission.id),
            Vec::new(),
        );
        Ok(())
    }

    fn end_submission(&mut self, id: SubmissionId, code: &str) -> Result<(), EngineError> {
        let Some(row) = self.rows.get(&tables::submission(id))? else {
            return Ok(());
        };
        let mut row = tables::SubmissionRow::decode(&row[..])
            .map_err(|_| EngineError::Unreadable("a submission"))?;
        if row.refused.is_empty() {
            self.state.counts.submissions = self.state.counts.submissions.saturating_sub(1);
        }
        if let Some(case) = ChainId::from_bytes(&row.case) {
            self.rows.remove(tables::submission_of(case, id));
        }
        if row.own && !code.is_empty() {
            code.clone_into(&mut row.refused);
            self.put(tables::submission(id), row.encode_to_vec());
        } else {
            self.rows.remove(tables::submission(id));
        }
        Ok(())
    }

    /// Keeps the counters with the store.
    fn keep_counts(&mut self) {
        let counts = self.state.counts.encode_to_vec();
        self.put(tables::named("counts"), counts);
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.rows.put(key, value);
    }
}

/// What a link came to carry of a chain.
#[derive(Debug, Clone, Copy)]
struct Carried {
    extent: tables::Extent,
    notice: Option<Hash>,
    whole: bool,
}

impl Carried {
    fn notice(hash: Hash) -> Self {
        Self {
            extent: tables::Extent::Notice,
            notice: Some(hash),
            whole: false,
        }
    }
}

fn notice_listed_at(notice: &pb::Notice) -> i64 {
    let over = matches!(notice.stage.as_str(), "closed" | "declined");
    match clocks_of_notice(notice).first() {
        Some(first) => first.due.0,
        None if over => tables::NOT_LISTED,
        None => tables::LISTED_LAST,
    }
}
