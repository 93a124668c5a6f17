//! Intake: register, accept, decline, answer at once, reclassify.

use fengqiao_proto::v1 as pb;
use pb::{KindClass, Role};

use super::action::{Rules, Spec};
use super::authority::{CLERK_OR_LEADER, Who, require};
use super::context::{Act, Actor, Context, DecisionContext};
use crate::case::{Case, Stage, Written};
use crate::clock::Moment;
use crate::entry::Move;
use crate::id::Hash;
use crate::refusal::{Code, Refusal};
use crate::rulebook::{Rulebook, Step};
use crate::{name, shape};

/// Longest external number, in characters.
pub const EXTERNAL_NUMBER_CHARACTERS_MAX: usize = 64;

const BEFORE_DISPATCH: &[Stage] = &[Stage::Registered, Stage::Accepted];

const BEFORE_REPLY: &[Stage] = &[
    Stage::Registered,
    Stage::Accepted,
    Stage::Dispatched,
    Stage::Handling,
    Stage::Objected,
    Stage::InHand,
    Stage::Decided,
    Stage::Redo,
];

/// What the node adds to a registration: the number from its reserved block and the hash of the resident's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// Readable number.
    pub number: String,
    /// Hash of the secret code.
    pub secret_hash: Hash,
}

/// Registers a case: the one action that has none to stand on.
///
/// # Errors
/// `ROLE_MISSING`, `NOT_CENTRE_STAFF`, `PLACE_ENDED`, `CLASS_UNKNOWN`, `NAME_AMBIGUOUS`, `PLACE_UNKNOWN`, `FIELD_EMPTY`,
/// `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `INVISIBLE_CHARACTER`, `SCIENTIFIC_NOTATION`, `MALFORMED`, `TIME_TOO_OLD`,
/// `TIME_IN_FUTURE`.
pub fn register(
    centre: &DecisionContext<'_>,
    actor: &Actor,
    asked: pb::Register,
    numbering: &Numbering,
) -> Result<Act, Refusal> {
    if actor.unit.is_some() {
        return Err(Refusal::of(Code::NotCentreStaff, ""));
    }
    require(actor, &[Role::Clerk])?;
    let here = centre.registry.place(centre.place);
    if here.is_some_and(|place| place.ended.is_some()) {
        return Err(Refusal::of(Code::PlaceEnded, ""));
    }
    let class = centre.rulebook.case_class(&asked.class)?.id.clone();
    if asked.channel() == pb::Channel::Unspecified {
        return Err(Refusal::of(Code::Empty, "channel"));
    }
    let external_number = external_number_of(&asked.external_number)?;
    // A time left open is now, also by a clock that is years off.
    let received = Moment(asked.received_ms);
    if received != centre.now {
        shape::received(received, centre.now, "received_ms")?;
    }
    let concerned = asked.place.parse().ok();
    let known = concerned.is_some_and(|place| centre.registry.place(place).is_some());
    if !asked.place.is_empty() && !known {
        return Err(Refusal::of(Code::PlaceUnknown, "place"));
    }
    let urgency = match asked.urgency() {
        pb::Urgency::Unspecified => pb::Urgency::Ordinary,
        urgency @ (pb::Urgency::Ordinary
        | pb::Urgency::Urgent
        | pb::Urgency::Emergency
        | pb::Urgency::Low) => urgency,
    };
    let due = |clock: fn(&_, &str, _, _) -> Result<pb::Due, Refusal>| {
        clock(centre.rulebook, &class, urgency, centre.now).map(Some)
    };
    let (accept_due, hand_over_due) = (due(Rulebook::accept_due)?, due(Rulebook::hand_over_due)?);
    let register = pb::Register {
        urgency: urgency.into(),
        number: numbering.number.clone(),
        class,
        external_number,
        secret_hash: numbering.secret_hash.to_vec(),
        accept_due,
        hand_over_due,
        ..asked
    };
    Ok(Act {
        content: fengqiao_proto::v1::body::Content::Action(register.into()),
        mv: Move::None,
        kind_class: KindClass::Opening,
    })
}

impl Rules for pb::Register {
    const SPEC: Spec = Spec::new(
        "register",
        "登记",
        "Take a case in: it gets its number, the resident a secret code",
        Who::Centre(&[Role::Clerk]),
    )
    .class(KindClass::Opening);

