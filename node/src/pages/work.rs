//! The work list: cases of the centre, by tabs and filters, a page at a time.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Query;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::UnitId;
use fengqiao_proto::v1 as pb;
use pb::Role;
use serde::Deserialize;

use super::visit::{Answer, Inside, Visit, shown};
use super::words;
use crate::desk::error::Told;

/// Cases looked at for lists and counts; what lies beyond is said, and found by its number.
const LOOKED_AT_MAX: usize = 2_000;
/// Cases of one call.
const CALL: u32 = 500;
/// Rows of a page.
const ROWS: usize = 50;

/// What a case waits for at this centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiting {
    /// To be accepted or not.
    Accept,
    /// To be given to whoever handles it.
    HandOver,
    /// To be signed for.
    SignFor,
    /// To be handled and a reply drafted.
    Handle,
    /// An objection to be decided over.
    Objection,
    /// A draft to be approved.
    Approval,
    /// A reply to be sent.
    Reply,
    /// The requester to be visited.
    Visit,
    /// To be closed.
    Close,
    /// An answer to who offers it from below.
    Answer,
}

pub(super) const WAITING: [Waiting; 10] = [
    Waiting::Accept,
    Waiting::HandOver,
    Waiting::SignFor,
    Waiting::Handle,
    Waiting::Objection,
    Waiting::Approval,
    Waiting::Reply,
    Waiting::Visit,
    Waiting::Close,
    Waiting::Answer,
];

impl Waiting {
    /// Stable word, as in an address.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::HandOver => "hand-over",
            Self::SignFor => "sign-for",
            Self::Handle => "handle",
            Self::Objection => "objection",
            Self::Approval => "approval",
            Self::Reply => "reply",
            Self::Visit => "visit",
            Self::Close => "close",
            Self::Answer => "answer",
        }
    }

    /// Chinese and English.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Accept => ("待受理", "to accept"),
            Self::HandOver => ("待交办", "to hand over"),
            Self::SignFor => ("待签收", "to sign for"),
            Self::Handle => ("办理中", "being handled"),
            Self::Objection => ("异议待认定", "objection to decide"),
            Self::Approval => ("待审核", "to approve"),
            Self::Reply => ("待答复", "to reply"),
            Self::Visit => ("待回访", "to visit"),
            Self::Close => ("待办结", "to close"),
            Self::Answer => ("下级提级待答复", "asked from below"),
        }
    }

    /// What a case waits for; `None` where nothing is owed by this centre.
    fn of(case: &pb::CaseView, here: &str, centre: &str) -> Option<Self> {
        if case
            .offer
            .as_ref()
            .is_some_and(|offer| offer.to_name == centre)
        {
            return Some(Self::Answer);
        }
        if case.custodian != here || case.offer.is_some() {
            return None;
        }
        match case.stage.as_str() {
            "registered" => Some(Self::Accept),
            "accepted" | "redo" | "in-hand" => Some(Self::HandOver),
            "dispatched" => Some(Self::SignFor),
            "handling" => Some(Self::Handle),
            "objected" => Some(Self::Objection),
            "drafted" => Some(Self::Approval),
            "approved" => Some(Self::Reply),
            "replied" | "answered" | "decided" => Some(Self::Visit),
            "visited" => Some(Self::Close),
            _ => None,
        }
    }

    /// Whose it is to do. Who may in the end is the desk's to say.
    fn is_for(self, roles: &[Role], led: bool) -> bool {
        let by: &[Role] = match self {
            // Where no unit leads, the centre's own people do the work.
            Self::SignFor | Self::Handle if !led => &[Role::Clerk, Role::Handler, Role::Leader],
            Self::Accept | Self::Visit => &[Role::Clerk],
            Self::HandOver | Self::Objection | Self::Close | Self::Answer => {
                &[Role::Clerk, Role::Leader]
            }
            Self::SignFor | Self::Handle => &[Role::Handler],
            Self::Approval => &[Role::Approver, Role::Leader],
            Self::Reply => &[Role::Handler, Role::Approver, Role::Clerk],
        };
        by.iter().any(|role| roles.contains(role))
    }
}

/// A case in a list.
#[derive(Debug)]
pub(super) struct Row {
    /// The case.
    pub case: pb::CaseView,
    /// Its class in words.
    pub class: String,
    /// Its stage in words.
    pub stage: String,
    /// How it came in, in words.
    pub channel: String,
    /// What it waits for.
    pub waits: Option<Waiting>,
    /// Whether that is this visitor's to do.
    pub mine: bool,
    /// Whether the clock that ends first ends today, and has not.
    pub due_today: bool,
    /// Whether it was taken in today.
    pub new_today: bool,
    /// Whether it is over.
    pub over: bool,
}

