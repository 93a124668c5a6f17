//! One case and the people around it: each move is decided by the rules, written, put to the tree and folded.

use std::collections::BTreeSet;

use fengqiao_hub::case::Case;
use fengqiao_hub::casework::{Act, Actor, Command, Known, View, intake};
use fengqiao_hub::centre::{self, Decision};
use fengqiao_hub::clock::Moment;
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
    pub entries: Vec<Entry>,
    pub tree: Tree,
    pub case: Case,
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

pub fn leader(place: PlaceId) -> Actor {
    person(place, None, pb::Role::Leader)
}

pub fn approver(place: PlaceId) -> Actor {
    person(place, None, pb::Role::Approver)
}

pub fn handler(place: PlaceId, unit: UnitId) -> Actor {
    person(place, Some(unit), pb::Role::Handler)
}

/// Someone with every role, to show what even that person may not.
pub fn everything(place: PlaceId, unit: Option<UnitId>) -> Actor {
    Actor {
        roles: [
            pb::Role::Clerk,
            pb::Role::Handler,
            pb::Role::Approver,
            pb::Role::Leader,
            pb::Role::Administrator,
        ]
        .into(),
        ..person(place, unit, pb::Role::Administrator)
    }
}

pub fn to_unit(unit: UnitId) -> Command {
    Command::Dispatch {
        lead: Some(unit),
        place: None,
        co_handlers: vec![],
        due: None,
    }
}

pub fn to_place(place: PlaceId) -> Command {
    Command::Dispatch {
        lead: None,
        place: Some(place),
        co_handlers: vec![],
        due: None,
    }
}

pub fn take() -> Command {
    Command::Take {
        reason: pb::TakingReason::Decision,
    }
}

pub fn escalate() -> Command {
    Command::Escalate {
        reason: pb::EscalationReason::Hard,
    }
}

pub fn close() -> Command {
    Command::Close {
        outcome: pb::Outcome::Solved,
    }
}

pub fn object() -> Command {
    Command::Object {
        proposed_unit: None,
    }
}

pub fn give_back() -> Command {
    Command::Return {
        proposed_place: None,
    }
}

pub fn upheld(upheld: bool) -> Command {
    Command::DecideObjection { upheld }
}

pub fn draft_reply() -> Command {
    Command::DraftReply { reasonable: true }
}

pub fn visit() -> Command {
    Command::ReturnVisit {
        reached: true,
        reasonable: true,
    }
}

pub fn intake() -> intake::Intake<'static> {
    intake::Intake {
        channel: pb::Channel::Phone,
        class: "roads",
        urgency: pb::Urgency::Unspecified,
        external_number: "",
        received: START,
    }
}

impl Book {
    /// A case of class "roads" that a place has registered.
    pub fn opened(world: &World, place: PlaceId) -> Self {
        Self::opened_as(world, place, intake())
    }

    pub fn opened_as(world: &World, place: PlaceId, taken_in: intake::Intake<'_>) -> Self {
        let view = view(world, place, START);
        let numbering = intake::Numbering {
            number: "D-2023-000001".to_owned(),
            secret_hash: Hash([5; 32]),
        };
        let act = intake::register(&view, &clerk(place), &taken_in, &numbering).unwrap();
        let entry = draft(place, act.content).sign(&key_of(node_of(place)));
        let mut tree = Tree::default();
        tree.insert(step(&entry), &world.registry, false);
        Self {
            now: START,
            case: Case::open(&entry, place).unwrap(),
            entries: vec![entry],
            tree,
        }
    }

