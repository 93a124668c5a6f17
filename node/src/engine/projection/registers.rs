//! What is kept as it came, under a key of its own: accounts, invitations, answers, figures, warnings.

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, PlaceId};
use fengqiao_hub::signed;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::projector::Projection;
use super::rows::Family;
use crate::engine::EngineError;
use crate::store::tables::{self, LookRow, Place};

/// Version of the rows of accounts and invitations.
pub(super) const PEOPLE: Family = Family {
    name: "people",
    version: 1,
    tables: b"ui",
};
/// Version of the rows of answers.
pub(super) const ANSWERS: Family = Family {
    name: "answers",
    version: 1,
    tables: b"r",
};
/// Version of the rows of figures and warnings.
pub(super) const FIGURES: Family = Family {
    name: "figures",
    version: 1,
    tables: b"tdx",
};
/// Version of the rows of looks.
pub(super) const LOOKS: Family = Family {
    name: "looks",
    version: 1,
    tables: b"z",
};

impl Projection<'_, '_> {
    /// Rows of their own that some contents have.
    pub(super) fn remember(&mut self, entry: &Entry) -> Result<(), EngineError> {
        if let Some(submission) = entry.submission {
            self.end_submission(submission, "")?;
        }
        match &entry.body.content {
            // A copy of the log of the place below says who works there, not here.
            Some(Content::Administration(pb::AdministrationChange {
                change: Some(pb::administration_change::Change::AccountSet(account)),
            })) if entry.chain == ChainId::administration_of(self.me.at.place, self.me.at.unit) => {
                self.put(
                    &PEOPLE,
                    tables::account(&account.login),
                    account.encode_to_vec(),
                );
            }
            Some(Content::Supervision(pb::SupervisionChange {
                change: Some(pb::supervision_change::Change::RedWarned(warned)),
            })) => {
                if let Some(id) = Hash::from_bytes(&warned.warning) {
                    self.put(&FIGURES, tables::warning(id), Vec::new());
                }
            }
            Some(Content::Access(pb::AccessChange {
                change: Some(pb::access_change::Change::Looked(looked)),
            })) => {
                if let Some(case) = ChainId::from_bytes(&looked.case) {
                    let at_ms = entry.body.wall_time_ms;
                    let row = LookRow {
                        person: entry.body.actor.clone(),
                        purpose: looked.purpose,
                        fields: looked.fields.clone(),
                        at_ms,
                        node: entry.author.to_vec(),
                        entry: entry.hash.to_vec(),
                    };
                    let key = tables::look(case, at_ms, entry.hash);
                    self.put(&LOOKS, key, row.encode_to_vec());
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn kept(
        &mut self,
        kept: &pb::ItemKept,
        bytes: &[u8],
        at: Place,
    ) -> Result<(), EngineError> {
        match kept.kind() {
            pb::ItemKind::Notice => self.keep_notice(kept, bytes),
            pb::ItemKind::Tally => {
                if let Some(tally) = signed::kept::<pb::Tally>(bytes) {
                    self.put(&FIGURES, tables::tally(&tally), bytes.to_vec());
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
                    self.put(&FIGURES, key, bytes.to_vec());
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

    pub(super) fn answered(&mut self, answered: &pb::RequestAnswered) {
        let row = tables::AnswerRow {
            asked: answered.asked.clone(),
            answer: answered.answer.clone(),
        };
        let key = tables::request(&answered.login, &answered.request);
        self.put(&ANSWERS, key, row.encode_to_vec());
    }

    pub(super) fn invited(&mut self, invitation: &pb::InvitationSet) {
        let (id, stored) = (&invitation.invitation, &invitation.stored);
        self.state.book.insert(id.clone(), stored.clone());
        self.put(&PEOPLE, tables::invitation(id), stored.clone().into_bytes());
    }
}
