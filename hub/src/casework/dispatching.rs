//! Dispatching: to a unit or a centre below, signatures, objections, returns, designation.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;
use pb::Role;

use super::action::{Rules, Spec};
use super::authority::{CLERK_OR_LEADER, Who, require};
use super::context::{Context, DecisionContext};
use crate::case::{Case, Objection, Obligation, OfferKind, Receiver, Stage, Written};
use crate::entry::Move;
use crate::id::{PlaceId, UnitId};
use crate::refusal::{Code, Refusal};

/// Most co-handling units of one dispatch.
pub const CO_HANDLERS_MAX: usize = 16;

const DISPATCHABLE: &[Stage] = &[
    Stage::Accepted,
    Stage::InHand,
    Stage::Decided,
    Stage::Redo,
    Stage::Replied,
    Stage::Handling,
];

impl Rules for pb::Dispatch {
    const SPEC: Spec = Spec::new(
        "dispatch",
        "派单",
        "Dispatch to a unit of this centre or to a centre below",
        Who::Centre(CLERK_OR_LEADER),
    )
    .from(DISPATCHABLE);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        context.no_offer()?;
        no_return_passes(context)?;
        let case = context.case;
        if case.stage() == Stage::Handling && case.dispatching.lead.is_some() {
            return Err(Refusal::of(Code::StageForbids, "").because(Stage::Handling.as_str()));
        }
        // Returned as often as allowed: the next receiver is designated, by a leader who answers for it.
        if returns_used_up(context)? && !context.actor.roles.contains(&Role::Leader) {
            return Err(Refusal::of(Code::DesignationNeeded, ""));
        }
        Ok(())
    }

    fn fillable(context: &Context<'_>) -> bool {
        let mut places = context.centre.registry.places();
        has_units(context) || places.any(|place| may_receive(context, Some(place.id)).is_ok())
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let due = Some(due(context, self.due_ms)?);
        let designated = returns_used_up(context)?;
        let dispatch = Self {
            due,
            designated,
            level: 0,
            ..self
        };
        match (dispatch.lead.is_empty(), dispatch.place.is_empty()) {
            (false, true) => to_unit(dispatch, context),
            (true, false) => to_place(dispatch, context),
            (true, true) | (false, false) => {
                Err(Refusal::of(Code::Empty, "lead").because("lead | place"))
            }
        }
    }

    fn involves(&self) -> (Vec<UnitId>, Vec<PlaceId>) {
        let units = std::iter::once(&self.lead).chain(&self.co_handlers);
        let units = units.filter_map(|unit| unit.parse().ok()).collect();
        (units, Vec::new())
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        case.intake.clocks_end();
        case.reply = crate::case::Reply::default();
        case.visit.begins_anew();
        case.decided = false;
        if let Ok(lead) = self.lead.parse::<UnitId>() {
            let co_handlers = self
                .co_handlers
                .iter()
                .filter_map(|unit| unit.parse().ok())
                .collect();
            case.dispatching.leads(lead, co_handlers, written.at);
            case.dispatching.designated = self.designated;
            case.custody.in_hand = false;
            case.handling.due.clone_from(&self.due);
            receive_first(case, lead);
        } else {
            case.custody.obligations.push(Obligation {
                from: written.place,
                level: self.level,
                to: case.custody.custodian,
                since: written.at,
                due: self.due.clone(),
                replied: false,
                designated: self.designated,
            });
            case.dispatching.lead_since = written.at;
        }
    }
}

fn to_unit(dispatch: pb::Dispatch, context: &Context<'_>) -> Result<(pb::Dispatch, Move), Refusal> {
    if dispatch.co_handlers.len() > CO_HANDLERS_MAX {
        return Err(Refusal::of(Code::TooLong, "co_handlers").because(CO_HANDLERS_MAX.to_string()));
    }
    let lead = own_unit(context.centre, &dispatch.lead, "lead")?;
    let mut others = BTreeSet::new();
    for unit in &dispatch.co_handlers {
        let unit = own_unit(context.centre, unit, "co_handlers")?;
        if unit == lead || !others.insert(unit) {
            return Err(Refusal::of(Code::NamedTwice, "co_handlers"));
        }
    }
    Ok((dispatch, Move::None))
}

