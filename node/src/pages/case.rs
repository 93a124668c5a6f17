//! One case: who has it, until when, what happened, and what may be done next.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query};
use fengqiao_hub::id::base32;
use fengqiao_proto::v1 as pb;
use serde::Deserialize;

use super::act::new_request_id;
use super::visit::{Answer, Inside, Visit, shown};
use super::words;
use super::work::{Row, class, lead_of, row};
use crate::app::actions::named;

/// Actions that are possible most of the time and seldom what is to be done next.
const ASIDE: [&str; 13] = [
    "supplement",
    "contact",
    "urge",
    "escalate",
    "return",
    "take",
    "designate",
    "convene",
    "rate",
    "decline",
    "decide",
    "work-on-site",
    "report-interim",
];

/// One thing that can be done now.
pub(super) struct Step {
    /// Its name.
    pub name: String,
    /// In words.
    pub words: String,
    /// Done at once: nothing is asked.
    pub at_once: bool,
    /// What is to be done next, most likely.
    pub first: bool,
}

/// A station of a case's way over the tiers.
pub(super) struct Station {
    /// Name of the place.
    pub name: String,
    /// It has the case now.
    pub has: bool,
    /// What it last did.
    pub did: String,
}

/// An entry as a timeline shows it.
pub(super) struct Entry {
    /// When.
    pub time: String,
    /// Where.
    pub place: String,
    /// Who, where this node knows.
    pub who: String,
    /// What, in words.
    pub words: String,
    /// What it says, label and value.
    pub fields: Vec<(String, String)>,
    /// What it says in words, label and text.
    pub texts: Vec<(String, String)>,
    /// Where it is stored.
    pub stored: &'static str,
    /// Notes: not settled, adopted, declined, until when to decide.
    pub notes: Vec<String>,
}

/// Everything that is said of a case.
#[derive(Template)]
#[template(path = "case.html")]
struct CasePage<'a> {
    visit: &'a Visit,
    row: Row,
    title: String,
    lead: String,
    urgency: String,
    outcome: String,
    requester: String,
    steps: Vec<Step>,
    way: Vec<Station>,
    entries: Vec<Entry>,
    annex: Vec<Entry>,
    clocks: Vec<(String, String, i64, String)>,
    tasks: Vec<(u32, String, String, i64)>,
    owed: Vec<(String, String, i64, bool)>,
    /// Why no texts are shown.
    closed_book: String,
    request_id: String,
    done: String,
}

/// What was just done, to be said once.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

pub(super) async fn page(
    inside: Inside,
    Path(case): Path<String>,
    Query(done): Query<Done>,
) -> Answer {
    let visit = &inside.visit;
    let office = inside.office();
    // With texts where they may be read: a clerk looks at a case to read it, and the look is on record.
    let (case, closed_book) = match office.case(&case, true).await {
        Ok(shown) => (shown, String::new()),
        Err(refused) => match office.case(&case, false).await {
            Ok(shown) => (shown, visit.told(&refused).to_owned()),
            Err(told) => return Err(visit.refuse(&told)),
        },
    };
    Ok(shown(&page_of(&inside, case, closed_book, &done.done)))
}

fn page_of<'a>(
    inside: &'a Inside,
    case: pb::CaseView,
    closed_book: String,
    done: &str,
) -> CasePage<'a> {
    let visit = &inside.visit;
    let people = people(visit);
    let entry = |view: &pb::EntryView| entry_of(visit, view, &people);
    let rules = visit.house.node().rules();
    let lead = lead_of(&case).to_owned();
    let done = named(done).map(|known| visit.label(known.spec.zh, known.spec.en).to_owned());
    CasePage {
        title: title(visit, &case).unwrap_or_else(|| class(visit.english, &rules, &case.class)),
        lead,
        urgency: words::value("Urgency", &case.urgency, visit.english),
        outcome: words::value("Outcome", &case.outcome, visit.english),
        requester: text_of(&case, "requester").unwrap_or_default(),
        steps: steps(visit, &case.next),
        way: way(visit, &case),
        entries: case.entries.iter().map(entry).collect(),
        annex: case.annex.iter().map(entry).collect(),
        clocks: (case.clocks.iter())
            .map(|clock| {
                let what = words::clock(&clock.clock, visit.english);
                (
                    what,
                    clock.responsible_name.clone(),
                    clock.due_ms,
                    clock.lamp.clone(),
                )
            })
            .collect(),
        tasks: (case.tasks.iter())
            .map(|task| {
                (
                    task.task,
                    task.party_name.clone(),
                    task_state(visit, &task.state),
                    task.due_ms,
                )
            })
            .collect(),
        owed: (case.obligations.iter())
            .map(|owed| {
                (
                    owed.from_name.clone(),
                    owed.to_name.clone(),
                    owed.due_ms,
                    owed.replied,
                )
            })
            .collect(),
        closed_book,
        request_id: new_request_id(),
        done: done.unwrap_or_default(),
        visit,
        row: row(inside, case),
    }
}

