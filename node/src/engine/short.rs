//! A chain in short, as its row has it: what lists, figures and clocks read instead of the chain.

use fengqiao_hub::case::{Case, OfferKind, OpenOffer, Receiver, Running};
use fengqiao_hub::id::{Hash, NodeId, PlaceId, UnitId};

use super::chains::Chain;
use crate::store::tables::{self, CaseRow, ChainRow, ObligationRow, OfferRow, TaskRow};

/// The row of a chain at a node: whose own entries were overtaken there is told too.
#[must_use]
pub fn row_of(chain: &Chain, here: NodeId) -> ChainRow {
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
        row.case = Some(case_row(chain, case, here));
    }
    row
}

fn case_row(chain: &Chain, case: &Case, here: NodeId) -> CaseRow {
    let (tree, intake) = (&chain.tree, &case.intake);
    let custodian = tree
        .custody()
        .map_or(case.custody.custodian, |custody| custody.custodian);
    let (first_unit, first_place) = match case.dispatching.first.receiver {
        Some(Receiver::Unit(unit)) => (unit.to_vec(), Vec::new()),
        Some(Receiver::Place(place)) => (Vec::new(), place.to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    let defined = chain.judged_by().and_then(|by| by.class);
    let carried = defined.unwrap_or_default();
    CaseRow {
        custodian: custodian.to_vec(),
        class: intake.class.clone(),
        class_zh: carried.name_zh,
        class_en: carried.name_en,
        rank: tree
            .head()
            .map(|head| head.rank.to_string())
            .unwrap_or_default(),
        lead: case
            .dispatching
            .lead
            .map(UnitId::to_vec)
            .unwrap_or_default(),
        origin: intake.origin.to_vec(),
        first_unit,
        first_place,
        awaited_below: tree.awaited_below(),
        frozen: tree.is_frozen(),
        annex_open: count(case.annex_open(tree).len()),
        own_overtaken: count(own_annex(chain, here)),
        channel: intake.channel.into(),
        urgency: intake.urgency.into(),
        received_ms: intake.received.0,
        place: intake.place.map(PlaceId::to_vec).unwrap_or_default(),
        bounces: case.dispatching.bounces,
        tasks: (case.convening.tasks.iter())
            .map(|task| TaskRow {
                number: task.number,
                place: task.place.to_vec(),
                unit: task.unit.map(UnitId::to_vec).unwrap_or_default(),
                state: task.state.as_str().to_owned(),
                due_ms: task.due.due_ms,
            })
            .collect(),
        offer: case.custody.offer.as_ref().map(offer_row),
        obligations: (case.custody.obligations.iter())
            .map(|owed| ObligationRow {
                from: owed.from.to_vec(),
                to: owed.to.to_vec(),
                due_ms: owed.due.as_ref().map_or(0, |due| due.due_ms),
                replied: owed.replied,
            })
            .collect(),
    }
}

fn offer_row(offer: &OpenOffer) -> OfferRow {
    OfferRow {
        kind: match offer.kind {
            OfferKind::Escalated => "escalate",
            OfferKind::Replied => "send-reply",
            OfferKind::Returned => "return",
        }
        .to_owned(),
        to: offer.to.to_vec(),
        entry: offer.entry.to_vec(),
    }
}

/// Entries of a node that stand no longer.
fn own_annex(chain: &Chain, node: NodeId) -> usize {
    let annex = chain.tree.annex();
    let own = |hash: &&Hash| {
        let entry = chain.entries.get(*hash);
        entry.is_some_and(|(entry, _)| entry.author == node)
    };
    annex.iter().filter(own).count()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