fn to_place(
    dispatch: pb::Dispatch,
    context: &Context<'_>,
) -> Result<(pb::Dispatch, Move), Refusal> {
    if !dispatch.co_handlers.is_empty() {
        return Err(Refusal::of(Code::Malformed, "co_handlers").because("lead"));
    }
    let below = may_receive(context, dispatch.place.parse().ok())?;
    let here = context.centre.registry.place(context.centre.place);
    let level = here.map_or(0, |place| place.level);
    Ok((pb::Dispatch { level, ..dispatch }, Move::Dispatched(below)))
}

/// A centre below that may become custodian.
fn may_receive(context: &Context<'_>, place: Option<PlaceId>) -> Result<PlaceId, Refusal> {
    const FIELD: &str = "place";
    let centre = context.centre;
    let registry = centre.registry;
    let below = place.and_then(|place| registry.place(place));
    let below = below.ok_or(Refusal::of(Code::PlaceUnknown, FIELD))?;
    if !registry.is_above(centre.place, below.id) || below.ended.is_some() {
        return Err(Refusal::of(Code::PlaceUnknown, FIELD));
    }
    // Who held the case may get it back below the lowest tier of its class, to carry out a leader's decision; one who
    // stands below that tier too has none to make.
    let decided = context.case.decided && not_pushed_down(context, centre.place, FIELD).is_ok();
    let carries_out = decided && context.case.custody.custodians.contains(&below.id);
    if !carries_out {
        not_pushed_down(context, below.id, FIELD)?;
    }
    if registry.node_of(below.id).is_none() {
        return Err(Refusal::of(Code::PlaceWithoutNode, FIELD).because(below.name.clone()));
    }
    Ok(below.id)
}

/// A duty of a department is not pushed down: the catalogue says how low a class may go.
pub(super) fn not_pushed_down(
    context: &Context<'_>,
    place: PlaceId,
    field: &'static str,
) -> Result<(), Refusal> {
    let lowest = context
        .centre
        .rulebook
        .class(&context.case.intake.class)?
        .level_lowest;
    let level = context
        .centre
        .registry
        .place(place)
        .map_or(0, |place| place.level);
    if level > lowest {
        let why = format!("{level} > {lowest}");
        return Err(Refusal::of(Code::DutyNotBelow, field).because(why));
    }
    Ok(())
}

fn receive_first(case: &mut Case, unit: UnitId) {
    let below = case.first_receiver_stands_below();
    let dispatcher = case.custody.custodian;
    case.dispatching
        .receive_first(Receiver::Unit(unit), dispatcher, below);
}

/// A unit of the centre that decides.
pub(super) fn own_unit(
    centre: &DecisionContext<'_>,
    text: &str,
    field: &'static str,
) -> Result<UnitId, Refusal> {
    let unit = text.parse::<UnitId>().ok();
    let known = unit.and_then(|unit| centre.registry.unit(unit));
    match (unit, known) {
        (Some(_), Some(known)) if known.place == centre.place && known.ended => {
            Err(Refusal::of(Code::UnitEnded, field).because(known.name.clone()))
        }
        (Some(unit), Some(known)) if known.place == centre.place => Ok(unit),
        _ => Err(Refusal::of(Code::UnitUnknown, field)),
    }
}

fn has_units(context: &Context<'_>) -> bool {
    let mut units = context.centre.registry.units_of(context.centre.place);
    units.next().is_some()
}

fn due(context: &Context<'_>, set_ms: i64) -> Result<pb::Due, Refusal> {
    match set_ms {
        0 => context.handling_due(),
        set_ms => context.set_due(set_ms),
    }
}

fn returns_used_up(context: &Context<'_>) -> Result<bool, Refusal> {
    let class = context.centre.rulebook.class(&context.case.intake.class)?;
    let bounces = context.case.dispatching.bounces;
    Ok(bounces > 0 && bounces >= class.returns_max)
}

/// A return on its way to its dispatcher is only passed on.
pub(super) fn no_return_passes(context: &Context<'_>) -> Result<(), Refusal> {
    if context.case.custody.passes_a_return {
        return Err(Refusal::of(Code::ReturnPasses, ""));
    }
    Ok(())
}