    pub fn known(&self) -> Known<'_> {
        Known {
            case: &self.case,
            tree: &self.tree,
        }
    }

    pub fn custodian(&self) -> PlaceId {
        self.tree.custody().unwrap().custodian
    }

    /// Makes a move that the rules must allow; a submission is adopted by the custodian at once.
    pub fn does(&mut self, world: &World, actor: &Actor, command: Command) -> &mut Self {
        let name = command.name();
        if let Err(refusal) = self.tries(world, actor, &command) {
            panic!("{name} at {}: {refusal}", self.case.stage.as_str());
        }
        self
    }

    pub fn refused(&self, world: &World, actor: &Actor, command: &Command) -> Code {
        let mut copy = self.clone();
        match copy.tries(world, actor, command) {
            Ok(()) => panic!("{} was not refused", command.name()),
            Err(refusal) => refusal.code,
        }
    }

    pub fn tries(
        &mut self,
        world: &World,
        actor: &Actor,
        command: &Command,
    ) -> Result<(), Refusal> {
        let view = view(world, actor.place, self.now);
        match centre::decide(&view, &self.known(), command, actor)? {
            Decision::Write(act) => self.writes(world, actor.place, actor, act, None),
            Decision::Submit(act) => self.submits(world, actor, &act.content)?,
        }
        Ok(())
    }

    /// The custodian decides over a submission and writes what it adopts.
    pub fn submits(
        &mut self,
        world: &World,
        actor: &Actor,
        content: &Content,
    ) -> Result<(), Refusal> {
        let custodian = self.custodian();
        let person = actor.person.map(PersonId::to_vec).unwrap_or_default();
        let submitter = centre::submitter(&person, actor.place, actor.unit);
        let view = view(world, custodian, self.now);
        let act = centre::adopt(&view, &self.known(), content, &submitter)?;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.entries.len() as u64).to_be_bytes());
        self.writes(world, custodian, &submitter, act, Some(SubmissionId(id)));
        Ok(())
    }

    fn writes(
        &mut self,
        world: &World,
        place: PlaceId,
        actor: &Actor,
        act: Act,
        submission: Option<SubmissionId>,
    ) {
        let head = self.tree.head().unwrap();
        let entry = self.entry(world, place, actor, act, submission, head.hash);
        let verdict = self.tree.insert(step(&entry), &world.registry, false);
        assert!(
            matches!(verdict, Verdict::Extended | Verdict::Overtook),
            "{verdict:?}"
        );
        self.case.apply(&entry, place);
        self.entries.push(entry);
        assert_eq!(
            self.case.custodian,
            self.custodian(),
            "fold and custody agree"
        );
    }

    /// An entry behind a given one, as its author writes it.
    pub fn entry(
        &self,
        world: &World,
        place: PlaceId,
        actor: &Actor,
        act: Act,
        submission: Option<SubmissionId>,
        on: Hash,
    ) -> Entry {
        let before = self.entries.iter().find(|entry| entry.hash == on).unwrap();
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
                catalogue_version: 1,
                unsettled: false,
                content: Some(act.content),
            },
            ..draft(place, Content::Accepted(pb::Accepted {}))
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
        self.case = Case::fold(entries).unwrap();
        verdict
    }

    /// Time passes.
    pub fn later(&mut self, milliseconds: i64) -> &mut Self {
        self.now = Moment(self.now.0 + milliseconds);
        self
    }
}

pub fn view(world: &World, place: PlaceId, now: Moment) -> View<'_> {
    View {
        place,
        registry: &world.registry,
        catalogue: &world.catalogue,
        now,
    }
}

/// A county case that the roads department was given.
pub fn with_roads(world: &World) -> Book {
    let mut book = Book::opened(world, COUNTY);
    book.does(world, &clerk(COUNTY), Command::Accept)
        .does(world, &clerk(COUNTY), to_unit(ROADS));
    book
}

pub fn replies(world: &World, book: &mut Book, place: PlaceId, unit: UnitId) {
    book.does(world, &handler(place, unit), Command::SignFor)
        .does(world, &handler(place, unit), draft_reply())
        .does(world, &approver(place), Command::ApproveReply)
        .does(world, &clerk(place), Command::SendReply);
}
