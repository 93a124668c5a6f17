//! From facts to rows: the one way by which a record reaches the store, live and on replay alike.

mod chains;
mod families;
mod links;
mod parked;
mod projector;
mod receipts;
mod recorder;
mod registers;
mod rows;
mod submissions;

use std::sync::Arc;

use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, SubmissionId};
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;

use super::EngineError;
use super::loading::read_bytes;
use super::record::place_of;
use crate::store::tables::{self, Place};
use projector::Projection;
use rows::NUMBERS;

pub(crate) use families::bring_up;
pub(crate) use parked::{item_parking_key, parking_key};
pub(crate) use recorder::{Recorder, replay};
pub(crate) use rows::{Rows, is_waiting, lane_row, receipt_row, waiting_count};

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
            Fact::Answered(answered) => self.answered(answered),
            Fact::Number(number) => {
                let value = number.value.to_be_bytes().to_vec();
                self.put(&NUMBERS, tables::named(&number.name), value);
            }
            Fact::Invitation(invitation) => self.invited(invitation),
            Fact::Started(started) => self.state.counts.boot = started.boot,
            Fact::Recovered(recovered) => self.recovered(recovered)?,
            Fact::Heard(heard) => self.heard(heard)?,
            Fact::HandingOver(step) => self.handing_over(step)?,
            Fact::PassingOn(step) => {
                if step.done {
                    self.rows.remove(&NUMBERS, tables::passing_on());
                } else {
                    self.put(&NUMBERS, tables::passing_on(), step.after.clone());
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
}
