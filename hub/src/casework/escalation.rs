//! Escalation: push up, keep below, take, decide.

use fengqiao_proto::v1 as pb;
use pb::{KindClass, Role, TakingReason};

use super::action::{Rules, Spec};
use super::authority::{CLERK_OR_LEADER, Who, require};
use super::context::{Act, Actor, Context, DecisionContext};
use super::dispatching::{no_return_passes, not_pushed_down};
use crate::case::{Case, OfferKind, OpenOffer, Running, Stage, Written, clocks_of_notice};
use crate::entry::Move;
use crate::id::PlaceId;
use crate::notice;
use crate::refusal::{Code, Refusal};

/// An unasked taking of one case by one tier is not repeated within this time.
pub const TAKING_PAUSE_MS: i64 = 24 * 3_600_000;

impl Rules for pb::Escalate {
    const SPEC: Spec = Spec::new(
        "escalate",
        "提级",
        "Push the case up to the centre above",
        Who::Centre(CLERK_OR_LEADER),
    )
    .from(&[
        Stage::Registered,
        Stage::Accepted,
        Stage::Dispatched,
        Stage::Handling,
        Stage::InHand,
        Stage::Decided,
        Stage::Objected,
        Stage::Redo,
    ])
    .class(KindClass::Custody);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        context.no_offer()?;
        no_return_passes(context)?;
        context.parent().map(|_| ())
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        if self.because() == pb::EscalationReason::Unspecified {
            return Err(Refusal::of(Code::Empty, "because"));
        }
        let parent = context.parent()?;
        let answer_due = Some(context.answer_due(parent)?);
        Ok((Self { answer_due, ..self }, Move::Offered(parent)))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        if let Move::Offered(to) = written.mv {
            let due = self.answer_due.as_ref();
            case.custody
                .offered(OfferKind::Escalated, written.hash, to, due);
        }
    }
}

