//! Facts about invitations: one use, one place, one day.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::trust::random::Seeded;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn inviter() -> NodeId {
    NodeId([4; 10])
}

fn invitation(seed: u64) -> Invitation {
    Invitation::mint(
        Fingerprint::from_bytes([1; 32]),
        PlaceId([2; 10]),
        inviter(),
        &mut Seeded::new(seed),
    )
    .unwrap()
}

fn claim(invitation: &Invitation) -> Claim {
    Claim {
        id: invitation.id,
        place: invitation.place,
        secret: invitation.secret.clone(),
    }
}

fn book(invitation: &Invitation) -> InvitationBook {
    let mut book = InvitationBook::default();
    let entry = InvitationEntry::new(invitation, Some(1), INVITATION_HOURS, at(0));
    book.add(invitation.id, entry).unwrap();
    book
}

const REQUEST: Fingerprint = Fingerprint::from_bytes([6; 32]);
const OTHER_REQUEST: Fingerprint = Fingerprint::from_bytes([7; 32]);

fn joiner() -> NodeId {
    NodeId([5; 10])
}

#[test]
fn a_token_is_read_back_from_its_text() {
    let invitation = invitation(1);
    let token = invitation.to_token();
    assert_eq!(token.split('.').count(), 5);
    assert_eq!(token.len(), 3 + 64 + 16 + 16 + 26 + 4);
    assert_eq!(token.parse::<Invitation>().unwrap(), invitation);
    let padded = format!("  {}\n", token.as_str());
    assert_eq!(padded.parse::<Invitation>().unwrap(), invitation);
}

#[test]
fn each_malformed_part_of_a_token_is_named_and_never_repeated() {
    let token = invitation(1).to_token();
    let parts: Vec<&str> = token.split('.').collect();
    let with = |position: usize, part: &str| {
        let mut parts = parts.clone();
        parts[position] = part;
        parts.join(".").parse::<Invitation>().unwrap_err()
    };
    assert_eq!(with(0, "fq2"), InvitationError::Prefix);
    assert_eq!(with(1, "00"), InvitationError::Root(HexError));
    let upper = parts[1].replace('0', "A");
    assert_eq!(with(1, &upper), InvitationError::Root(HexError));
    assert!(matches!(with(2, "x"), InvitationError::Place(_)));
    assert!(matches!(with(3, "x"), InvitationError::Id(_)));
    let error = with(4, "hunter2");
    assert!(matches!(error, InvitationError::Secret(_)));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    assert_eq!(
        "fq1.a.b".parse::<Invitation>(),
        Err(InvitationError::Parts(3))
    );
    assert_eq!("".parse::<Invitation>(), Err(InvitationError::Prefix));
}

#[test]
fn neither_invitation_nor_book_prints_or_stores_the_secret() {
    let invitation = invitation(1);
    let token = invitation.to_token();
    let secret = token.rsplit('.').next().unwrap();
    let book = book(&invitation);
    let stored = serde_json::to_string(&book).unwrap();
    assert!(!stored.contains(secret));
    assert!(!format!("{invitation:?}").contains(secret));
    assert!(format!("{invitation:?}").contains("secret: Secret"));
    assert_eq!(
        serde_json::from_str::<InvitationBook>(&stored).unwrap(),
        book
    );
}

#[test]
fn an_invitation_names_its_inviter_and_no_other_node() {
    let invitation = invitation(1);
    assert!(invitation.is_from(inviter()));
    assert!(!invitation.is_from(joiner()));
}

#[test]
fn an_invitation_is_used_once_and_a_repeat_of_the_same_request_is_known() {
    let invitation = invitation(1);
    let mut book = book(&invitation);
    let claim = claim(&invitation);
    let first = book.redeem(&claim, &REQUEST, joiner(), at(1)).unwrap();
    assert_eq!(
        first,
        Standing::First {
            authority_levels: Some(1)
        }
    );
    let again = book.redeem(&claim, &REQUEST, inviter(), at(2)).unwrap();
    assert_eq!(
        again,
        Standing::Again {
            node: joiner(),
            authority_levels: Some(1)
        }
    );
    assert_eq!(
        book.redeem(&claim, &OTHER_REQUEST, inviter(), at(3)),
        Err(RedeemError::Used)
    );
}

#[test]
fn an_invitation_ends_at_its_instant() {
    let invitation = invitation(1);
    let book = book(&invitation);
    let claim = claim(&invitation);
    let day = INVITATION_HOURS * 3600;
    assert!(book.check(&claim, &REQUEST, at(day - 1)).is_ok());
    assert_eq!(
        book.check(&claim, &REQUEST, at(day)),
        Err(RedeemError::Expired)
    );
}

#[test]
fn without_the_secret_every_invitation_is_unknown() {
    let sound = invitation(1);
    let mut book = book(&sound);
    book.redeem(&claim(&sound), &REQUEST, joiner(), at(1))
        .unwrap();
    let mut wrong = claim(&sound);
    wrong.secret = invitation(2).secret;
    assert_eq!(
        book.check(&wrong, &REQUEST, at(2)),
        Err(RedeemError::Unknown)
    );
    assert_eq!(
        book.check(&claim(&invitation(2)), &REQUEST, at(2)),
        Err(RedeemError::Unknown)
    );
}

#[test]
fn another_place_and_a_withdrawn_invitation_are_refused() {
    let invitation = invitation(1);
    let mut book = book(&invitation);
    let mut elsewhere = claim(&invitation);
    elsewhere.place = PlaceId([9; 10]);
    assert_eq!(
        book.redeem(&elsewhere, &REQUEST, joiner(), at(1)),
        Err(RedeemError::WrongPlace)
    );
    book.revoke(&invitation.id, at(1)).unwrap();
    assert_eq!(
        book.redeem(&claim(&invitation), &REQUEST, joiner(), at(1)),
        Err(RedeemError::Revoked)
    );
    assert_eq!(book.revoke(&invitation.id, at(1)), Err(BookError::Unknown));
}

#[test]
fn an_id_stands_once_and_what_is_over_can_be_forgotten() {
    let invitation = invitation(1);
    let mut book = book(&invitation);
    let entry = InvitationEntry::new(&invitation, None, 1, at(0));
    assert_eq!(book.add(invitation.id, entry), Err(BookError::Present));
    assert_eq!(book.forget_before(at(INVITATION_HOURS * 3600)), 0);
    assert_eq!(book.forget_before(at(INVITATION_HOURS * 3600 + 1)), 1);
    assert_eq!(book.entries().count(), 0);
}
