//! One request as a page sees it: who asks, in which language, how large, and how answers are put together.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use data_encoding::HEXLOWER;
use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;
use pb::Role;
use sha2::{Digest as _, Sha256};

use super::entrance::sessions::Ticket;
use super::house::House;
use super::office::Office;
use super::words;
use crate::desk::error::Told;

/// The style sheet.
pub(super) const STYLE: &str = include_str!("../../assets/style.css");
/// Where it is found: the name changes with what is in it, so that browsers keep it for good.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let sum = Sha256::digest(STYLE.as_bytes());
    format!("/style/{}.css", HEXLOWER.encode_display(&sum[..4]))
});

const TICKET: &str = "__Host-fengqiao";
const LANGUAGE: &str = "language";
const SIZE: &str = "size";

/// From where a connection comes; put beside each request by who serves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct From(pub IpAddr);

/// Who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Clerk {
    /// Their account.
    pub login: String,
    /// Their name, or their account where none is known.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Their unit, or the centre's own staff.
    pub unit: Option<fengqiao_hub::id::UnitId>,
    /// Its name.
    pub unit_name: String,
    /// What the browser holds.
    pub ticket: String,
}

/// One request.
#[derive(Debug)]
pub(super) struct Visit {
    /// The pages.
    pub house: Arc<House>,
    /// Who is signed in, if anybody is.
    pub clerk: Option<Clerk>,
    /// Whether in English.
    pub english: bool,
    /// Whether in large print.
    pub large: bool,
    /// Path and query.
    pub path: String,
    /// From where.
    pub from: IpAddr,
    /// Name of the centre.
    pub centre: String,
    /// The parent is not reached.
    pub cut_off: bool,
}

/// A visit of somebody who is signed in.
#[derive(Debug)]
pub(super) struct Inside {
    /// The visit.
    pub visit: Visit,
    /// Who.
    pub clerk: Clerk,
}

/// An answer that ends the handling of a request early.
#[derive(Debug)]
pub(super) struct Refused(Box<Response>);

/// What a page answers.
pub(super) type Answer = Result<Response, Refused>;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl std::convert::From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

/// A page that only says what is wrong and what to do.
#[derive(Template)]
#[template(path = "sorry.html")]
struct Sorry<'a> {
    visit: &'a Visit,
    code: &'a str,
    said: &'a str,
}

impl Visit {
    /// A visit as its address and headers tell.
    pub(super) fn of(house: &Arc<House>, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            house: Arc::clone(house),
            clerk: clerk(house, headers),
            english: cookie(headers, LANGUAGE) == Some("en"),
            large: cookie(headers, SIZE) == Some("large"),
            path: path.to_owned(),
            from: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            centre: house.centre(),
            cut_off: house.is_cut_off(),
        }
    }

    /// One of two texts, by the language.
    pub(super) fn say<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        if self.english { en } else { zh }
    }

    /// A label of a descriptor.
    pub(super) fn label<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        if self.english { words::brief(en) } else { zh }
    }

    /// The same of what was put together.
    pub(super) fn pick(&self, (zh, en): (String, String)) -> String {
        if self.english { en } else { zh }
    }

    /// What a refusal says to this visitor.
    pub(super) fn told<'a>(&self, told: &'a Told) -> &'a str {
        self.say(&told.chinese, &told.english)
    }

    /// A moment, as a clock on the wall shows it.
    pub(super) fn time(&self, ms: &i64) -> String {
        words::time(*ms, self.house.now(), self.house.zone_minutes, self.english)
    }

    /// A lamp's word.
    pub(super) fn lamp(&self, lamp: &str) -> String {
        words::lamp(lamp, self.english).to_owned()
    }

    /// Now.
    pub(super) fn now(&self) -> Moment {
        self.house.now()
    }

    /// Path of the style sheet.
    pub(super) fn style(&self) -> &'static str {
        &STYLE_PATH
    }

    /// The page in another language or size, and back again.
    pub(super) fn turn(&self, what: &str, to: &str) -> String {
        format!("/{what}/{to}?back={}", words::encoded(&self.path))
    }

    /// Whether a menu entry is where the visitor is.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let here = self.path.split('?').next().unwrap_or_default();
        here == path || (path.len() > 1 && here.starts_with(&format!("{path}/")))
    }

    /// Whether who is signed in has a role.
    pub(super) fn has(&self, role: &str) -> bool {
        let clerk = self.clerk.as_ref();
        clerk.is_some_and(|clerk| {
            clerk
                .roles
                .iter()
                .any(|held| words::role_word(*held) == role)
        })
    }

    /// Roles of who is signed in, in words.
    pub(super) fn roles(&self) -> String {
        let clerk = self.clerk.as_ref();
        let roles = clerk
            .map(|clerk| clerk.roles.as_slice())
            .unwrap_or_default();
        let named = roles.iter().map(|role| words::role(*role, self.english));
        named.collect::<Vec<_>>().join(self.say("、", ", "))
    }

    /// A page that says what is wrong.
    pub(super) fn sorry(&self, status: StatusCode, code: &str, zh: &str, en: &str) -> Response {
        let said = self.say(zh, en);
        let page = Sorry {
            visit: self,
            code,
            said,
        };
        let mut answer = shown(&page);
        *answer.status_mut() = status;
        answer
    }

    /// A page that says what the desk refused.
    pub(super) fn refuse(&self, told: &Told) -> Refused {
        let status = match told.code.as_str() {
            "CASE_UNKNOWN" => StatusCode::NOT_FOUND,
            "INTERNAL" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        self.sorry(status, &told.code, &told.chinese, &told.english)
            .into()
    }
}

