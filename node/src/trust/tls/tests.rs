//! Real handshakes over an in-memory pipe.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error as _;

use rustls::crypto::ring;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::trust::identity::{Pinned, prove};
use crate::trust::invitation::Invitation;
use crate::trust::keys::TransportKey;
use crate::trust::name::NodeId;
use crate::trust::testing::{Registry, StandingClock, Tree, node, place};

/// A county's node (4) with its ports, and a township's node (5) that dials.
struct World {
    tree: Tree,
    clock: Arc<StandingClock>,
    registry: Arc<Registry>,
    trust: Trust,
    hosted: Arc<HostedNodes>,
    county: Credentials,
    county_name: String,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(StandingClock::new());
        let mut tree = Tree::new(1, clock.now());
        let registry = Arc::new(Registry::default());
        let root = tree.root.chain().certificates()[0].clone();
        let trust = Trust::new(&root, registry.clone(), clock.clone()).unwrap();
        let hosted = Arc::new(HostedNodes::default());
        let county = enrol(&mut tree, &registry, |tree| &tree.root, 4, clock.now());
        hosted.install(&county);
        let county_name = county.own.name.to_string();
        Self {
            tree,
            clock,
            registry,
            trust,
            hosted,
            county,
            county_name,
        }
    }

    fn enrol(&mut self, pick: fn(&Tree) -> &super::super::Authority, letter: u8) -> Credentials {
        let now = self.clock.now();
        enrol(&mut self.tree, &self.registry, pick, letter, now)
    }

    /// Dials a port of the county's process by name.
    async fn dial(&self, port: Port, name: &str, client: &Credentials) -> Met {
        let client = self
            .trust
            .client_config(&Arc::new(Presented::new(client)))
            .unwrap();
        self.meet(port, name, client).await
    }

    async fn meet(&self, port: Port, name: &str, client: ClientConfig) -> Met {
        let fallback = (port == Port::Enrol).then(|| self.county_name.clone());
        let server = self
            .trust
            .server_config(port, &self.hosted, fallback)
            .unwrap();
        meet(server, client, name, &self.trust, port, self.clock.now()).await
    }
}

fn enrol(
    tree: &mut Tree,
    registry: &Registry,
    pick: fn(&Tree) -> &super::super::Authority,
    letter: u8,
    now: Timestamp,
) -> Credentials {
    let (key, chain) = tree.enrol(pick, letter, now);
    registry.pin(node(letter), key.public().fingerprint());
    Credentials::new(&chain, &key, &tree.fingerprint()).unwrap()
}

/// What both ends of one connection saw.
#[derive(Debug)]
struct Met {
    /// The server's view: who dialled, and what was sent after the handshake.
    server: Result<(Option<NodeId>, Vec<u8>), rustls::Error>,
    /// The client's view: whom it reached.
    client: Result<NodeId, rustls::Error>,
}

const SECRET: &[u8] = b"the secret of an invitation";

fn tls_error(error: &std::io::Error) -> rustls::Error {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .cloned()
        .unwrap_or_else(|| rustls::Error::General(error.to_string()))
}

async fn meet(
    server: ServerConfig,
    client: ClientConfig,
    name: &str,
    trust: &Trust,
    port: Port,
    now: Timestamp,
) -> Met {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let serving = async {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
        let peer = trust
            .peer(port, stream.get_ref().1.peer_certificates(), now)
            .map_err(std::io::Error::other)?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN));
        let mut sent = vec![0; SECRET.len()];
        stream.read_exact(&mut sent).await?;
        stream.write_all(b"!").await?;
        stream.shutdown().await?;
        Ok::<_, std::io::Error>((peer.map(|peer| peer.node()), sent))
    };
    let dialling = async {
        let mut stream = TlsConnector::from(Arc::new(client))
            .connect(name, near)
            .await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap().to_vec();
        stream.write_all(SECRET).await?;
        // In TLS 1.3 the client learns by its first read that it was refused.
        stream.read_exact(&mut [0]).await?;
        let root = fingerprint_of(chain.last().unwrap()).unwrap();
        let reached = prove(&chain, &root, now).unwrap().identity;
        Ok::<_, std::io::Error>(reached.node())
    };
    let (server, client) = tokio::join!(serving, dialling);
    Met {
        server: server.map_err(|error| tls_error(&error)),
        client: client.map_err(|error| tls_error(&error)),
    }
}

