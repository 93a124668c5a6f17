//! A case as it is shown: a pure rendering of what the rules know. Texts appear only where the caller put them.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use fengqiao_hub::case::{Case, Running, Stage, clocks_of_notice};
use fengqiao_hub::casework::{action_of, name_of, spec_of};
use fengqiao_hub::clock::{Contact, Lamp, Moment, Warning};
use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, PersonId, PlaceId, SubmissionId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::rank::Rank;
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;

use crate::app::shown::{self, Naming};
use crate::engine::chains::Chain;
use crate::engine::row_of;
use crate::replication::route::Standpoint;
use crate::store::tables::{ChainRow, ObligationRow, OfferRow, TaskRow};

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
    let lines: BTreeMap<Hash, &EntryLine<'_>> =
        entries.iter().map(|line| (line.entry.hash, line)).collect();
    let shown = |hashes: Vec<Hash>, annex: bool| -> Vec<pb::EntryView> {
        hashes
            .iter()
            .filter_map(|hash| lines.get(hash))
            .map(|line| entry_view(line, annex.then_some((case, chain)), background))
            .collect()
    };
    let row = row_of(chain, background.here.node);
    Some(pb::CaseView {
        entries: shown(chain.tree.standing(), false),
        annex: shown(chain.tree.annex(), true),
        ..in_short(id, &row, pending, standing, background)?
    })
}

/// Shows a case as a list does, by the row of its chain: everything but its entries. `None` while its first entry is
/// awaited.
#[must_use]
pub(crate) fn in_short(
    id: ChainId,
    row: &ChainRow,
    pending: &[SubmissionId],
    standing: pb::Standing,
    background: &Background<'_>,
) -> Option<pb::CaseView> {
    let case = row.case.as_ref()?;
    let registry = background.registry;
    let clocks: Vec<Running> = row.clocks.iter().filter_map(Running::from_wire).collect();
    let clocks = clock_views(&clocks, background);
    let first = clocks.first();
    let custodian = PlaceId::from_bytes(&case.custodian).unwrap_or_default();
    let origin = place_of(&case.origin, registry);
    let lead = unit_of(&case.lead, registry);
    let concerned = place_of(&case.place, registry);
    let first_receiver = match unit_of(&case.first_unit, registry) {
        none if none.0.is_empty() => place_of(&case.first_place, registry),
        unit => unit,
    };
    let class = class_named(&case.class, background.catalogue);
    let (class_zh, class_en) = class.unwrap_or((case.class_zh.clone(), case.class_en.clone()));
    Some(pb::CaseView {
        case: id.to_string(),
        number: row.number.clone(),
        stage: row.stage.clone(),
        stage_zh: stage_chinese(&row.stage),
        custodian: custodian.to_string(),
        custodian_name: registry.name(custodian),
        class: case.class.clone(),
        lamp: first.map(|clock| clock.lamp.clone()).unwrap_or_default(),
        due_ms: first.map_or(0, |clock| clock.due_ms),
        outcome: outcome_word(row.outcome()),
        notice_only: false,
        rank: case.rank.clone(),
        class_zh,
        class_en,
        lead_id: lead.0,
        lead_name: lead.1,
        origin_id: origin.0,
        origin_name: origin.1,
        first_receiver_id: first_receiver.0,
        first_receiver_name: first_receiver.1,
        pending_submissions: pending.iter().map(|id| id.to_string()).collect(),
        standing: standing.into(),
        awaited_below: case.awaited_below,
        frozen: case.frozen,
        head: HEXLOWER.encode(&row.head),
        tasks: (case.tasks.iter())
            .map(|task| task_view(task, registry))
            .collect(),
        offer: (case.offer.as_ref()).map(|offer| offer_view(offer, registry)),
        annex_open: case.annex_open,
        calendar_year_missing: year_missing(&clocks, background),
        own_overtaken: case.own_overtaken,
        clocks,
        channel: word_of(case.channel().as_str_name(), "CHANNEL_"),
        urgency: word_of(case.urgency().as_str_name(), "URGENCY_"),
        external_number: row.external_number.clone(),
        received_ms: case.received_ms,
        place_id: concerned.0,
        place_name: concerned.1,
        bounces: case.bounces,
        obligations: (case.obligations.iter())
            .map(|owed| obligation_view(owed, registry))
            .collect(),
        ..Default::default()
    })
}

