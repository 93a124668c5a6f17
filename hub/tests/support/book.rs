//! One case and the people around it: each action is decided by the rules, written, put to the tree and folded.

use std::collections::BTreeSet;

use fengqiao_hub::case::{Case, Running};
use fengqiao_hub::casework::{self, Act, Actor, CaseState, DecisionContext, action, spec_of};
use fengqiao_hub::centre::{self, Decision};
use fengqiao_hub::clock::{Contact, Moment};
use fengqiao_hub::custody::{Tree, Verdict};
use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{Hash, PersonId, PlaceId, SubmissionId, UnitId};
use fengqiao_hub::rank::Rank;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;

use super::{COUNTY, ROADS, START, World, draft, key_of, node_of, step};

#[derive(Clone)]
pub struct Book {
    pub now: Moment,
    /// What is known at a centre above of the node that holds the case.
    pub contact: Contact,
    pub entries: Vec<Entry>,
    pub tree: Tree,
    pub case: Case,
}

/// What the rules let somebody write.
pub struct Judged {
    /// Whose node writes it.
    pub place: PlaceId,
    pub actor: Actor,
    pub act: Act,
    pub submission: Option<SubmissionId>,
}

/// A person of a place: a different one for each role and unit.
pub fn person(place: PlaceId, unit: Option<UnitId>, role: pb::Role) -> Actor {
    let unit_bytes = unit.map(UnitId::to_vec).unwrap_or_default();
    let id = Hash::of("test/person", &[&place.0, &unit_bytes, &[role as u8]]);
    Actor {
        person: PersonId::from_bytes(&id.0[..10]),
        place,
        unit,
        roles: BTreeSet::from([role]),
    }
}

pub fn clerk(place: PlaceId) -> Actor {
    person(place, None, pb::Role::Clerk)
}

/// A colleague of the clerk.
pub fn other_clerk(place: PlaceId) -> Actor {
    Actor {
        roles: [pb::Role::Clerk].into(),
        ..person(place, None, pb::Role::Unspecified)
    }
}

pub fn leader(place: PlaceId) -> Actor {
    person(place, None, pb::Role::Leader)
}

pub fn approver(place: PlaceId) -> Actor {
    person(place, None, pb::Role::Approver)
}

/// Of the centre's own staff, where no unit leads.
pub fn worker(place: PlaceId) -> Actor {
    person(place, None, pb::Role::Handler)
}

pub fn handler(place: PlaceId, unit: UnitId) -> Actor {
    person(place, Some(unit), pb::Role::Handler)
}

pub const ROLES: [pb::Role; 5] = [
    pb::Role::Clerk,
    pb::Role::Handler,
    pb::Role::Approver,
    pb::Role::Leader,
    pb::Role::Administrator,
];

/// Someone with every role, to show what even that person may not.
pub fn everything(place: PlaceId, unit: Option<UnitId>) -> Actor {
    Actor {
        roles: ROLES.into(),
        ..person(place, unit, pb::Role::Administrator)
    }
}

pub fn accept() -> pb::Accept {
    pb::Accept {}
}

pub fn decline(ground: pb::DeclineGround) -> pb::Decline {
    pb::Decline {
        ground: ground.into(),
        ..Default::default()
    }
}

pub fn answer() -> pb::AnswerAtOnce {
    pb::AnswerAtOnce::default()
}

pub fn reclassify(class: &str) -> pb::Reclassify {
    pb::Reclassify {
        class: class.to_owned(),
        ..Default::default()
    }
}

pub fn to_unit(unit: UnitId) -> pb::Dispatch {
    pb::Dispatch {
        lead: unit.to_string(),
        ..Default::default()
    }
}

pub fn to_units(lead: UnitId, others: &[UnitId]) -> pb::Dispatch {
    pb::Dispatch {
        co_handlers: others.iter().map(UnitId::to_string).collect(),
        ..to_unit(lead)
    }
}

pub fn to_place(place: PlaceId) -> pb::Dispatch {
    pb::Dispatch {
        place: place.to_string(),
        ..Default::default()
    }
}

/// The same with a due time set by hand.
pub fn due_by(dispatch: pb::Dispatch, due: Moment) -> pb::Dispatch {
    pb::Dispatch {
        due_ms: due.0,
        ..dispatch
    }
}

pub fn sign_for() -> pb::SignFor {
    pb::SignFor::default()
}

pub fn object() -> pb::Object {
    pb::Object::default()
}

pub fn upheld(upheld: bool) -> pb::DecideObjection {
    pb::DecideObjection {
        upheld,
        ..Default::default()
    }
}

pub fn designate(unit: UnitId) -> pb::Designate {
    pb::Designate {
        unit: unit.to_string(),
        ..Default::default()
    }
}

pub fn give_back() -> pb::Return {
    pb::Return::default()
}

