//! Which action a case allows at which stage, for every action and every stage, at one centre that handles by a department.
//!
//! The table is the rules' diagram written out: a case is taken on, given to one lead, who signs, works, and drafts; a
//! second person lets the reply leave; the dispatching side visits, and closes or orders a redo.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::case::Stage;
use fengqiao_hub::casework::{Actor, Who, action, spec_of};
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::Hash;
use fengqiao_hub::refusal::Code;
use fengqiao_proto::v1 as pb;
use support::book::*;
use support::*;

/// A county case at every stage; the roads department leads wherever a unit does.
fn every_stage(world: &World) -> BTreeMap<Stage, Book> {
    let roads = handler(COUNTY, ROADS);
    let centre = clerk(COUNTY);
    let mut stages = BTreeMap::new();
    let mut book = Book::opened(world, COUNTY);
    let mut keep = |book: &Book| {
        stages.insert(book.case.stage(), book.clone());
    };
    keep(&book);
    let unlawful = decline(pb::DeclineGround::Unlawful);
    keep(book.clone().does(world, &centre, unlawful));
    keep(book.clone().does(world, &centre, answer()));
    let steps: [(_, pb::Action); 9] = [
        (&centre, accept().into()),
        (&centre, to_unit(ROADS).into()),
        (&roads, sign_for().into()),
        (&roads, draft_reply().into()),
        (&approver(COUNTY), approve().into()),
        (&roads, send().into()),
        (&centre, visit().into()),
        (&centre, redo().into()),
        (&leader(COUNTY), decide().into()),
    ];
    for (actor, action) in steps {
        keep(book.does(world, actor, action));
    }
    keep(with_roads(world).does(world, &roads, object()));
    keep(Book::opened(world, VILLAGE).does(world, &leader(COUNTY), take()));
    let mut over = Book::opened(world, COUNTY);
    over.does(world, &centre, answer())
        .does(world, &centre, close_as(pb::Outcome::Explained));
    keep(&over);
    stages
}

/// Who acts at the county: the lead's handler where work is the lead's, else the centre's staff.
fn actor_for(book: &Book, action: &pb::Action) -> Actor {
    let who = spec_of(action).unwrap().who;
    match book.case.dispatching.lead {
        Some(lead) if matches!(who, Who::Lead | Who::Handlers) => everything(COUNTY, Some(lead)),
        _ => everything(COUNTY, None),
    }
}

const OPEN: &str = "registered accepted answered dispatched handling objected drafted approved replied in-hand decided \
                    visited redo";
const NO_ENTRY: Hash = Hash([0xee; 32]);

/// Each action, the stages that allow it, and what another stage of an open case answers.
fn table() -> Vec<(pb::Action, &'static str, Code)> {
    let forbids = Code::StageForbids;
    let unlawful = decline(pb::DeclineGround::Unlawful);
    let parties = convene(&[(TOWNSHIP, None)], Moment(START.0 + HOUR_MS));
    let works = "accepted dispatched handling in-hand decided redo";
    let dispatches = "accepted in-hand decided redo replied";
    let drafts = "accepted handling in-hand decided redo replied";
    let escalates = "registered accepted dispatched handling objected in-hand decided redo";
    let designates = "accepted in-hand objected decided redo";
    let leads = "dispatched handling objected drafted approved replied visited";
    let decides = "accepted handling in-hand decided redo replied";
    vec![
        (registered().into(), "", forbids),
        (accept().into(), "registered", forbids),
        (unlawful.into(), "registered accepted", forbids),
        (answer().into(), "registered accepted", forbids),
        (reclassify("permits").into(), escalates, forbids),
        (to_unit(ROADS).into(), dispatches, forbids),
        (to_place(TOWNSHIP).into(), dispatches, forbids),
        (sign_for().into(), "dispatched", forbids),
        (object().into(), "dispatched handling", forbids),
        (upheld(true).into(), "objected", forbids),
        (designate(WATER).into(), designates, forbids),
        (give_back().into(), "", Code::NotDispatchedDown),
        (pb::Urge::default().into(), leads, forbids),
        (contact(true).into(), works, forbids),
        (act().into(), works, forbids),
        (interim().into(), works, forbids),
        (supplement().into(), OPEN, forbids),
        (draft_reply().into(), drafts, forbids),
        (approve().into(), "drafted", forbids),
        (send_back().into(), "drafted", forbids),
        (send().into(), "approved", forbids),
        (escalate().into(), escalates, forbids),
        (keep_below().into(), "", Code::NoOffer),
        (take().into(), "", Code::NotAbove),
        (decide().into(), decides, forbids),
        (parties.into(), OPEN, forbids),
        (acknowledge(1).into(), "", Code::NotHandler),
        (report(1, true).into(), "", Code::NotHandler),
        (on_site().into(), OPEN, forbids),
        (visit().into(), "answered replied", forbids),
        (rate(4).into(), "replied visited closed", forbids),
        (redo().into(), "visited", forbids),
        (refuse_redo().into(), "", Code::NoRedoOwed),
        (close().into(), "answered visited", forbids),
        (adopt(NO_ENTRY).into(), "", Code::AnnexUnknown),
        (decline_annex(NO_ENTRY).into(), "", Code::AnnexUnknown),
    ]
}

