//! Which move a case allows at which stage, for every command and every stage, at one centre that handles by a department.
//!
//! The table is the rules' diagram written out: a case is taken on, given to one lead, who signs, works, and drafts; a
//! second person lets the reply leave; the dispatching side visits, and closes or orders a redo.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use fengqiao_hub::case::Stage;
use fengqiao_hub::casework::{Actor, Command, Party};
use fengqiao_hub::clock::Moment;
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
        stages.insert(book.case.stage, book.clone());
    };
    keep(&book);
    let ground = pb::DeclineGround::Unlawful;
    keep(
        book.clone()
            .does(world, &centre, Command::Decline { ground }),
    );
    keep(book.clone().does(world, &centre, Command::AnswerAtOnce));
    for (actor, command) in [
        (&centre, Command::Accept),
        (&centre, to_unit(ROADS)),
        (&roads, Command::SignFor),
        (&roads, draft_reply()),
        (&approver(COUNTY), Command::ApproveReply),
        (&roads, Command::SendReply),
        (&centre, visit()),
        (&centre, Command::OrderRedo),
        (&leader(COUNTY), Command::Decide),
    ] {
        keep(book.does(world, actor, command));
    }
    keep(with_roads(world).does(world, &roads, object()));
    keep(Book::opened(world, VILLAGE).does(world, &leader(COUNTY), take()));
    let mut over = Book::opened(world, COUNTY);
    over.does(world, &centre, Command::AnswerAtOnce)
        .does(world, &centre, close());
    keep(&over);
    stages
}

/// Who makes a move at the county: the lead's handler where work is the lead's, else the centre's staff.
fn actor_for(book: &Book, command: &Command) -> Actor {
    let handles = matches!(
        command,
        Command::SignFor
            | Command::Object { .. }
            | Command::Contact { .. }
            | Command::TakeAction
            | Command::ReportInterim
            | Command::DraftReply { .. }
    );
    match book.case.lead {
        Some(lead) if handles => everything(COUNTY, Some(lead)),
        _ => everything(COUNTY, None),
    }
}

const OPEN: &str = "registered accepted answered dispatched handling objected drafted approved replied in-hand decided \
                    visited redo";

/// Each command, the stages that allow it, and what another stage answers unless it is closed.
fn table() -> Vec<(Command, &'static str, Code)> {
    let forbids = Code::StageForbids;
    let due = Moment(START.0 + HOUR_MS);
    let party = Party {
        place: TOWNSHIP,
        unit: None,
        due,
    };
    let convene = Command::Convene {
        meeting: START,
        parties: vec![party],
    };
    let ground = pb::DeclineGround::Unlawful;
    let designate = Command::Designate {
        unit: WATER,
        due: None,
    };
    let works = "accepted dispatched handling in-hand decided redo";
    vec![
        (Command::Accept, "registered", forbids),
        (Command::Decline { ground }, "registered accepted", forbids),
        (Command::AnswerAtOnce, "registered accepted", forbids),
        (
            to_unit(ROADS),
            "accepted in-hand decided redo replied",
            forbids,
        ),
        (
            to_place(TOWNSHIP),
            "accepted in-hand decided redo replied",
            forbids,
        ),
        (Command::SignFor, "dispatched", forbids),
        (object(), "dispatched handling", forbids),
        (upheld(true), "objected", forbids),
        (designate, "accepted in-hand objected decided redo", forbids),
        (give_back(), "", Code::NotDispatchedDown),
        (Command::Contact { reached: true }, works, forbids),
        (Command::TakeAction, works, forbids),
        (Command::ReportInterim, works, forbids),
        (
            draft_reply(),
            "accepted handling in-hand decided redo replied",
            forbids,
        ),
        (Command::ApproveReply, "drafted", forbids),
        (Command::SendBackReply, "drafted", forbids),
        (Command::SendReply, "approved", forbids),
        (
            escalate(),
            "registered accepted dispatched handling objected in-hand decided redo",
            forbids,
        ),
        (Command::KeepBelow, "", Code::NoOffer),
        (take(), "", Code::NotAbove),
        (
            Command::Decide,
            "accepted handling in-hand decided redo replied",
            forbids,
        ),
        (convene, OPEN, Code::CaseClosed),
        (Command::AcknowledgeTask { task: 1 }, "", Code::TaskUnknown),
        (
            Command::ReportTask {
                task: 1,
                done: true,
            },
            "",
            Code::TaskUnknown,
        ),
        (
            Command::WorkOnSite { worked: START },
            OPEN,
            Code::CaseClosed,
        ),
        (visit(), "answered replied", forbids),
        (
            Command::Rate { score: 4 },
            "replied visited closed",
            forbids,
        ),
        (Command::OrderRedo, "visited", forbids),
        (close(), "answered visited", forbids),
        (
            Command::AdoptAnnex { entry: CASE_HASH },
            "",
            Code::AnnexUnknown,
        ),
        (
            Command::DeclineAnnex { entry: CASE_HASH },
            "",
            Code::AnnexUnknown,
        ),
        (Command::Supplement, OPEN, Code::CaseClosed),
        (
            Command::Register {
                channel: pb::Channel::Phone,
                class: "roads".to_owned(),
                urgency: pb::Urgency::Ordinary,
                external_number: String::new(),
                received: START,
            },
            "",
            forbids,
        ),
    ]
}

