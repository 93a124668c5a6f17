//! Signing in and out, the first password, the choice of language and size, and one's own account.

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

use super::entrance::Shut;
use super::house::House;
use super::visit::{Answer, Inside, Visit, go, own, shown, shown_again, with_choice, with_ticket};

/// Where to go on afterwards.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    back: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    visit: &'a Visit,
    login: &'a str,
    back: &'a str,
    wrong: Option<String>,
}

/// What the entrance asks.
#[derive(Deserialize)]
pub(super) struct SignIn {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    back: String,
}

pub(super) async fn sign_in_page(visit: Visit, Query(back): Query<Back>) -> Response {
    if visit.clerk.is_some() {
        return go("/today");
    }
    shown(&SignInPage {
        visit: &visit,
        login: "",
        back: &back.back,
        wrong: None,
    })
}

pub(super) async fn sign_in(
    State(house): State<Arc<House>>,
    visit: Visit,
    Form(given): Form<SignIn>,
) -> Response {
    let login = given.login.trim().to_ascii_lowercase();
    let entered = house
        .entrance
        .sign_in(house.node(), &login, given.password, visit.from)
        .await;
    match entered {
        Ok(ticket) => {
            // A ticket that was held before is good for nothing now.
            if let Some(before) = &visit.clerk {
                house.entrance.sessions.end(&before.ticket);
            }
            let back = own(&given.back);
            let to = if back == "/" { "/today" } else { back };
            with_ticket(go(to), Some(&ticket))
        }
        Err(shut) => {
            let mut answer = shown_again(&SignInPage {
                visit: &visit,
                login: &login,
                back: &given.back,
                wrong: Some(visit.pick(shut.words())),
            });
            if matches!(shut, Shut::Wait(_)) {
                *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            }
            answer
        }
    }
}

pub(super) async fn sign_out(inside: Inside) -> Response {
    inside
        .visit
        .house
        .entrance
        .sessions
        .end(&inside.clerk.ticket);
    with_ticket(go("/"), None)
}

pub(super) async fn sign_out_everywhere(inside: Inside) -> Response {
    inside
        .visit
        .house
        .entrance
        .sessions
        .end_all(&inside.clerk.login);
    with_ticket(go("/sign-in"), None)
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    visit: &'a Visit,
    login: &'a str,
    unit: &'a str,
    sessions: Vec<(i64, i64)>,
}

pub(super) async fn account(inside: Inside) -> Response {
    let sessions = &inside.visit.house.entrance.sessions;
    let sessions = sessions.of(&inside.clerk.login, inside.visit.now());
    shown(&AccountPage {
        visit: &inside.visit,
        login: &inside.clerk.login,
        unit: &inside.clerk.unit_name,
        sessions: sessions
            .iter()
            .map(|(began, used)| (began.0, used.0))
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'a> {
    visit: &'a Visit,
    login: &'a str,
    wrong: Option<String>,
}

/// The password of whoever follows a link.
#[derive(Deserialize)]
pub(super) struct Welcome {
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

pub(super) async fn welcome_page(
    visit: Visit,
    Path((login, token)): Path<(String, String)>,
) -> Answer {
    let house = &visit.house;
    let now = house.now();
    if !house
        .entrance
        .link_is_good(&house.folder, &login, &token, now)
    {
        let (zh, en) = Shut::LinkSpent.words();
        return Err(visit.sorry(StatusCode::GONE, "LINK_SPENT", &zh, &en).into());
    }
    Ok(shown(&WelcomePage {
        visit: &visit,
        login: &login,
        wrong: None,
    }))
}

pub(super) async fn welcome(
    visit: Visit,
    Path((login, token)): Path<(String, String)>,
    Form(given): Form<Welcome>,
) -> Answer {
    let house = &visit.house;
    let wrong = |words: (String, String)| {
        Ok(shown_again(&WelcomePage {
            visit: &visit,
            login: &login,
            wrong: Some(visit.pick(words)),
        }))
    };
    if given.password != given.again {
        return wrong((
            "两次输入的密码不一致，请重新输入。".to_owned(),
            "The two passwords differ. Type them again.".to_owned(),
        ));
    }
    let link = (login.as_str(), token.as_str());
    let followed = house
        .entrance
        .follow_link(house.node(), &house.folder, link, given.password)
        .await;
    match followed {
        Ok(ticket) => Ok(with_ticket(go("/today"), Some(&ticket))),
        Err(Shut::LinkSpent) => {
            let (zh, en) = Shut::LinkSpent.words();
            Err(visit.sorry(StatusCode::GONE, "LINK_SPENT", &zh, &en).into())
        }
        Err(shut) => wrong(shut.words()),
    }
}

pub(super) async fn language(Path(to): Path<String>, Query(back): Query<Back>) -> Response {
    let to = if to == "en" { "en" } else { "zh" };
    with_choice(go(&back.back), "language", to)
}

pub(super) async fn size(Path(to): Path<String>, Query(back): Query<Back>) -> Response {
    let to = if to == "large" { "large" } else { "plain" };
    with_choice(go(&back.back), "size", to)
}