/// What is said where the table alone does not say it.
fn refusal(action: &pb::Action, book: &Book, other: Code) -> Code {
    let spec = spec_of(action).unwrap();
    let early = matches!(spec.name, "decline" | "answer-at-once");
    if book.case.stage().is_over() && !spec.when_over {
        Code::CaseClosed
    } else if early && book.case.dispatching.ever {
        Code::AlreadyDispatched
    } else {
        other
    }
}

#[test]
fn every_action_is_allowed_at_its_stages_and_refused_with_its_code_at_all_others() {
    let world = World::new();
    let stages = every_stage(&world);
    assert_eq!(stages.len(), 15, "every stage is reached");
    let table = table();
    let names: BTreeSet<_> = table.iter().map(|(action, ..)| name(action)).collect();
    assert_eq!(names.len(), action::ALL.len(), "every action");
    let mut wrong = vec![];
    for (action, allowed, other) in &table {
        for (stage, book) in &stages {
            let expected = allowed.split(' ').any(|word| word == stage.as_str());
            let mut copy = book.clone();
            let actor = actor_for(book, action);
            match copy.tries(&world, &actor, action.clone(), &["reason"]) {
                Ok(()) if expected => {}
                Err(refused) if !expected && refused.code == refusal(action, book, *other) => {}
                answer => wrong.push(format!(
                    "{} at {}: {:?}",
                    name(action),
                    stage.as_str(),
                    answer.map_err(|refused| refused.code)
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Roles that let a person of the centre act; everyone else is told which role is missing.
#[test]
fn every_role_acts_in_its_own_part_only() {
    use pb::Role;
    let world = World::new();
    let stages = every_stage(&world);
    let clerk_or_leader = [Role::Clerk, Role::Leader];
    let approving = [Role::Approver, Role::Leader];
    let unlawful = decline(pb::DeclineGround::Unlawful);
    let table: [(pb::Action, Stage, &[Role]); 14] = [
        (accept().into(), Stage::Registered, &[Role::Clerk]),
        (unlawful.into(), Stage::Registered, &[Role::Clerk]),
        (answer().into(), Stage::Registered, &[Role::Clerk]),
        (to_unit(ROADS).into(), Stage::Accepted, &clerk_or_leader),
        (upheld(true).into(), Stage::Objected, &clerk_or_leader),
        (designate(WATER).into(), Stage::Accepted, &[Role::Leader]),
        (approve().into(), Stage::Drafted, &approving),
        (send_back().into(), Stage::Drafted, &approving),
        (escalate().into(), Stage::Accepted, &clerk_or_leader),
        (decide().into(), Stage::InHand, &[Role::Leader]),
        (visit().into(), Stage::Replied, &[Role::Clerk]),
        (rate(5).into(), Stage::Replied, &[Role::Clerk]),
        (redo().into(), Stage::Visited, &clerk_or_leader),
        (close().into(), Stage::Visited, &clerk_or_leader),
    ];
    for (action, stage, roles) in table {
        for role in ROLES {
            let mut copy = stages[&stage].clone();
            let answer = copy.tries(&world, &person(COUNTY, None, role), action.clone(), &[]);
            let expected = if roles.contains(&role) {
                Ok(())
            } else {
                Err(Code::RoleMissing)
            };
            let name = name(&action);
            let answer = answer.map_err(|refused| refused.code);
            assert_eq!(answer, expected, "{name} {role:?}");
        }
    }
}

#[test]
fn who_is_not_custodian_submits_or_is_told_who_is() {
    let world = World::new();
    let stages = every_stage(&world);
    for (action, _, _) in table() {
        let spec = spec_of(&action).unwrap();
        if spec.name == "take" {
            continue;
        }
        for (stage, book) in &stages {
            let mut copy = book.clone();
            let entries = copy.entries.len();
            let stranger = everything(NEXT_TOWNSHIP, None);
            let answer = copy.tries(&world, &stranger, action.clone(), &[]);
            if spec.submittable {
                // A stranger's submission reaches the custodian's rules, and none of them lets it through.
                assert!(answer.is_err(), "{} at {}", spec.name, stage.as_str());
                assert_eq!(copy.entries.len(), entries);
            } else {
                let code = answer.unwrap_err().code;
                assert_eq!(code, Code::NotCustodian, "{}", spec.name);
            }
        }
    }
}