impl Rules for pb::KeepBelow {
    const SPEC: Spec = Spec::new(
        "keep-below",
        "不予提级，由下级继续办理",
        "Answer an offer from below: it stays there, with an opinion",
        Who::Asked,
    )
    .class(KindClass::Custody)
    .submittable();

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        let custody = &context.case.custody;
        let offer = custody
            .offer
            .as_ref()
            .ok_or(Refusal::of(Code::NoOffer, ""))?;
        match offer.kind {
            // Whoever holds it under a dispatch got it by the same rule, or carries out a decision.
            OfferKind::Escalated if custody.owed().is_some() => Ok(()),
            // What a department has to do is not left below by an opinion either.
            OfferKind::Escalated => not_pushed_down(context, custody.custodian, ""),
            OfferKind::Returned | OfferKind::Replied => {
                let dispatcher = custody.obligations.last().map(|owed| owed.from);
                if dispatcher == Some(offer.to) {
                    return Ok(());
                }
                let name = dispatcher.map(|place| context.centre.registry.name(place));
                Err(Refusal::of(Code::NotDispatcher, "").because(name.unwrap_or_default()))
            }
        }
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let offer = context.case.custody.offer.as_ref();
        let answering = offer
            .map(|offer| offer.entry.to_string())
            .unwrap_or_default();
        Ok((Self { answering, ..self }, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        let answering = self.answering.parse().ok();
        if case.custody.answered_by(answering).is_none() {
            return;
        }
        match case.custody.offer.take().map(|offer| offer.kind) {
            Some(OfferKind::Returned) => {
                case.dispatching.first.confirm();
                case.custody.passes_a_return = false;
            }
            Some(OfferKind::Replied) => {
                if let Some(owed) = case.custody.obligations.last_mut() {
                    owed.replied = false;
                }
                case.reply_is_not_taken();
                case.dispatching.signed = true;
            }
            Some(OfferKind::Escalated) | None => {}
        }
    }
}

impl Rules for pb::Take {
    const SPEC: Spec = Spec::new(
        "take",
        "提级办理（接办）",
        "Take a case from below, offered or not",
        Who::Above,
    )
    .when_over()
    .class(KindClass::Custody);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        let (centre, case, tree) = (context.centre, context.case, context.tree);
        let custodian = tree
            .custody()
            .map_or(case.custody.custodian, |custody| custody.custodian);
        if !centre.registry.is_above(centre.place, custodian) {
            thaws_itself(context, custodian)?;
        } else if !centre
            .registry
            .is_above_knowing(centre.place, custodian, tree.way())
        {
            return Err(Refusal::of(Code::MoveAwaited, ""));
        }
        // A frozen chain is thawed whatever its stage: one of the two records that stand against each other may be the
        // closing.
        if case.stage().is_over() && !tree.is_frozen() {
            return Err(Refusal::of(Code::CaseClosed, ""));
        }
        if offered(context).is_some() {
            return require(context.actor, CLERK_OR_LEADER);
        }
        require(context.actor, &[Role::Leader])?;
        let too_often = case.custody.takings.iter().any(|(place, at)| {
            *place == centre.place && centre.now.0.saturating_sub(at.0) < TAKING_PAUSE_MS
        });
        if too_often && !tree.is_frozen() {
            return Err(Refusal::of(Code::TakenTooOften, ""));
        }
        Ok(())
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let Some(offer) = offered(context) else {
            if !context.tree.is_frozen() {
                let clocks = context.case.clocks(None);
                has_reason(self.because(), context.centre, &clocks)?;
            } else if self.because() == TakingReason::Unspecified {
                return Err(Refusal::of(Code::Empty, "because"));
            }
            let hand_over_due = Some(context.hand_over_due()?);
            let take = Self {
                hand_over_due,
                visit_due: None,
                ..self
            };
            return Ok((take, Move::Taken(None)));
        };
        let answering = Move::Taken(Some(offer.entry));
        let obligations = &context.case.custody.obligations;
        let take = Self {
            because: TakingReason::Unspecified.into(),
            hand_over_due: None,
            visit_due: None,
            ..self
        };
        // Whoever asked first visits; a dispatcher that owes a reply itself hands this one on.
        let asked_first = matches!(&obligations[..], [owed] if owed.from == context.centre.place);
        if offer.kind == OfferKind::Replied && asked_first {
            let visit_due = Some(context.visit_due()?);
            return Ok((Self { visit_due, ..take }, answering));
        }
        let hand_over_due = Some(context.hand_over_due()?);
        let take = Self {
            hand_over_due,
            ..take
        };
        Ok((take, answering))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.intake.await_hand_over(self.hand_over_due.as_ref());
        case.visit.due.clone_from(&self.visit_due);
    }
}

/// The offer that the deciding centre was asked by.
fn offered<'a>(context: &Context<'a>) -> Option<&'a OpenOffer> {
    let offer = context.case.custody.offer.as_ref();
    offer.filter(|offer| offer.to == context.centre.place && !context.tree.is_frozen())
}

/// A reason to take unasked is checked against what is known here: overdue needs a clock that is red for longer than the
/// class's grace, dark a silence beyond the contact limit. That a place ended or moved is for the registry to say, and
/// its cases are taken by rule.
fn has_reason(
    because: TakingReason,
    centre: &DecisionContext<'_>,
    clocks: &[Running],
) -> Result<(), Refusal> {
    const FIELD: &str = "because";
    match because {
        TakingReason::Decision => Ok(()),
        TakingReason::Overdue => {
            let below = |running: &&Running| {
                centre.registry.is_above(centre.place, running.place) && running.clock != "annex"
            };
            let late = clocks
                .iter()
                .filter(below)
                .any(|running| running.is_past_grace(centre.now));
            if late {
                Ok(())
            } else {
                Err(Refusal::of(Code::NotOverdue, FIELD))
            }
        }
        TakingReason::Dark => {
            if centre.contact.is_silent(centre.now) {
                Ok(())
            } else {
                Err(Refusal::of(Code::NotDark, FIELD))
            }
        }
        TakingReason::Unspecified => Err(Refusal::of(Code::Empty, FIELD)),
        TakingReason::Ended | TakingReason::Moved => {
            Err(Refusal::of(Code::OutOfRange, FIELD).because("overdue | decision | dark"))
        }
    }
}