pub fn contact(reached: bool) -> pb::Contact {
    pb::Contact {
        reached,
        ..Default::default()
    }
}

pub fn act() -> pb::TakeAction {
    pb::TakeAction::default()
}

pub fn interim() -> pb::ReportInterim {
    pb::ReportInterim::default()
}

pub fn supplement() -> pb::Supplement {
    pb::Supplement::default()
}

pub fn draft_reply() -> pb::DraftReply {
    pb::DraftReply {
        reasonable: true,
        ..Default::default()
    }
}

pub fn approve() -> pb::ApproveReply {
    pb::ApproveReply {}
}

pub fn send_back() -> pb::SendBackReply {
    pb::SendBackReply::default()
}

pub fn send() -> pb::SendReply {
    pb::SendReply::default()
}

pub fn escalate() -> pb::Escalate {
    pb::Escalate {
        because: pb::EscalationReason::Hard.into(),
        ..Default::default()
    }
}

pub fn keep_below() -> pb::KeepBelow {
    pb::KeepBelow::default()
}

/// By a leader's decision; where an offer is open, in answer to it.
pub fn take() -> pb::Take {
    take_because(pb::TakingReason::Decision)
}

pub fn take_because(because: pb::TakingReason) -> pb::Take {
    pb::Take {
        because: because.into(),
        ..Default::default()
    }
}

pub fn decide() -> pb::Decide {
    pb::Decide::default()
}

/// Places, or units of the convening centre, each with a task due then.
pub fn convene(parties: &[(PlaceId, Option<UnitId>)], due: Moment) -> pb::Convene {
    let party = |(place, unit): &(PlaceId, Option<UnitId>)| pb::Party {
        place: place.to_string(),
        unit: unit.map(|unit| unit.to_string()).unwrap_or_default(),
        due_ms: due.0,
        ..Default::default()
    };
    pb::Convene {
        meeting_ms: START.0,
        parties: parties.iter().map(party).collect(),
    }
}

pub fn acknowledge(task: u32) -> pb::AcknowledgeTask {
    pb::AcknowledgeTask {
        task,
        ..Default::default()
    }
}

pub fn report(task: u32, done: bool) -> pb::ReportTask {
    pb::ReportTask {
        task,
        done,
        ..Default::default()
    }
}

pub fn on_site() -> pb::WorkOnSite {
    pb::WorkOnSite {
        worked_ms: START.0,
        ..Default::default()
    }
}

/// The requester was reached, asks reasonably, and is satisfied.
pub fn visit() -> pb::ReturnVisit {
    pb::ReturnVisit {
        reached: true,
        reasonable: true,
        satisfaction: pb::Satisfaction::Satisfied.into(),
        ..Default::default()
    }
}

pub fn unreached() -> pb::ReturnVisit {
    pb::ReturnVisit {
        reached: false,
        satisfaction: pb::Satisfaction::Unspecified.into(),
        ..visit()
    }
}

/// The requester asks reasonably, and is dissatisfied.
pub fn dissatisfied() -> pb::ReturnVisit {
    pb::ReturnVisit {
        satisfaction: pb::Satisfaction::Dissatisfied.into(),
        ..visit()
    }
}

pub fn rate(score: u32) -> pb::Rate {
    pb::Rate {
        score,
        source: pb::RatingSource::Phone.into(),
    }
}

pub fn redo() -> pb::OrderRedo {
    pb::OrderRedo::default()
}

pub fn refuse_redo() -> pb::RefuseRedo {
    pb::RefuseRedo::default()
}

pub fn close() -> pb::Close {
    close_as(pb::Outcome::Solved)
}

pub fn close_as(outcome: pb::Outcome) -> pb::Close {
    pb::Close {
        outcome: outcome.into(),
        ..Default::default()
    }
}

pub fn adopt(entry: Hash) -> pb::AdoptAnnex {
    pb::AdoptAnnex {
        entry: entry.to_string(),
    }
}

pub fn decline_annex(entry: Hash) -> pb::DeclineAnnex {
    pb::DeclineAnnex {
        entry: entry.to_string(),
        ..Default::default()
    }
}

/// A request about roads by telephone.
pub fn intake() -> pb::Register {
    pb::Register {
        channel: pb::Channel::Phone.into(),
        class: "roads".to_owned(),
        received_ms: START.0,
        ..Default::default()
    }
}

/// A request of a class that goes no lower than a county.
pub fn permit() -> pb::Register {
    pb::Register {
        class: "permits".to_owned(),
        ..intake()
    }
}

/// What the node adds to a registration.
pub fn numbering() -> casework::Numbering {
    casework::Numbering {
        number: "D-2023-000001".to_owned(),
        secret_hash: Hash([5; 32]),
    }
}