impl Row {
    /// What a case waits for, in words.
    pub(super) fn waiting(&self, visit: &Visit) -> String {
        self.waits.map_or_else(String::new, |waits| {
            let (zh, en) = waits.words();
            visit.say(zh, en).to_owned()
        })
    }

    /// What to call it by in an address: its number, or its id where it has none.
    pub(super) fn key(&self) -> &str {
        if self.case.number.is_empty() {
            &self.case.case
        } else {
            &self.case.number
        }
    }
}

/// The cases of a centre that a list or the morning looks at.
#[derive(Debug)]
pub(super) struct Work {
    /// Cases, the one due first at the head; closed ones after them by number.
    pub rows: Vec<Row>,
    /// There are more than were looked at.
    pub more: bool,
}

impl Work {
    /// Looks at the cases of the centre.
    ///
    /// # Errors
    /// The desk's refusal.
    pub(super) async fn gather(inside: &Inside, with_closed: bool) -> Result<Self, Told> {
        let office = inside.office();
        let mut rows = Vec::new();
        let mut page_token = String::new();
        loop {
            let wanted = pb::ListCasesRequest {
                page_size: CALL,
                page_token,
                with_notices: false,
                with_closed,
                ..Default::default()
            };
            let page = office.cases(wanted).await?;
            rows.extend(page.cases.into_iter().map(|case| row(inside, case)));
            page_token = page.next_page_token;
            if page_token.is_empty() || rows.len() >= LOOKED_AT_MAX {
                break;
            }
        }
        Ok(Self {
            rows,
            more: !page_token.is_empty(),
        })
    }
}

/// One case as a list shows it.
pub(super) fn row(inside: &Inside, case: pb::CaseView) -> Row {
    let (visit, clerk) = (&inside.visit, &inside.clerk);
    let house = &visit.house;
    let node = house.node();
    let here = node.me.at.place.to_string();
    let waits = Waiting::of(&case, &here, &visit.centre);
    let of_unit = clerk.unit.is_none_or(|_| clerk.unit_name == case.lead_name);
    let mine = waits.is_some_and(|waits| {
        // A unit's people see to what their unit leads, the centre's own to the rest.
        of_unit && waits.is_for(&clerk.roles, !case.lead_name.is_empty())
    });
    let now = house.now();
    Row {
        class: class(inside.visit.english, &node.rules(), &case.class),
        stage: words::stage(&case.stage, visit.english),
        channel: words::value("Channel", &case.channel, visit.english),
        waits,
        mine,
        due_today: case.due_ms >= now.0 && same_day(case.due_ms, now, house.zone_minutes),
        new_today: same_day(case.received_ms, now, house.zone_minutes),
        over: case.stage == "closed" || case.stage == "declined",
        case,
    }
}

/// A class in words.
pub(super) fn class(english: bool, rules: &fengqiao_hub::rulebook::Rulebook, id: &str) -> String {
    let known = rules.class(id).ok();
    known.map_or_else(
        || id.to_owned(),
        |class| {
            if english {
                class.name_en.clone()
            } else {
                class.name_zh.clone()
            }
        },
    )
}

fn same_day(ms: i64, now: Moment, zone: i32) -> bool {
    let day = |ms| words::local(ms, zone).map(|local| local.date());
    ms != 0 && day(ms) == day(now.0)
}

/// What a list is asked for.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Filter {
    /// todo, open, closed.
    #[serde(default)]
    tab: String,
    /// Lamp.
    #[serde(default)]
    lamp: String,
    /// Class.
    #[serde(default)]
    class: String,
    /// What it waits for.
    #[serde(default)]
    waits: String,
    /// Lead unit by id, or name of who has it.
    #[serde(default)]
    lead: String,
    /// today: due today; new: taken in today.
    #[serde(default)]
    day: String,
    /// Page, from 1.
    #[serde(default)]
    page: String,
}

impl Filter {
    fn tab(&self) -> &str {
        match self.tab.as_str() {
            "open" | "closed" => &self.tab,
            _ => "todo",
        }
    }

    fn lets(&self, row: &Row) -> bool {
        let is = |wanted: &str, has: &str| wanted.is_empty() || wanted == has;
        is(&self.lamp, &row.case.lamp)
            && is(&self.class, &row.case.class)
            && is(&self.waits, row.waits.map_or("", Waiting::word))
            && (self.lead.is_empty()
                || self.lead == row.case.lead_name
                || self.lead == row.case.custodian_name)
            && match self.day.as_str() {
                "today" => row.due_today,
                "new" => row.new_today,
                _ => true,
            }
    }