fn certificate(error: rustls::CertificateError) -> rustls::Error {
    rustls::Error::InvalidCertificate(error)
}

#[tokio::test]
async fn a_township_reaches_its_county_and_each_knows_the_other() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let met = world.dial(Port::Link, &world.county_name, &township).await;
    assert_eq!(met.server.unwrap(), (Some(node(5)), SECRET.to_vec()));
    assert_eq!(met.client.unwrap(), node(4));
}

#[tokio::test]
async fn a_village_two_authorities_down_reaches_any_node_of_the_deployment() {
    let mut world = World::new();
    let village = world.enrol(|tree| &tree.township, 6);
    let met = world.dial(Port::Link, &world.county_name, &village).await;
    assert_eq!(met.server.unwrap().0, Some(node(6)));
}

#[tokio::test]
async fn a_revoked_node_is_refused_in_the_handshake_from_the_next_connection_on() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let presented = Arc::new(Presented::new(&township));
    // One configuration for both, so that a kept session would be used.
    let client = world.trust.client_config(&presented).unwrap();
    let before = world
        .meet(Port::Link, &world.county_name, client.clone())
        .await;
    assert!(before.server.is_ok());
    world.registry.revoke(node(5));
    let after = world.meet(Port::Link, &world.county_name, client).await;
    let revoked = certificate(rustls::CertificateError::Revoked);
    assert_eq!(after.server.unwrap_err(), revoked);
    assert_eq!(
        after.client.unwrap_err(),
        rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked)
    );
    let enrol = world.dial(Port::Enrol, &world.county_name, &township).await;
    assert_eq!(enrol.server.unwrap_err(), revoked);
}

#[tokio::test]
async fn a_session_is_never_resumed_so_that_every_connection_is_judged() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let server = Arc::new(
        world
            .trust
            .server_config(Port::Link, &world.hosted, None)
            .unwrap(),
    );
    // A client that would resume if it were let.
    let mut client = world
        .trust
        .client_config(&Arc::new(Presented::new(&township)))
        .unwrap();
    client.resumption = Resumption::in_memory_sessions(8);
    let client = Arc::new(client);
    for _ in 0..3 {
        let (near, far) = duplex(64 * 1024);
        let name = ServerName::try_from(world.county_name.clone()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::clone(&server));
        let connector = TlsConnector::from(Arc::clone(&client));
        let (served, dialled) = tokio::join!(
            async {
                let mut stream = acceptor.accept(far).await.unwrap();
                stream.write_all(b"!").await.unwrap();
                stream.get_ref().1.handshake_kind()
            },
            async {
                let mut stream = connector.connect(name, near).await.unwrap();
                stream.read_exact(&mut [0]).await.unwrap();
                stream
            }
        );
        assert_eq!(served, Some(rustls::HandshakeKind::Full));
        drop(dialled);
    }
}

#[tokio::test]
async fn the_nodes_of_a_revoked_authority_are_refused() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let key = world.tree.county.public().fingerprint();
    world.registry.revoked_authorities.lock().unwrap().push(key);
    let met = world.dial(Port::Link, &world.county_name, &township).await;
    assert_eq!(
        met.server.unwrap_err(),
        certificate(rustls::CertificateError::Revoked)
    );
}

#[tokio::test]
async fn an_expired_certificate_opens_the_enrol_port_for_a_year_and_never_the_link_port() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    world.clock.forward_days(181);
    // The county's own node was renewed in time.
    let county = world.enrol(|tree| &tree.root, 4);
    world.hosted.install(&county);

    let link = world.dial(Port::Link, &world.county_name, &township).await;
    for error in [link.server.unwrap_err(), link.client.unwrap_err()] {
        assert_eq!(code_of(&error), Some(Code::CertificateExpired));
    }
    let enrol = world.dial(Port::Enrol, &world.county_name, &township).await;
    assert_eq!(enrol.server.unwrap().0, Some(node(5)));

    world.clock.forward_days(365);
    let county = world.enrol(|tree| &tree.root, 4);
    world.hosted.install(&county);
    let late = world.dial(Port::Enrol, &world.county_name, &township).await;
    assert!(late.server.is_err());
}

