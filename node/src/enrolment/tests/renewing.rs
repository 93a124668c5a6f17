//! Renewals over the same port.

use super::*;
use crate::trust::identity::window;
use crate::trust::renewal::{Renewal, renewal};

impl Centre {
    /// Whom a node below believes, by the registry as it stands here.
    fn trust_of(&self, folder: &Folder) -> Trust {
        let registry = self.with(|state| state.registry.clone());
        let registrar = Arc::new(RegistryRegistrar::new(Arc::new(registry)));
        Trust::new(&folder.root.certificate, registrar, self.clock.clone()).unwrap()
    }

    /// The city renews its own certificate and shows it.
    fn renew_itself(&self) {
        let now = self.now();
        self.with(|state| {
            renew_at_the_top(&mut state.folder, now, &mut Seeded::new(90)).unwrap();
            self.hosted.install(&state.folder.credentials);
        });
    }

    async fn renew(&self, folder: &mut Folder) -> Result<(), EnrolmentError> {
        let trust = self.trust_of(folder);
        renew(folder, &trust, &self.address, self.now()).await
    }
}

#[test]
fn the_first_place_renews_its_authority_by_the_root_key_alone() {
    let room = tempfile::tempdir().unwrap();
    let clock = StandingClock::new();
    let now = |clock: &StandingClock| Moment(clock.now().as_millisecond());
    let (path, random) = (room.path().join("city"), &mut Seeded::new(1));
    let made = init(&path, &city_options(), now(&clock), random).unwrap();
    let (mut folder, root_key) = (made.folder, made.root_key_file);
    clock.forward_days(1097);
    let over = renew_at_the_top(&mut folder, now(&clock), random);
    assert_eq!(over.unwrap_err().code(), "ENROL_CERTIFICATE");
    let other = folder.path().join("private/authority.pem");
    let wrong = renew_authority_at_the_top(&mut folder, &other, now(&clock), random);
    assert_eq!(wrong.unwrap_err().code(), "ENROL_CERTIFICATE");
    let before = folder.authority().unwrap().unwrap();
    renew_authority_at_the_top(&mut folder, &root_key, now(&clock), random).unwrap();
    drop(folder);
    let folder = Folder::open(&path).unwrap();
    let after = folder.authority().unwrap().unwrap();
    assert_eq!(after.public(), before.public());
    assert_eq!(after.levels_below(), before.levels_below());
    assert!(after.not_after() > clock.now());
    assert!(folder.credentials.own.not_after > clock.now());
}

async fn county(world: &World) -> Folder {
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    let joined = world.city.join(&world.path("county"), &token, 10).await;
    joined.unwrap()
}

#[tokio::test]
async fn a_node_renews_its_certificate_and_its_authority_and_keeps_its_keys() {
    let world = World::new().await;
    let mut county = county(&world).await;
    let before = county.credentials.own.clone();
    let authority = county.authority().unwrap().unwrap();
    world.clock.forward_days(100);
    world.city.renew(&mut county).await.unwrap();
    let path = county.path().to_owned();
    drop(county);
    let county = Folder::open(&path).unwrap();
    let own = &county.credentials.own;
    assert_eq!(
        (&own.name, &own.transport_key),
        (&before.name, &before.transport_key)
    );
    assert!(own.not_after > before.not_after);
    let renewed = county.authority().unwrap().unwrap();
    assert_eq!(renewed.public(), authority.public());
    assert_eq!(renewed.levels_below(), authority.levels_below());
    let (before, after) = (authority.chain(), renewed.chain());
    assert_ne!(
        before, after,
        "as long as the city's own lasts, and no longer"
    );
}

#[tokio::test]
async fn a_certificate_past_its_end_is_renewed_for_a_year_and_then_no_more() {
    let world = World::new().await;
    let mut county = county(&world).await;
    world.clock.forward_days(181);
    world.city.renew_itself();
    world.city.renew(&mut county).await.unwrap();
    let before = county.credentials.own.clone();
    world.clock.forward_days(180 + 366);
    world.city.renew_itself();
    let error = world.city.renew(&mut county).await.unwrap_err();
    assert_eq!(error.code(), "CERT_EXPIRED", "{error:?}");
    assert_eq!(county.credentials.own, before);
}

#[tokio::test]
async fn what_was_issued_while_the_clocks_were_ahead_is_renewed_when_they_are_right() {
    let world = World::new().await;
    let mut county = county(&world).await;
    world.clock.forward_days(200);
    world.city.renew_itself();
    world.city.renew(&mut county).await.unwrap();
    world.clock.forward_days(-200);
    let now = world.clock.now();
    let is_early = |folder: &Folder| {
        let (begin, end) = folder.credentials.window;
        renewal(begin, end, now) == Renewal::Early(begin)
    };
    assert!(is_early(&county));
    // A link takes neither of the two; the enrol port does, and gives what holds now.
    world.city.renew_itself();
    world.city.renew(&mut county).await.unwrap();
    assert!(!is_early(&county));
    let authority = county.authority().unwrap().unwrap();
    let (begin, _) = window(authority.chain().certificates()).unwrap();
    assert!(begin <= now, "its authority holds too");
    world.city.with(|state| assert!(!is_early(&state.folder)));
}

