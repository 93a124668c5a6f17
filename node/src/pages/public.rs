//! What residents see: the first page, the directory, submitting a request and looking after it by number and code.
//!
//! Requests come in as the account `residents`, which an administrator opens with the role of a clerk, or not at all.

use askama::Template;
use axum::extract::{Form, Query};
use axum::http::StatusCode;
use axum::response::Response;
use fengqiao_hub::case::Stage;
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_hub::number;
use fengqiao_proto::v1 as pb;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::act::{REQUEST_ID, request_id_of, wrong_of};
use super::form::{self, Asked, Making, Typed, Wrong};
use super::register::registering;
use super::visit::{Answer, Visit, go, shown, shown_again};
use super::words;
use crate::engine::chains::Chain;

/// Account as which requests of residents come in.
const RESIDENTS: &str = "residents";
/// What a resident is asked, in this order.
const ASKED: [&str; 5] = ["text", "where", "place", "class", "requester"];

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    visit: &'a Visit,
    open: bool,
}

pub(super) async fn home(visit: Visit) -> Response {
    if visit.clerk.is_some() {
        return go("/today");
    }
    let open = takes_requests(&visit);
    shown(&HomePage {
        visit: &visit,
        open,
    })
}

fn takes_requests(visit: &Visit) -> bool {
    let account = visit.house.node().views.account(RESIDENTS).ok().flatten();
    account.is_some_and(|account| !account.closed)
}

#[derive(Template)]
#[template(path = "style.html")]
struct StylePage<'a> {
    visit: &'a Visit,
}

pub(super) async fn style_page(visit: Visit) -> Response {
    shown(&StylePage { visit: &visit })
}

/// A centre or unit in the directory.
struct Listed {
    name: String,
    kind: String,
}

#[derive(Template)]
#[template(path = "directory.html")]
struct DirectoryPage<'a> {
    visit: &'a Visit,
    units: Vec<Listed>,
    below: Vec<Listed>,
    classes: Vec<String>,
}

pub(super) async fn directory(visit: Visit) -> Response {
    let node = visit.house.node();
    let (registry, here) = (node.registry.load(), node.me.at.place);
    let units = registry.units_of(here);
    let units = units.map(|unit| Listed {
        name: unit.name.clone(),
        kind: words::unit_kind(unit.kind, visit.english).to_owned(),
    });
    let below = registry.children(here).iter();
    let below = below.map(|place| Listed {
        name: registry.name(*place),
        kind: String::new(),
    });
    let rules = node.rules();
    let groups = rules.classes().filter(|class| class.parent.is_empty());
    let classes = groups.map(|class| {
        let name = if visit.english {
            &class.name_en
        } else {
            &class.name_zh
        };
        name.clone()
    });
    shown(&DirectoryPage {
        units: units.collect(),
        below: below.collect(),
        classes: classes.collect(),
        visit: &visit,
    })
}

/// What is looked after.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Tracked {
    #[serde(default)]
    number: String,
    #[serde(default)]
    code: String,
}

/// One thing that happened, as a resident is told.
struct Stop {
    words: String,
    time: String,
    now: bool,
    later: bool,
}

#[derive(Template)]
#[template(path = "track.html")]
struct TrackPage<'a> {
    visit: &'a Visit,
    number: &'a str,
    wrong: String,
}

#[derive(Template)]
#[template(path = "tracked.html")]
struct TrackedPage<'a> {
    visit: &'a Visit,
    number: String,
    stage: String,
    lead: String,
    due_ms: i64,
    stops: Vec<Stop>,
    reply: String,
}

pub(super) async fn track_page(visit: Visit, Query(given): Query<Tracked>) -> Response {
    shown(&TrackPage {
        visit: &visit,
        number: &given.number,
        wrong: String::new(),
    })
}

pub(super) async fn track(visit: Visit, Form(given): Form<Tracked>) -> Response {
    let house = &visit.house;
    let now = house.now();
    let wait = house.tracking.wait_s("", visit.from, now);
    let again = |status: StatusCode, wrong: (String, String)| {
        let mut answer = shown_again(&TrackPage {
            visit: &visit,
            number: &given.number,
            wrong: visit.pick(wrong),
        });
        *answer.status_mut() = status;
        answer
    };
    if wait > 0 {
        return again(
            StatusCode::TOO_MANY_REQUESTS,
            (
                format!("查询次数过多，请 {wait} 秒后再试。"),
                format!("Too many attempts. Try again in {wait} seconds."),
            ),
        );
    }
    match found(&visit, &given) {
        Some((id, chain)) => shown(&tracked(&visit, id, &chain)),
        None => {
            house.tracking.failed("", visit.from, now);
            // The same for a number that does not exist and for a code that is not its own.
            again(
                StatusCode::UNPROCESSABLE_ENTITY,
                (
                    "编号与查询码不相符。请对照回执逐字核对；回执遗失请携带身份证件到窗口补办。".to_owned(),
                    "Number and code do not belong together. Compare them with your slip; if you lost it, come to the window with your identity card.".to_owned(),
                ),
            )
        }
    }
}

