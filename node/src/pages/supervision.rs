//! Looking over: what is late and where, directives, people, places, and the node itself.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Form, Path};
use axum::http::StatusCode;
use axum::response::Response;
use fengqiao_hub::id::UnitId;
use fengqiao_proto::v1 as pb;
use serde::Deserialize;

use super::act::new_request_id;
use super::entrance::links;
use super::visit::{Answer, Inside, Visit, go, shown};
use super::words;
use super::work::{Row, Work, lead_of, unit_name};

/// Urgent cases shown.
const ROWS: usize = 50;

/// How a unit or centre stands.
#[derive(Debug, Default)]
struct Standing {
    red: usize,
    amber: usize,
    green: usize,
    grey: usize,
}

impl Standing {
    fn all(&self) -> usize {
        self.red + self.amber + self.green + self.grey
    }
}

#[derive(Template)]
#[template(path = "supervision.html")]
struct BoardPage<'a> {
    visit: &'a Visit,
    units: Vec<(String, String, Standing)>,
    rows: Vec<Row>,
    more: bool,
}

pub(super) async fn board(inside: Inside) -> Answer {
    let visit = &inside.visit;
    let work = Work::gather(&inside, false)
        .await
        .map_err(|told| visit.refuse(&told))?;
    let mut units: BTreeMap<String, Standing> = BTreeMap::new();
    for row in &work.rows {
        let standing = units.entry(lead_of(&row.case).to_owned()).or_default();
        match row.case.lamp.as_str() {
            "red" => standing.red += 1,
            "amber" => standing.amber += 1,
            "grey" => standing.grey += 1,
            _ => standing.green += 1,
        }
    }
    let mut units: Vec<_> = units
        .into_iter()
        .map(|(name, standing)| (words::encoded(&name), name, standing))
        .collect();
    units.sort_by_key(|(_, _, standing)| std::cmp::Reverse((standing.red, standing.amber)));
    let urgent = |row: &Row| ["red", "amber", "grey"].contains(&row.case.lamp.as_str());
    let mut rows: Vec<Row> = work.rows.into_iter().filter(urgent).collect();
    rows.truncate(ROWS);
    Ok(shown(&BoardPage {
        visit,
        units,
        rows,
        more: work.more,
    }))
}

#[derive(Template)]
#[template(path = "directives.html")]
struct DirectivesPage<'a> {
    visit: &'a Visit,
    directives: Vec<pb::DirectiveView>,
    request_id: String,
}

impl DirectivesPage<'_> {
    /// Issued elsewhere, so that this centre answers it.
    fn is_ours_to_answer(&self, directive: &pb::DirectiveView) -> bool {
        directive.issuer != self.visit.centre
    }
}

pub(super) async fn directives(inside: Inside) -> Answer {
    let visit = &inside.visit;
    let directives = inside.office().directives().await;
    Ok(shown(&DirectivesPage {
        visit,
        directives: directives.map_err(|told| visit.refuse(&told))?,
        request_id: new_request_id(),
    }))
}

/// What a centre says to a directive.
#[derive(Deserialize)]
pub(super) struct DirectiveAnswer {
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    executed: String,
}

pub(super) async fn answer_directive(
    inside: Inside,
    Path(directive): Path<String>,
    Form(given): Form<DirectiveAnswer>,
) -> Answer {
    let wanted = pb::AnswerDirectiveRequest {
        request_id: given.request_id,
        directive,
        executed: given.executed == "yes",
    };
    let done = inside.office().answer_directive(wanted).await;
    done.map_err(|told| inside.visit.refuse(&told))?;
    Ok(go("/directives"))
}

/// An account as administrators see it.
struct Person {
    login: String,
    name: String,
    unit: String,
    roles: String,
    closed: bool,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage<'a> {
    visit: &'a Visit,
    people: Vec<Person>,
    units: Vec<(String, String)>,
    link: Option<(String, String)>,
}

