//! The enroller and the joiner's verdict, without a network.

use std::net::IpAddr;

use super::*;
use crate::enrolment::enroller::used_by;
use crate::enrolment::refusal::{JOINS_PER_MINUTE, NETWORKS_MAX, NETWORKS_OF_A_SITE, Rate};
use crate::enrolment::verdict::Asked;
use crate::folder::NodeKeys;
use crate::trust::enrol::{JoinRequest, NewKeys};
use crate::trust::{AuthorityKey, Code, Invitation};

struct Joiner {
    invitation: Invitation,
    keys: NodeKeys,
    authority: AuthorityKey,
}

impl Joiner {
    fn new(token: &str, seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        Self {
            invitation: token.parse().unwrap(),
            keys: NodeKeys::generate(&mut random).unwrap(),
            authority: AuthorityKey::generate(&mut random).unwrap(),
        }
    }

    fn request(&self) -> pb::JoinRequest {
        let keys = NewKeys {
            transport: &self.keys.transport,
            signing: &self.keys.signing,
            encryption: self.keys.encryption.public(),
            authority: Some(&self.authority),
        };
        let request = JoinRequest::compose(&self.invitation, &keys).unwrap();
        pb::JoinRequest {
            invitation: request.invitation.to_string(),
            secret: request.secret.as_bytes().to_vec(),
            place: request.place.to_string(),
            certificate_request: request.transport_request,
            signing_key: request.signing_key.to_vec(),
            signing_proof: request.signing_proof.to_vec(),
            encryption_key: request.encryption_key.to_vec(),
            authority_request: request.authority_request.unwrap(),
        }
    }
}

#[tokio::test]
async fn the_stored_form_of_an_invitation_does_not_hold_its_secret() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    let secret = token.rsplit('.').next().unwrap();
    world.city.with(|state| {
        for stored in state.book.values() {
            assert!(!stored.contains(secret));
            assert_eq!(used_by(stored), Some(None));
        }
    });
    assert_eq!(used_by("{}"), None);
}

#[tokio::test]
async fn a_token_is_not_printed_by_accident() {
    let world = World::new().await;
    let now = world.city.now();
    world.city.with(|state| {
        let minted = state
            .issuer
            .mint(PlaceId([1; 10]), None, None, 0, None, now);
        let minted = minted.unwrap();
        let options = JoinOptions {
            path: Path::new("county"),
            token: &minted.token,
            address: "city.example:7444",
            parent_name: None,
            authorities: Authorities::IfGranted,
            recovers: false,
        };
        let secret = minted.token.rsplit('.').next().unwrap();
        let shown = format!("{minted:?} {options:?} {:?}", state.issuer);
        assert!(!shown.contains(secret), "{shown}");
    });
}

#[tokio::test]
async fn a_request_that_is_not_sound_is_refused_and_the_invitation_stays_open() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let joiner = Joiner::new(&world.city.invite(place, None, Some(9)), 10);
    let sound = joiner.request();
    let changed = |change: fn(&mut pb::JoinRequest)| {
        let mut request = sound.clone();
        change(&mut request);
        request
    };
    for (request, code) in [
        (changed(|r| r.invitation.clear()), "TOKEN_MALFORMED"),
        (changed(|r| r.secret.clear()), "TOKEN_MALFORMED"),
        (changed(|r| r.secret[0] ^= 1), "TOKEN_UNKNOWN"),
        (
            changed(|r| r.place = PlaceId([9; 10]).to_string()),
            "TOKEN_OTHER_PLACE",
        ),
        (
            changed(|r| r.certificate_request.clear()),
            "ENROL_KEY_PROOF",
        ),
        (changed(|r| r.encryption_key[0] ^= 1), "ENROL_KEY_PROOF"),
        (changed(|r| r.signing_proof.truncate(63)), "ENROL_REQUEST"),
        (changed(|r| r.authority_request.clear()), "ENROL_KEY_PROOF"),
    ] {
        let before = world.city.with(|state| state.book.clone());
        let refusal = world.city.with(|state| state.join(&request)).unwrap_err();
        assert_eq!(refusal.code, code);
        assert_eq!(world.city.with(|state| state.book.clone()), before);
    }
    assert!(world.city.with(|state| state.join(&sound)).is_ok());
}

#[tokio::test]
async fn a_repeat_is_answered_alike_and_other_keys_are_refused() {
    let world = World::new().await;
    let place = world.city.add_place(1, "平原县", 40);
    let token = world.city.invite(place, None, Some(9));
    let request = Joiner::new(&token, 10).request();
    let first = world.city.with(|state| state.join(&request)).unwrap();
    let again = world.city.with(|state| state.join(&request)).unwrap();
    assert_eq!(
        (&first.node, &first.registry),
        (&again.node, &again.registry)
    );
    assert_ne!(
        first.certificate_chain, again.certificate_chain,
        "a serial each"
    );
    let other = Joiner::new(&token, 11).request();
    let refusal = world.city.with(|state| state.join(&other)).unwrap_err();
    assert_eq!(refusal, Code::TokenUsed.into());
    let node: NodeId = first.node.parse().unwrap();
    let stored = world.city.with(|state| state.book.values().next().cloned());
    assert_eq!(used_by(&stored.unwrap()), Some(Some(node)));
}