/// What a case is about: the first line of what the resident said.
fn title(visit: &Visit, case: &pb::CaseView) -> Option<String> {
    const CHARACTERS: usize = 28;
    let text = text_of(case, "text")?;
    let line = text.lines().next()?.trim().to_owned();
    let sentence = line
        .split_inclusive(['。', '！', '？'])
        .next()
        .unwrap_or(&line);
    let sentence = if visit.english { &line } else { sentence };
    let mut title: String = sentence.chars().take(CHARACTERS).collect();
    if sentence.chars().count() > CHARACTERS {
        // At the end of a clause where there is one.
        match title.rfind(['，', '、', '；']) {
            Some(end) => title.truncate(end),
            None => title.push('…'),
        }
    }
    Some(title.trim_end_matches(['。', '，']).to_owned()).filter(|title| !title.is_empty())
}

/// The first text of a role.
fn text_of(case: &pb::CaseView, role: &str) -> Option<String> {
    let texts = case.entries.iter().flat_map(|entry| &entry.texts);
    let found = texts.into_iter().find(|text| text.role == role);
    found.map(|text| text.text.clone())
}

/// Persons of this node's accounts, by id.
fn people(visit: &Visit) -> BTreeMap<String, String> {
    let accounts = visit.house.node().views.accounts().unwrap_or_default();
    accounts
        .into_iter()
        .map(|account| {
            let named = Some(account.name).filter(|name| !name.is_empty());
            (base32(&account.person), named.unwrap_or(account.login))
        })
        .collect()
}

fn steps(visit: &Visit, next: &[pb::NextStep]) -> Vec<Step> {
    let first = next
        .iter()
        .find(|step| !ASIDE.contains(&step.name.as_str()))
        .map(|step| step.name.as_str());
    let step = |step: &pb::NextStep| Step {
        words: visit.label(&step.zh, &step.en).to_owned(),
        at_once: named(&step.name).is_some_and(|known| known.asked().next().is_none()),
        first: first == Some(step.name.as_str()),
        name: step.name.clone(),
    };
    let mut steps: Vec<Step> = next.iter().map(step).collect();
    steps.sort_by_key(|step| (!step.first, ASIDE.contains(&step.name.as_str())));
    steps
}

fn entry_of(visit: &Visit, view: &pb::EntryView, people: &BTreeMap<String, String>) -> Entry {
    let english = visit.english;
    let known = named(&view.r#move);
    let words = known.map_or_else(
        || view.action_zh.clone(),
        |known| visit.label(known.spec.zh, known.spec.en).to_owned(),
    );
    let mut notes = Vec::new();
    if view.unsettled {
        notes.push(
            visit
                .say("断网期间作出", "done while the parent was not reached")
                .to_owned(),
        );
    }
    if view.lapsed {
        notes.push(
            visit
                .say("随原分支失效", "lapsed with its branch")
                .to_owned(),
        );
    }
    match view.annex_state.as_str() {
        "adopted" => notes.push(visit.say("已采纳", "adopted").to_owned()),
        "declined" => notes.push(visit.say("未采纳", "declined").to_owned()),
        "open" if view.annex_due_ms > 0 => {
            let until = visit.time(&view.annex_due_ms);
            notes.push(format!(
                "{} {until}",
                visit.say("请于此前采纳或不采纳：", "to be decided by")
            ));
        }
        _ => {}
    }
    let texts = view.texts.iter().filter(|text| text.role != "requester");
    Entry {
        time: visit.time(&view.wall_time_ms),
        place: view.place_name.clone(),
        who: people.get(&view.actor).cloned().unwrap_or_default(),
        words,
        fields: (view.fields.iter())
            .map(|field| {
                let label = visit.label(&field.label_zh, &field.label_en);
                (label.to_owned(), field_value(visit, field))
            })
            .collect(),
        texts: texts
            .map(|text| {
                (
                    words::text(&text.role, english).to_owned(),
                    text.text.clone(),
                )
            })
            .collect(),
        stored: words::standing(view.standing, english),
        notes,
    }
}

/// A value of an entry; moments as a clock on the wall shows them.
fn field_value(visit: &Visit, field: &pb::FieldView) -> String {
    match fengqiao_hub::clock::Moment::parse_rfc3339(&field.value) {
        Ok(moment) => visit.time(&moment.0),
        Err(_) => visit.say(&field.zh, &field.en).to_owned(),
    }
}

fn task_state(visit: &Visit, state: &str) -> String {
    let (zh, en) = match state {
        "open" => ("待签收", "open"),
        "acknowledged" => ("已签收", "acknowledged"),
        "reported" => ("已报告", "reported"),
        "done" => ("已完成", "done"),
        other => (other, other),
    };
    visit.say(zh, en).to_owned()
}

/// Over which centres a case went: in the order in which each first did something, with what it did last.
fn way(visit: &Visit, case: &pb::CaseView) -> Vec<Station> {
    let mut stations: Vec<Station> = Vec::new();
    for entry in &case.entries {
        let did = named(&entry.r#move).map_or_else(
            || entry.action_zh.clone(),
            |known| visit.label(known.spec.zh, known.spec.en).to_owned(),
        );
        match stations
            .iter_mut()
            .find(|station| station.name == entry.place_name)
        {
            Some(station) => station.did = did,
            None => stations.push(Station {
                name: entry.place_name.clone(),
                has: false,
                did,
            }),
        }
    }
    if !stations
        .iter()
        .any(|station| station.name == case.custodian_name)
    {
        stations.push(Station {
            name: case.custodian_name.clone(),
            has: false,
            did: String::new(),
        });
    }
    for station in &mut stations {
        station.has = station.name == case.custodian_name;
    }
    stations
}
