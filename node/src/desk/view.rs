//! A case as it is shown: a pure rendering of what the rules know. Texts appear only where the caller put them.

use std::collections::BTreeMap;

use fengqiao_hub::case::{
    Case, Obligation, OfferKind, OpenOffer, Receiver, Running, Task, clocks_of_notice,
};
use fengqiao_hub::casework::{action_of, name_of, spec_of};
use fengqiao_hub::clock::{Contact, Lamp, Moment, Warning};
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PersonId, PlaceId, SubmissionId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::Rank;
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;

use crate::app::shown::{self, Naming};
use crate::engine::chains::Chain;
use crate::replication::route::Standpoint;

/// One entry to show.
#[derive(Debug, Clone)]
pub(crate) struct EntryLine<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Place its author serves.
    pub place: PlaceId,
    /// Where it is stored.
    pub standing: pb::Standing,
    /// Opened texts; empty unless asked for and allowed.
    pub texts: Vec<pb::PrivateText>,
}

/// What every view is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Background<'a> {
    /// Names.
    pub registry: &'a Registry,
    /// Lamps.
    pub catalogue: &'a Rulebook,
    /// Now.
    pub now: Moment,
    /// What is known of the node responsible.
    pub contact: Contact,
    /// The node that shows.
    pub here: Standpoint,
}

