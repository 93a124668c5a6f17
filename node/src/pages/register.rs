//! Taking a request in: one page, from the resident's words to the number and the code they are told.

use askama::Template;
use axum::extract::Form;
use axum::http::StatusCode;
use fengqiao_proto::v1 as pb;

use super::act::{REQUEST_ID, request_id_of, wrong_of};
use super::form::{self, Asked, Making, Typed, Wrong};
use super::visit::{Answer, Inside, Visit, shown, shown_again};
use super::words;
use crate::app::actions::{ActionType, named};

/// The order in which one asks on the telephone; what follows is seldom filled.
const ORDER: [&str; 6] = ["text", "where", "place", "class", "requester", "channel"];

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    visit: &'a Visit,
    first: Vec<Asked>,
    further: Vec<Asked>,
    wrong: Vec<String>,
    request_id: String,
}

#[derive(Template)]
#[template(path = "registered.html")]
struct RegisteredPage<'a> {
    visit: &'a Visit,
    number: String,
    code: String,
    withheld: bool,
    due_ms: i64,
}

/// The action of taking in.
pub(super) fn registering(visit: &Visit) -> Result<&'static ActionType, super::visit::Refused> {
    named("register").ok_or_else(|| {
        let (zh, en) = ("本版本不能登记。", "This version cannot register.");
        visit
            .sorry(StatusCode::NOT_FOUND, "NO_ACTION", zh, en)
            .into()
    })
}

fn page_of<'a>(
    visit: &'a Visit,
    known: &'static ActionType,
    typed: &Typed,
    wrong: &[Wrong],
) -> RegisterPage<'a> {
    let making = Making {
        visit,
        typed,
        wrong,
        annex: &[],
    };
    let mut fields = form::asked(known, &making);
    let place = |field: &Asked| ORDER.iter().position(|name| *name == field.name);
    fields.sort_by_key(|field| place(field).unwrap_or(ORDER.len()));
    let further = fields.split_off(fields.iter().filter(|field| place(field).is_some()).count());
    RegisterPage {
        visit,
        first: fields,
        further,
        wrong: wrong
            .iter()
            .map(|wrong| visit.say(&wrong.zh, &wrong.en).to_owned())
            .collect(),
        request_id: request_id_of(typed),
    }
}

pub(super) async fn page(inside: Inside) -> Answer {
    let visit = &inside.visit;
    let known = registering(visit)?;
    let now = words::field_time(visit.now().0, visit.house.zone_minutes);
    let typed = Typed::default()
        .with("channel", "phone")
        .with("urgency", "ordinary")
        .with("received_ms", &now);
    Ok(shown(&page_of(visit, known, &typed, &[])))
}

pub(super) async fn register(inside: Inside, Form(pairs): Form<Vec<(String, String)>>) -> Answer {
    let visit = &inside.visit;
    let known = registering(visit)?;
    let typed = Typed::of(pairs);
    let action = match form::read(known, &typed, visit.house.zone_minutes) {
        Ok(action) => action,
        Err(wrong) => return Ok(shown_again(&page_of(visit, known, &typed, &wrong))),
    };
    let wanted = pb::ActRequest {
        request_id: typed.one(REQUEST_ID).to_owned(),
        case: String::new(),
        action: Some(action),
        texts: Vec::new(),
    };
    match inside.office().act(wanted).await {
        Ok(taken) => Ok(shown(&RegisteredPage {
            visit,
            number: taken.number,
            code: taken.secret_code,
            withheld: taken.secret_withheld,
            due_ms: taken.after.map_or(0, |case| case.due_ms),
        })),
        Err(told) => Ok(shown_again(&page_of(
            visit,
            known,
            &typed,
            &[wrong_of(&told)],
        ))),
    }
}