impl Book {
    /// A case of class "roads" that a place has registered.
    pub fn opened(world: &World, place: PlaceId) -> Self {
        Self::opened_as(world, place, intake())
    }

    pub fn opened_as(world: &World, place: PlaceId, asked: pb::Register) -> Self {
        let context = context(world, place, START);
        let act = casework::register(&context, &clerk(place), asked, &numbering()).unwrap();
        let entry = draft(place, act.content).sign(&key_of(node_of(place)));
        let mut tree = Tree::default();
        tree.insert(step(&entry), &world.registry, false);
        Self {
            now: START,
            contact: Contact::Here,
            case: action::open(&entry, place).unwrap(),
            entries: vec![entry],
            tree,
        }
    }

    /// A case of class "roads" that a place has taken on.
    pub fn accepted(world: &World, place: PlaceId) -> Self {
        let mut book = Self::opened(world, place);
        book.does(world, &clerk(place), accept());
        book
    }

    /// A case that a place has taken on and dispatched to a centre below.
    pub fn dispatched(world: &World, from: PlaceId, to: PlaceId) -> Self {
        let mut book = Self::accepted(world, from);
        book.does(world, &clerk(from), to_place(to));
        book
    }

    pub fn state(&self) -> CaseState<'_> {
        CaseState {
            case: &self.case,
            tree: &self.tree,
        }
    }

    pub fn custodian(&self) -> PlaceId {
        self.tree.custody().unwrap().custodian
    }

    /// The clocks that run: what for, at which place, until when.
    pub fn clocks(&self) -> Vec<(String, PlaceId, Moment)> {
        let short = |running: Running| (running.clock, running.place, running.due);
        self.case.clocks(None).into_iter().map(short).collect()
    }

    /// When the clock of this name at this place ends; `None` when none runs there.
    pub fn due(&self, clock: &str, place: PlaceId) -> Option<Moment> {
        let clocks = self.case.clocks(None);
        let found = clocks
            .iter()
            .find(|running| running.clock == clock && running.place == place);
        found.map(|running| running.due)
    }

    /// Makes a move that the rules must allow; a submission is adopted by the custodian at once.
    pub fn does(
        &mut self,
        world: &World,
        actor: &Actor,
        action: impl Into<pb::Action>,
    ) -> &mut Self {
        self.does_with(world, actor, action, &[])
    }

    /// The same with texts of these roles.
    pub fn does_with(
        &mut self,
        world: &World,
        actor: &Actor,
        action: impl Into<pb::Action>,
        texts: &[&str],
    ) -> &mut Self {
        let action = action.into();
        if let Err(refusal) = self.tries(world, actor, action.clone(), texts) {
            let stage = self.case.stage().as_str();
            panic!("{} at {stage}: {refusal}", name(&action));
        }
        self
    }

    pub fn refused(&self, world: &World, actor: &Actor, action: impl Into<pb::Action>) -> Code {
        self.refused_with(world, actor, action, &[])
    }

    pub fn refused_with(
        &self,
        world: &World,
        actor: &Actor,
        action: impl Into<pb::Action>,
        texts: &[&str],
    ) -> Code {
        let action = action.into();
        match self.clone().tries(world, actor, action.clone(), texts) {
            Ok(()) => panic!("{} was not refused", name(&action)),
            Err(refusal) => refusal.code,
        }
    }

    pub fn tries(
        &mut self,
        world: &World,
        actor: &Actor,
        action: impl Into<pb::Action>,
        texts: &[&str],
    ) -> Result<(), Refusal> {
        let judged = self.judged(world, actor, action, texts)?;
        self.writes(world, judged);
        Ok(())
    }

    /// What the rules make of it, the custodian's too where it is submitted; nothing is written.
    pub fn judged(
        &self,
        world: &World,
        actor: &Actor,
        action: impl Into<pb::Action>,
        texts: &[&str],
    ) -> Result<Judged, Refusal> {
        let context = self.context(world, actor.place);
        let texts: Vec<String> = texts.iter().map(|role| (*role).to_owned()).collect();
        match centre::decide(&context, &self.state(), action.into(), actor, &texts)? {
            Decision::Write(act) => Ok(Judged {
                place: actor.place,
                actor: actor.clone(),
                act,
                submission: None,
            }),
            Decision::Submit(act) => self.adopted(world, actor, act.content),
        }
    }

    /// Names of the actions that are offered to somebody as next steps.
    pub fn next_steps(&self, world: &World, actor: &Actor) -> Vec<&'static str> {
        let context = self.context(world, actor.place);
        let steps = centre::next_steps(&context, &self.state(), actor);
        steps.into_iter().map(|spec| spec.name).collect()
    }

    fn context<'a>(&self, world: &'a World, place: PlaceId) -> DecisionContext<'a> {
        let contact = if place == self.custodian() {
            Contact::Here
        } else {
            self.contact
        };
        DecisionContext {
            contact,
            ..context(world, place, self.now)
        }
    }

    /// The custodian decides over a submission and writes what it adopts.
    pub fn submits(
        &mut self,
        world: &World,
        actor: &Actor,
        content: impl Into<Content>,
    ) -> Result<(), Refusal> {
        let judged = self.adopted(world, actor, content.into())?;
        self.writes(world, judged);
        Ok(())
    }

    fn adopted(&self, world: &World, actor: &Actor, content: Content) -> Result<Judged, Refusal> {
        let custodian = self.custodian();
        let person = actor.person.map(PersonId::to_vec).unwrap_or_default();
        let submitter = centre::submitter(&person, actor.place, actor.unit);
        let context = self.context(world, custodian);
        let act = centre::adopt(&context, &self.state(), &content, &submitter)?;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.entries.len() as u64).to_be_bytes());
        Ok(Judged {
            place: custodian,
            actor: submitter,
            act,
            submission: Some(SubmissionId(id)),
        })
    }

    pub fn writes(&mut self, world: &World, judged: Judged) {
        let place = judged.place;
        let entry = self.entry(world, judged);
        let verdict = self.tree.insert(step(&entry), &world.registry, false);
        assert!(
            matches!(verdict, Verdict::Extended | Verdict::Overtook),
            "{verdict:?}"
        );
        casework::apply(&mut self.case, &entry, place);
        self.entries.push(entry);
        assert_eq!(
            self.case.custody.custodian,
            self.custodian(),
            "fold and custody agree"
        );
    }

    /// An entry behind the head, as its author writes it.
    fn entry(&self, world: &World, judged: Judged) -> Entry {
        let Judged {
            place,
            actor,
            act,
            submission,
        } = judged;
        let head = self.tree.head().unwrap().hash;
        let mut entries = self.entries.iter();
        let before = entries.find(|entry| entry.hash == head).unwrap();
        let rank = match act.mv {
            Move::Taken(_) => before.rank.raised(world.level(place), 1).unwrap(),
            Move::None | Move::Dispatched(_) | Move::Offered(_) => before.rank.clone(),
        };
        Draft {
            rank: Rank::clone(&rank),
            sequence: before.sequence + 1,
            previous: Some(before.hash),
            author_sequence: self.entries.len() as u64 + 1,
            mv: act.mv,
            kind_class: act.kind_class,
            submission,
            body: pb::Body {
                schema: 1,
                actor: actor.person.map(PersonId::to_vec).unwrap_or_default(),
                wall_time_ms: self.now.0,
                judged_by: None,
                unsettled: false,
                content: Some(act.content),
            },
            ..draft(place, accept())
        }
        .sign(&key_of(node_of(place)))
    }

    /// An entry arrives from elsewhere; the case is folded anew from what stands.
    pub fn receives(&mut self, world: &World, entry: Entry) -> Verdict {
        let verdict = self.tree.insert(step(&entry), &world.registry, false);
        self.entries.push(entry);
        let standing = self.tree.standing();
        let entries = standing.iter().map(|hash| {
            let entry = self.entries.iter().find(|entry| entry.hash == *hash);
            let entry = entry.unwrap();
            (entry, step(entry).place)
        });
        self.case = casework::fold(entries).unwrap();
        verdict
    }

    /// Time passes.
    pub fn later(&mut self, milliseconds: i64) -> &mut Self {
        self.now = Moment(self.now.0 + milliseconds);
        self
    }
}

pub fn name(action: &pb::Action) -> &'static str {
    spec_of(action).map_or("no action", |spec| spec.name)
}

/// A centre at a moment; as if it held every case itself.
pub fn context(world: &World, place: PlaceId, now: Moment) -> DecisionContext<'_> {
    DecisionContext {
        place,
        registry: &world.registry,
        rulebook: &world.catalogue,
        now,
        contact: Contact::Here,
    }
}

/// A county case that the roads department was given.
pub fn with_roads(world: &World) -> Book {
    let mut book = Book::accepted(world, COUNTY);
    book.does(world, &clerk(COUNTY), to_unit(ROADS));
    book
}

/// A unit signs, drafts, and its reply leaves its centre; nobody who visits afterwards had a hand in it.
pub fn replies(world: &World, book: &mut Book, place: PlaceId, unit: UnitId) {
    let handler = handler(place, unit);
    book.does(world, &handler, sign_for());
    answers(world, book, &handler);
}

/// Somebody drafts, and the reply leaves the place.
pub fn answers(world: &World, book: &mut Book, drafter: &Actor) {
    book.does(world, drafter, draft_reply())
        .does(world, &approver(drafter.place), approve())
        .does(world, &approver(drafter.place), send());
}
