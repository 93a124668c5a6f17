//! What a decision looks at, and what it comes to.

use std::collections::BTreeSet;

use fengqiao_proto::v1 as pb;
use pb::body::Content;

use crate::case::Case;
use crate::clock::{Contact, Moment};
use crate::custody::Tree;
use crate::entry::Move;
use crate::id::{PersonId, PlaceId, UnitId};
use crate::jurisdiction::Registry;
use crate::refusal::{Code, Refusal};
use crate::rulebook::Rulebook;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Person; `None` when a rule acts.
    pub person: Option<PersonId>,
    /// Centre the person acts at.
    pub place: PlaceId,
    /// Unit, when not the centre's own staff.
    pub unit: Option<UnitId>,
    /// Roles.
    pub roles: BTreeSet<pb::Role>,
}

/// What a decision looks at besides the case.
#[derive(Debug, Clone, Copy)]
pub struct DecisionContext<'a> {
    /// Centre that decides.
    pub place: PlaceId,
    /// Places, units, nodes.
    pub registry: &'a Registry,
    /// Rulebook in force.
    pub rulebook: &'a Rulebook,
    /// Now, by this node's clock.
    pub now: Moment,
    /// What is known here of the node that holds the case.
    pub contact: Contact,
}

/// A case as a decision sees it.
#[derive(Debug, Clone, Copy)]
pub struct CaseState<'a> {
    /// The fold of its standing chain.
    pub case: &'a Case,
    /// All entries by custody.
    pub tree: &'a Tree,
}

/// Everything an action is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The centre and its time.
    pub centre: &'a DecisionContext<'a>,
    /// The case.
    pub case: &'a Case,
    /// Its entries by custody.
    pub tree: &'a Tree,
    /// Who acts.
    pub actor: &'a Actor,
    /// Roles of the texts that go along; `None` where they are sealed already.
    pub texts: Option<&'a [String]>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Content of the body.
    pub content: Content,
    /// What it does to custody.
    pub mv: Move,
    /// Coarse class.
    pub kind_class: pb::KindClass,
}

impl Context<'_> {
    /// Whether a text of a role goes along, as far as can be seen here.
    #[must_use]
    pub fn has_text(&self, role: &str) -> bool {
        self.texts
            .is_none_or(|texts| texts.iter().any(|text| text == role))
    }

    /// The unit that acts.
    #[must_use]
    pub fn unit_text(&self) -> String {
        self.actor
            .unit
            .map(|unit| unit.to_string())
            .unwrap_or_default()
    }

    /// The parent of the deciding centre, to whom a case is offered. One that was moved offers nothing to its new parent
    /// before the common superior has passed the case on: it could not be taken.
    pub(crate) fn parent(&self) -> Result<PlaceId, Refusal> {
        let centre = self.centre;
        let parent = centre.registry.place(centre.place);
        let parent = parent.and_then(|place| place.parent);
        let parent = parent.ok_or(Refusal::of(Code::NoParent, ""))?;
        let way = self.tree.way();
        if centre.registry.parent_knowing(centre.place, way) == Some(parent) {
            return Ok(parent);
        }
        Err(Refusal::of(Code::MoveAwaited, "").because(centre.registry.name(centre.place)))
    }

    /// Refuses while the parent has not answered an offer: what is decided now would decide it too.
    pub(crate) fn no_offer(&self) -> Result<(), Refusal> {
        if self.case.custody.offer.is_some() {
            return Err(Refusal::of(Code::OfferOpen, ""));
        }
        Ok(())
    }

    pub(crate) fn hand_over_due(&self) -> Result<pb::Due, Refusal> {
        let intake = &self.case.intake;
        let due =
            self.centre
                .rulebook
                .hand_over_due(&intake.class, intake.urgency, self.centre.now)?;
        Ok(self.within_outer(due))
    }

    pub(crate) fn handling_due(&self) -> Result<pb::Due, Refusal> {
        let intake = &self.case.intake;
        let due =
            self.centre
                .rulebook
                .handling_due(&intake.class, intake.urgency, self.centre.now)?;
        Ok(self.within_outer(due))
    }

    pub(crate) fn visit_due(&self) -> Result<pb::Due, Refusal> {
        let intake = &self.case.intake;
        self.centre
            .rulebook
            .visit_due(&intake.class, intake.urgency, self.centre.now)
    }

    /// Until when the centre asked answers an offer: not beyond what it owes a superior itself.
    pub(crate) fn answer_due(&self, asked: PlaceId) -> Result<pb::Due, Refusal> {
        let intake = &self.case.intake;
        let due =
            self.centre
                .rulebook
                .answer_due(&intake.class, intake.urgency, self.centre.now)?;
        let level = self.centre.registry.place(asked).map(|place| place.level);
        let binds = self.case.custody.due_above(level.unwrap_or_default());
        Ok(within(due, binds))
    }

    /// An inner clock never runs longer than what a superior's dispatch allows.
    pub(crate) fn within_outer(&self, due: pb::Due) -> pb::Due {
        within(due, self.case.custody.outer_due())
    }

    pub(crate) fn not_beyond_superior(
        &self,
        due_ms: i64,
        field: &'static str,
    ) -> Result<(), Refusal> {
        let outer = self.case.custody.outer_due();
        let Some(outer) = outer.filter(|outer| outer.due_ms < due_ms) else {
            return Ok(());
        };
        let limit = Moment(outer.due_ms).to_string();
        Err(Refusal::of(Code::DueBeyondSuperior, field).because(limit))
    }

    /// A due time of the handling set by hand: not before now, not beyond what the rulebook allows nor a superior's dispatch.
    pub(crate) fn set_due(&self, due_ms: i64) -> Result<pb::Due, Refusal> {
        const FIELD: &str = "due_ms";
        let due = self.hand_set("handling", self.centre.now, due_ms, FIELD)?;
        self.not_beyond_superior(due_ms, FIELD)?;
        Ok(due)
    }

    /// A due time set by hand for a clock, within what the rulebook allows.
    pub(crate) fn hand_set(
        &self,
        clock: &str,
        start: Moment,
        due_ms: i64,
        field: &'static str,
    ) -> Result<pb::Due, Refusal> {
        let intake = &self.case.intake;
        self.centre
            .rulebook
            .set_due(clock, &intake.class, intake.urgency, start, Moment(due_ms))
            .map_err(|refusal| Refusal { field, ..refusal })
    }
}

fn within(due: pb::Due, outer: Option<&pb::Due>) -> pb::Due {
    match outer {
        Some(outer) if due.due_ms > outer.due_ms => pb::Due {
            clock: due.clock,
            ..outer.clone()
        },
        Some(_) | None => due,
    }
}
