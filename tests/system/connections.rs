//! Connections that prove nothing: whoever opens them keeps nobody out, and what the node writes finds its descriptors.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;

use fengqiao_tests::city::process::Node;
use fengqiao_tests::city::{COUNTY, City, agree, files};
use fengqiao_tests::kit;
use tokio::net::{TcpSocket, TcpStream};

/// What a node of the test may open.
const DESCRIPTORS: u32 = 256;
/// Each from an address of its own.
const STRANGERS_A_PORT: u8 = 150;

/// A node that may open few files.
fn frugal(ground: &City, mut node: Node) -> Node {
    let script = ground.path("frugal");
    let binary = kit::process::binary().unwrap();
    let text = format!(
        "#!/bin/sh\nulimit -n {DESCRIPTORS}\nexec {} \"$@\"\n",
        binary.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    node.binary = script;
    node.settings.push("journal.segment_bytes=1048576".into());
    node
}

async fn stranger(host: u8, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = Ipv4Addr::new(127, 1, 1, host);
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(to).await.unwrap()
}

fn segments(node: &Node) -> usize {
    files(&node.folder().join("journal"))
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "segment"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn strangers_at_every_port_keep_nobody_out_and_the_journal_goes_on() {
    let ground = City::new();
    let mut city = frugal(&ground, ground.init("德州市"));
    city.start().await;
    let ports = city.ports;
    let mut strangers = Vec::new();
    for port in [ports.enrol, ports.link, ports.desk, ports.operations] {
        for host in 1..=STRANGERS_A_PORT {
            strangers.push(stranger(host, port).await);
        }
    }
    let desk = city.desk();
    let before = segments(&city);
    let text = "长".repeat(6_000);
    while segments(&city) < before + 2 {
        desk.register(&text).await;
    }
    let county = ground.join(&city, "德城区", COUNTY).await;
    agree(&[&city, &county]).await;
    assert!(!city.has_ended());
    assert_eq!(strangers.len(), 4 * usize::from(STRANGERS_A_PORT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_address_that_fills_a_port_keeps_nobody_else_out() {
    let ground = City::new();
    let city = ground.found("德州市").await;
    let ports = city.ports;
    let mut strangers = Vec::new();
    for _ in 0..193 {
        strangers.push(stranger(7, ports.enrol).await);
    }
    for host in 1..=36 {
        for _ in 0..30 {
            strangers.push(stranger(host, ports.link).await);
        }
    }
    let county = ground.join(&city, "德城区", COUNTY).await;
    agree(&[&city, &county]).await;
    assert_eq!(strangers.len(), 193 + 1_080);
}