/// The case of a number, for who holds its code.
fn found(visit: &Visit, given: &Tracked) -> Option<(ChainId, Chain)> {
    let node = visit.house.node();
    let code: String = given
        .code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let held = Hash::of(
        "fengqiao/secret-code/1",
        &[code.to_ascii_lowercase().as_bytes()],
    );
    let number = number::read(given.number.trim()).ok()?;
    let [id] = node.views.find_cases(&number).ok()?[..] else {
        return None;
    };
    let chain = node.views.chain(&node.registry.load(), id).ok()?;
    let case = chain.case.as_ref()?;
    bool::from(held.0.ct_eq(&case.intake.secret_hash.0)).then_some((id, chain))
}

fn tracked<'a>(visit: &'a Visit, id: ChainId, chain: &Chain) -> TrackedPage<'a> {
    let node = visit.house.node();
    let registry = node.registry.load();
    let Some(case) = &chain.case else {
        return TrackedPage {
            visit,
            number: String::new(),
            stage: String::new(),
            lead: String::new(),
            due_ms: 0,
            stops: Vec::new(),
            reply: String::new(),
        };
    };
    let stage = case.stage();
    let lead = case.dispatching.lead.and_then(|unit| registry.unit(unit));
    let custodian = chain
        .tree
        .custody()
        .map(|custody| registry.name(custody.custodian));
    TrackedPage {
        visit,
        number: case.intake.number.clone(),
        stage: resident_stage(visit, stage),
        lead: lead
            .map(|unit| unit.name.clone())
            .or(custodian)
            .unwrap_or_default(),
        due_ms: chain.clocks().first().map_or(0, |clock| clock.due.0),
        stops: stops(visit, chain, stage),
        reply: reply(visit, id, chain, stage),
    }
}

/// Where it stands, as a resident says it.
fn resident_stage(visit: &Visit, stage: Stage) -> String {
    let (zh, en) = match stage {
        Stage::Registered => ("您反映的问题已登记", "Your request is registered"),
        Stage::Accepted | Stage::InHand | Stage::Redo => {
            ("您反映的问题已受理", "Your request is accepted")
        }
        Stage::Dispatched | Stage::Handling | Stage::Objected | Stage::Decided => {
            ("您反映的问题正在办理", "Your request is being handled")
        }
        Stage::Drafted | Stage::Approved => ("答复正在审核", "The reply is being checked"),
        Stage::Replied | Stage::Answered => ("您反映的问题已答复", "Your request is answered"),
        Stage::Visited => (
            "已回访，即将办结",
            "You were asked; it is about to be closed",
        ),
        Stage::Closed => ("您反映的问题已办结", "Your request is closed"),
        Stage::Declined => ("您反映的问题未予受理", "Your request was not accepted"),
    };
    visit.say(zh, en).to_owned()
}

/// What a resident is told of each action; the rest is nobody's outside.
const TOLD: [(&str, &str, &str); 10] = [
    ("register", "已登记", "Registered"),
    ("accept", "已受理", "Accepted"),
    ("decline", "未予受理", "Not accepted"),
    ("answer-at-once", "已当场答复", "Answered at once"),
    ("dispatch", "已交办", "Handed over"),
    ("take-action", "已办理", "Work was done"),
    ("send-reply", "已答复", "Replied"),
    ("return-visit", "已回访", "You were asked"),
    ("order-redo", "已安排重新办理", "To be done again"),
    ("close", "已办结", "Closed"),
];

fn stops(visit: &Visit, chain: &Chain, stage: Stage) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    for (entry, _) in chain.standing() {
        let name = fengqiao_hub::casework::name_of(entry.body.content.as_ref());
        let told = TOLD.iter().find(|(known, _, _)| *known == name);
        if let Some((_, zh, en)) = told {
            stops.push(Stop {
                words: visit.say(zh, en).to_owned(),
                time: visit.time(&entry.body.wall_time_ms),
                now: false,
                later: false,
            });
        }
    }
    if let Some(last) = stops.last_mut() {
        last.now = true;
    }
    if !stage.is_over() {
        let told = matches!(stage, Stage::Replied | Stage::Answered | Stage::Visited);
        let (zh, en) = if told {
            ("回访，请您评价", "You will be asked for your view")
        } else {
            ("办理并答复您", "Work and a reply to you")
        };
        stops.push(Stop {
            words: visit.say(zh, en).to_owned(),
            time: String::new(),
            now: false,
            later: true,
        });
    }
    stops
}

