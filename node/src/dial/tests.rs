//! Addresses in turn, each with its own limit; and what is told when none is reached.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv6Addr};

use tokio::net::TcpListener;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn failed(at: &str, why: Why) -> Unreached {
    Unreached::of(at, why)
}

#[test]
fn families_are_tried_in_turn_beginning_with_the_first() {
    let ordered = in_turn(
        ["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"]
            .map(address)
            .to_vec(),
    );
    let expected = ["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"].map(address);
    assert_eq!(ordered, expected);
    let many = vec![address("10.0.0.1:1"); 40];
    assert_eq!(in_turn(many).len(), ADDRESSES_MAX);
}

#[tokio::test]
async fn an_address_that_swallows_everything_holds_up_the_next_by_a_quarter_of_a_second() {
    let began = std::time::Instant::now();
    let reached = race(
        ["[::1]:1", "10.0.0.1:1"].map(address).into(),
        |to| async move {
            if to.ip() == IpAddr::V6(Ipv6Addr::LOCALHOST) {
                std::future::pending().await
            } else {
                Ok(to)
            }
        },
    )
    .await;
    assert_eq!(reached, Ok(address("10.0.0.1:1")));
    assert!(began.elapsed() >= NEXT_ADDRESS_AFTER);
}

#[tokio::test]
async fn an_address_that_fails_holds_up_nobody_and_all_failures_are_kept() {
    let addresses: Vec<_> = (1..=16)
        .map(|last| address(&format!("10.0.0.{last}:1")))
        .collect();
    let began = std::time::Instant::now();
    let reached: Result<SocketAddr, _> = race(addresses.into(), |to| async move {
        Err(Unreached::of(to, Why::NobodyListens))
    })
    .await;
    assert_eq!(reached.unwrap_err().len(), 16);
    assert!(began.elapsed() < NEXT_ADDRESS_AFTER * 15);
}

#[tokio::test]
async fn a_slow_first_address_still_wins_when_it_answers_before_the_others() {
    let second_began = Arc::new(tokio::sync::Notify::new());
    let reached = race(["10.0.0.1:1", "10.0.0.2:1"].map(address).into(), |to| {
        let second_began = Arc::clone(&second_began);
        async move {
            if to == address("10.0.0.2:1") {
                second_began.notify_one();
                std::future::pending::<()>().await;
            }
            second_began.notified().await;
            Ok(to)
        }
    })
    .await;
    assert_eq!(reached, Ok(address("10.0.0.1:1")));
}

#[test]
fn of_several_failures_the_one_is_told_that_says_most() {
    let told = most_telling(vec![
        failed("a", Why::Silent),
        failed("b", Why::Theirs(Code::CertificateExpired)),
        failed("c", Why::NobodyListens),
    ]);
    assert_eq!(
        told,
        Some(failed("b", Why::Theirs(Code::CertificateExpired)))
    );
    assert_eq!(most_telling(Vec::new()), None);
}

/// Dials `address` with a node's ordinary settings and no certificate.
async fn dial(address: &str) -> Why {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let dial = Dial {
        address,
        from: None,
        name: ServerName::try_from("upper.fq.internal").unwrap(),
        config: Arc::new(config),
        limit: Duration::from_secs(10),
    };
    dial.connect().await.unwrap_err().why
}

/// A port at which every connection is answered with `answer` and ended.
async fn port_that_says(answer: &'static [u8]) -> String {
    use tokio::io::AsyncWriteExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(answer).await;
        }
    });
    address
}

#[tokio::test]
async fn what_stands_at_a_wrong_address_is_told_apart() {
    let nobody = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().to_string()
    };
    assert_eq!(dial(&nobody).await, Why::NobodyListens);
    let web = port_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(dial(&web).await, Why::NotANode);
    assert_eq!(dial("no-such-name.invalid:7443").await, Why::Name);
}