fn people_page(inside: &Inside, link: Option<(String, String)>) -> Response {
    let visit = &inside.visit;
    let node = visit.house.node();
    let accounts = node.views.accounts().unwrap_or_default();
    let person = |account: pb::AccountSet| {
        let roles = account.roles().map(|role| words::role(role, visit.english));
        Person {
            unit: UnitId::from_bytes(&account.unit)
                .map_or_else(|| visit.centre.clone(), |unit| unit_name(inside, unit)),
            roles: roles.collect::<Vec<_>>().join(visit.say("、", ", ")),
            closed: account.closed,
            name: account.name,
            login: account.login,
        }
    };
    let registry = node.registry.load();
    let units = registry.units_of(node.me.at.place).map(|unit| {
        let kind = words::unit_kind(unit.kind, visit.english);
        (unit.name.clone(), kind.to_owned())
    });
    shown(&PeoplePage {
        visit,
        people: accounts.into_iter().map(person).collect(),
        units: units.collect(),
        link,
    })
}

pub(super) async fn people(inside: Inside) -> Response {
    people_page(&inside, None)
}

pub(super) async fn make_link(inside: Inside, Path(login): Path<String>) -> Answer {
    let visit = &inside.visit;
    let node = visit.house.node();
    let no = |status, code: &str, zh: &str, en: &str| Err(visit.sorry(status, code, zh, en).into());
    if !visit.has("administrator") {
        return no(
            StatusCode::FORBIDDEN,
            "ROLE_MISSING",
            "只有管理员可以发放登录链接，请联系本中心管理员。",
            "Only an administrator gives out links. Ask your centre's administrator.",
        );
    }
    let account = node.views.account(&login).ok().flatten();
    if account.is_none_or(|account| account.closed) {
        return no(
            StatusCode::NOT_FOUND,
            "LOGIN_UNKNOWN",
            "没有这个账号，或账号已停用。",
            "There is no such account, or it is closed.",
        );
    }
    match links::make(&node.folder, &login, visit.now()) {
        Ok(path) => {
            tracing::info!(node = %node.me.at.node, "a sign-in link was made");
            Ok(people_page(&inside, Some((login, path))))
        }
        Err(error) => {
            tracing::error!(%error, "a sign-in link is not kept");
            no(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL",
                "链接未能保存，请查看磁盘空间和运行日志。",
                "The link could not be kept. Look at the disk and the log.",
            )
        }
    }
}

/// A place below, with how deep it lies.
struct Below {
    name: String,
    code: String,
    depth: usize,
    linked: bool,
}

#[derive(Template)]
#[template(path = "places.html")]
struct PlacesPage<'a> {
    visit: &'a Visit,
    way: Vec<String>,
    below: Vec<Below>,
    more: bool,
}

pub(super) async fn places(inside: Inside) -> Response {
    const SHOWN_MAX: usize = 500;
    let visit = &inside.visit;
    let node = visit.house.node();
    let (registry, here) = (node.registry.load(), node.me.at.place);
    let mut way: Vec<String> = registry
        .way_up(here)
        .map(|place| place.name.clone())
        .collect();
    way.reverse();
    let ends = node.link_ends();
    let mut below = Vec::new();
    let mut waiting: Vec<(fengqiao_hub::id::PlaceId, usize)> = vec![(here, 0)];
    while let Some((place, depth)) = waiting.pop() {
        let known = registry.node_of(place);
        let linked = known.and_then(|known| ends.get(&known.id));
        below.push(Below {
            name: registry.name(place),
            code: registry
                .place(place)
                .map(|place| place.code.clone())
                .unwrap_or_default(),
            depth,
            linked: linked.is_some_and(crate::node::LinkEnd::is_connected),
        });
        if below.len() > SHOWN_MAX {
            break;
        }
        waiting.extend(
            registry
                .children(place)
                .iter()
                .rev()
                .map(|child| (*child, depth + 1)),
        );
    }
    let more = below.len() > SHOWN_MAX;
    below.truncate(SHOWN_MAX);
    shown(&PlacesPage {
        visit,
        way,
        below,
        more,
    })
}

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage<'a> {
    visit: &'a Visit,
    status: pb::GetStatusResponse,
}

impl NodePage<'_> {
    fn direction<'b>(&'b self, link: &'b pb::LinkStatus) -> &'b str {
        match link.direction.as_str() {
            "up" => self.visit.say("上级", "parent"),
            "down" => self.visit.say("下级", "below"),
            other => other,
        }
    }

    fn megabytes(&self) -> u64 {
        self.status.journal_bytes >> 20
    }
}

pub(super) async fn node(inside: Inside) -> Answer {
    let visit = &inside.visit;
    let status = inside.office().status().await;
    Ok(shown(&NodePage {
        visit,
        status: status.map_err(|told| visit.refuse(&told))?,
    }))
}