impl Rules for pb::SignFor {
    const SPEC: Spec = Spec::new(
        "sign-for",
        "签收",
        "Sign for a case dispatched to us",
        Who::Handlers,
    )
    .submittable();

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        let dispatching = &context.case.dispatching;
        let co_handles = |unit: &UnitId| dispatching.co_handlers.contains(unit);
        let waits = match context.actor.unit.filter(co_handles) {
            Some(unit) => !dispatching.co_signed.contains(&unit),
            None => dispatching.to_be_signed && context.case.stage() == Stage::Dispatched,
        };
        if waits {
            return Ok(());
        }
        Err(Refusal::of(Code::StageForbids, "").because(context.case.stage().as_str()))
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let unit = context.unit_text();
        Ok((Self { unit }, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.dispatching.signed_by(self.unit.parse().ok());
    }
}

impl Rules for pb::Object {
    const SPEC: Spec = Spec::new(
        "object",
        "派单异议",
        "Object as the lead unit: not ours",
        Who::Lead,
    )
    .from(&[Stage::Dispatched, Stage::Handling])
    .submittable();

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        let dispatching = &context.case.dispatching;
        if dispatching.lead.is_none() {
            let stage = context.case.stage();
            return Err(Refusal::of(Code::StageForbids, "").because(stage.as_str()));
        }
        may_come_back(context, dispatching.designated, dispatching.lead_since)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        if !self.proposed_unit.is_empty() {
            own_unit(context.centre, &self.proposed_unit, "proposed_unit")?;
        }
        Ok((self, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        case.dispatching.objection = case.dispatching.lead.map(|unit| Objection {
            unit,
            proposed: self.proposed_unit.parse().ok(),
        });
    }
}

/// A dispatch comes back only within the return limit of its class, only as often as the class allows, and never after a
/// designation. The limit runs from the dispatch, whatever the receiver does inside.
fn may_come_back(
    context: &Context<'_>,
    designated: bool,
    since: crate::clock::Moment,
) -> Result<(), Refusal> {
    if designated {
        return Err(Refusal::of(Code::Designated, ""));
    }
    let class = &context.case.intake.class;
    let limit = context.centre.rulebook.class(class)?.returns_max;
    if context.case.dispatching.bounces >= limit {
        return Err(Refusal::of(Code::BounceLimit, "").because(limit.to_string()));
    }
    let urgency = context.case.intake.urgency;
    let until = context.centre.rulebook.return_due(class, urgency, since)?;
    if until.is_some_and(|until| context.centre.now.0 > until.due_ms) {
        return Err(Refusal::of(Code::ReturnLate, ""));
    }
    Ok(())
}

impl Rules for pb::DecideObjection {
    const SPEC: Spec = Spec::new(
        "decide-objection",
        "派单异议认定",
        "Decide an objection",
        Who::Centre(CLERK_OR_LEADER),
    )
    .from(&[Stage::Objected]);

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let hand_over_due = if self.upheld {
            Some(context.hand_over_due()?)
        } else {
            None
        };
        let decided = Self {
            hand_over_due,
            ..self
        };
        Ok((decided, Move::None))
    }

    fn fold(&self, case: &mut Case, _written: &Written) {
        if !self.upheld {
            case.dispatching.objection = None;
            case.dispatching.worked();
            case.dispatching.first.confirm();
            return;
        }
        case.dispatching.bounces += 1;
        case.dispatching.lead_returned();
        case.dispatching.leaves_the_lead();
        case.intake.accepted = true;
        case.custody.in_hand = false;
        case.decided = false;
        case.handling.due = None;
        case.intake.await_hand_over(self.hand_over_due.as_ref());
    }
}

impl Rules for pb::Designate {
    const SPEC: Spec = Spec::new(
        "designate",
        "指定承办",
        "Designate a unit, which cannot object",
        Who::Centre(&[Role::Leader]),
    )
    .from(&[
        Stage::Accepted,
        Stage::InHand,
        Stage::Objected,
        Stage::Decided,
        Stage::Redo,
    ]);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        context.no_offer()?;
        no_return_passes(context)
    }