    /// Address of the same list with one thing changed; the page begins anew unless it is what changes.
    fn but(&self, key: &str, value: impl AsRef<str>) -> String {
        let value = value.as_ref();
        let own = [
            ("tab", self.tab()),
            ("lamp", &self.lamp),
            ("class", &self.class),
            ("waits", &self.waits),
            ("lead", &self.lead),
            ("day", &self.day),
        ];
        let mut parts: Vec<String> = own
            .into_iter()
            .filter(|(name, value)| *name != key && !value.is_empty())
            .map(|(name, value)| format!("{name}={}", words::encoded(value)))
            .collect();
        if !value.is_empty() {
            parts.push(format!("{key}={}", words::encoded(value)));
        }
        format!("/cases?{}", parts.join("&"))
    }

    fn is_narrow(&self) -> bool {
        [&self.lamp, &self.class, &self.waits, &self.lead, &self.day]
            .iter()
            .any(|value| !value.is_empty())
    }
}

/// A choice of a filter: value, words, whether it is the one.
type Choice = (String, String, bool);

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage<'a> {
    visit: &'a Visit,
    filter: &'a Filter,
    rows: &'a [Row],
    found: usize,
    more: bool,
    page: usize,
    pages: usize,
    counts: [usize; 3],
    lamps: Vec<Choice>,
    classes: Vec<Choice>,
    waits: Vec<Choice>,
    leads: Vec<Choice>,
}

pub(super) async fn page(inside: Inside, Query(filter): Query<Filter>) -> Answer {
    let visit = &inside.visit;
    let with_closed = filter.tab() == "closed";
    let work = Work::gather(&inside, with_closed)
        .await
        .map_err(|told| visit.refuse(&told))?;
    let of_tab = |row: &Row| match filter.tab() {
        "open" => !row.over,
        "closed" => row.over,
        _ => row.mine && !row.over,
    };
    let counts = [
        work.rows.iter().filter(|row| row.mine && !row.over).count(),
        work.rows.iter().filter(|row| !row.over).count(),
        work.rows.iter().filter(|row| row.over).count(),
    ];
    let choices = Choices::of(visit, &filter, &work.rows);
    let mut rows: Vec<Row> = work.rows.into_iter().filter(of_tab).collect();
    rows.retain(|row| filter.lets(row));
    // Every case comes by number; the newest closed one is looked for most.
    if with_closed {
        rows.reverse();
    }
    let found = rows.len();
    let pages = found.div_ceil(ROWS).max(1);
    let page = filter.page.parse::<usize>().unwrap_or(1).clamp(1, pages);
    let shown_rows = rows.get((page - 1) * ROWS..found.min(page * ROWS));
    Ok(shown(&CasesPage {
        visit,
        filter: &filter,
        rows: shown_rows.unwrap_or_default(),
        found,
        more: work.more,
        page,
        pages,
        counts,
        lamps: choices.lamps,
        classes: choices.classes,
        waits: choices.waits,
        leads: choices.leads,
    }))
}

/// What a filter offers: only what some case has.
struct Choices {
    lamps: Vec<Choice>,
    classes: Vec<Choice>,
    waits: Vec<Choice>,
    leads: Vec<Choice>,
}

impl Choices {
    fn of(visit: &Visit, filter: &Filter, rows: &[Row]) -> Self {
        let lamps = ["red", "amber", "green", "grey"].map(|lamp| {
            let is = filter.lamp == lamp;
            (lamp.to_owned(), visit.lamp(lamp), is)
        });
        let classes: BTreeMap<&str, &str> = rows
            .iter()
            .map(|row| (row.case.class.as_str(), row.class.as_str()))
            .collect();
        let leads: BTreeMap<&str, ()> = rows
            .iter()
            .map(|row| (lead_of(&row.case), ()))
            .filter(|(lead, ())| !lead.is_empty())
            .collect();
        let choice = |value: &str, words: &str, given: &str| {
            (value.to_owned(), words.to_owned(), value == given)
        };
        Self {
            lamps: lamps.into(),
            classes: classes
                .into_iter()
                .map(|(id, name)| choice(id, name, &filter.class))
                .collect(),
            waits: WAITING
                .into_iter()
                .map(|waits| {
                    let (zh, en) = waits.words();
                    choice(waits.word(), visit.say(zh, en), &filter.waits)
                })
                .collect(),
            leads: leads
                .into_keys()
                .map(|lead| choice(lead, lead, &filter.lead))
                .collect(),
        }
    }
}

/// Who has it: the unit that leads, or the centre.
pub(super) fn lead_of(case: &pb::CaseView) -> &str {
    if case.lead_name.is_empty() {
        &case.custodian_name
    } else {
        &case.lead_name
    }
}

/// Name of a unit.
pub(super) fn unit_name(inside: &Inside, unit: UnitId) -> String {
    let registry = inside.visit.house.node().registry.load();
    registry
        .unit(unit)
        .map_or_else(|| unit.to_string(), |unit| unit.name.clone())
}