#[test]
fn a_deployment_begun_while_the_clock_was_ahead_is_mended_by_its_root_key() {
    let room = tempfile::tempdir().unwrap();
    let clock = StandingClock::new();
    let now = |clock: &StandingClock| Moment(clock.now().as_millisecond());
    let (path, random) = (room.path().join("city"), &mut Seeded::new(1));
    clock.forward_days(300);
    let made = init(&path, &city_options(), now(&clock), random).unwrap();
    let (mut folder, root_key) = (made.folder, made.root_key_file);
    let (root, fingerprint) = (folder.root.clone(), folder.root.fingerprint());
    clock.forward_days(-300);
    let early = renew_at_the_top(&mut folder, now(&clock), random);
    assert_eq!(early.unwrap_err().code(), "ENROL_CERTIFICATE");
    let other = folder.path().join("private/authority.pem");
    let wrong = renew_authority_at_the_top(&mut folder, &other, now(&clock), random);
    assert_eq!(wrong.unwrap_err().code(), "ENROL_CERTIFICATE");
    renew_authority_at_the_top(&mut folder, &root_key, now(&clock), random).unwrap();
    drop(folder);
    let folder = Folder::open(&path).unwrap();
    let (begin, end) = folder.credentials.window;
    assert!((begin..end).contains(&clock.now()));
    assert_eq!(folder.root.fingerprint(), fingerprint, "the same key");
    assert_ne!(folder.root, root, "under a certificate that holds now");
}

#[tokio::test]
async fn a_revoked_node_renews_nothing() {
    let world = World::new().await;
    let mut county = county(&world).await;
    let revoked = pb::NodeRevoked {
        node: county.identity.node.to_vec(),
        incarnation: 1,
        last_author_sequence: 0,
        lost: false,
    };
    let trust = world.city.trust_of(&county);
    world.city.with(|state| {
        state.write(pb::body::Content::from(revoked));
        let registry = Arc::new(state.registry.clone());
        world.city.registrar.replace(registry);
    });
    let (address, now) = (&world.city.address, world.city.now());
    let error = renew(&mut county, &trust, address, now).await.unwrap_err();
    assert_eq!(error.code(), "CERT_REVOKED");
}

#[tokio::test]
async fn only_the_centre_that_enrolled_a_node_renews_it() {
    let world = World::new().await;
    let county = county(&world).await;
    let peer = county.credentials.own.clone();
    let request = pb::RenewRequest::default();
    world.city.with(|state| {
        let now = state.now();
        let mut record = state.registry.node(peer.node()).unwrap().clone();
        record.pinned_at.0 = PlaceId([9; 10]);
        let refused = state.issuer.renew(&peer, &record, &request, now);
        assert_eq!(refused.unwrap_err(), EnrolRefusal::NOT_ENROLLED_HERE);
    });
}

#[tokio::test]
async fn a_renewal_for_another_key_or_without_its_proofs_is_refused() {
    use crate::trust::enrol::RenewRequest;
    use crate::trust::{AuthorityKey, TransportKey};
    let world = World::new().await;
    let county = county(&world).await;
    let peer = county.credentials.own.clone();
    let other = TransportKey::generate(&mut Seeded::new(50)).unwrap();
    let keys = &county.keys;
    let authority = county.authority().unwrap().unwrap();
    let compose = |next: &TransportKey, authority: Option<&AuthorityKey>| {
        let (present, signing) = (&keys.transport, &keys.signing);
        let request = RenewRequest::compose(&peer, present, next, signing, authority).unwrap();
        pb::RenewRequest {
            certificate_request: request.transport_request,
            transport_proof: request.transport_proof.to_vec(),
            signing_proof: request.signing_proof.to_vec(),
            authority_request: request.authority_request.unwrap_or_default(),
            authority_chain: String::new(),
        }
    };
    let sound = compose(&keys.transport, None);
    let mut with_authority = compose(&keys.transport, Some(authority.key()));
    with_authority.authority_chain = authority.chain().to_pem();
    let rekeyed = compose(&other, None);
    let mut unproven = sound.clone();
    unproven.signing_proof[0] ^= 1;
    let mut greedy = sound.clone();
    greedy.authority_request = sound.certificate_request.clone();
    greedy.authority_chain = authority.chain().to_pem();
    world.city.with(|state| {
        let now = state.now();
        let record = state.registry.node(peer.node()).unwrap().clone();
        let mut elsewhere = record.clone();
        elsewhere.place = PlaceId([9; 10]);
        let refused = state.issuer.renew(&peer, &elsewhere, &with_authority, now);
        assert_eq!(refused.unwrap_err().code, "ENROL_NO_AUTHORITY");
        let mut judge = |request| state.issuer.renew(&peer, &record, request, now);
        assert_eq!(judge(&rekeyed).unwrap_err().code, "ENROL_OTHER_KEY");
        assert_eq!(judge(&unproven).unwrap_err().code, "ENROL_KEY_PROOF");
        assert_eq!(judge(&greedy).unwrap_err().code, "ENROL_NO_AUTHORITY");
        assert!(judge(&sound).is_ok());
        assert!(judge(&with_authority).is_ok());
    });
}