    fn fillable(context: &Context<'_>) -> bool {
        has_units(context)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        own_unit(context.centre, &self.unit, "unit")?;
        let due = Some(due(context, self.due_ms)?);
        Ok((Self { due, ..self }, Move::None))
    }

    fn involves(&self) -> (Vec<UnitId>, Vec<PlaceId>) {
        (self.unit.parse().into_iter().collect(), Vec::new())
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        let Ok(unit) = self.unit.parse::<UnitId>() else {
            return;
        };
        let dispatching = &mut case.dispatching;
        if dispatching.objection.is_some() && dispatching.lead != Some(unit) {
            dispatching.lead_returned();
        }
        dispatching.leads(unit, BTreeSet::new(), written.at);
        dispatching.designated = true;
        case.reply = crate::case::Reply::default();
        case.visit.begins_anew();
        case.decided = false;
        case.custody.in_hand = false;
        case.intake.clocks_end();
        case.handling.due.clone_from(&self.due);
        receive_first(case, unit);
        case.dispatching.first.confirm();
    }
}

impl Rules for pb::Return {
    const SPEC: Spec = Spec::new(
        "return",
        "退回",
        "Return a case to the centre above that dispatched it: not ours",
        Who::Centre(CLERK_OR_LEADER),
    )
    .from(&[
        Stage::Dispatched,
        Stage::Handling,
        Stage::Accepted,
        Stage::InHand,
    ])
    .class(pb::KindClass::Custody);

    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        let custody = &context.case.custody;
        let owed = custody
            .owed()
            .ok_or(Refusal::of(Code::NotDispatchedDown, ""))?;
        context.no_offer()?;
        context.parent()?;
        if custody.passes_a_return {
            return Ok(());
        }
        if context.case.stage() == Stage::InHand {
            return Err(Refusal::of(Code::StageForbids, "").because(Stage::InHand.as_str()));
        }
        may_come_back(context, owed.designated, owed.since)
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let parent = context.parent()?;
        let answer_due = Some(context.answer_due(parent)?);
        Ok((Self { answer_due, ..self }, Move::Offered(parent)))
    }

    fn fold(&self, case: &mut Case, written: &Written) {
        if let Move::Offered(to) = written.mv {
            let due = self.answer_due.as_ref();
            case.custody
                .offered(OfferKind::Returned, written.hash, to, due);
        }
    }
}

impl Rules for pb::Urge {
    const SPEC: Spec = Spec::new(
        "urge",
        "催办",
        "Press whoever has the case to go on with it",
        Who::Concerned,
    )
    .submittable();

    /// A centre urges the unit it gave the case to; a centre above, the custodian. Nobody urges upwards or themselves.
    fn ready(context: &Context<'_>) -> Result<(), Refusal> {
        let actor = context.actor;
        if actor.unit.is_some() {
            return Err(Refusal::of(Code::NotCentreStaff, ""));
        }
        require(actor, CLERK_OR_LEADER)?;
        let custodian = context.case.custody.custodian;
        if context.centre.registry.is_above(actor.place, custodian) {
            return Ok(());
        }
        if actor.place != custodian {
            return Err(Refusal::of(Code::NotAbove, ""));
        }
        match context.case.dispatching.lead {
            Some(_) => Ok(()),
            None => Err(Refusal::of(Code::StageForbids, "").because(context.case.stage().as_str())),
        }
    }

    fn judge(self, context: &Context<'_>) -> Result<(Self, Move), Refusal> {
        let case = context.case;
        let custodian = case.custody.custodian;
        let lead = case.dispatching.lead;
        let unit = lead.filter(|_| context.actor.place == custodian);
        let clocks = case.clocks(None);
        let mut theirs = clocks.iter().filter(|clock| clock.place == custodian);
        let urge = Self {
            unit: unit.map(|unit| unit.to_string()).unwrap_or_default(),
            place: custodian.to_string(),
            overdue: theirs.any(|clock| clock.is_red(context.centre.now)),
            ..self
        };
        Ok((urge, Move::None))
    }

    fn fold(&self, _case: &mut Case, _written: &Written) {}
}