/// Shows a case whose chain is held; `None` while its first entry is awaited. `entries` may hold any of its entries in
/// any order; those left out are not shown. `pending` are the submissions from here that wait for the custodian;
/// `standing` is where the head is stored.
#[must_use]
pub(crate) fn view(
    id: ChainId,
    chain: &Chain,
    entries: &[EntryLine<'_>],
    pending: &[SubmissionId],
    standing: pb::Standing,
    background: &Background<'_>,
) -> Option<pb::CaseView> {
    let case = chain.case.as_ref()?;
    let tree = &chain.tree;
    let lines: BTreeMap<Hash, &EntryLine<'_>> =
        entries.iter().map(|line| (line.entry.hash, line)).collect();
    let registry = background.registry;
    let shown = |hashes: Vec<Hash>, annex: bool| -> Vec<pb::EntryView> {
        hashes
            .iter()
            .filter_map(|hash| lines.get(hash))
            .map(|line| entry_view(line, annex.then_some((case, chain)), background))
            .collect()
    };
    let custodian = tree
        .custody()
        .map_or(case.custody.custodian, |custody| custody.custodian);
    let head = tree.head();
    let clocks = clock_views(&chain.clocks(), background);
    let first = clocks.first();
    Some(pb::CaseView {
        case: id.to_string(),
        number: case.intake.number.clone(),
        stage: case.stage().as_str().to_owned(),
        stage_zh: case.stage().chinese().to_owned(),
        custodian: custodian.to_string(),
        custodian_name: registry.name(custodian),
        class: case.intake.class.clone(),
        lamp: first.map(|clock| clock.lamp.clone()).unwrap_or_default(),
        due_ms: first.map_or(0, |clock| clock.due_ms),
        outcome: outcome_word(case.visit.outcome),
        entries: shown(tree.standing(), false),
        annex: shown(tree.annex(), true),
        notice_only: false,
        rank: head.map(|head| head.rank.to_string()).unwrap_or_default(),
        lead: case
            .dispatching
            .lead
            .map(|unit| unit_name(unit, registry))
            .unwrap_or_default(),
        origin: registry.name(case.intake.origin),
        first_receiver: case
            .dispatching
            .first
            .receiver
            .map(|receiver| receiver_name(receiver, registry))
            .unwrap_or_default(),
        pending_submissions: pending.iter().map(|id| id.to_string()).collect(),
        standing: standing.into(),
        awaited_below: tree.awaited_below(),
        frozen: tree.is_frozen(),
        head: head.map(|head| head.hash.to_string()).unwrap_or_default(),
        tasks: case
            .convening
            .tasks
            .iter()
            .map(|task| task_view(task, registry))
            .collect(),
        offer: (case.custody.offer.as_ref()).map(|offer| offer_view(offer, registry)),
        annex_open: count(case.annex_open(tree).len()),
        calendar_year_missing: year_missing(&clocks, background),
        own_overtaken: count(own_annex(chain, background.here.node)),
        clocks,
        channel: word_of(case.intake.channel.as_str_name(), "CHANNEL_"),
        urgency: word_of(case.intake.urgency.as_str_name(), "URGENCY_"),
        external_number: case.intake.external_number.clone(),
        received_ms: case.intake.received.0,
        place: case
            .intake
            .place
            .map(|place| registry.name(place))
            .unwrap_or_default(),
        bounces: case.dispatching.bounces,
        next: Vec::new(),
        obligations: (case.custody.obligations.iter())
            .map(|owed| obligation_view(owed, registry))
            .collect(),
    })
}

fn obligation_view(owed: &Obligation, registry: &Registry) -> pb::ObligationView {
    pb::ObligationView {
        from: registry.name(owed.from),
        to: registry.name(owed.to),
        due_ms: owed.due.as_ref().map_or(0, |due| due.due_ms),
        replied: owed.replied,
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

fn clock_views(clocks: &[Running], background: &Background<'_>) -> Vec<pb::ClockView> {
    let view = |running: &Running| {
        // Who is asked here is not silent, however long the custodian below was.
        let contact = if running.place == background.here.place {
            Contact::Here
        } else {
            background.contact
        };
        let now = background.now;
        let lamp = running.lamp(now, contact);
        pb::ClockView {
            clock: running.clock.clone(),
            due_ms: running.due.0,
            lamp: lamp_word(lamp).to_owned(),
            responsible: background.registry.name(running.place),
            calendar_year_missing: running.calendar_year_missing,
        }
    };
    clocks.iter().map(view).collect()
}

/// The year whose list of days off is missing: to a clock of the case, or here now.
fn year_missing(clocks: &[pb::ClockView], background: &Background<'_>) -> u32 {
    let mut of_clock = clocks.iter().map(|clock| clock.calendar_year_missing);
    let now = background.catalogue.calendar_warning(background.now);
    of_clock
        .find(|year| *year != 0)
        .or_else(|| now.map(Warning::year))
        .unwrap_or_default()
}

fn offer_view(offer: &OpenOffer, registry: &Registry) -> pb::OfferView {
    pb::OfferView {
        kind: match offer.kind {
            OfferKind::Escalated => "escalate",
            OfferKind::Replied => "send-reply",
            OfferKind::Returned => "return",
        }
        .to_owned(),
        to: registry.name(offer.to),
        entry: offer.entry.to_string(),
    }
}

/// Shows a case of which only the notice is held; `None` when the notice names no case or custodian.
#[must_use]
pub(crate) fn notice_view(
    notice: &pb::Notice,
    background: &Background<'_>,
) -> Option<pb::CaseView> {
    let id = ChainId::from_bytes(&notice.case)?;
    let custodian = PlaceId::from_bytes(&notice.custodian)?;
    let registry = background.registry;
    let receiver = |bytes: &[u8]| {
        let place = PlaceId::from_bytes(bytes).filter(|place| registry.place(*place).is_some());
        place.map_or_else(
            || UnitId::from_bytes(bytes).map(|unit| unit_name(unit, registry)),
            |place| Some(registry.name(place)),
        )
    };
    let clocks = clock_views(&clocks_of_notice(notice), background);
    let first = clocks.first();
    let outcome = i32::try_from(notice.outcome)
        .ok()
        .and_then(|number| pb::Outcome::try_from(number).ok())
        .unwrap_or_default();
    Some(pb::CaseView {
        case: id.to_string(),
        number: notice.number.clone(),
        stage: notice.stage.clone(),
        custodian: custodian.to_string(),
        custodian_name: registry.name(custodian),
        class: notice.class.clone(),
        lamp: first.map(|clock| clock.lamp.clone()).unwrap_or_default(),
        due_ms: first.map_or(0, |clock| clock.due_ms),
        outcome: outcome_word(outcome),
        notice_only: true,
        rank: Rank::from_wire(&notice.rank)
            .map(|rank| rank.to_string())
            .unwrap_or_default(),
        lead: UnitId::from_bytes(&notice.lead)
            .map(|unit| unit_name(unit, registry))
            .unwrap_or_default(),
        origin: PlaceId::from_bytes(&notice.origin)
            .map(|place| registry.name(place))
            .unwrap_or_default(),
        first_receiver: receiver(&notice.first_receiver).unwrap_or_default(),
        head: hexadecimal(&notice.head),
        annex_open: notice.open_annexes,
        calendar_year_missing: year_missing(&clocks, background),
        clocks,
        ..Default::default()
    })
}

fn entry_view(
    line: &EntryLine<'_>,
    annex_of: Option<(&Case, &Chain)>,
    background: &Background<'_>,
) -> pb::EntryView {
    let entry = line.entry;
    let decision = annex_of.and_then(|(case, _)| case.annex.decided.get(&entry.hash));
    let annex_state = match (annex_of, decision) {
        (None, _) => "",
        (Some(_), None) => "open",
        (Some(_), Some(decision)) if decision.adopted => "adopted",
        (Some(_), Some(_)) => "declined",
    };
    let annex_due = annex_of.and_then(|(_, chain)| chain.annex_due.get(&entry.hash));
    pb::EntryView {
        sequence: entry.sequence,
        hash: entry.hash.to_string(),
        r#move: name_of(entry.body.content.as_ref()).to_owned(),
        place: background.registry.name(line.place),
        actor: PersonId::from_bytes(&entry.body.actor)
            .map(|person| person.to_string())
            .unwrap_or_default(),
        wall_time_ms: entry.body.wall_time_ms,
        standing: line.standing.into(),
        texts: line.texts.clone(),
        annex_state: annex_state.to_owned(),
        author: entry.author.to_string(),
        rank: entry.rank.to_string(),
        lapsed: annex_of.is_some() && matches!(entry.mv, Move::Offered(_)),
        annex_decision: decision
            .map(|decision| decision.by.to_string())
            .unwrap_or_default(),
        annex_due_ms: annex_due
            .filter(|_| decision.is_none())
            .map_or(0, |due| due.due_ms),
        own: entry.author == background.here.node,
        effect: entry.kind_class == pb::KindClass::Effect,
        unsettled: entry.body.unsettled,
        fields: action_of(entry)
            .map(|action| {
                let naming = Naming {
                    registry: background.registry,
                    rulebook: background.catalogue,
                };
                shown::fields(action, &naming)
            })
            .unwrap_or_default(),
        action_zh: action_of(entry)
            .and_then(spec_of)
            .map(|spec| spec.zh.to_owned())
            .unwrap_or_default(),
    }
}

fn task_view(task: &Task, registry: &Registry) -> pb::TaskView {
    let place = registry.name(task.place);
    pb::TaskView {
        task: task.number,
        party: match task.unit {
            Some(unit) => format!("{place} {}", unit_name(unit, registry)),
            None => place,
        },
        state: task.state.as_str().to_owned(),
        due_ms: task.due.due_ms,
    }
}

fn receiver_name(receiver: Receiver, registry: &Registry) -> String {
    match receiver {
        Receiver::Unit(unit) => unit_name(unit, registry),
        Receiver::Place(place) => registry.name(place),
    }
}

fn unit_name(unit: UnitId, registry: &Registry) -> String {
    registry
        .unit(unit)
        .map_or_else(|| unit.to_string(), |known| known.name.clone())
}

/// The stable word of a lamp.
#[must_use]
pub(crate) fn lamp_word(lamp: Lamp) -> &'static str {
    match lamp {
        Lamp::Green => "green",
        Lamp::Amber => "amber",
        Lamp::Red => "red",
        Lamp::Grey => "grey",
    }
}

/// The stable word of an outcome; empty while there is none.
#[must_use]
pub(crate) fn outcome_word(outcome: pb::Outcome) -> String {
    word_of(outcome.as_str_name(), "OUTCOME_")
}

/// The stable word of a value's name on the wire; empty for one that was never chosen.
fn word_of(name: &str, prefix: &str) -> String {
    let word = name.trim_start_matches(prefix);
    if word == "UNSPECIFIED" {
        return String::new();
    }
    word.to_ascii_lowercase().replace('_', "-")
}

/// Writes bytes in hexadecimal, lower case.
#[must_use]
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
