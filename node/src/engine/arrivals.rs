//! What arrives by links: checked against the registry and against custody, kept, and never allowed to stop a lane.
//!
//! Only signature, key validity, custody, rank and structure are judged here, against the registry the entry names
//! (PROTOCOL.md 6). What cannot be judged yet is parked with its chain; what can never be accepted is parked too, so
//! that nothing disappears, and an alarm says so.

use std::sync::Arc;

use fengqiao_hub::bounds::Bounds;
use fengqiao_hub::custody::{Step, Verdict};
use fengqiao_hub::directive;
use fengqiao_hub::entry::{Entry, EntryError};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, StoreId};
use fengqiao_hub::jurisdiction::{Registry, is_by_root_key, issuer};
use fengqiao_hub::notice;
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use super::chains::author_place;
use super::group::Group;
use super::parking::Hindrance;
use super::projection::lane_row;
use super::record::reference_to;
use super::{EngineError, Output};
use crate::replication::session::{item_hash, lane_hash};
use crate::store::Read as _;
use crate::store::tables::{self, Place};

impl Group<'_> {
    /// Items of a neighbour's lane: handled in order, the cursor moved in the same record.
    pub(crate) fn arrive(
        &mut self,
        link: NodeId,
        (store, incarnation): (StoreId, u32),
        lane: pb::Lane,
        items: &[pb::Item],
    ) -> Result<(), EngineError> {
        let row = lane_row(&self.overlay, link, lane)?;
        let before = row.received.unwrap_or_default();
        if before.sequence > 0
            && (before.store, before.incarnation) != (store.to_vec(), incarnation)
        {
            // Left in the inbox by a session with another store of this neighbour: no sequence of one follows on the other's.
            self.alarm("LANE_STORE", &link.to_string());
            self.stored.insert((link, lane));
            return Ok(());
        }
        let (mut sequence, mut hash) = (before.sequence, before.hash);
        for item in items {
            if item.sequence <= sequence {
                continue;
            }
            if item.sequence != sequence + 1 {
                // What a paused session had sent on comes again with the next one.
                if !self.state.paused.contains(&(link, lane)) {
                    self.alarm("LANE_GAP", &link.to_string());
                }
                break;
            }
            let arrived = if self.unread.contains(&(link, lane.into(), item.sequence)) {
                self.park_unread(link, item)?
            } else {
                self.arrive_item(link, item)?
            };
            if std::mem::take(&mut self.pausing) {
                if self.state.paused.insert((link, lane)) {
                    self.alarm("PARKED_FULL", &link.to_string());
                }
                self.outputs.push(Output::Paused(link));
                break;
            }
            self.state.paused.remove(&(link, lane));
            sequence = item.sequence;
            hash = lane_hash(&hash, arrived).to_vec();
        }
        if sequence == before.sequence {
            self.stored.insert((link, lane));
            return Ok(());
        }
        let cursor = pb::Cursor {
            lane: lane.into(),
            store: store.to_vec(),
            incarnation,
            sequence,
            hash,
        };
        self.fact(Fact::Received(pb::CursorMoved {
            link: link.to_string(),
            cursor: Some(cursor),
        }))?;
        self.stored.insert((link, lane));
        Ok(())
    }

    /// Keeps an item at which the process died, and looks no further into it.
    fn park_unread(&mut self, link: NodeId, item: &pb::Item) -> Result<Hash, EngineError> {
        let (reference, _) = self.record.blob(&item.payload);
        let died = Hindrance::Refused("CRASHED");
        self.park(None, &item.payload, reference, died, Some(link))?;
        Ok(item_hash(item.kind(), &item.payload))
    }

    /// Handles an item and gives its hash.
    fn arrive_item(&mut self, link: NodeId, item: &pb::Item) -> Result<Hash, EngineError> {
        if item.kind() == pb::ItemKind::Entry {
            return self.arrive_entry(link, &item.payload, &item.secrets);
        }
        self.arrive_other(link, item)?;
        Ok(item_hash(item.kind(), &item.payload))
    }

    fn arrive_other(&mut self, link: NodeId, item: &pb::Item) -> Result<(), EngineError> {
        match item.kind() {
            pb::ItemKind::Notice
            | pb::ItemKind::Tally
            | pb::ItemKind::Submission
            | pb::ItemKind::Refusal
            | pb::ItemKind::DirectiveCount => self.arrive_signed(link, item.kind(), &item.payload),
            pb::ItemKind::Sealed => self.arrive_sealed(link, &item.payload),
            pb::ItemKind::HandedOver => self.arrive_handed_over(link, &item.payload),
            pb::ItemKind::Parked => {
                self.arrive_report(link, &item.payload);
                Ok(())
            }
            pb::ItemKind::Entry | pb::ItemKind::Unspecified => {
                self.refuse_unkept("ITEM_UNKNOWN", "kind", link, item.payload.len());
                Ok(())
            }
        }
    }

    fn arrive_report(&mut self, link: NodeId, bytes: &[u8]) {
        let shaped = Bounds::Parked.check(bytes).is_ok();
        match pb::ParkedReport::decode(bytes) {
            Ok(report) if shaped => {
                let detail = format!("{} at {link}", report.reason);
                self.alarm("PARKED_AT_NEIGHBOUR", &detail);
            }
            Ok(_) | Err(_) => {
                self.refuse_unkept("PARKED_REFUSED", "MALFORMED", link, bytes.len());
            }
        }
    }

    /// Refuses what came: it is counted and said, and nothing of it is kept.
    pub(super) fn refuse_unkept(&mut self, code: &str, reason: &str, link: NodeId, bytes: usize) {
        self.state.refused.items += 1;
        self.state.refused.bytes += bytes as u64;
        self.alarm(code, &format!("{reason} from {link}"));
    }

    fn arrive_entry(
        &mut self,
        link: NodeId,
        bytes: &[u8],
        secrets: &[pb::ChainSecret],
    ) -> Result<Hash, EngineError> {
        let entry = match Entry::parse(bytes) {
            Ok(entry) => Arc::new(entry),
            Err(error) => {
                tracing::debug!(%link, %error, "an entry does not read");
                self.refuse_unkept("ENTRY_REFUSED", reason_of(error), link, bytes.len());
                return Ok(item_hash(pb::ItemKind::Entry, bytes));
            }
        };
        let sound = |secret: &&pb::ChainSecret| {
            let bytes = secret.encode_to_vec();
            Bounds::Secret.check(&bytes).is_ok()
        };
        let secrets: Vec<pb::ChainSecret> = secrets.iter().filter(sound).cloned().collect();
        // One that is here is not kept a second time: what is signed is the same, but not every byte around it is.
        if let Some(at) = self.kept_at(&entry)? {
            self.keep_entry_at(&entry, reference_to(&at), at, Some(link))?;
            self.learn_secrets(&entry, &secrets);
            if entry.kind == pb::ChainKind::Case {
                let repeated = self.repeated.entry((entry.chain, link)).or_default();
                repeated.insert(entry.hash);
            }
            return Ok(entry.hash);
        }
        let (reference, at) = self.record.blob(bytes);
        match self.admissible(&entry)? {
            Ok(()) => {
                self.keep_entry_at(&entry, reference, at, Some(link))?;
                self.learn_secrets(&entry, &secrets);
                if entry.kind == pb::ChainKind::Case && self.state.registry.has_moves() {
                    self.noticed.insert(entry.chain);
                }
            }
            Err(hindrance) => {
                let waits = self.park(Some(&entry), bytes, reference, hindrance, Some(link))?;
                if waits && matches!(hindrance, Hindrance::Waits(_)) {
                    self.note_secrets(&entry, &secrets);
                }
            }
        }
        Ok(entry.hash)
    }

    /// Where an entry that is known stands in the journal.
    fn kept_at(&self, entry: &Entry) -> Result<Option<Place>, EngineError> {
        let key = tables::entry(entry.chain, entry.sequence, entry.hash);
        let row = self.overlay.get(&key)?;
        let row = row
            .map(|row| tables::EntryRow::decode(&row[..]))
            .transpose();
        let row = row.map_err(|_| EngineError::Unreadable("an entry row"))?;
        Ok(row.and_then(|row| row.at))
    }

    /// Registry entries that came by no link: who the parent's node is now. They prove themselves from the root key on;
    /// one that does not hold here, or not yet, is left out and comes again.
    pub(crate) fn introduced(&mut self, entries: &[Vec<u8>]) -> Result<(), EngineError> {
        for bytes in entries {
            let entry = match Entry::parse(bytes) {
                Ok(entry) if entry.kind == pb::ChainKind::Registry => Arc::new(entry),
                Ok(_) | Err(_) => continue,
            };
            if self.admissible(&entry)?.is_ok()
                && !self.chain(entry.chain)?.tree.contains(&entry.hash)
            {
                self.keep_entry(&entry, bytes, None)?;
            }
        }
        Ok(())
    }

    /// Everything a reader judges about an entry.
    pub(super) fn admissible(
        &mut self,
        entry: &Arc<Entry>,
    ) -> Result<Result<(), Hindrance>, EngineError> {
        let registry = self.registry();
        if self.chain(entry.chain)?.tree.contains(&entry.hash) {
            return Ok(Ok(()));
        }
        if let Err(hindrance) = self.authentic(entry, &registry) {
            return Ok(Err(hindrance));
        }
        let Some(place) = author_place(&registry, entry) else {
            return Ok(Err(Hindrance::Waits("REGISTRY_AWAITED")));
        };
        if !self.commits_as_proven(entry) {
            return Ok(Err(Hindrance::Refused("COMMITMENT")));
        }
        let step = Step::of(entry, place);
        let gap_allowed = self.continues_notice(entry, place)?;
        let chain = self.chain(entry.chain)?;
        if !chain.tree.is_empty() && chain.kind != entry.kind {
            return Ok(Err(Hindrance::Refused("CHAIN_KIND")));
        }
        // Nothing joins before it is written down.
        let verdict = chain.tree.verdict(&step, &registry, gap_allowed);
        let by_custody = match verdict {
            Verdict::Known | Verdict::Extended | Verdict::Overtook | Verdict::Joined => Ok(()),
            Verdict::Waits(waiting) => Err(Hindrance::Waits(waiting.code())),
            Verdict::Refused(violation) => Err(Hindrance::Refused(violation.code())),
        };
        Ok(by_custody.and_then(|()| self.owner_writes(entry, place, verdict, &registry)))
    }

    /// Whether a taking may stand above entries that are not here. Its author knew the head by a notice, perhaps an
    /// earlier or later one than ours, so heads need not agree; but the author must stand above the custodian that our
    /// notice names, and its rank must carry the takings above it as they are known, and one more of its own.
    fn continues_notice(&self, entry: &Entry, place: PlaceId) -> Result<bool, EngineError> {
        let Some(notice) = self.noticed(entry.chain)? else {
            return Ok(false);
        };
        let registry = &self.state.registry;
        let Some(noticed) = Rank::from_wire(&notice.rank) else {
            return Ok(false);
        };
        let level = registry.place(place).map_or(0, |place| place.level);
        let above = |rank: &Rank| -> Vec<pb::RankPart> {
            rank.to_wire()
                .into_iter()
                .filter(|part| part.level < level)
                .collect()
        };
        let one_more = entry.rank.part(level) > noticed.part(level);
        let custodian = PlaceId::from_bytes(&notice.custodian);
        let way = notice::way_of(&notice);
        let below = custodian.is_some_and(|custodian| {
            registry.is_above_knowing(place, custodian, &entry.registry)
                && registry.is_above_knowing(place, custodian, &way)
        });
        Ok(below && one_more && above(&entry.rank) == above(&noticed))
    }

    /// Key, signature, deployment, registry versions.
    fn authentic(&self, entry: &Entry, registry: &Registry) -> Result<(), Hindrance> {
        if entry.deployment != self.me.deployment {
            return Err(Hindrance::Refused("DEPLOYMENT"));
        }
        if is_by_root_key(entry) {
            let root = registry
                .root()
                .is_none_or(|root| issuer(entry) == Some(root));
            let signed = entry.check_signature(&self.me.root_key).is_ok();
            return if root && signed {
                Ok(())
            } else {
                Err(Hindrance::Refused("SIGNATURE"))
            };
        }
        let node = registry
            .node(entry.author)
            .ok_or(Hindrance::Waits("REGISTRY_AWAITED"))?;
        if entry
            .registry
            .iter()
            .any(|(place, version)| registry.version(*place) < *version)
        {
            return Err(Hindrance::Waits("REGISTRY_AWAITED"));
        }
        if entry.incarnation > node.incarnation {
            return Err(Hindrance::Waits("REGISTRY_AWAITED"));
        }
        if let Some(revoked) = node.revoked
            && !revoked.lets_stand(entry.incarnation, entry.author_sequence)
        {
            return Err(Hindrance::Refused("REVOKED"));
        }
        if entry.check_signature(&node.signing_key).is_err() {
            return Err(Hindrance::Refused("SIGNATURE"));
        }
        if node.unit.is_some() {
            // A department's node writes no entry at all: it submits.
            return Err(Hindrance::Refused("NOT_CUSTODIAN"));
        }
        Ok(())
    }

    /// Chains other than cases are written by one place, in a line, without ranks.
    fn owner_writes(
        &self,
        entry: &Entry,
        place: PlaceId,
        verdict: Verdict,
        registry: &Registry,
    ) -> Result<(), Hindrance> {
        let owned = match entry.kind {
            pb::ChainKind::Case => return Ok(()),
            pb::ChainKind::Registry => issuer(entry) == Some(place),
            pb::ChainKind::Supervision => entry.chain == ChainId::supervision_of(place),
            pb::ChainKind::Rulebook => entry.chain == ChainId::rulebook_of(place),
            pb::ChainKind::Access => entry.chain == ChainId::access_of(entry.author),
            pb::ChainKind::Administration => entry.chain == ChainId::administration_of(place, None),
            pb::ChainKind::Directive => directive::issued(entry.body.content.as_ref())
                .is_none_or(|issued| PlaceId::from_bytes(&issued.issuer) == Some(place)),
            pb::ChainKind::Unspecified => false,
        };
        if !owned || entry.rank != Rank::default() {
            return Err(Hindrance::Refused("NOT_CUSTODIAN"));
        }
        // Which came first would decide what is in force.
        if entry.kind == pb::ChainKind::Rulebook && verdict == Verdict::Joined {
            return Err(Hindrance::Refused("RULEBOOK_FORKED"));
        }
        // Two versions at one place of a registry: both are proof, neither changes what stands (PROTOCOL.md 23).
        if entry.kind == pb::ChainKind::Registry {
            if verdict == Verdict::Joined {
                return Err(Hindrance::Refused("REGISTRY_FORKED"));
            }
            let mut trial = registry.clone();
            return trial
                .apply(entry)
                .map_err(|_| Hindrance::Refused("REGISTRY_ENTRY"));
        }
        Ok(())
    }
}

/// Why bytes are no entry, as the sender is told.
pub(super) fn reason_of(error: EntryError) -> &'static str {
    match error {
        EntryError::Malformed("chain_kind") => "CHAIN_KIND",
        EntryError::TooLarge
        | EntryError::OutOfBounds(_)
        | EntryError::Undecodable
        | EntryError::Malformed(_)
        | EntryError::UnknownSuite(_)
        | EntryError::BodyHash
        | EntryError::Signature => "MALFORMED",
    }
}
