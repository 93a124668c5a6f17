//! Every way to fill in an action well, as somebody could who sees the case.

use fengqiao_hub::casework::Actor;
use fengqiao_hub::clock::Moment;
use fengqiao_proto::v1 as pb;

use super::book::*;
use super::{HOUR_MS, PLACES, UNITS, World};

pub const OUTCOMES: [pb::Outcome; 6] = [
    pb::Outcome::Solved,
    pb::Outcome::PartlySolved,
    pb::Outcome::Explained,
    pb::Outcome::UnreasonableExplained,
    pb::Outcome::Withdrawn,
    pb::Outcome::Referred,
];

/// Candidates for an action of this name; the rules accept some of them if they accept any.
pub fn ways_to(name: &str, world: &World, book: &Book, actor: &Actor) -> Vec<pb::Action> {
    let tasks = 1..book.case.next_task();
    let annex = book.tree.annex();
    let soon = Moment(book.now.0 + HOUR_MS);
    let units = || UNITS.iter().map(|(unit, _)| *unit);
    match name {
        "register" => vec![intake().into(), permit().into()],
        "accept" => vec![accept().into()],
        "decline" => vec![decline(pb::DeclineGround::SameMatter).into()],
        "answer-at-once" => vec![answer().into()],
        "dispatch" => units()
            .flat_map(|unit| {
                let others: Vec<_> = units().filter(|other| *other != unit).take(2).collect();
                [
                    to_unit(unit),
                    to_units(unit, &others),
                    due_by(to_unit(unit), soon),
                ]
            })
            .chain(PLACES.map(|(place, ..)| to_place(place)))
            .chain(PLACES.map(|(place, ..)| due_by(to_place(place), soon)))
            .map(pb::Action::from)
            .collect(),
        "sign-for" => vec![sign_for().into()],
        "object" => vec![object().into()],
        "decide-objection" => vec![upheld(true).into(), upheld(false).into()],
        "designate" => units().map(|unit| designate(unit).into()).collect(),
        "return" => vec![give_back().into()],
        "reclassify" => ["roads", "permits"]
            .map(|class| reclassify(class).into())
            .into(),
        "urge" => vec![pb::Urge::default().into()],
        "contact" => vec![contact(true).into(), contact(false).into()],
        "take-action" => vec![act().into()],
        "report-interim" => vec![interim().into()],
        "supplement" => vec![supplement().into()],
        "draft-reply" => vec![draft_reply().into()],
        "approve-reply" => vec![approve().into()],
        "send-back-reply" => vec![send_back().into()],
        "send-reply" => vec![send().into()],
        "escalate" => vec![escalate().into()],
        "keep-below" => vec![keep_below().into()],
        "take" => [
            pb::TakingReason::Decision,
            pb::TakingReason::Overdue,
            pb::TakingReason::Dark,
        ]
        .map(|because| take_because(because).into())
        .into(),
        "decide" => vec![decide().into()],
        "convene" => convenings(world, book, actor),
        "acknowledge-task" => tasks.map(|task| acknowledge(task).into()).collect(),
        "report-task" => tasks
            .flat_map(|task| [report(task, true).into(), report(task, false).into()])
            .collect(),
        "work-on-site" => vec![on_site().into()],
        "return-visit" => {
            let unreasonable = pb::ReturnVisit {
                reasonable: false,
                ..dissatisfied()
            };
            [visit(), unreached(), dissatisfied(), unreasonable]
                .map(pb::Action::from)
                .into()
        }
        "rate" => [1, 3, 5]
            .into_iter()
            .flat_map(|score| {
                let own_code = pb::Rate {
                    source: pb::RatingSource::OwnCode.into(),
                    ..rate(score)
                };
                [rate(score).into(), own_code.into()]
            })
            .collect(),
        "order-redo" => vec![redo().into()],
        "refuse-redo" => vec![refuse_redo().into()],
        "close" => OUTCOMES.map(|outcome| close_as(outcome).into()).into(),
        "adopt-annex" => annex.into_iter().map(|entry| adopt(entry).into()).collect(),
        "decline-annex" => {
            let annex = annex.into_iter();
            annex.map(|entry| decline_annex(entry).into()).collect()
        }
        other => panic!("nobody said how to fill in {other}"),
    }
}

/// The own centre, each of its units, and each place below, due at once or soon.
fn convenings(world: &World, book: &Book, actor: &Actor) -> Vec<pb::Action> {
    let here = actor.place;
    let units = UNITS.iter().filter(|(_, place)| *place == here);
    let parties = units
        .map(|(unit, _)| (here, Some(*unit)))
        .chain(PLACES.iter().map(|(place, ..)| (*place, None)))
        .filter(|(place, _)| world.registry.is_within(*place, here));
    let called = |party, due| pb::Convene {
        meeting_ms: book.now.0,
        ..convene(&[party], due)
    };
    parties
        .flat_map(|party| {
            let soon = Moment(book.now.0 + HOUR_MS);
            [called(party, book.now).into(), called(party, soon).into()]
        })
        .collect()
}