#[tokio::test]
async fn authorities_are_granted_as_far_as_they_reach_and_hours_within_their_bounds() {
    let world = World::new().await;
    let place = PlaceId([1; 10]);
    let now = world.city.now();
    world.city.with(|state| {
        let mut mint = |hours| {
            state
                .issuer
                .mint(place, None, Some(u8::MAX), hours, None, now)
        };
        let day = mint(0).unwrap();
        assert_eq!(day.expires.0 - now.0, 24 * 3_600_000);
        assert!(
            day.stored.contains("\"authority_levels\":4"),
            "{}",
            day.stored
        );
        assert_eq!(mint(720).unwrap().expires.0 - now.0, 720 * 3_600_000);
        assert_eq!(mint(721).unwrap_err(), EnrolRefusal::HOURS);
    });
}

#[tokio::test]
async fn an_answer_that_was_changed_on_any_point_is_not_believed() {
    let world = World::new().await;
    world.city.add_unit(7, "市公安局");
    let place = world.city.add_place(1, "平原县", 40);
    let joiner = Joiner::new(&world.city.invite(place, None, Some(9)), 10);
    let request = joiner.request();
    let sound = world.city.with(|state| state.join(&request)).unwrap();
    let parent = world
        .city
        .with(|state| state.folder.credentials.own.clone());
    let asked = Asked {
        invitation: &joiner.invitation,
        parent: &parent,
        keys: &joiner.keys,
        authority: Some(&joiner.authority),
        now: timestamp(world.city.now()),
    };
    assert!(asked.judge(&sound).is_ok());
    type Change = fn(&mut pb::JoinResponse);
    let changes: [(&str, Change); 16] = [
        ("place", |a| a.place = PlaceId([9; 10]).to_string()),
        ("node", |a| a.node = NodeId([9; 10]).to_string()),
        ("deployment", |a| a.deployment = NodeId([9; 10]).to_string()),
        ("unit", |a| a.unit = UnitId([9; 10]).to_string()),
        ("a unit that is none", |a| a.unit = "x".to_owned()),
        ("parent node", |a| {
            a.parent_node = NodeId([9; 10]).to_string()
        }),
        ("parent name", |a| a.parent_name.clear()),
        ("incarnation", |a| a.incarnation = 2),
        ("generation", |a| a.generation = 2),
        ("no certificate", |a| a.certificate_chain.clear()),
        ("another's certificate", |a| {
            a.certificate_chain = a.authority_chain.clone()
        }),
        ("no authority", |a| a.authority_chain.clear()),
        ("no genesis", |a| drop(a.registry.remove(0))),
        ("a gap", |a| drop(a.registry.remove(1))),
        ("no registration", |a| drop(a.registry.pop())),
        ("a signature", |a| a.registry[1].signature[0] ^= 1),
    ];
    for (what, change) in changes {
        let mut answer = sound.clone();
        change(&mut answer);
        assert!(asked.judge(&answer).is_err(), "{what}");
    }
}

#[test]
fn the_rate_counts_each_address_for_a_minute() {
    let mut rate = Rate::of(JOINS_PER_MINUTE);
    let one: IpAddr = "192.0.2.1".parse().unwrap();
    let other: IpAddr = "192.0.2.2".parse().unwrap();
    for _ in 0..JOINS_PER_MINUTE {
        assert!(rate.admit(one, Moment(1000)));
    }
    assert!(!rate.admit(one, Moment(60_999)));
    assert!(rate.admit(other, Moment(60_999)));
    assert!(rate.admit(one, Moment(61_000)));
}

#[test]
fn addresses_of_one_ipv6_network_are_one_and_a_site_has_the_tries_of_ten() {
    let mut rate = Rate::of(JOINS_PER_MINUTE);
    let address = |network: u16, host: u16| {
        IpAddr::from(std::net::Ipv6Addr::new(
            0x2001, 0xdb8, 0, network, 0, 0, 0, host,
        ))
    };
    for host in 0..5 {
        assert!(rate.admit(address(1, host), Moment(0)));
    }
    assert!(!rate.admit(address(1, 6), Moment(0)));
    let of_site = (2..4_000).filter(|network| rate.admit(address(*network, 0), Moment(0)));
    assert_eq!(of_site.count(), JOINS_PER_MINUTE * (NETWORKS_OF_A_SITE - 1));
    let elsewhere = IpAddr::from(std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 1));
    assert!(rate.admit(elsewhere, Moment(0)));
}

#[test]
fn nobody_keeps_a_newcomer_out_by_trying_from_everywhere() {
    let mut rate = Rate::of(JOINS_PER_MINUTE);
    for index in 0..2 * NETWORKS_MAX {
        let [.., high, low] = index.to_be_bytes();
        assert!(rate.admit(IpAddr::from([10, 0, high, low]), Moment(0)));
    }
    let stranger: IpAddr = "192.0.2.1".parse().unwrap();
    for _ in 0..JOINS_PER_MINUTE {
        assert!(rate.admit(stranger, Moment(1)));
    }
    assert!(!rate.admit(stranger, Moment(2)));
}

#[test]
fn every_refusal_comes_back_from_its_status() {
    let trust = Code::ALL.iter().map(|code| EnrolRefusal::from(*code));
    for refusal in trust.chain(EnrolRefusal::OWN) {
        assert_eq!(EnrolRefusal::of_status(&refusal.to_status()), Some(refusal));
        assert!(refusal.english.is_ascii() && !refusal.chinese.is_ascii());
    }
    let later = EnrolRefusal {
        code: "ENROL_LATER",
        english: "something new",
        chinese: "新",
    };
    let later = later.to_status();
    assert_eq!(EnrolRefusal::of_status(&later), None);
    assert_eq!(EnrolRefusal::words_of(&later), "ENROL_LATER: something new");
    let foreign = tonic::Status::permission_denied("no");
    assert_eq!(EnrolRefusal::of_status(&foreign), None);
    assert_eq!(EnrolRefusal::words_of(&foreign), "PermissionDenied");
}
