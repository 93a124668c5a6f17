//! Writing: an act becomes an entry, sealed, signed and put into its tree.

use std::sync::Arc;

use fengqiao_hub::casework::{Act, class_given};
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::{Draft, ENTRY_BYTES_MAX, Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, PersonId, PlaceId, SubmissionId};
use fengqiao_hub::number;
use fengqiao_hub::payload::{self, Part};
use fengqiao_hub::rank::Rank;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::EngineError;
use super::awaiting::settles;
use super::group::Group;
use super::projection::receipt_row;
use crate::keystore::CaseSecret;
use crate::store::{Read as _, tables};

/// Sealed payloads of one entry together, at most: the rest of its bytes is envelope and body.
const PAYLOAD_BYTES_MAX: usize = ENTRY_BYTES_MAX - 4096;

/// What stands before the entry to be written.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub(crate) rank: Rank,
    pub(crate) sequence: u64,
    pub(crate) hash: Option<Hash>,
}

/// What is to be written, besides the act.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    pub(crate) person: Option<PersonId>,
    /// Sealed payloads with their commitments.
    pub(crate) payloads: Vec<(Vec<u8>, Hash)>,
    pub(crate) submission: Option<SubmissionId>,
}

impl Group<'_> {
    /// Seals a content, each part under its own key.
    pub(crate) fn seal(
        &mut self,
        chain: ChainId,
        content: Option<&pb::PrivateContent>,
    ) -> Result<Vec<(Vec<u8>, Hash)>, Refusal> {
        let Some(content) = content else {
            return Ok(Vec::new());
        };
        let mut payloads = Vec::new();
        for (part, content) in payload::parts(content) {
            let key = self
                .key(chain, part)
                .ok_or_else(|| Refusal::of(Code::TextSealed, "texts"))?;
            let sealed = payload::seal(&key, (part, chain), self.vault.draw(), &content)
                .map_err(|_| Refusal::of(Code::TooLong, "texts"))?;
            let commitment = payload::commitment(&key.salt, &sealed);
            payloads.push((sealed, commitment));
        }
        let bytes: usize = payloads.iter().map(|(sealed, _)| sealed.len()).sum();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(Refusal::of(Code::TooLong, "texts").because(PAYLOAD_BYTES_MAX.to_string()));
        }
        Ok(payloads)
    }

    /// Draws keys and salts for a chain that begins here: for its texts, and for whoever it names.
    pub(crate) fn draw_secrets(&mut self, chain: ChainId, content: Option<&pb::PrivateContent>) {
        let names = content.is_some_and(|content| content.requester.is_some());
        for part in Part::ALL {
            if part == Part::Person && !names {
                continue;
            }
            let mut secret = CaseSecret::with_salt(self.vault.draw());
            secret.key = Some(self.vault.draw());
            secret.proven = true;
            self.secrets.insert(part.secret_id(chain), secret);
        }
    }

    /// Forgets what was drawn for a chain that does not begin after all.
    pub(crate) fn forget_secrets(&mut self, chain: ChainId) {
        for part in Part::ALL {
            self.secrets.remove(&part.secret_id(chain));
        }
    }

    /// The head of a chain, as what stands before the next entry.
    pub(crate) fn before(&mut self, chain: ChainId) -> Result<Before, EngineError> {
        let head = self.chain(chain)?.tree.head();
        Ok(head.map_or(
            Before {
                rank: Rank::default(),
                sequence: 0,
                hash: None,
            },
            |head| Before {
                rank: head.rank.clone(),
                sequence: head.sequence,
                hash: Some(head.hash),
            },
        ))
    }

    /// Writes an entry after what stands before it.
    pub(crate) fn write_after(
        &mut self,
        kind: pb::ChainKind,
        chain: ChainId,
        before: Before,
        act: Act,
        writing: Writing,
    ) -> Result<Arc<Entry>, EngineError> {
        let registry = self.registry();
        let own = registry.node(self.me.at.node);
        let unsettled =
            act.kind_class == pb::KindClass::Effect && !self.is_settled(chain, &before)?;
        let mut relied_on: Vec<(PlaceId, u64)> =
            own.map(|node| node.pinned_at).into_iter().collect();
        relied_on.extend(registry.moves_known_at(self.me.at.place));
        let rank = match act.mv {
            Move::Taken(_) => {
                let level = registry
                    .place(self.me.at.place)
                    .map_or(0, |place| place.level);
                // The root key may have raised it since this node's folder was written.
                let generation = own.map_or(0, |own| own.generation).max(self.me.generation);
                before
                    .rank
                    .raised(level, generation)
                    .ok_or(EngineError::Unfit("an own generation"))?
            }
            Move::Dispatched(to) => {
                let issuer = registry.added_by(to);
                relied_on.extend(issuer.map(|issuer| (issuer, registry.version(issuer))));
                before.rank
            }
            Move::None | Move::Offered(_) => before.rank,
        };
        let body = pb::Body {
            unsettled,
            judged_by: self.judged_by(kind, chain, &act.content),
            ..self.body(writing.person, act.content)
        };
        let draft = Draft {
            deployment: self.me.deployment,
            kind,
            chain,
            rank,
            sequence: before.sequence.saturating_add(1),
            previous: before.hash,
            author: self.me.at.node,
            incarnation: self.me.incarnation,
            author_sequence: self.state.author_sequence + 1,
            registry: relied_on,
            mv: act.mv,
            submission: writing.submission,
            kind_class: act.kind_class,
            body,
            payloads: writing.payloads,
        };
        let entry = Arc::new(draft.sign(&self.me.signing_key));
        let bytes = entry.bytes();
        // Nobody would take what does not read, this node at its next start neither.
        Entry::parse(&bytes).map_err(|error| {
            tracing::error!(%error, "an own entry does not read");
            EngineError::Unfit("an own entry")
        })?;
        let verdict = self.keep_entry(&entry, &bytes, None)?;
        if !matches!(verdict, Verdict::Extended | Verdict::Overtook) {
            // What this node itself decides and signs always continues its own head.
            tracing::error!(?verdict, "an own entry did not become the head");
            return Err(EngineError::Unfit("an own entry"));
        }
        Ok(entry)
    }

    /// Whether the parent is reached and what the next entry builds on is settled by it (PROTOCOL.md 11).
    fn is_settled(&self, chain: ChainId, before: &Before) -> Result<bool, EngineError> {
        let Some(up) = self.me.at.up(&self.state.registry) else {
            return Ok(true);
        };
        let Some(head) = before.hash.filter(|_| self.linked) else {
            return Ok(false);
        };
        let row = self
            .overlay
            .get(&tables::entry(chain, before.sequence, head))?;
        let row = row
            .and_then(|row| tables::EntryRow::decode(&row[..]).ok())
            .unwrap_or_default();
        if !settles(&self.overlay, self.me, up)? {
            return Ok(false);
        }
        let receipt = receipt_row(&self.overlay, up, pb::Lane::Cases)?;
        let held = self.state.chains.get(chain);
        let entry = held.and_then(|held| held.entries.get(&head));
        let came_from_above = entry.is_none_or(|(entry, _)| entry.author != self.me.at.node);
        Ok(if row.up_sequence == 0 {
            came_from_above && self.has_handed_over(up)?
        } else {
            row.up == up.to_vec() && row.up_sequence <= receipt.settled
        })
    }

    /// Writes an entry at the head of a chain.
    pub(crate) fn write(
        &mut self,
        kind: pb::ChainKind,
        chain: ChainId,
        act: Act,
        writing: Writing,
    ) -> Result<Arc<Entry>, EngineError> {
        let before = self.before(chain)?;
        self.write_after(kind, chain, before, act, writing)
    }

    pub(crate) fn body(&self, person: Option<PersonId>, content: Content) -> pb::Body {
        pb::Body {
            schema: 1,
            actor: person.map(PersonId::to_vec).unwrap_or_default(),
            wall_time_ms: self.now.0,
            judged_by: None,
            unsettled: false,
            content: Some(content),
        }
    }

    /// What an entry of a case is judged by: what the case was opened under, or the rules in force where it begins now,
    /// with the class that the entry gives where others may not know that.
    pub(crate) fn judged_by(
        &self,
        kind: pb::ChainKind,
        chain: ChainId,
        content: &Content,
    ) -> Option<pb::JudgedBy> {
        let Content::Action(action) = content else {
            return None;
        };
        if kind != pb::ChainKind::Case {
            return None;
        }
        let rules = match self.state.chains.get(chain) {
            Some(chain) if !chain.tree.is_empty() => self.rules_of(chain),
            Some(_) | None => self.rules(),
        };
        Some(pb::JudgedBy {
            class: class_given(action).and_then(|class| rules.definition(class)),
            ..rules.judged_by()?
        })
    }

    /// A plain entry of one of this place's own chains.
    pub(crate) fn write_own(
        &mut self,
        kind: pb::ChainKind,
        chain: ChainId,
        person: Option<PersonId>,
        content: Content,
    ) -> Result<Arc<Entry>, EngineError> {
        let first = self.chain(chain)?.tree.is_empty();
        let kind_class = if first {
            pb::KindClass::Opening
        } else {
            pb::KindClass::Work
        };
        let act = Act {
            content,
            mv: Move::None,
            kind_class,
        };
        self.write(
            kind,
            chain,
            act,
            Writing {
                person,
                ..Default::default()
            },
        )
    }

    /// The next readable case number: place code or id, incarnation, serial and a check letter.
    pub(crate) fn next_number(&mut self) -> Result<String, EngineError> {
        let key = tables::named("case-number");
        let last = self
            .overlay
            .get(&key)?
            .and_then(|row| <[u8; 8]>::try_from(&row[..]).ok());
        let serial = last.map_or(0, u64::from_be_bytes) + 1;
        let fact = pb::NumberSet {
            name: "case-number".to_owned(),
            value: serial,
        };
        self.fact(pb::fact::Fact::Number(fact))?;
        let place = self.state.registry.place(self.me.at.place);
        let code = place
            .map(|place| place.code.as_str())
            .filter(|code| !code.is_empty());
        let place = code.map_or_else(|| self.me.at.place.to_string(), str::to_owned);
        Ok(number::write(&place, self.me.incarnation, serial))
    }
}
