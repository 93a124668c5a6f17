//! Doing something with a case: the form of an action, and what came of it.
//!
//! A form carries a request id, so that sent twice it acts once, and the head of the case it was opened on: when the case
//! has moved meanwhile, the page says so, keeps what was typed, and leaves it to the person to send it again.

use askama::Template;
use axum::extract::{Form, Path};
use axum::http::StatusCode;
use fengqiao_hub::id::base32;
use fengqiao_proto::v1 as pb;

use super::form::{self, Asked, Making, Typed, Wrong};
use super::visit::{Answer, Inside, Visit, go, shown, shown_again};
use super::words;
use crate::app::actions::{ActionType, named};
use crate::desk::error::Told;
use crate::trust::random::{OsRandom, draw};

/// Names of the fields that every form has beside what is asked.
pub(super) const REQUEST_ID: &str = "request_id";
pub(super) const HEAD: &str = "head";

/// The id of a form that is shown again, or one for a new form. What was refused was not done: the form keeps its id, so
/// that a lost answer is found again.
pub(super) fn request_id_of(typed: &Typed) -> String {
    match typed.one(REQUEST_ID) {
        "" => new_request_id(),
        kept => kept.to_owned(),
    }
}

/// An id for one form. Without randomness the system is broken beyond what a form can show: the empty id is refused.
pub(super) fn new_request_id() -> String {
    draw::<16>(&mut OsRandom).map_or_else(|_| String::new(), |drawn| base32(&drawn))
}

#[derive(Template)]
#[template(path = "act.html")]
struct ActPage<'a> {
    visit: &'a Visit,
    case: &'a pb::CaseView,
    key: &'a str,
    action: &'a str,
    words: String,
    fields: Vec<Asked>,
    wrong: Vec<String>,
    moved: bool,
    request_id: String,
}

impl ActPage<'_> {
    fn choose_one(&self) -> bool {
        self.fields.iter().any(|field| field.one_of)
    }
}

fn action_called(
    visit: &Visit,
    action: &str,
) -> Result<&'static ActionType, super::visit::Refused> {
    let known = named(action).filter(|known| known.spec.class != pb::KindClass::Opening);
    known.ok_or_else(|| {
        let (zh, en) = (
            "没有这项操作。请从诉求件页面的“下一步”进入。",
            "There is no such action. Use the next steps on the case's page.",
        );
        visit
            .sorry(StatusCode::NOT_FOUND, "NO_ACTION", zh, en)
            .into()
    })
}

fn key(case: &pb::CaseView) -> &str {
    if case.number.is_empty() {
        &case.case
    } else {
        &case.number
    }
}

/// Entries of the annex that wait to be adopted or declined.
fn annex(visit: &Visit, case: &pb::CaseView) -> Vec<(String, String)> {
    let open = case
        .annex
        .iter()
        .filter(|entry| entry.annex_state == "open");
    open.map(|entry| {
        let what = named(&entry.r#move).map_or(entry.action_zh.as_str(), |known| {
            visit.label(known.spec.zh, known.spec.en)
        });
        let words = format!(
            "{} · {} · {what}",
            visit.time(&entry.wall_time_ms),
            entry.place_name
        );
        (entry.hash.clone(), words)
    })
    .collect()
}

fn page_of<'a>(
    visit: &'a Visit,
    case: &'a pb::CaseView,
    known: &'static ActionType,
    typed: &Typed,
    wrong: &[Wrong],
    moved: bool,
) -> ActPage<'a> {
    let making = Making {
        visit,
        typed,
        wrong,
        annex: &annex(visit, case),
    };
    ActPage {
        visit,
        case,
        key: key(case),
        action: known.spec.name,
        words: visit.label(known.spec.zh, known.spec.en).to_owned(),
        fields: form::asked(known, &making),
        wrong: wrong
            .iter()
            .map(|wrong| visit.say(&wrong.zh, &wrong.en).to_owned())
            .collect(),
        moved,
        request_id: request_id_of(typed),
    }
}

pub(super) async fn page(inside: Inside, Path((case, action)): Path<(String, String)>) -> Answer {
    let visit = &inside.visit;
    let known = action_called(visit, &action)?;
    let case = inside.office().case(&case, false).await;
    let case = case.map_err(|told| visit.refuse(&told))?;
    Ok(shown(&page_of(
        visit,
        &case,
        known,
        &Typed::default(),
        &[],
        false,
    )))
}

pub(super) async fn act(
    inside: Inside,
    Path((called, action)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Answer {
    let visit = &inside.visit;
    let known = action_called(visit, &action)?;
    let typed = Typed::of(pairs);
    let office = inside.office();
    let case = office.case(&called, false).await;
    let case = case.map_err(|told| visit.refuse(&told))?;
    let again = |wrong: &[Wrong], moved: bool| {
        shown_again(&page_of(visit, &case, known, &typed, wrong, moved))
    };
    let action = match form::read(known, &typed, visit.house.zone_minutes) {
        Ok(action) => action,
        Err(wrong) => return Ok(again(&wrong, false)),
    };
    let request = |action| pb::ActRequest {
        request_id: typed.one(REQUEST_ID).to_owned(),
        case: case.case.clone(),
        action: Some(action),
        texts: Vec::new(),
    };
    // The case also moves by this very form: then it was answered, and gets the same answer again.
    let views = &visit.house.node().views;
    let answered = views.has_answered(&inside.clerk.login, typed.one(REQUEST_ID));
    let moved = !typed.one(HEAD).is_empty() && typed.one(HEAD) != case.head;
    if moved && !answered.unwrap_or_default() {
        let mut answer = again(&[], true);
        *answer.status_mut() = StatusCode::CONFLICT;
        return Ok(answer);
    }
    match office.act(request(action)).await {
        Ok(_) => Ok(done(&case, known)),
        Err(told) => Ok(again(&[wrong_of(&told)], false)),
    }
}

fn done(case: &pb::CaseView, known: &ActionType) -> axum::response::Response {
    go(&format!(
        "/cases/{}?done={}",
        words::encoded(key(case)),
        known.spec.name
    ))
}

/// What a refusal says of a form.
pub(super) fn wrong_of(told: &Told) -> Wrong {
    Wrong {
        field: told.field.clone(),
        zh: told.chinese.clone(),
        en: told.english.clone(),
    }
}
