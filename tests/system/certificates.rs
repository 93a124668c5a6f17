//! Who may open a link: certificates of elsewhere, none, expired, revoked, of another subtree.

use std::sync::Arc;

use fengqiao_tests::city::desk::register;
use fengqiao_tests::city::{COUNTY, City, DAY_MS, TOWNSHIP, agree, until, within};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What the link port says when it turns someone away.
const REFUSED: &str = "a handshake was refused";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_of_another_deployment_is_refused_in_the_handshake() {
    let (ours, theirs) = (City::new(), City::new());
    let city = ours.found("德州市").await;
    let mut other = theirs.found("济南市").await;
    let mut stranger = theirs.enrol(&other, "历下区", COUNTY).await;
    assert!(other.stop().await.success());
    stranger.dial(city.ports.link);
    stranger.start().await;
    // The stranger's side sees that the other is not its parent and breaks off; neither has a link.
    stranger
        .logs(&["the link is down", "LINK_PEER_UNPROVEN"])
        .await;
    city.logs(&[REFUSED]).await;
    assert!(city.desk().status().await.links.is_empty());
    assert!(!stranger.desk().status().await.links[0].connected);
    stranger.desk().register("照常受理").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_shows_no_certificate_is_refused_before_any_call() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.enrol(&city, "德城区", COUNTY).await;
    let identity = std::fs::read(county.data.join("identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    let name = identity["parent"]["name"].as_str().unwrap().to_owned();

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(county.data.join("trust/root.pem")).unwrap())
        .unwrap();
    county.set_clock();
    let clock = fengqiao_node::node::clock::Clock::of_file(county.clock_file().to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_details(provider, Arc::new(clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(("127.0.0.1", city.ports.link))
        .await
        .unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut tls = connector
        .connect(ServerName::try_from(name).unwrap(), tcp)
        .await
        .unwrap();
    // TLS 1.3 tells the refusal after the client's part: nothing of HTTP/2 comes back.
    let _ = tls
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let mut answer = Vec::new();
    let read = tls.read_to_end(&mut answer).await;
    assert!(read.is_err() && answer.is_empty(), "{read:?} {answer:?}");
    city.logs(&[REFUSED]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_expired_certificate_opens_no_link_until_it_is_renewed() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    agree(&[&city, &county]).await;
    assert!(county.stop().await.success());
    assert!(city.stop().await.success());
    ground.time.advance(400 * DAY_MS);

    // The parent is reached for links, not for renewals.
    let enrol = std::mem::replace(
        &mut city.ports.enrol,
        fengqiao_tests::kit::ports::free_port().unwrap(),
    );
    city.start().await;
    county.start().await;
    county.logs(&["a certificate was not renewed"]).await;
    city.logs(&[REFUSED]).await;
    assert!(!county.desk().link("德州市").await.unwrap().connected);
    let alone = county.desk().register("断网照常受理").await.case;

    assert!(county.stop().await.success());
    assert!(city.stop().await.success());
    city.ports.enrol = enrol;
    city.start().await;
    county.start().await;
    county.logs(&["the certificate was renewed"]).await;
    agree(&[&city, &county]).await;
    assert!(
        city.desk().case(&alone).await.is_ok(),
        "what was written meanwhile has arrived"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_expired_for_more_than_a_year_is_not_renewed() {
    let ground = City::new();
    let mut city = ground.found("德州市").await;
    let mut county = ground.join(&city, "德城区", COUNTY).await;
    assert!(county.stop().await.success());
    assert!(city.stop().await.success());
    ground.time.advance((180 + 366) * DAY_MS);
    city.start().await;
    county.start().await;
    county.logs(&["a certificate was not renewed"]).await;
    city.logs(&[REFUSED]).await;
    assert!(!county.desk().link("德州市").await.unwrap().connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_revoked_node_loses_its_session_and_nothing_of_it_arrives_any_more() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    let other = ground.join(&city, "陵城区", COUNTY).await;
    let early = county.desk().register("吊销之前").await.case;
    agree(&[&city, &county, &other]).await;
    let id = county.desk().status().await.node;
    let revoked = city.cli(&["revoke", &id]);
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    county.desk().link_runs("德州市", false).await;
    // It asks why its link was closed, and learns it.
    until("the revoked node takes nothing in", async || {
        let refused = county
            .desk()
            .act("", register(), &[("text", "吊销之后")])
            .await;
        refused.is_err().then_some(())
    })
    .await;
    let through = other.desk().register("其他县区照常").await.case;
    city.desk()
        .sees(&through, "another county's case", |_| true)
        .await;
    assert!(city.desk().case(&early).await.is_ok());
    assert!(
        city.desk()
            .status()
            .await
            .links
            .iter()
            .all(|link| link.link != id || !link.connected)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_township_of_another_county_gets_no_link() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let decheng = ground.join(&city, "德城区", COUNTY).await;
    let lingcheng = ground.join(&city, "陵城区", COUNTY).await;
    let mut decheng = decheng;
    let mut township = ground.enrol(&decheng, "新华街道", TOWNSHIP).await;
    // Its own county is not there to be dialled instead.
    assert!(decheng.stop().await.success());
    township.dial(lingcheng.ports.link);
    township.start().await;
    lingcheng.logs(&[REFUSED]).await;
    let links =
        |desk: fengqiao_tests::city::desk::Desk| async move { desk.status().await.links.len() };
    assert_eq!(
        links(lingcheng.desk()).await,
        1,
        "only the link to the city"
    );
    assert!(!township.desk().link("德城区").await.unwrap().connected);
    drop(township);
    decheng.start().await;
    until("the county knows its own township", async || {
        decheng
            .desk()
            .link("新华街道")
            .await
            .filter(|link| !link.connected)
    })
    .await;
    assert!(
        within(std::time::Duration::ZERO, async || lingcheng
            .desk()
            .link("新华街道")
            .await)
        .await
        .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_place_goes_on_after_its_authority_ended_by_the_command_that_doctor_names() {
    let ground = City::new();
    let mut city = ground.init("德州市");
    // An authority holds for 1096 days.
    ground.time.advance(1_097 * DAY_MS);
    let certificate = |said: &serde_json::Value| {
        let checks = said["checks"].as_array().unwrap().clone();
        let found = checks.into_iter().find(|one| one["check"] == "certificate");
        found.unwrap_or_else(|| panic!("{said}"))
    };
    let found = certificate(&city.machine(&["doctor"]).json());
    assert_eq!(found["state"], "fail", "{found}");
    let to_do = found["to_do"].as_str().unwrap();
    assert!(to_do.contains("fengqiao renew-authority"), "{to_do}");

    let own = city.data.join("private/authority.pem");
    let wrong = city.machine(&["renew-authority", "--root-key", own.to_str().unwrap()]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    let key = city.data.join("root/authority.pem");
    let done = city.machine(&["renew-authority", "--root-key", key.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:?}");
    let found = certificate(&city.machine(&["doctor"]).json());
    assert_eq!(found["state"], "ok", "{found}");
    city.start().await;
    let county = ground.join(&city, "德城区", COUNTY).await;
    agree(&[&city, &county]).await;
}
