//! Finding: one field. A number leads to its case; anything else is looked for in what lists show.

use askama::Template;
use axum::extract::Query;
use serde::Deserialize;

use super::visit::{Answer, Inside, Visit, go, shown};
use super::words;
use super::work::{Row, Work, lead_of};

/// Cases shown; who finds more asks more closely.
const SHOWN_MAX: usize = 100;
/// Characters of a question.
const QUESTION_MAX: usize = 100;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Question {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage<'a> {
    visit: &'a Visit,
    question: &'a str,
    rows: Vec<Row>,
    found: usize,
    more: bool,
}

pub(super) async fn page(inside: Inside, Query(question): Query<Question>) -> Answer {
    let visit = &inside.visit;
    let question: String = question.q.trim().chars().take(QUESTION_MAX).collect();
    if question.is_empty() {
        return Ok(shown(&FindPage {
            visit,
            question: "",
            rows: Vec::new(),
            found: 0,
            more: false,
        }));
    }
    if let Ok(case) = inside.office().case(&question, false).await {
        let key = if case.number.is_empty() {
            &case.case
        } else {
            &case.number
        };
        return Ok(go(&format!("/cases/{}", words::encoded(key))));
    }
    let work = Work::gather(&inside, true)
        .await
        .map_err(|told| visit.refuse(&told))?;
    let more = work.more;
    let wanted = question.to_lowercase();
    let mut rows: Vec<Row> = work
        .rows
        .into_iter()
        .filter(|row| holds(row, &wanted))
        .collect();
    let found = rows.len();
    // What is still open and due first is what one looks for.
    rows.sort_by_key(|row| (row.over, row.case.due_ms));
    rows.truncate(SHOWN_MAX);
    Ok(shown(&FindPage {
        visit,
        question: &question,
        rows,
        found,
        more,
    }))
}

fn holds(row: &Row, wanted: &str) -> bool {
    let case = &row.case;
    let in_it = [
        case.number.as_str(),
        case.external_number.as_str(),
        case.place_name.as_str(),
        case.origin_name.as_str(),
        lead_of(case),
        row.class.as_str(),
        row.stage.as_str(),
    ];
    in_it
        .iter()
        .any(|text| text.to_lowercase().contains(wanted))
}
