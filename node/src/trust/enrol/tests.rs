//! Facts about joining and renewing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use jiff::SignedDuration;

use super::*;
use crate::trust::code::Code;
use crate::trust::identity::{Registrar, identify, identify_for_renewal};
use crate::trust::invitation::{INVITATION_HOURS, InvitationEntry, InvitationState};
use crate::trust::keys::EncryptionKey;
use crate::trust::random::Seeded;
use crate::trust::testing::{Registry, Tree, node, place};

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

struct Keys {
    transport: TransportKey,
    signing: SigningKey,
    encryption: EncryptionKey,
    authority: AuthorityKey,
}

impl Keys {
    fn new(random: &mut Seeded) -> Self {
        Self {
            transport: TransportKey::generate(random).unwrap(),
            signing: SigningKey::generate(random).unwrap(),
            encryption: EncryptionKey::generate(random).unwrap(),
            authority: AuthorityKey::generate(random).unwrap(),
        }
    }

    fn offered(&self, with_authority: bool) -> NewKeys<'_> {
        NewKeys {
            transport: &self.transport,
            signing: &self.signing,
            encryption: self.encryption.public(),
            authority: with_authority.then_some(&self.authority),
        }
    }
}

/// A county (node 4) that has invited a township (place 2).
struct Inviting {
    tree: Tree,
    book: InvitationBook,
    invitation: Invitation,
    keys: Keys,
}

impl Inviting {
    fn new(authority_levels: Option<u8>) -> Self {
        let mut tree = Tree::new(1, now());
        let root = tree.fingerprint();
        let invitation = Invitation::mint(root, place(2), node(4), &mut tree.random).unwrap();
        let mut book = InvitationBook::default();
        let entry = InvitationEntry::new(&invitation, authority_levels, INVITATION_HOURS, now());
        book.add(invitation.id, entry).unwrap();
        let keys = Keys::new(&mut tree.random);
        Self {
            tree,
            book,
            invitation,
            keys,
        }
    }

    fn request(&self, with_authority: bool) -> JoinRequest {
        JoinRequest::compose(&self.invitation, &self.keys.offered(with_authority)).unwrap()
    }

    fn join_at(&mut self, request: &JoinRequest, at: Timestamp) -> Result<Joined, Refusal> {
        let root = self.tree.fingerprint();
        let Tree { county, random, .. } = &mut self.tree;
        join(county, &root, &mut self.book, request, at, random)
    }

    fn join(&mut self, request: &JoinRequest) -> Result<Joined, Refusal> {
        self.join_at(request, now())
    }

    fn is_open(&self) -> bool {
        self.book
            .entries()
            .all(|(_, entry)| entry.state == InvitationState::Open)
    }
}

#[test]
fn a_township_joins_and_is_known_by_what_it_was_given() {
    let mut inviting = Inviting::new(Some(0));
    let request = inviting.request(true);
    let joined = inviting.join(&request).unwrap();
    let root = inviting.tree.fingerprint();
    let keys = &inviting.keys;
    let own = joined
        .issued
        .check(
            keys.transport.public(),
            Some(keys.authority.public()),
            &root,
            now(),
        )
        .unwrap();
    assert_eq!(own.node(), joined.registration.node);
    assert_eq!(own.name.issued_by, *inviting.tree.county.path());
    let registry = Registry::default();
    registry.pin(own.node(), joined.registration.transport_key);
    let chain = joined.issued.node.certificates();
    assert!(identify(chain, &root, &registry, now()).is_ok());
    assert_eq!(joined.registration.place, place(2));
    assert_eq!(joined.registration.signing_key, *keys.signing.public());
    assert_eq!(
        joined.registration.encryption_key,
        *keys.encryption.public()
    );
    assert!(!joined.repeated);

    let chain = joined.issued.authority.unwrap();
    let key = joined.registration.authority_key.unwrap();
    let township = Authority::load(inviting.keys.authority, chain, &root, now()).unwrap();
    assert_eq!(township.public().fingerprint(), key);
    assert_eq!(township.path().authorities, [place(2), place(1)]);
}

#[test]
fn a_repeated_join_gets_the_same_node_and_another_request_nothing() {
    let mut inviting = Inviting::new(None);
    let request = inviting.request(false);
    let first = inviting.join(&request).unwrap();
    let again = inviting.join(&request).unwrap();
    assert!(again.repeated);
    assert_eq!(again.registration, first.registration);
    let mut random = Seeded::new(70);
    inviting.keys = Keys::new(&mut random);
    let thief = inviting.request(false);
    assert_eq!(inviting.join(&thief).unwrap_err().code(), Code::TokenUsed);
}

