//! What is shown once is kept nowhere, request ids are an account's own, and a centre never loses its administrator.

use fengqiao_hub::clock::Contact;
use fengqiao_hub::id::{Hash, NodeId};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_node::engine::{
    AccountChange, Administration, Caller, CaseMove, Input, Output, Request, token_hash,
};
use fengqiao_node::journal::Position;
use fengqiao_node::store::tables;
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::world::{EVERY_ROLE, World, account};
use prost::Message as _;

fn request<T>(login: &str, request_id: &str, what: T) -> Box<Request<T>> {
    Box::new(Request {
        ticket: 1,
        request_id: request_id.into(),
        asked: Hash::of("test", &[b"the same"]),
        caller: Caller {
            login: login.into(),
        },
        what,
    })
}

fn ask(world: &mut World, node: NodeId, input: Input) -> Result<Vec<u8>, Refusal> {
    let answer = |output| {
        if let Output::Answer(_, answer) = output {
            Some(answer)
        } else {
            None
        }
    };
    let outputs = world.process(node, vec![input]);
    outputs.into_iter().find_map(answer).unwrap()
}

fn administer<M: prost::Message + Default>(
    world: &mut World,
    node: NodeId,
    (login, request_id): (&str, &str),
    what: Administration,
) -> Result<M, Refusal> {
    let input = Input::Administer(request(login, request_id, what));
    let answer = ask(world, node, input)?;
    Ok(M::decode(&answer[..]).unwrap())
}

fn register(login: &str, request_id: &str) -> Input {
    let what = CaseMove {
        case: None,
        action: moves::register(moves::intake(pb::Channel::Window, "disputes-neighbours")),
        content: Some(pb::PrivateContent {
            texts: vec![pb::PrivateText {
                role: "text".into(),
                text: "邻居装修噪声".into(),
            }],
            requester: None,
        }),
        linked: true,
        contact: Contact::Here,
    };
    Input::Act(request(login, request_id, what))
}

/// Whether a text stands in what a node has written.
fn is_kept(world: &World, node: NodeId, text: &str) -> bool {
    let views = &world.nodes[&node].views;
    let holds = |bytes: &[u8]| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let (lo, hi) = (vec![0], vec![u8::MAX]);
    let rows = views.store().range(&lo, &hi, 1_000).unwrap();
    let records = views.reader().tail(Position(0));
    rows.iter().any(|(key, row)| holds(key) || holds(row))
        || records
            .map(Result::unwrap)
            .any(|record| holds(&record.payload))
}

fn open(login: &str, role: pb::Role) -> Administration {
    account(login, &[role], None)
}

fn set(login: &str, closed: bool) -> Administration {
    Administration::SetAccount(AccountChange {
        login: login.into(),
        closed: Some(closed),
        ..Default::default()
    })
}

fn account_row(world: &World, node: NodeId, login: &str) -> pb::AccountSet {
    let store = world.nodes[&node].views.store();
    let row = store.get(&tables::account(login)).unwrap().unwrap();
    pb::AccountSet::decode(&row[..]).unwrap()
}

#[test]
fn a_secret_code_is_shown_once_and_kept_nowhere() {
    let (mut world, city) = World::new(7);
    let first = ask(&mut world, city, register("admin", "r1")).unwrap();
    let first = pb::ActResponse::decode(&first[..]).unwrap();
    assert_eq!(first.secret_code.len(), 16);
    assert!(!first.secret_withheld);
    assert!(!is_kept(&world, city, &first.secret_code));
    assert!(
        is_kept(&world, city, &first.number),
        "what is no secret is kept"
    );
    let again = ask(&mut world, city, register("admin", "r1")).unwrap();
    let expected = pb::ActResponse {
        secret_code: String::new(),
        secret_withheld: true,
        ..first
    };
    assert_eq!(pb::ActResponse::decode(&again[..]).unwrap(), expected);
    world.restart(city);
    let after = ask(&mut world, city, register("admin", "r1")).unwrap();
    assert_eq!(again, after);
}

#[test]
fn an_access_token_is_shown_once_and_kept_nowhere() {
    let (mut world, city) = World::new(7);
    let opened = |world: &mut World| -> pb::SetAccountResponse {
        administer(world, city, ("admin", "r1"), open("wang", pb::Role::Clerk)).unwrap()
    };
    let first = opened(&mut world);
    assert_eq!(first.token.len(), 32);
    assert!(!is_kept(&world, city, &first.token));
    let again = opened(&mut world);
    assert!(again.token.is_empty() && again.secret_withheld);
    assert_eq!(again.person, first.person);
    let rotated = |world: &mut World| -> pb::RotateTokenResponse {
        let what = Administration::RotateToken("wang".into());
        administer(world, city, ("admin", "r2"), what).unwrap()
    };
    let new = rotated(&mut world).token;
    assert!(!is_kept(&world, city, &new));
    let again = rotated(&mut world);
    assert!(again.token.is_empty() && again.secret_withheld);
    let hash = account_row(&world, city, "wang").token_hash;
    assert_eq!(hash, token_hash(&new).to_vec(), "the repeat gave no other");
}