#[tokio::test]
async fn the_link_port_refuses_who_shows_no_certificate_and_the_enrol_port_does_not() {
    let world = World::new();
    let mut random = crate::trust::random::Seeded::new(50);
    let root = *world.trust.root();
    let invitation = Invitation::mint(root, place(2), node(4), &mut random).unwrap();
    let stranger = FirstContact::new(invitation);
    let client = || stranger.client_config(world.clock.clone()).unwrap();
    let link = world.meet(Port::Link, &world.county_name, client()).await;
    for error in [link.server.unwrap_err(), link.client.unwrap_err()] {
        assert_eq!(code_of(&error), Some(Code::CertificateMissing));
    }
    let enrol = world.meet(Port::Enrol, "county.example", client()).await;
    assert_eq!(enrol.server.unwrap(), (None, SECRET.to_vec()));
    assert_eq!(enrol.client.unwrap(), node(4));
}

#[tokio::test]
async fn a_node_of_another_root_is_refused_at_both_ports() {
    let world = World::new();
    let mut strangers = Tree::new(9, world.clock.now());
    let (key, chain) = strangers.enrol(|tree| &tree.county, 5, world.clock.now());
    world.registry.pin(node(5), key.public().fingerprint());
    let stranger = Credentials::new(&chain, &key, &strangers.fingerprint()).unwrap();
    for port in [Port::Link, Port::Enrol] {
        let met = world.dial(port, &world.county_name, &stranger).await;
        assert!(matches!(
            met.server.unwrap_err(),
            rustls::Error::InvalidCertificate(_)
        ));
        assert!(met.client.is_err());
    }
}

#[tokio::test]
async fn a_name_of_another_subtree_a_wildcard_and_a_foreign_key_are_refused() {
    let mut world = World::new();
    let now = world.clock.now();
    let honest = world.enrol(|tree| &tree.other_county, 6);
    let stolen_name = honest.own.name.to_string();
    let wildcard = format!("*.{}", world.tree.county.path());
    let own_name = format!("{}.{}", node(5), world.tree.county.path());
    let key = TransportKey::generate(&mut world.tree.random).unwrap();
    world
        .registry
        .pin(node(5), Fingerprint::from_bytes([9; 32]));
    for (name, code) in [
        (stolen_name, Some(Code::CertificateChain)),
        (wildcard, Some(Code::CertificateName)),
        (own_name, Some(Code::CertificateKey)),
    ] {
        let Tree { county, random, .. } = &mut world.tree;
        let chain = county.forge(key.public(), now, random, |forged| {
            forged.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
        });
        let forged = Credentials {
            own: honest.own.clone(),
            window: honest.window,
            certified: Arc::new(CertifiedKey::new(
                chain.certificates().to_vec(),
                ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(
                    key.pkcs8_der().unwrap().as_slice(),
                ))
                .unwrap(),
            )),
        };
        let met = world.dial(Port::Link, &world.county_name, &forged).await;
        let error = met.server.unwrap_err();
        assert_eq!(code_of(&error), code, "{error:?}");
        assert!(met.client.is_err());
    }
}

#[tokio::test]
async fn the_name_dialled_chooses_among_the_hosted_nodes() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let second = world.enrol(|tree| &tree.root, 8);
    let second_name = second.own.name.to_string();
    let unknown = world.dial(Port::Link, &second_name, &township).await;
    assert!(unknown.client.is_err(), "not hosted yet");
    world.hosted.install(&second);
    let first = world.dial(Port::Link, &world.county_name, &township).await;
    assert_eq!(first.client.unwrap(), node(4));
    let other = world.dial(Port::Link, &second_name, &township).await;
    assert_eq!(other.client.unwrap(), node(8));
    world.hosted.remove(&second.own.name);
    let gone = world.dial(Port::Link, &second_name, &township).await;
    assert!(gone.client.is_err());
}

#[tokio::test]
async fn a_dialler_refuses_a_node_other_than_the_one_it_named() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let absent = world.enrol(|tree| &tree.root, 8);
    // The enrol port shows the county's node to whoever names another.
    let name = absent.own.name.to_string();
    let met = world.dial(Port::Enrol, &name, &township).await;
    assert_eq!(
        code_of(&met.client.unwrap_err()),
        Some(Code::CertificateName)
    );
    assert!(met.server.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_new_configuration() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let presented = Arc::new(Presented::new(&township));
    let client = world.trust.client_config(&presented).unwrap();
    world.clock.forward_days(181);
    let county = world.enrol(|tree| &tree.root, 4);
    world.hosted.install(&county);
    let old = world
        .meet(Port::Link, &world.county_name, client.clone())
        .await;
    assert!(old.server.is_err());
    presented.replace(&world.enrol(|tree| &tree.county, 5));
    let new = world.meet(Port::Link, &world.county_name, client).await;
    assert_eq!(new.server.unwrap().0, Some(node(5)));
}

