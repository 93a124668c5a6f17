//! What neighbours sign besides entries: notices, figures, counts; submissions and refusals have a room of their own.
//! Each is taken in, or put aside while its author is not known here yet, or refused with an alarm.

use fengqiao_hub::bounds::Bounds;
use fengqiao_hub::directive;
use fengqiao_hub::entry::EntryError;
use fengqiao_hub::id::{ChainId, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::NodeRecord;
use fengqiao_hub::rank::Rank;
use fengqiao_hub::signed::{self, Said, Unheard};
use fengqiao_hub::tally;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use super::EngineError;
use super::group::Group;
use super::parking::Hindrance;
use crate::store::{Read as _, tables};

/// Its author's registry has not come.
pub(super) const AUTHOR_AWAITED: Hindrance = Hindrance::Waits("REGISTRY_AWAITED");

impl Group<'_> {
    /// A signed item arrives.
    pub(super) fn arrive_signed(
        &mut self,
        link: NodeId,
        kind: pb::ItemKind,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        match self.take_in(link, kind, bytes, false)? {
            Ok(()) => {}
            Err(Hindrance::Waits(reason)) => self.park_item(link, kind, bytes, reason)?,
            Err(Hindrance::Refused(reason)) => self.refuse_item(link, kind, reason, bytes.len()),
        }
        Ok(())
    }

    /// Takes an item in, or says why not. One that `waited` may come after later ones of its subject.
    pub(super) fn take_in(
        &mut self,
        link: NodeId,
        kind: pb::ItemKind,
        bytes: &[u8],
        waited: bool,
    ) -> Result<Result<(), Hindrance>, EngineError> {
        match kind {
            pb::ItemKind::Notice => self.take_notice(link, bytes, waited),
            pb::ItemKind::Tally => self.take_tally(link, bytes),
            pb::ItemKind::Submission => self.take_submission(link, bytes),
            pb::ItemKind::Refusal => self.take_refusal(bytes),
            pb::ItemKind::DirectiveCount => self.take_directive_count(link, bytes),
            pb::ItemKind::Unspecified
            | pb::ItemKind::Entry
            | pb::ItemKind::Sealed
            | pb::ItemKind::Parked
            | pb::ItemKind::HandedOver => Ok(Err(Hindrance::Refused("ITEM_UNKNOWN"))),
        }
    }

    /// What is wrong with an item is said; nothing of it is kept.
    pub(super) fn refuse_item(
        &mut self,
        link: NodeId,
        kind: pb::ItemKind,
        reason: &str,
        bytes: usize,
    ) {
        let what = kind.as_str_name().trim_start_matches("ITEM_KIND_");
        self.refuse_unkept(&format!("{what}_REFUSED"), reason, link, bytes);
    }

    /// Reads and checks what was said; gives who said it.
    pub(super) fn heard<S: Said>(&self, bytes: &[u8]) -> Result<(S, NodeRecord), Hindrance> {
        let registry = self.registry();
        let key_of = |node| registry.node(node).map(|node| node.signing_key);
        let said = signed::read::<S>(bytes, key_of).map_err(|unheard| match unheard {
            Unheard::AuthorUnknown(_) => AUTHOR_AWAITED,
            Unheard::Wrong(EntryError::Signature) => Hindrance::Refused("SIGNATURE"),
            Unheard::Wrong(_) => Hindrance::Refused("MALFORMED"),
        })?;
        let author = NodeId::from_bytes(said.author()).and_then(|node| registry.node(node));
        author
            .cloned()
            .map(|author| (said, author))
            .ok_or(AUTHOR_AWAITED)
    }

    fn take_notice(
        &mut self,
        link: NodeId,
        bytes: &[u8],
        waited: bool,
    ) -> Result<Result<(), Hindrance>, EngineError> {
        let (notice, author) = match self.heard::<pb::Notice>(bytes) {
            Ok(heard) => heard,
            Err(hindrance) => return Ok(Err(hindrance)),
        };
        let registry = self.registry();
        let case = ChainId::from_bytes(&notice.case);
        let rank = Rank::from_wire(&notice.rank);
        let (Some(case), Some(rank)) = (case, rank) else {
            return Ok(Err(Hindrance::Refused("MALFORMED")));
        };
        // What the node before this one, or a former parent, had told upwards comes back with a taking that rests on it.
        let here = self.me.at.place;
        let from_above = self.me.at.up(&registry) == Some(link);
        let custodian = PlaceId::from_bytes(&notice.custodian);
        let speaks_of =
            |custodian| author.place == custodian || registry.was_above(author.place, custodian);
        let own = author.place == here || from_above && custodian.is_some_and(speaks_of);
        // What was under way when its author's place was moved from here is still what the link carried.
        if !own && !registry.was_above(self.me.at.place, author.place) {
            return Ok(Err(Hindrance::Refused("PLACE")));
        }
        if own && self.overlay.get(&tables::chain(case))?.is_some() {
            return Ok(Ok(()));
        }
        if waited
            && self
                .noticed(case)?
                .is_some_and(|known| !is_older(&known, &rank, &notice))
        {
            return Ok(Ok(()));
        }
        let (reference, _) = self.record.blob(bytes);
        // What the link carried was noted when this was put aside; it may have carried later ones since.
        let by = if waited {
            String::new()
        } else {
            link.to_string()
        };
        self.fact(Fact::Kept(pb::ItemKept {
            kind: pb::ItemKind::Notice.into(),
            blob: Some(reference),
            link: by,
        }))?;
        self.noticed.insert(case);
        if self.overlay.get(&tables::chain(case))?.is_some() {
            return Ok(Ok(()));
        }
        // A taking that waits may fit what this notice tells.
        self.retry_too.insert(case);
        if let Some(up) = self.me.at.up(&registry).filter(|_| !own) {
            self.owe_bytes(up, pb::Lane::Cases, pb::ItemKind::Notice, bytes, Some(case))?;
        }
        Ok(Ok(()))
    }

    fn take_tally(
        &mut self,
        link: NodeId,
        bytes: &[u8],
    ) -> Result<Result<(), Hindrance>, EngineError> {
        let arrived = match self.heard::<pb::Tally>(bytes) {
            Ok((arrived, _)) => arrived,
            Err(hindrance) => return Ok(Err(hindrance)),
        };
        let known = self.overlay.get(&tables::tally(&arrived))?;
        let known = known.and_then(|row| signed::kept::<pb::Tally>(&row));
        if tally::replaces(&arrived, known.as_ref()) {
            self.keep_and_send_up(pb::ItemKind::Tally, pb::Lane::Bulk, bytes, Some(link))?;
        }
        Ok(Ok(()))
    }

    fn take_directive_count(
        &mut self,
        link: NodeId,
        bytes: &[u8],
    ) -> Result<Result<(), Hindrance>, EngineError> {
        let (count, author) = match self.heard::<pb::DirectiveCount>(bytes) {
            Ok(heard) => heard,
            Err(hindrance) => return Ok(Err(hindrance)),
        };
        let key = ChainId::from_bytes(&count.directive).zip(PlaceId::from_bytes(&count.place));
        let Some((id, place)) = key else {
            return Ok(Err(Hindrance::Refused("MALFORMED")));
        };
        if author.place != place {
            return Ok(Err(Hindrance::Refused("PLACE")));
        }
        // The parent hands over what the node before had counted for this very place.
        if place == self.me.at.place {
            self.count_directive(id, |own| directive::inherited(own, &count))?;
            return Ok(Ok(()));
        }
        if !self.registry().was_above(self.me.at.place, place) {
            return Ok(Err(Hindrance::Refused("PLACE")));
        }
        let known = self.overlay.get(&tables::directive_count(id, place))?;
        let known = known.and_then(|row| signed::kept::<pb::DirectiveCount>(&row));
        if known.is_some_and(|known| known.version >= count.version) {
            return Ok(Ok(()));
        }
        let (reference, _) = self.record.blob(bytes);
        self.fact(Fact::Kept(pb::ItemKept {
            kind: pb::ItemKind::DirectiveCount.into(),
            blob: Some(reference),
            link: link.to_string(),
        }))?;
        self.count_directive(id, |own| directive::merged(own, &count))?;
        Ok(Ok(()))
    }

    /// A sealed frame is stored and passed on; whom it speaks of is not seen here (PROTOCOL.md 17).
    pub(super) fn arrive_sealed(&mut self, link: NodeId, bytes: &[u8]) -> Result<(), EngineError> {
        let registry = self.registry();
        let shaped = Bounds::Sealed.check(bytes).is_ok();
        let frame = pb::SealedFrame::decode(bytes).ok().filter(|_| shaped);
        let recipient = frame.and_then(|frame| PlaceId::from_bytes(&frame.recipient));
        let Some(recipient) = recipient else {
            self.refuse_item(link, pb::ItemKind::Sealed, "MALFORMED", bytes.len());
            return Ok(());
        };
        if recipient == self.me.at.place {
            let (reference, _) = self.record.blob(bytes);
            return self.fact(Fact::Kept(pb::ItemKept {
                kind: pb::ItemKind::Sealed.into(),
                blob: Some(reference),
                link: String::new(),
            }));
        }
        let Some(link) = self.me.at.towards(recipient, &registry) else {
            return Ok(());
        };
        self.owe_bytes(link, pb::Lane::Cases, pb::ItemKind::Sealed, bytes, None)
    }
}

/// Whether the notice known of a case is older than another one of it.
fn is_older(known: &pb::Notice, rank: &Rank, notice: &pb::Notice) -> bool {
    Rank::from_wire(&known.rank)
        .is_none_or(|known_rank| (&known_rank, known.sequence) < (rank, notice.sequence))
}