/// What was told to the resident: the reply that was sent, an answer at once, why it was not accepted.
fn reply(visit: &Visit, id: ChainId, chain: &Chain, stage: Stage) -> String {
    let sent = chain.case.as_ref().is_some_and(|case| case.reply.sent);
    let role = if stage == Stage::Declined {
        "reason"
    } else if stage == Stage::Answered {
        "answer"
    } else if sent {
        "reply"
    } else {
        return String::new();
    };
    let vault = &visit.house.node().vault;
    let standing = chain.standing();
    let texts = standing
        .iter()
        .flat_map(|(entry, _)| &entry.signed.payloads);
    let mut texts = texts
        .filter_map(|sealed| vault.open(id, sealed))
        .flat_map(|content| content.texts)
        .filter(|text| text.role == role);
    texts.next_back().map(|text| text.text).unwrap_or_default()
}

#[derive(Template)]
#[template(path = "submit.html")]
struct SubmitPage<'a> {
    visit: &'a Visit,
    fields: Vec<Asked>,
    wrong: Vec<String>,
    request_id: String,
}

#[derive(Template)]
#[template(path = "submitted.html")]
struct SubmittedPage<'a> {
    visit: &'a Visit,
    number: String,
    code: String,
    withheld: bool,
}

fn closed(visit: &Visit) -> super::visit::Refused {
    let (zh, en) = (
        "本中心尚未开通网上反映。请拨打 12345 或到窗口反映。",
        "This centre does not take requests by this page. Call 12345 or come to the window.",
    );
    visit
        .sorry(StatusCode::NOT_FOUND, "NOT_OPEN", zh, en)
        .into()
}

fn submit_page_of<'a>(
    visit: &'a Visit,
    typed: &Typed,
    wrong: &[Wrong],
) -> Result<SubmitPage<'a>, super::visit::Refused> {
    let known = registering(visit)?;
    let making = Making {
        visit,
        typed,
        wrong,
        annex: &[],
    };
    let mut fields = form::asked(known, &making);
    let place = |field: &Asked| ASKED.iter().position(|name| *name == field.name);
    fields.retain(|field| place(field).is_some());
    fields.sort_by_key(place);
    let plainly = |mut field: Asked| {
        field.required |= field.name == "text";
        field.plainly()
    };
    let fields = fields.into_iter().map(plainly).collect();
    Ok(SubmitPage {
        visit,
        fields,
        wrong: wrong
            .iter()
            .map(|wrong| visit.say(&wrong.zh, &wrong.en).to_owned())
            .collect(),
        request_id: request_id_of(typed),
    })
}

pub(super) async fn submit_page(visit: Visit) -> Answer {
    if !takes_requests(&visit) {
        return Err(closed(&visit));
    }
    Ok(shown(&submit_page_of(&visit, &Typed::default(), &[])?))
}

pub(super) async fn submit(visit: Visit, Form(pairs): Form<Vec<(String, String)>>) -> Answer {
    if !takes_requests(&visit) {
        return Err(closed(&visit));
    }
    let house = &visit.house;
    let now = house.now();
    let known = registering(&visit)?;
    // How it comes in is this page's to say, and how pressing it is a clerk's.
    let asked = |name: &str| {
        name == REQUEST_ID
            || ASKED
                .iter()
                .any(|own| name == *own || name.starts_with(&format!("{own}.")))
    };
    let pairs = pairs.into_iter().filter(|(name, _)| asked(name)).collect();
    let typed = Typed::of(pairs).with("channel", "web");
    let again = |wrong: &[Wrong]| Ok(shown_again(&submit_page_of(&visit, &typed, wrong)?));
    let missing = Wrong {
        field: "text".to_owned(),
        zh: "请写明您要反映的问题。".to_owned(),
        en: "Say what it is about.".to_owned(),
    };
    if typed.one("text").trim().is_empty() {
        return again(&[missing]);
    }
    let wait = house.submitting.wait_s("", visit.from, now);
    if wait > 0 {
        return again(&[Wrong {
            field: String::new(),
            zh: format!("提交次数过多，请 {wait} 秒后再试；紧急情况请拨打 12345。"),
            en: format!(
                "Too many requests. Try again in {wait} seconds; if it is urgent, call 12345."
            ),
        }]);
    }
    let action = match form::read(known, &typed, house.zone_minutes) {
        Ok(action) => action,
        Err(wrong) => return again(&wrong),
    };
    let wanted = pb::ActRequest {
        request_id: typed.one(REQUEST_ID).to_owned(),
        case: String::new(),
        action: Some(action),
        texts: Vec::new(),
    };
    match house.office(RESIDENTS).act(wanted).await {
        Ok(taken) => {
            house.submitting.failed("", visit.from, now);
            Ok(shown(&SubmittedPage {
                visit: &visit,
                number: taken.number,
                code: taken.secret_code,
                withheld: taken.secret_withheld,
            }))
        }
        Err(told) => again(&[wrong_of(&told)]),
    }
}