/// Takes a case that is known by its notice only, by the same rules as one whose chain is held.
///
/// # Errors
/// `NOT_CENTRE_STAFF`, `ROLE_MISSING`, `NOT_ABOVE`, `MOVE_AWAITED`, `CASE_CLOSED`, `FIELD_EMPTY`, `NOT_OVERDUE`,
/// `NOT_DARK`, `CLASS_UNKNOWN`.
pub fn take_noticed(
    centre: &DecisionContext<'_>,
    noticed: &pb::Notice,
    asked: pb::Take,
    actor: &Actor,
) -> Result<Act, Refusal> {
    if actor.unit.is_some() {
        return Err(Refusal::of(Code::NotCentreStaff, ""));
    }
    require(actor, &[Role::Leader])?;
    let custodian = PlaceId::from_bytes(&noticed.custodian)
        .filter(|custodian| centre.registry.is_above(centre.place, *custodian))
        .ok_or(Refusal::of(Code::NotAbove, ""))?;
    let way = notice::way_of(noticed);
    if !centre
        .registry
        .is_above_knowing(centre.place, custodian, &way)
    {
        return Err(Refusal::of(Code::MoveAwaited, ""));
    }
    if matches!(noticed.stage.as_str(), "closed" | "declined") {
        return Err(Refusal::of(Code::CaseClosed, ""));
    }
    has_reason(asked.because(), centre, &clocks_of_notice(noticed))?;
    let urgency = i32::try_from(noticed.urgency).ok();
    let urgency = urgency.and_then(|number| pb::Urgency::try_from(number).ok());
    let hand_over_due =
        centre
            .rulebook
            .hand_over_due(&noticed.class, urgency.unwrap_or_default(), centre.now)?;
    let take = pb::Take {
        hand_over_due: Some(hand_over_due),
        visit_due: None,
        ..asked
    };
    Ok(Act {
        content: pb::body::Content::Action(take.into()),
        mv: Move::Taken(None),
        kind_class: KindClass::Custody,
    })
}

/// Nobody stands above the first place: what it wrote twice it takes itself, in a generation the root key has given its
/// node since.
fn thaws_itself(context: &Context<'_>, custodian: PlaceId) -> Result<(), Refusal> {
    let (centre, tree) = (context.centre, context.tree);
    let first = centre.registry.root() == Some(centre.place) && custodian == centre.place;
    if !first || !tree.is_frozen() {
        return Err(Refusal::of(Code::NotAbove, ""));
    }
    let place = centre.registry.place(centre.place);
    let level = place.map_or(0, |place| place.level);
    let rank = tree.head().and_then(|head| head.rank.part(level));
    let node = centre.registry.node_of(centre.place);
    let generation = node.map_or(0, |node| node.generation);
    if generation > rank.map_or(1, |(taken_in, _)| taken_in) {
        return Ok(());
    }
    Err(Refusal::of(Code::RootKeyNeeded, ""))
}

impl Rules for pb::Decide {
    const SPEC: Spec = Spec::new(
        "decide",
        "批示",
        "Record a leader's decision on the case",
        Who::Centre(&[Role::Leader]),
    )
    .from(&[
        Stage::Accepted,
        Stage::InHand,
        Stage::Handling,
        Stage::Decided,
        Stage::Redo,
        Stage::Replied,
    ])
    .class(KindClass::Effect);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        context.no_offer()?;
        no_return_passes(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        // A clock that runs goes on: deciding again does not lengthen it.
        let runs =
            context.case.handling.due.is_some() || context.case.intake.hand_over_due.is_some();
        let hand_over_due = if runs {
            None
        } else {
            Some(context.hand_over_due()?)
        };
        Ok((
            Self {
                hand_over_due,
                ..self
            },
            Move::None,
        ))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.decided = true;
        case.reply = crate::case::Reply::default();
        case.visit.begins_anew();
        if let Some(due) = &self.hand_over_due {
            case.intake.await_hand_over(Some(due));
        }
    }
}
