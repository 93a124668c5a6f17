//! Every route of the pages, in one table: what it is called by, who may come, what answers.
//!
//! `outside` is for everybody. `inside` is for who is signed in: its handlers take [`Inside`](super::visit::Inside), which
//! sends everybody else to the entrance. What an account may do is the desk's to say, not the route's.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodFilter;

use super::house::House;
use super::visit::{STYLE_PATH, Visit};
use super::{act, case, entering, finding, guard, public, register, supervision, today, work};

/// Bytes of a form: the texts of one request, each character written as nine.
const FORM_BYTES_MAX: usize = 512 * 1024;

/// Who may come to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Outside,
    /// Who is signed in.
    Inside,
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`; every other method changes nothing because there is none.
    pub method: &'static str,
    /// Path, with its parameters in braces.
    pub path: &'static str,
    /// Who may come.
    pub who: Who,
}

macro_rules! routes {
    ($($who:ident { $($method:ident $path:literal => $handler:path;)* })*) => {
        /// Every route, in the order of the table.
        pub const ROUTES: &[Route] = &[$($(Route {
            method: stringify!($method),
            path: $path,
            who: Who::$who,
        },)*)*];

        fn table() -> Router<Arc<House>> {
            Router::new()$($(.route($path, axum::routing::on(MethodFilter::$method, $handler)))*)*
        }
    };
}

routes! {
    Outside {
        GET "/" => public::home;
        GET "/sign-in" => entering::sign_in_page;
        POST "/sign-in" => entering::sign_in;
        GET "/welcome/{login}/{token}" => entering::welcome_page;
        POST "/welcome/{login}/{token}" => entering::welcome;
        GET "/language/{to}" => entering::language;
        GET "/size/{to}" => entering::size;
        GET "/style" => public::style_page;
        GET "/directory" => public::directory;
        GET "/track" => public::track_page;
        POST "/track" => public::track;
        GET "/submit" => public::submit_page;
        POST "/submit" => public::submit;
    }
    Inside {
        POST "/sign-out" => entering::sign_out;
        GET "/account" => entering::account;
        POST "/account/sign-out-everywhere" => entering::sign_out_everywhere;
        GET "/today" => today::page;
        GET "/cases" => work::page;
        GET "/cases/{case}" => case::page;
        GET "/cases/{case}/{action}" => act::page;
        POST "/cases/{case}/{action}" => act::act;
        GET "/register" => register::page;
        POST "/register" => register::register;
        GET "/find" => finding::page;
        GET "/supervision" => supervision::board;
        GET "/directives" => supervision::directives;
        POST "/directives/{directive}" => supervision::answer_directive;
        GET "/people" => supervision::people;
        POST "/people/{login}/link" => supervision::make_link;
        GET "/places" => supervision::places;
        GET "/node" => supervision::node;
    }
}

/// Everything put together.
pub(super) fn router(house: Arc<House>) -> Router {
    table()
        .route(&STYLE_PATH, axum::routing::get(guard::style))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&house), guard::guard))
        .with_state(house)
}

async fn unknown(visit: Visit) -> axum::response::Response {
    let (zh, en) = (
        "没有这个页面。请从菜单进入，或用上方的查找。",
        "There is no such page. Use the menu or the search field above.",
    );
    visit.sorry(StatusCode::NOT_FOUND, "NO_PAGE", zh, en)
}
