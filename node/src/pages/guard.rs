//! What stands before every page: who sent a form, and what a browser may do with the answer.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

use super::house::House;
use super::visit::Visit;

/// No script at all, no style but the one file, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Lets a request through to its page, or refuses a form that another site sent, and dresses the answer.
pub(super) async fn guard(
    State(house): State<Arc<House>>,
    request: Request,
    next: Next,
) -> Response {
    let answer = if is_foreign(request.method(), request.headers()) {
        let visit = Visit::of(&house, request.uri(), request.headers());
        tracing::info!("a form from another site was refused");
        let (zh, en) = (
            "这份表单不是从本系统页面提交的，未作处理。请从菜单重新打开页面后再提交。",
            "This form did not come from a page of this system and was not acted on. Open the page again from the menu.",
        );
        visit.sorry(StatusCode::FORBIDDEN, "CROSS_SITE", zh, en)
    } else {
        next.run(request).await
    };
    dressed(answer)
}

/// Whether something that changes state comes from elsewhere than a page of this site. Browsers say so in
/// `Sec-Fetch-Site`, older ones only in `Origin`; what says neither is no browser, and no page is for it.
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = text(&FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let host = text(&axum::http::header::HOST).unwrap_or("");
    let origin = text(&ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.is_none_or(|(_, from)| from != host)
}

fn dressed(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: with it a form's Origin is null, and older browsers say nothing else.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// The one style sheet, under a name that changes with it.
pub(super) async fn style() -> Response {
    let kept = "public, max-age=31536000, immutable";
    let headers = [
        (axum::http::header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, kept),
    ];
    (headers, super::visit::STYLE).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_form_counts_as_foreign_unless_a_browser_says_it_is_ours() {
        let table: [(&[(&str, &str)], bool); 9] = [
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("origin", "https://node:8443")], false),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://node:8443"),
                ],
                true,
            ),
            (&[], true),
        ];
        for (given, foreign) in table {
            let mut headers = HeaderMap::new();
            headers.insert("host", "node:8443".parse().unwrap());
            for (name, value) in given {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(is_foreign(&Method::POST, &headers), foreign, "{given:?}");
            assert!(!is_foreign(&Method::GET, &headers));
        }
    }
}