#[tokio::test]
async fn a_dialler_refuses_a_parent_that_is_revoked_or_has_another_key() {
    let mut world = World::new();
    let township = world.enrol(|tree| &tree.county, 5);
    let other = Pinned::to(Fingerprint::from_bytes([1; 32]));
    let pinned = world
        .registry
        .nodes
        .lock()
        .unwrap()
        .insert(node(4), other)
        .unwrap();
    let met = world.dial(Port::Link, &world.county_name, &township).await;
    let error = met.client.unwrap_err();
    assert_eq!(code_of(&error), Some(Code::CertificateKey));
    assert!(error.source().is_none());
    world.registry.nodes.lock().unwrap().insert(node(4), pinned);
    world.registry.revoke(node(4));
    let met = world.dial(Port::Link, &world.county_name, &township).await;
    assert_eq!(
        met.client.unwrap_err(),
        certificate(rustls::CertificateError::Revoked)
    );
}

#[tokio::test]
async fn who_stands_in_between_never_sees_the_secret() {
    let mut world = World::new();
    let now = world.clock.now();
    let root = *world.trust.root();
    let mut random = crate::trust::random::Seeded::new(51);
    let invitation = Invitation::mint(root, place(2), node(4), &mut random).unwrap();
    let contact = FirstContact::new(invitation);

    // Another root, with the same ids and names throughout.
    let mut strangers = Tree::new(9, now);
    let (key, chain) = strangers.enrol(|tree| &tree.root, 4, now);
    let stranger = Credentials::new(&chain, &key, &strangers.fingerprint()).unwrap();
    // The true root's certificate at the end of the stranger's chain.
    let mut spliced_chain = chain.certificates().to_vec();
    *spliced_chain.last_mut().unwrap() = world.tree.root.chain().certificates()[0].clone();
    let spliced = Credentials {
        own: stranger.own.clone(),
        window: stranger.window,
        certified: Arc::new(CertifiedKey::new(
            spliced_chain,
            Arc::clone(&stranger.certified.key),
        )),
    };
    // The true chain without its key.
    let borrowed = Credentials {
        own: stranger.own.clone(),
        window: stranger.window,
        certified: Arc::new(CertifiedKey::new(
            world.county.certified.cert.clone(),
            Arc::clone(&stranger.certified.key),
        )),
    };
    // A sound, registered node of the same deployment.
    let sibling = world.enrol(|tree| &tree.county, 6);
    for (between, code) in [
        (&stranger, Some(Code::TokenOtherRoot)),
        (&spliced, Some(Code::CertificateChain)),
        (&borrowed, Some(Code::CertificateChain)),
        (&sibling, Some(Code::TokenOtherParent)),
    ] {
        let hosted = Arc::new(HostedNodes::default());
        hosted.install(between);
        let name = between.own.name.to_string();
        let server = world
            .trust
            .server_config(Port::Enrol, &hosted, Some(name))
            .unwrap();
        let client = contact.client_config(world.clock.clone()).unwrap();
        let met = meet(
            server,
            client,
            "county.example",
            &world.trust,
            Port::Enrol,
            now,
        )
        .await;
        let error = met.client.unwrap_err();
        assert_eq!(code_of(&error), code, "{error:?}");
        assert!(met.server.is_err(), "nothing was received");
    }
    // And the true inviter does.
    let client = contact.client_config(world.clock.clone()).unwrap();
    let met = world.meet(Port::Enrol, "county.example", client).await;
    assert_eq!(met.server.unwrap(), (None, SECRET.to_vec()));
}

#[test]
fn credentials_are_refused_for_another_key_or_root() {
    let mut world = World::new();
    let now = world.clock.now();
    let (key, chain) = world.tree.enrol(|tree| &tree.county, 5, now);
    let other = TransportKey::generate(&mut world.tree.random).unwrap();
    let root = world.tree.fingerprint();
    assert!(Credentials::new(&chain, &key, &root).is_ok());
    assert!(matches!(
        Credentials::new(&chain, &other, &root),
        Err(TlsError::OtherKey)
    ));
    assert!(matches!(
        Credentials::new(&chain, &key, &Fingerprint::from_bytes([0; 32])),
        Err(TlsError::Own(IdentityError::Root))
    ));
}