const CASE_HASH: fengqiao_hub::id::Hash = fengqiao_hub::id::Hash([0xee; 32]);

/// What is said where the table alone does not say it.
fn refusal(command: &Command, book: &Book, other: Code) -> Code {
    let stage = book.case.stage;
    let early = matches!(command, Command::Decline { .. } | Command::AnswerAtOnce);
    let of_open_case = matches!(
        command,
        Command::AcknowledgeTask { .. } | Command::ReportTask { .. } | Command::Close { .. }
    );
    let registers = matches!(command, Command::Register { .. });
    let closed = stage == Stage::Closed && other == Code::StageForbids && !registers;
    if early && book.case.was_dispatched {
        Code::AlreadyDispatched
    } else if closed || of_open_case && stage.is_over() {
        Code::CaseClosed
    } else {
        other
    }
}

#[test]
fn every_command_is_allowed_at_its_stages_and_refused_with_its_code_at_all_others() {
    let world = World::new();
    let stages = every_stage(&world);
    assert_eq!(stages.len(), 15, "every stage is reached");
    let table = table();
    assert_eq!(
        table.len(),
        33,
        "every command, dispatch in both directions"
    );
    let mut wrong = vec![];
    for (command, allowed, other) in &table {
        for (stage, book) in &stages {
            let expected = allowed.split(' ').any(|word| word == stage.as_str());
            let mut copy = book.clone();
            let actor = actor_for(book, command);
            match copy.tries(&world, &actor, command) {
                Ok(()) if expected => {}
                Err(refused) if !expected && refused.code == refusal(command, book, *other) => {}
                answer => wrong.push(format!(
                    "{} at {}: {:?}",
                    command.name(),
                    stage.as_str(),
                    answer.map_err(|refused| refused.code)
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Roles that let a person make a move of the centre; everyone else is told which role is missing.
#[test]
fn every_role_makes_its_own_moves_only() {
    use pb::Role;
    let world = World::new();
    let stages = every_stage(&world);
    let clerk_or_leader = [Role::Clerk, Role::Leader];
    let ground = pb::DeclineGround::Unlawful;
    let designate = Command::Designate {
        unit: WATER,
        due: None,
    };
    for (command, stage, roles) in [
        (Command::Accept, Stage::Registered, &[Role::Clerk][..]),
        (
            Command::Decline { ground },
            Stage::Registered,
            &[Role::Clerk],
        ),
        (Command::AnswerAtOnce, Stage::Registered, &[Role::Clerk]),
        (to_unit(ROADS), Stage::Accepted, &clerk_or_leader),
        (upheld(true), Stage::Objected, &clerk_or_leader),
        (designate, Stage::Accepted, &[Role::Leader]),
        (
            Command::ApproveReply,
            Stage::Drafted,
            &[Role::Approver, Role::Leader],
        ),
        (
            Command::SendBackReply,
            Stage::Drafted,
            &[Role::Approver, Role::Leader],
        ),
        (escalate(), Stage::Accepted, &clerk_or_leader),
        (Command::Decide, Stage::InHand, &[Role::Leader]),
        (visit(), Stage::Replied, &[Role::Clerk]),
        (Command::OrderRedo, Stage::Visited, &clerk_or_leader),
        (close(), Stage::Visited, &clerk_or_leader),
    ] {
        for role in [
            Role::Clerk,
            Role::Handler,
            Role::Approver,
            Role::Leader,
            Role::Administrator,
        ] {
            let mut copy = stages[&stage].clone();
            let answer = copy.tries(&world, &person(COUNTY, None, role), &command);
            let expected = if roles.contains(&role) {
                Ok(())
            } else {
                Err(Code::RoleMissing)
            };
            let name = command.name();
            assert_eq!(
                answer.map_err(|refused| refused.code),
                expected,
                "{name} {role:?}"
            );
        }
    }
}

#[test]
fn who_is_not_custodian_submits_or_is_told_who_is() {
    let world = World::new();
    let stages = every_stage(&world);
    for (command, _, _) in table() {
        if matches!(command, Command::Take { .. }) {
            continue;
        }
        for (stage, book) in &stages {
            let mut copy = book.clone();
            let entries = copy.entries.len();
            let answer = copy.tries(&world, &everything(NEXT_TOWNSHIP, None), &command);
            let name = command.name();
            if command.is_submittable() {
                // A stranger's submission reaches the custodian's rules, and none of them lets it through.
                assert!(answer.is_err(), "{name} at {}", stage.as_str());
                assert_eq!(copy.entries.len(), entries);
            } else {
                assert_eq!(answer.unwrap_err().code, Code::NotCustodian, "{name}");
            }
        }
    }
}