#[test]
fn a_request_id_of_one_account_says_nothing_to_another() {
    let (mut world, city) = World::new(7);
    let first = ask(&mut world, city, register("admin", "r1")).unwrap();
    let other = ask(&mut world, city, register("second", "r1")).unwrap();
    let case = |answer: &[u8]| pb::ActResponse::decode(answer).unwrap().case;
    assert_ne!(
        case(&first),
        case(&other),
        "each account has ids of its own"
    );
    for stranger in ["nobody", "", "../../x", &"x".repeat(5_000)] {
        let answer = ask(&mut world, city, register(stranger, "r1"));
        assert_eq!(
            World::code(&answer),
            Some(Code::AccountUnknown),
            "{stranger}"
        );
        let what = Administration::RotateToken("admin".into());
        let answer =
            administer::<pb::RotateTokenResponse>(&mut world, city, (stranger, "r9"), what);
        assert_eq!(
            World::code(&answer),
            Some(Code::AccountUnknown),
            "{stranger}"
        );
    }
    administer::<pb::SetAccountResponse>(&mut world, city, ("admin", "r2"), set("second", true))
        .unwrap();
    let closed = ask(&mut world, city, register("second", "r1"));
    assert_eq!(World::code(&closed), Some(Code::AccountClosed));
}

#[test]
fn no_login_however_long_ends_the_engine() {
    let (mut world, city) = World::new(7);
    let long = "x".repeat(5_000);
    for what in [
        open(&long, pb::Role::Clerk),
        Administration::RotateToken(long.clone()),
        Administration::RevokeToken(long.clone()),
        Administration::PrepareRenewal(vec![long.clone(), "admin".into()]),
    ] {
        let shown = format!("{what:?}");
        let answer = administer::<pb::RevokeTokenResponse>(&mut world, city, ("admin", "r1"), what);
        assert!(answer.is_err(), "{shown}");
    }
}

#[test]
fn closing_ends_a_token_for_good_and_reopening_gives_a_new_one() {
    let (mut world, city) = World::new(7);
    let mut change = |id: &str, what| -> Result<pb::SetAccountResponse, Refusal> {
        administer(&mut world, city, ("admin", id), what)
    };
    let first = change("r1", open("wang", pb::Role::Clerk)).unwrap().token;
    let closed = change("r2", set("wang", true)).unwrap();
    assert!(closed.token.is_empty() && !closed.secret_withheld);
    let roles = change("r3", open("wang", pb::Role::Handler));
    assert_eq!(World::code(&roles), Some(Code::AccountClosed));
    let second = change("r4", set("wang", false)).unwrap().token;
    assert!(!second.is_empty() && second != first);
    let unknown = change("r5", set("wagn", true));
    assert_eq!(World::code(&unknown), Some(Code::AccountUnknown));
    let kept = account_row(&world, city, "wang");
    assert_eq!(kept.token_hash, token_hash(&second).to_vec());
    assert_eq!(kept.roles, [i32::from(pb::Role::Clerk)], "as before");
}

#[test]
fn of_an_account_only_what_is_named_changes() {
    let (mut world, city) = World::new(7);
    let unit = world.add_unit(city, "市城管局");
    let mut change = |id: &str, what: AccountChange| {
        let what = Administration::SetAccount(what);
        administer::<pb::SetAccountResponse>(&mut world, city, ("admin", id), what).unwrap();
        account_row(&world, city, "wang")
    };
    let named = || AccountChange {
        login: "wang".into(),
        ..Default::default()
    };
    let opened = change(
        "r1",
        AccountChange {
            roles: vec![pb::Role::Clerk.into()],
            unit: Some(Some(unit)),
            ..named()
        },
    );
    let roles = change(
        "r2",
        AccountChange {
            roles: vec![pb::Role::Handler.into()],
            ..named()
        },
    );
    assert_eq!(
        (&roles.unit, &roles.token_hash),
        (&opened.unit, &opened.token_hash)
    );
    assert_eq!(roles.roles, [i32::from(pb::Role::Handler)]);
    let moved = change(
        "r3",
        AccountChange {
            unit: Some(None),
            ..named()
        },
    );
    assert!(moved.unit.is_empty());
    assert_eq!(
        (&moved.roles, &moved.token_hash),
        (&roles.roles, &opened.token_hash)
    );
}

#[test]
fn the_last_administrator_stays() {
    let (mut world, city) = World::new(7);
    let mut change = |id: &str, what| -> Result<pb::SetAccountResponse, Refusal> {
        administer(&mut world, city, ("admin", id), what)
    };
    change("r0", set("third", true)).unwrap();
    change("r1", set("second", true)).unwrap();
    for (id, what) in [
        ("r2", set("admin", true)),
        ("r3", open("admin", pb::Role::Clerk)),
    ] {
        let refused = change(id, what);
        assert_eq!(World::code(&refused), Some(Code::LastAdministrator));
    }
    change("r4", open("admin", pb::Role::Administrator)).unwrap();
    change("r5", set("second", false)).unwrap();
    change("r6", set("admin", true)).unwrap();
}

#[test]
fn who_holds_the_folder_opens_a_first_account_only_where_no_administrator_is_open() {
    let (mut world, city) = World::new(7);
    let what = || account("founder", &EVERY_ROLE, None);
    let answer = administer::<pb::SetAccountResponse>(&mut world, city, ("founder", "r1"), what());
    assert_eq!(World::code(&answer), Some(Code::AccountUnknown));
    // As a folder of an older version may say: both are closed.
    for login in ["admin", "second", "third"] {
        let row = pb::AccountSet {
            closed: true,
            ..account_row(&world, city, login)
        };
        let node = &world.nodes[&city];
        let mut batch = fengqiao_node::store::Batch::default();
        batch.put(tables::account(login), row.encode_to_vec());
        let store = node.views.store();
        store.apply(&batch, store.applied().unwrap()).unwrap();
    }
    let answer = administer::<pb::SetAccountResponse>(&mut world, city, ("founder", "r2"), what());
    assert_eq!(answer.unwrap().token.len(), 32);
    let answer = administer::<pb::SetAccountResponse>(&mut world, city, ("other", "r3"), what());
    assert_eq!(World::code(&answer), Some(Code::AccountUnknown));
}
