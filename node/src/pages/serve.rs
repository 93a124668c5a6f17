//! The ports of the pages: HTTPS for the pages themselves, and HTTP that sends browsers on to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::http::header::{HOST, LOCATION};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::certificate;
use super::entrance::links::FOLDER;
use super::entrance::passwords::make_folder;
use super::house::House;
use super::listening::{accept, talk};
use super::router::router;
use super::visit::From;
use crate::config;
use crate::node::clock::Clock;
use crate::node::hosted::Hosted;
use crate::ports::shake;
use crate::ports::{Port, PortLimits};

/// Places of each port of the pages. A browser opens six, and an office may stand behind one address.
pub(crate) const PLACES: PortLimits = PortLimits {
    strangers_max: 512,
    strangers_a_network_max: 256,
    known_max: 0,
};
/// A handshake must be over by then.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's head must have come by then; an idle connection ends after as long.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// What this machine shows to browsers, and to programs that come over a network.
///
/// # Errors
/// Certificate or folder cannot be made or read.
pub(crate) fn tls(hosted: &Hosted, config: &config::Config) -> anyhow::Result<ServerConfig> {
    let folder = hosted.node.folder.join(FOLDER);
    make_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // By the machine's clock, as the browser judges it, also where a demonstration has a time of its own.
    let seconds = Clock::System.now().0.div_euclid(1000);
    let now = time::OffsetDateTime::from_unix_timestamp(seconds)?;
    certificate::server_config(&config.pages, &folder, now)
}

/// Serves the pages of a node until the process stops.
///
/// # Errors
/// The port has no address.
pub(crate) fn serve(
    hosted: Arc<Hosted>,
    config: &config::Config,
    (pages, redirect): ((TcpListener, Port), (TcpListener, Port)),
    mut tls: ServerConfig,
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let zone = i32::try_from(config.time.zone_offset_minutes).unwrap_or(480);
    let house = Arc::new(House::new(hosted, zone));
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let port = pages.0.local_addr()?.port();
    let app = router(house);
    tasks.spawn(accept(pages, stop.clone(), move |stream, from| {
        let (acceptor, app) = (acceptor.clone(), app.clone());
        async move {
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, shake(&acceptor, stream)).await;
            match shaken {
                Ok(Ok(stream)) => {
                    let service = service_fn(move |mut request: Request<Incoming>| {
                        request.extensions_mut().insert(From(from));
                        app.clone().oneshot(request.map(Body::new))
                    });
                    talk(stream, service, HEADER_TIMEOUT).await;
                }
                Ok(Err(error)) => tracing::debug!(%from, %error, "no browser"),
                Err(_) => tracing::debug!(%from, "a handshake took too long"),
            }
        }
    }));
    tasks.spawn(accept(redirect, stop.clone(), move |stream, _| {
        let service = service_fn(move |request: Request<Incoming>| async move {
            Ok::<_, io::Error>(sent_on(&request, port))
        });
        talk(stream, service, HEADER_TIMEOUT)
    }));
    Ok(())
}

fn sent_on<B>(request: &Request<B>, port: u16) -> Response<String> {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    });
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let mut answer = Response::new(String::new());
    let plain = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    let to = name
        .filter(plain)
        .map(|name| format!("https://{name}:{port}{path}"));
    match to.and_then(|to| HeaderValue::from_str(&to).ok()) {
        Some(to) => {
            // Not a permanent one: a browser would never ask here again, whatever the port becomes.
            *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            answer.headers_mut().insert(LOCATION, to);
        }
        None => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_the_same_page_by_https_and_nowhere_else() {
        let table = [
            (
                "node.example:8080",
                Some("https://node.example:8443/cases?a=b"),
            ),
            ("node.example", Some("https://node.example:8443/cases?a=b")),
            ("10.1.2.3:8080", Some("https://10.1.2.3:8443/cases?a=b")),
            ("[::1]:8080", Some("https://[::1]:8443/cases?a=b")),
            ("evil/x", None),
            ("a@b", None),
            ("", None),
        ];
        for (host, expected) in table {
            let request = Request::get("/cases?a=b")
                .header(HOST, host)
                .body(())
                .unwrap();
            let answer = sent_on(&request, 8443);
            let to = answer
                .headers()
                .get(LOCATION)
                .map(|to| to.to_str().unwrap());
            assert_eq!(to, expected, "{host}");
        }
    }
}