fn clerk(house: &House, headers: &HeaderMap) -> Option<Clerk> {
    let ticket = cookie(headers, TICKET)?;
    let login = house.entrance.sessions.login(ticket, house.now())?;
    // Who was closed meanwhile is out at once.
    let account = house.node().views.account(&login).ok().flatten()?;
    if account.closed {
        return None;
    }
    let unit = fengqiao_hub::id::UnitId::from_bytes(&account.unit);
    let registry = house.node().registry.load();
    let unit_name = unit
        .and_then(|unit| registry.unit(unit))
        .map(|unit| unit.name.clone());
    Some(Clerk {
        roles: account.roles().collect(),
        unit,
        unit_name: unit_name.unwrap_or_default(),
        name: Some(account.name)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| login.clone()),
        login,
        ticket: ticket.to_owned(),
    })
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

impl FromRequestParts<Arc<House>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        house: &Arc<House>,
    ) -> Result<Self, Self::Rejection> {
        let mut visit = Self::of(house, &parts.uri, &parts.headers);
        if let Some(From(address)) = parts.extensions.get::<From>() {
            visit.from = *address;
        }
        Ok(visit)
    }
}

impl FromRequestParts<Arc<House>> for Inside {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        house: &Arc<House>,
    ) -> Result<Self, Self::Rejection> {
        let Ok(visit) = Visit::from_request_parts(parts, house).await;
        match visit.clerk.clone() {
            Some(clerk) => Ok(Self { visit, clerk }),
            None => Err(go(&format!(
                "/sign-in?back={}",
                words::encoded(&visit.path)
            ))),
        }
    }
}

impl Inside {
    /// The desk as who is signed in.
    pub(super) fn office(&self) -> Office {
        self.visit.house.office(&self.clerk.login)
    }
}

/// A page, written out.
pub(super) fn shown(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page is not written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The same, for something that was not done.
pub(super) fn shown_again(page: &impl Template) -> Response {
    let mut answer = shown(page);
    *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    answer
}

/// Sends the browser to another page of this site; anything else is the first page.
pub(super) fn go(path: &str) -> Response {
    let value = HeaderValue::from_str(own(path)).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, value)]).into_response()
}

/// A path of this site, or its first page where another site is meant.
pub(super) fn own(path: &str) -> &str {
    let bytes = path.as_bytes();
    let foreign = bytes.get(1).is_some_and(|second| b"/\\".contains(second));
    if bytes.first() == Some(&b'/') && !foreign && path.bytes().all(|byte| byte.is_ascii_graphic())
    {
        path
    } else {
        "/"
    }
}

/// Gives the browser a ticket, or takes it away.
pub(super) fn with_ticket(mut answer: Response, ticket: Option<&Ticket>) -> Response {
    let (value, age) = ticket.map_or(("", "; Max-Age=0"), |Ticket(ticket)| (ticket.as_str(), ""));
    let cookie = format!("{TICKET}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

/// What a visitor chose to see: language or size; kept for a year.
pub(super) fn with_choice(mut answer: Response, what: &str, to: &str) -> Response {
    let cookie = format!("{what}={to}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for foreign in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "",
            "x",
            "/a\nb",
        ] {
            assert_eq!(own(foreign), "/", "{foreign:?}");
        }
        assert_eq!(own("/cases?tab=open"), "/cases?tab=open");
        assert_eq!(own("/"), "/");
    }

    #[test]
    fn the_style_sheet_stays_small_and_holds_nothing_that_old_browsers_do_not_know() {
        assert!(STYLE.len() < 25 * 1024, "{} bytes", STYLE.len());
        for new in [
            ":has(",
            "@layer",
            "@container",
            "oklch",
            "color-mix",
            ":is(",
            ":where(",
            "inset:",
        ] {
            assert!(!STYLE.contains(new), "{new}");
        }
    }
}