    /// A case is registered once.
    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        Err(Refusal::of(Code::StageForbids, "").because(context.case.stage().as_str()))
    }

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn class(&self) -> Option<&str> {
        Some(&self.class)
    }

    fn fold(&self, _case: &mut Case, _written: &Written) {}
}

/// The external number as it is kept, or empty.
fn external_number_of(given: &str) -> Result<String, Refusal> {
    const FIELD: &str = "external_number";
    if given.trim().is_empty() {
        return Ok(String::new());
    }
    match shape::damage(given.trim()) {
        None => name::read(given, EXTERNAL_NUMBER_CHARACTERS_MAX, FIELD),
        Some(shape::Damage::ScientificNotation) => {
            Err(Refusal::of(Code::ScientificNotation, FIELD))
        }
        Some(
            shape::Damage::FormulaError | shape::Damage::ColumnTooNarrow | shape::Damage::Formula,
        ) => Err(Refusal::of(Code::Malformed, FIELD)),
    }
}

impl Rules for pb::Accept {
    const SPEC: Spec = Spec::new(
        "accept",
        "受理",
        "Accept the case",
        Who::Centre(&[Role::Clerk]),
    )
    .from(&[Stage::Registered]);

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.intake.accepted = true;
        case.intake.accept_due = None;
    }
}

/// An offer is waited for: declining or answering would answer it too. After a dispatch neither is possible any more.
fn undispatched(context: &Context<'_>) -> Result<(), Refusal> {
    context.no_offer()?;
    if context.case.dispatching.ever {
        return Err(Refusal::of(Code::AlreadyDispatched, ""));
    }
    Ok(())
}

impl Rules for pb::Decline {
    const SPEC: Spec = Spec::new(
        "decline",
        "不予受理",
        "Decline the case on a ground, and tell the right way",
        Who::Centre(&[Role::Clerk]),
    )
    .from(BEFORE_DISPATCH)
    .class(KindClass::Effect);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        undispatched(context)
    }

    fn judge(self, _context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        if self.ground() == pb::DeclineGround::Unspecified {
            return Err(Refusal::of(Code::Empty, "ground"));
        }
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.intake.declined = true;
        case.intake.clocks_end();
    }
}

impl Rules for pb::AnswerAtOnce {
    const SPEC: Spec = Spec::new(
        "answer-at-once",
        "即时答复",
        "Answer at the first contact",
        Who::Centre(&[Role::Clerk]),
    )
    .from(BEFORE_DISPATCH)
    .class(KindClass::Effect);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        undispatched(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let visit_due = Some(context.visit_due()?);
        Ok((Self { visit_due, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.intake.answered = Some(written.person);
        case.intake.clocks_end();
        case.visit.due.clone_from(&self.visit_due);
    }
}

impl Rules for pb::Reclassify {
    const SPEC: Spec = Spec::new(
        "reclassify",
        "改类",
        "Give the case the class it is really of, with its limits",
        Who::Centre(CLERK_OR_LEADER),
    )
    .from(BEFORE_REPLY);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        // A parent that is asked decides by the class it was asked under.
        context.no_offer()
    }

    fn fillable(context: &Context<'_>) -> bool {
        let from = &context.case.intake.class;
        let mut others = context.centre.rulebook.classes();
        others.any(|class| class.id != *from && !class.is_group)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let (intake, book) = (&context.case.intake, context.centre.rulebook);
        let class = book.case_class(&self.class)?.id.clone();
        let class = book.reclassified(&intake.class, &class)?.id.clone();
        let anew = |due: &Option<pb::Due>, step| {
            let classes = (intake.class.as_str(), class.as_str());
            due.as_ref()
                .map(|due| book.due_reclassified(due, step, classes, intake.urgency))
                .transpose()
        };
        let within = |due: Option<pb::Due>| due.map(|due| context.within_outer(due));
        let reclassify = Self {
            from: intake.class.clone(),
            accept_due: anew(&intake.accept_due, Step::Accept)?,
            hand_over_due: within(anew(&intake.hand_over_due, Step::HandOver)?),
            due: within(anew(&context.case.handling.due, Step::Handling)?),
            class,
            ..self
        };
        Ok((reclassify, Move::None))
    }

    fn class(&self) -> Option<&str> {
        Some(&self.class)
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.intake.class.clone_from(&self.class);
        case.intake.classed_by = written.hash;
        case.intake.accept_due.clone_from(&self.accept_due);
        case.intake.hand_over_due.clone_from(&self.hand_over_due);
        case.handling.due.clone_from(&self.due);
    }
}