#[test]
fn a_late_a_foreign_and_a_withdrawn_invitation_have_their_codes() {
    let mut inviting = Inviting::new(None);
    let request = inviting.request(false);
    let refused = inviting.join_at(&request, now() + days(1)).unwrap_err();
    assert_eq!(refused.code(), Code::TokenExpired);

    let mut elsewhere = inviting.invitation.clone();
    elsewhere.place = place(3);
    let request = JoinRequest::compose(&elsewhere, &inviting.keys.offered(false)).unwrap();
    let refused = inviting.join(&request).unwrap_err();
    assert_eq!(refused.code(), Code::TokenOtherPlace);

    let mut guessed = inviting.request(false);
    guessed.secret = Secret::from_bytes([0; 16]);
    let refused = inviting.join(&guessed).unwrap_err();
    assert_eq!(refused.code(), Code::TokenUnknown);

    inviting
        .book
        .revoke(&inviting.invitation.id, now())
        .unwrap();
    let request = inviting.request(false);
    let refused = inviting.join(&request).unwrap_err();
    assert_eq!(refused.code(), Code::TokenRevoked);
}

/// What is broken, the code it must give, and the hand that breaks it.
type Break = (&'static str, Code, Box<dyn Fn(&mut JoinRequest)>);

#[test]
fn a_broken_request_is_refused_and_leaves_the_invitation_open() {
    let mut inviting = Inviting::new(Some(0));
    let sound = inviting.request(true);
    let mut other = Keys::new(&mut Seeded::new(80));
    let breaks: Vec<Break> = vec![
        (
            "proof",
            Code::KeyProof,
            Box::new(|r| r.signing_proof[0] ^= 1),
        ),
        (
            "signing key",
            Code::KeyProof,
            Box::new(|r| r.signing_key = [0; 32]),
        ),
        (
            "encryption key",
            Code::KeyProof,
            Box::new(|r| r.encryption_key[0] ^= 1),
        ),
        (
            "transport",
            Code::KeyProof,
            Box::new(|r| r.transport_request[40] ^= 1),
        ),
        (
            "no authority after all",
            Code::KeyProof,
            Box::new(|r| r.authority_request = None),
        ),
    ];
    for (what, code, edit) in breaks {
        let mut broken = sound.clone();
        edit(&mut broken);
        let refused = inviting.join(&broken).unwrap_err();
        assert_eq!(refused.code(), code, "{what}");
        assert!(inviting.is_open(), "{what}");
    }
    // Signed as it stands, but the transport request proves nothing.
    let mut unproven = sound.clone();
    *unproven.transport_request.last_mut().unwrap() ^= 1;
    let proof = inviting
        .keys
        .signing
        .sign(&unproven.proven(&inviting.invitation.root));
    unproven.signing_proof = proof;
    let refused = inviting.join(&unproven).unwrap_err();
    assert_eq!(refused.code(), Code::RequestMalformed);
    // One key for two purposes.
    std::mem::swap(&mut other.authority, &mut inviting.keys.authority);
    let mut twice = sound.clone();
    twice.authority_request = Some(twice.transport_request.clone());
    let proof = inviting
        .keys
        .signing
        .sign(&twice.proven(&inviting.invitation.root));
    twice.signing_proof = proof;
    let refused = inviting.join(&twice).unwrap_err();
    assert!(matches!(refused, Refusal::KeyTwice));
    assert!(inviting.is_open());
    assert!(inviting.join(&sound).is_ok(), "the sound one still joins");
}

#[test]
fn an_authority_that_was_not_granted_or_is_too_deep_is_refused() {
    let mut inviting = Inviting::new(None);
    let request = inviting.request(true);
    let refused = inviting.join(&request).unwrap_err();
    assert_eq!(refused.code(), Code::AuthorityNotGranted);
    assert!(inviting.is_open());
    let mut inviting = Inviting::new(Some(1));
    let request = inviting.request(true);
    let refused = inviting.join(&request).unwrap_err();
    assert_eq!(refused.code(), Code::IssuerUnable);
    assert!(inviting.is_open());
}

/// A township that joined, and what it needs to renew.
struct Joint {
    inviting: Inviting,
    registry: Registry,
    registered: Registered,
    issued: Issued,
}

impl Joint {
    fn new() -> Self {
        let mut inviting = Inviting::new(Some(0));
        let request = inviting.request(true);
        let joined = inviting.join(&request).unwrap();
        let registry = Registry::default();
        let registration = joined.registration;
        registry.pin(registration.node, registration.transport_key);
        Self {
            inviting,
            registry,
            registered: Registered {
                place: registration.place,
                signing_key: registration.signing_key,
                authority_levels: registration.authority_levels,
            },
            issued: joined.issued,
        }
    }

    fn peer(&self, at: Timestamp) -> PeerIdentity {
        let chain = self.issued.node.certificates();
        let root = self.inviting.tree.fingerprint();
        identify_for_renewal(chain, &root, &self.registry, at).unwrap()
    }

    fn renew(
        &mut self,
        peer: &PeerIdentity,
        request: &RenewRequest,
        at: Timestamp,
    ) -> Result<Renewed, Refusal> {
        let Tree { county, random, .. } = &mut self.inviting.tree;
        renew(county, peer, &self.registered, request, at, random)
    }
}

#[test]
fn a_node_that_was_dark_for_a_year_renews_and_is_itself_again() {
    let mut joint = Joint::new();
    let at = now() + days(180 + 300);
    let peer = joint.peer(at);
    assert!(peer.is_expired(at));
    let keys = &joint.inviting.keys;
    let next = TransportKey::generate(&mut Seeded::new(90)).unwrap();
    let authority = Some(&keys.authority);
    let request =
        RenewRequest::compose(&peer, &keys.transport, &next, &keys.signing, authority).unwrap();
    let renewed = joint.renew(&peer, &request, at).unwrap();
    let root = joint.inviting.tree.fingerprint();
    let authority = Some(joint.inviting.keys.authority.public());
    let own = renewed
        .issued
        .check(next.public(), authority, &root, at)
        .unwrap();
    assert_eq!(own.name, peer.name);
    assert_ne!(own.serial, peer.serial);
    assert_eq!(renewed.transport_key, next.public().fingerprint());
    joint.registry.pin(own.node(), renewed.transport_key);
    let chain = renewed.issued.node.certificates();
    assert!(identify(chain, &root, &joint.registry, at).is_ok());
}

#[test]
fn a_renewal_needs_both_old_keys_over_this_very_certificate() {
    let mut joint = Joint::new();
    let peer = joint.peer(now());
    let keys = &joint.inviting.keys;
    let other = Keys::new(&mut Seeded::new(91));
    let compose = |peer, transport, signing| {
        RenewRequest::compose(peer, transport, &other.transport, signing, None).unwrap()
    };
    let sound = compose(&peer, &keys.transport, &keys.signing);
    let no_transport = compose(&peer, &other.transport, &keys.signing);
    let no_signing = compose(&peer, &keys.transport, &other.signing);
    let mut older = peer.clone();
    older.serial[1] ^= 1;
    let replayed = compose(&older, &keys.transport, &keys.signing);
    let mut swapped = sound.clone();
    swapped.transport_request = signing_request(&keys.transport).unwrap();

    let mut refused = |request| joint.renew(&peer, request, now()).unwrap_err();
    assert!(matches!(refused(&no_transport), Refusal::TransportProof(_)));
    assert!(matches!(refused(&no_signing), Refusal::SigningProof(_)));
    assert!(matches!(refused(&replayed), Refusal::TransportProof(_)));
    assert!(matches!(refused(&swapped), Refusal::TransportProof(_)));
    assert!(joint.renew(&peer, &sound, now()).is_ok());
}

#[test]
fn a_node_of_another_deployment_renews_nothing() {
    let mut joint = Joint::new();
    let mut peer = joint.peer(now());
    peer.name.issued_by.deployment = crate::trust::DeploymentId([8; 10]);
    let keys = &joint.inviting.keys;
    let request =
        RenewRequest::compose(&peer, &keys.transport, &keys.transport, &keys.signing, None)
            .unwrap();
    let refused = joint.renew(&peer, &request, now()).unwrap_err();
    assert!(matches!(refused, Refusal::OtherDeployment));
}

#[test]
fn an_answer_for_another_key_or_without_what_was_asked_is_refused() {
    let joint = Joint::new();
    let root = joint.inviting.tree.fingerprint();
    let keys = &joint.inviting.keys;
    let other = Keys::new(&mut Seeded::new(92));
    let check = |transport: &TransportKey, authority: Option<&AuthorityKey>| {
        let authority = authority.map(AuthorityKey::public);
        joint
            .issued
            .check(transport.public(), authority, &root, now())
            .map(|own| own.node())
    };
    assert!(check(&keys.transport, Some(&keys.authority)).is_ok());
    assert_eq!(
        check(&other.transport, Some(&keys.authority)),
        Err(IdentityError::OtherNode)
    );
    assert_eq!(
        check(&keys.transport, Some(&other.authority)),
        Err(IdentityError::OtherNode)
    );
    assert_eq!(
        check(&keys.transport, None),
        Err(IdentityError::NotAuthority(0))
    );
    assert!(joint.registry.pinned(&node(1)).is_none());
}
