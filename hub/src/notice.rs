//! Notices: what a tier above sees of a case it does not read. No text, no person.

use fengqiao_proto::v1 as pb;

use crate::case::{Case, Receiver, Running};
use crate::custody::Tree;
use crate::id::{ChainId, NodeId, PlaceId, UnitId};

/// The notice of a case as its holder sees it, who is to decide what was overtaken by `annex_due`; `None` while no head
/// is known.
#[must_use]
pub fn notice_of(
    id: ChainId,
    case: &Case,
    tree: &Tree,
    annex_due: Option<&pb::Due>,
    author: NodeId,
) -> Option<pb::Notice> {
    let head = tree.head()?;
    let open_annexes = case.annex_open(tree).len();
    Some(pb::Notice {
        case: id.to_vec(),
        number: case.intake.number.clone(),
        rank: head.rank.to_wire(),
        sequence: head.sequence,
        head: head.hash.to_vec(),
        custodian: tree.custody()?.custodian.to_vec(),
        class: case.intake.class.clone(),
        urgency: i32::from(case.intake.urgency).unsigned_abs(),
        stage: case.stage().as_str().to_owned(),
        clocks: case
            .clocks(annex_due)
            .iter()
            .map(Running::to_wire)
            .collect(),
        lead: case
            .dispatching
            .lead
            .map(UnitId::to_vec)
            .unwrap_or_default(),
        outcome: i32::from(case.visit.outcome).unsigned_abs(),
        origin: case.intake.origin.to_vec(),
        first_receiver: match case.dispatching.first.receiver {
            Some(Receiver::Place(place)) => place.to_vec(),
            Some(Receiver::Unit(unit)) => unit.to_vec(),
            None => Vec::new(),
        },
        author: author.to_vec(),
        open_annexes: u32::try_from(open_annexes).unwrap_or(u32::MAX),
        offered_to: case
            .custody
            .offer
            .as_ref()
            .map(|offer| offer.to.to_vec())
            .unwrap_or_default(),
        way: tree
            .way()
            .iter()
            .map(|(place, sequence)| pb::RegistryReference {
                place: place.to_vec(),
                sequence: *sequence,
            })
            .collect(),
    })
}

/// What the entry that gave the case to its custodian named of the registry, as a notice tells it.
#[must_use]
pub fn way_of(notice: &pb::Notice) -> Vec<(PlaceId, u64)> {
    let place = |named: &pb::RegistryReference| PlaceId::from_bytes(&named.place);
    let named = notice.way.iter();
    named
        .filter_map(|named| Some((place(named)?, named.sequence)))
        .collect()
}