fn obligation_view(owed: &ObligationRow, registry: &Registry) -> pb::ObligationView {
    let from = place_of(&owed.from, registry);
    let to = place_of(&owed.to, registry);
    pb::ObligationView {
        from_id: from.0,
        from_name: from.1,
        to_id: to.0,
        to_name: to.1,
        due_ms: owed.due_ms,
        replied: owed.replied,
    }
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
            responsible_id: running.place.to_string(),
            responsible_name: background.registry.name(running.place),
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

fn offer_view(offer: &OfferRow, registry: &Registry) -> pb::OfferView {
    let to = PlaceId::from_bytes(&offer.to).unwrap_or_default();
    pb::OfferView {
        kind: offer.kind.clone(),
        to_id: to.to_string(),
        to_name: registry.name(to),
        entry: HEXLOWER.encode(&offer.entry),
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
    let origin = place_of(&notice.origin, registry);
    let lead = unit_of(&notice.lead, registry);
    let is_place = PlaceId::from_bytes(&notice.first_receiver)
        .is_some_and(|place| registry.place(place).is_some());
    let first_receiver = if is_place {
        place_of(&notice.first_receiver, registry)
    } else {
        unit_of(&notice.first_receiver, registry)
    };
    let (class_zh, class_en) = class_named(&notice.class, background.catalogue).unwrap_or_default();
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
        stage_zh: stage_chinese(&notice.stage),
        class_zh,
        class_en,
        lead_id: lead.0,
        lead_name: lead.1,
        origin_id: origin.0,
        origin_name: origin.1,
        first_receiver_id: first_receiver.0,
        first_receiver_name: first_receiver.1,
        head: HEXLOWER.encode(&notice.head),
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
        place_id: line.place.to_string(),
        place_name: background.registry.name(line.place),
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

fn task_view(task: &TaskRow, registry: &Registry) -> pb::TaskView {
    let place = PlaceId::from_bytes(&task.place).unwrap_or_default();
    let of = registry.name(place);
    let (party_id, party_name) = match UnitId::from_bytes(&task.unit) {
        Some(unit) => (
            unit.to_string(),
            format!("{of} {}", unit_name(unit, registry)),
        ),
        None => (place.to_string(), of),
    };
    pb::TaskView {
        task: task.number,
        party_id,
        party_name,
        state: task.state.clone(),
        due_ms: task.due_ms,
    }
}

fn stage_chinese(word: &str) -> String {
    Stage::of_word(word)
        .map(|stage| stage.chinese().to_owned())
        .unwrap_or_default()
}

/// Both names of a class, Chinese first; `None` where the rules in force here do not hold it.
fn class_named(class: &str, catalogue: &Rulebook) -> Option<(String, String)> {
    let known = catalogue.class(class).ok()?;
    Some((known.name_zh.clone(), known.name_en.clone()))
}

/// Id and name of a place; both empty where the row names none.
fn place_of(bytes: &[u8], registry: &Registry) -> (String, String) {
    PlaceId::from_bytes(bytes)
        .map(|place| (place.to_string(), registry.name(place)))
        .unwrap_or_default()
}

/// Id and name of a unit; both empty where the row names none.
fn unit_of(bytes: &[u8], registry: &Registry) -> (String, String) {
    UnitId::from_bytes(bytes)
        .map(|unit| (unit.to_string(), unit_name(unit, registry)))
        .unwrap_or_default()
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

#[cfg(test)]
mod tests;
