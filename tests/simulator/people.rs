//! People: they take in and settle cases by the hours of the load profile, mostly as they should, sometimes not. They
//! ask again when nobody answered, and some use a request id twice.

use std::collections::BTreeMap;

use crate::kit::moves;
use fengqiao_hub::case::{Case, Stage, TaskState};
use fengqiao_hub::casework::involves;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, UnitId};
use fengqiao_node::engine::chains::Chain;
use fengqiao_proto::v1 as pb;

use super::agenda::{Event, MachineId};
use super::moves::{AtHand, names};
use super::{Broken, Simulator};

/// Logins of a centre, with the roles each has.
pub(super) const STAFF: [(&str, &[pb::Role]); 6] = [
    ("admin", &crate::world::EVERY_ROLE),
    ("second", &crate::world::EVERY_ROLE),
    ("clerk", &[pb::Role::Clerk]),
    ("handler", &[pb::Role::Handler]),
    ("approver", &[pb::Role::Approver]),
    ("leader", &[pb::Role::Leader]),
];

/// Cases looked at when something to do is looked for.
const LOOKS: usize = 4;

/// What somebody asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Where.
    pub machine: MachineId,
    pub(super) login: String,
    pub(super) what: Wanted,
}

#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Move(Option<ChainId>, Box<pb::Action>, bool),
    Directive(Vec<PlaceId>),
    AnswerDirective(ChainId, bool),
    Unit(String),
    Place(String, u32),
    Account(String, bool),
    EndPlace(PlaceId, PlaceId),
    /// A place goes below another parent.
    MovePlace(PlaceId, PlaceId),
    /// A leader goes on without a neighbour's word.
    Waive(NodeId),
}

/// People and what they wait for.
#[derive(Debug, Default)]
pub(super) struct People {
    /// By request.
    pub asked: BTreeMap<u64, Asked>,
    /// Requests that nobody has answered, by ticket.
    pub waiting: BTreeMap<u64, u64>,
    tickets: u64,
    /// Cases ever registered.
    pub cases: Vec<ChainId>,
    pub(super) directives: Vec<ChainId>,
    /// Where a case was last worked on.
    pub(super) last_at: BTreeMap<ChainId, MachineId>,
}

impl People {
    pub(super) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

impl Asked {
    pub(super) fn hash(&self) -> Hash {
        Hash::of(
            "simulation",
            &[format!("{:?} {:?}", self.login, self.what).as_bytes()],
        )
    }
}

impl Simulator {
    /// Somebody does something.
    pub(super) fn act(&mut self) -> Result<(), Broken> {
        let dice = &mut self.dice.people;
        // Who has begun goes on: things happen within seconds of each other.
        if dice.roll(5) < 2 {
            let pause_ms = dice.between(0, 20_000);
            self.agenda.after(pause_ms, Event::Act);
        }
        let asked = match self.dice.people.roll(1_000) {
            0..90 => self.intake(),
            90..740 => self.sensible(),
            740..840 => self.mistaken(),
            840..900 => self.overtake(),
            900..960 => return self.again(),
            _ => self.around(),
        };
        match asked {
            Some(asked) => self.ask(asked),
            None => Ok(()),
        }
    }

    fn a_machine(&mut self) -> MachineId {
        let machines = self.machines.len();
        self.dice.people.roll(machines)
    }

    fn intake(&mut self) -> Option<Asked> {
        let machine = self.a_machine();
        let at_hand = self.at_hand(machine, None);
        let command = at_hand.register(&mut self.dice.people);
        Some(Asked {
            machine,
            login: self.dice.people.pick(&["admin", "clerk"]).into(),
            what: Wanted::Move(None, Box::new(command), self.dice.people.roll(4) > 0),
        })
    }

    fn at_hand(&mut self, machine: MachineId, chain: Option<&Chain>) -> AtHand {
        let registry = self.machines[machine]
            .running
            .as_ref()
            .map(|running| running.engine.registry());
        let me = self.machines[machine].me.at;
        let (mut places, mut units) = (Vec::new(), Vec::new());
        if let Some(registry) = registry {
            places.extend(registry.children(me.place));
            places.extend(self.machines.iter().map(|machine| machine.me.at.place));
            units.extend(registry.units_of(me.place).map(|unit| unit.id));
        }
        let case = chain.and_then(|chain| chain.case.as_ref());
        AtHand {
            now: self.machines[machine].now(self.agenda.now_ms()),
            places,
            units,
            annex: chain.map(|chain| chain.tree.annex()).unwrap_or_default(),
            tasks: case.map_or(0, |case| {
                u32::try_from(case.convening.tasks.len()).unwrap_or_default()
            }),
        }
    }

    /// Any move, anywhere, by anybody.
    fn mistaken(&mut self) -> Option<Asked> {
        let machine = self.a_machine();
        let case = self.a_case()?;
        let chain = self.chain(machine, case);
        let at_hand = self.at_hand(machine, chain.as_ref());
        let dice = &mut self.dice.people;
        let kind = dice.pick(&names());
        let command = at_hand.action(kind, dice);
        let logins = [
            "admin", "second", "clerk", "handler", "approver", "leader", "unit-0", "nobody",
        ];
        Some(Asked {
            machine,
            login: dice.pick(&logins).into(),
            what: Wanted::Move(Some(case), Box::new(command), dice.roll(3) == 0),
        })
    }

    /// A superior takes a case unasked.
    fn overtake(&mut self) -> Option<Asked> {
        let case = self.a_case()?;
        let mut place = self.machines[*self.people.last_at.get(&case)?].me.at.place;
        for _ in 0..=self.dice.people.roll(3) {
            place = self.ledger.ground.get(&place)?.parent?;
        }
        let reason = self
            .dice
            .people
            .pick(&[pb::TakingReason::Dark, pb::TakingReason::Decision]);
        Some(Asked {
            machine: self.centre_of(place)?,
            login: "leader".into(),
            what: Wanted::Move(Some(case), Box::new(moves::take_because(reason)), false),
        })
    }

    /// A case, younger ones rather.
    fn a_case(&mut self) -> Option<ChainId> {
        let cases = self.people.cases.len();
        if cases == 0 {
            return None;
        }
        let back = self.dice.people.roll(cases.min(12));
        if self.dice.people.roll(3) == 0 {
            return Some(self.people.cases[self.dice.people.roll(cases)]);
        }
        Some(self.people.cases[cases - 1 - back])
    }

    /// A chain as a machine knows it, if it runs.
    pub(super) fn chain(&self, machine: MachineId, case: ChainId) -> Option<Chain> {
        let running = self.machines[machine].running.as_ref()?;
        running.views.chain(&running.engine.registry(), case).ok()
    }

    /// What a sensible person would do next, as far as some machine knows the case.
    fn sensible(&mut self) -> Option<Asked> {
        for _ in 0..LOOKS {
            let case = self.a_case()?;
            let last = self.people.last_at.get(&case).copied();
            let looking = match last.filter(|_| self.dice.people.roll(3) > 0) {
                Some(machine) => machine,
                None => self.a_machine(),
            };
            let Some(chain) = self.chain(looking, case) else {
                continue;
            };
            let Some(known) = chain.case.clone() else {
                continue;
            };
            if let Some((machine, login, command)) = self.next_step(&chain, &known) {
                return Some(Asked {
                    machine,
                    login: login.into(),
                    what: Wanted::Move(
                        Some(case),
                        Box::new(command),
                        self.dice.people.roll(3) == 0,
                    ),
                });
            }
        }
        None
    }

    fn next_step(
        &mut self,
        chain: &Chain,
        case: &Case,
    ) -> Option<(MachineId, &'static str, pb::Action)> {
        let custody = chain.tree.custody()?.clone();
        let centre = self.centre_of(custody.custodian)?;
        if chain.tree.is_frozen() {
            let above = self.ledger.ground.get(&custody.custodian)?.parent?;
            let reason = pb::TakingReason::Decision;
            return Some((
                self.centre_of(above)?,
                "leader",
                moves::take_because(reason),
            ));
        }
        let annex = chain.tree.annex();
        let undecided = annex
            .iter()
            .find(|entry| !case.annex.decided.contains_key(entry));
        let dice = &mut self.dice.people;
        if let Some(entry) = undecided.filter(|_| dice.roll(3) == 0) {
            let entry = *entry;
            let command = if dice.roll(2) == 0 {
                moves::adopt_annex(&entry.to_string())
            } else {
                moves::decline_annex(&entry.to_string())
            };
            return Some((centre, "clerk", command));
        }
        if let Some(offer) = custody.offer.filter(|_| dice.roll(3) > 0) {
            let above = self.centre_of(offer.to)?;
            let command = if self.dice.people.roll(6) == 0 {
                moves::keep_below()
            } else {
                let reason = pb::TakingReason::Unspecified;
                moves::take_because(reason)
            };
            return Some((above, "leader", command));
        }
        let task = case
            .convening
            .tasks
            .iter()
            .find(|task| task.state < TaskState::Done);
        if let Some(task) = task.filter(|_| self.dice.people.roll(2) == 0) {
            let number = task.number;
            let (place, command) = (
                task.place,
                match self.dice.people.roll(3) {
                    0 => moves::acknowledge_task(number),
                    1 => moves::work_on_site(self.machines[centre].now(self.agenda.now_ms()).0),
                    _ => moves::report_task(number),
                },
            );
            return Some((self.centre_of(place)?, "clerk", command));
        }
        let (login, kind) = self.fitting(case)?;
        let (machine, login) = match (login, case.dispatching.lead) {
            ("lead", Some(unit)) => self.desk_of(centre, unit),
            ("lead", None) => (centre, "admin"),
            _ => (centre, login),
        };
        let at_hand = self.at_hand(machine, Some(chain));
        let mut command = at_hand.action(kind, &mut self.dice.people);
        if kind == "dispatch" {
            command = self.downward(centre, command);
        }
        Some((machine, login, command))
    }

    /// A dispatch to a child or an own unit, not anywhere.
    fn downward(&mut self, centre: MachineId, command: pb::Action) -> pb::Action {
        let Some(running) = &self.machines[centre].running else {
            return command;
        };
        let registry = running.engine.registry();
        let me = self.machines[centre].me.at.place;
        let children: Vec<PlaceId> = registry
            .children(me)
            .iter()
            .copied()
            .filter(|child| registry.node_of(*child).is_some())
            .collect();
        let dice = &mut self.dice.people;
        let to_a_unit = !involves(&command).0.is_empty();
        if to_a_unit || children.is_empty() {
            return command;
        }
        moves::dispatch(&dice.pick(&children).to_string(), 0)
    }

    /// Where the people of a unit work: at its own node, or with an account at the centre.
    fn desk_of(&self, centre: MachineId, unit: UnitId) -> (MachineId, &'static str) {
        let own = self
            .machines
            .iter()
            .position(|machine| machine.me.at.unit == Some(unit));
        match own {
            Some(machine) => (machine, "admin"),
            None => {
                let at = self.units.get(&unit).copied().unwrap_or(0);
                (centre, if at == 0 { "unit-0" } else { "unit-1" })
            }
        }
    }

    /// The machine of a place's centre.
    pub(super) fn centre_of(&self, place: PlaceId) -> Option<MachineId> {
        self.machines
            .iter()
            .position(|machine| machine.me.at.place == place && machine.me.at.unit.is_none())
    }

    fn fitting(&mut self, case: &Case) -> Option<(&'static str, &'static str)> {
        let dice = &mut self.dice.people;
        if dice.roll(20) == 0 && !case.stage().is_over() {
            return Some(dice.pick(&[
                ("clerk", "supplement"),
                ("clerk", "work-on-site"),
                ("clerk", "convene"),
                ("leader", "take"),
            ]));
        }
        let choices: &[(&str, &'static str)] = match case.stage() {
            Stage::Registered => &[
                ("clerk", "accept"),
                ("clerk", "accept"),
                ("clerk", "accept"),
                ("clerk", "accept"),
                ("clerk", "decline"),
                ("clerk", "answer-at-once"),
                ("clerk", "escalate"),
            ],
            Stage::Accepted | Stage::InHand | Stage::Redo => &[
                ("clerk", "dispatch"),
                ("clerk", "dispatch"),
                ("clerk", "dispatch"),
                ("leader", "designate"),
                ("lead", "take-action"),
                ("lead", "draft-reply"),
                ("clerk", "escalate"),
                ("leader", "escalate"),
                ("leader", "decide"),
                ("clerk", "return"),
            ],
            Stage::Decided => &[("clerk", "dispatch"), ("lead", "draft-reply")],
            Stage::Dispatched => &[
                ("lead", "sign-for"),
                ("lead", "sign-for"),
                ("lead", "object"),
                ("clerk", "return"),
            ],
            Stage::Handling => &[
                ("lead", "contact"),
                ("lead", "take-action"),
                ("lead", "report-interim"),
                ("lead", "draft-reply"),
                ("lead", "draft-reply"),
                ("lead", "object"),
                ("clerk", "escalate"),
                ("clerk", "return"),
                ("clerk", "dispatch"),
            ],
            Stage::Objected => &[("leader", "decide-objection"), ("leader", "designate")],
            Stage::Drafted => &[
                ("approver", "approve-reply"),
                ("approver", "approve-reply"),
                ("second", "approve-reply"),
                ("approver", "send-back-reply"),
            ],
            Stage::Approved => &[("approver", "send-reply")],
            Stage::Replied | Stage::Answered => &[
                ("clerk", "return-visit"),
                ("clerk", "return-visit"),
                ("clerk", "return-visit"),
                ("second", "return-visit"),
                ("lead", "draft-reply"),
                ("clerk", "rate"),
            ],
            Stage::Visited => &[
                ("clerk", "rate"),
                ("clerk", "order-redo"),
                ("clerk", "close"),
                ("leader", "close"),
                ("second", "close"),
                ("leader", "refuse-redo"),
            ],
            Stage::Closed => &[("clerk", "rate")],
            Stage::Declined => return None,
        };
        if case.stage() == Stage::Closed && case.visit.rating.is_some() {
            return None;
        }
        Some(self.dice.people.pick(choices))
    }

    /// Two places below one are merged.
    fn merge(&mut self) -> Option<Asked> {
        let below = self.a_machine();
        let ending = self.machines[below].me.at.place;
        let parent = self.ledger.ground.get(&ending)?.parent?;
        let beside: Vec<PlaceId> = self
            .machines
            .iter()
            .map(|machine| machine.me.at.place)
            .filter(|place| *place != ending && !self.ended.contains(place))
            .filter(|place| self.ledger.ground.get(place).and_then(|at| at.parent) == Some(parent))
            .collect();
        if beside.is_empty() {
            return None;
        }
        let successor = self.dice.people.pick(&beside);
        // Perhaps it is refused, perhaps nobody hears the answer.
        self.ended.insert(ending);
        Some(Asked {
            machine: self.centre_of(parent)?,
            login: "admin".into(),
            what: Wanted::EndPlace(ending, successor),
        })
    }

    /// A superior moves a place below another parent; each is moved once at most.
    fn move_place(&mut self, superior: MachineId) -> Option<Asked> {
        let me = self.machines[superior].me.at.place;
        let places = || self.machines.iter().map(|machine| machine.me.at.place);
        let level = |place: PlaceId| self.ledger.ground.get(&place).map(|ground| ground.level);
        let is_free = |place: &PlaceId| !self.moved.contains(place) && !self.ended.contains(place);
        let pairs: Vec<(PlaceId, PlaceId)> = places()
            .filter(|place| is_free(place) && self.ledger.is_above(me, *place))
            .flat_map(|place| places().map(move |to| (place, to)))
            .filter(|(_, to)| *to == me || self.ledger.is_above(me, *to))
            .filter(|(place, to)| is_free(to) && level(*to) < level(*place))
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let (place, to) = self.dice.people.pick(&pairs);
        self.moved.insert(place);
        Some(Asked {
            machine: superior,
            login: "admin".into(),
            what: Wanted::MovePlace(place, to),
        })
    }

    /// What is done beside cases.
    fn around(&mut self) -> Option<Asked> {
        let machine = self.a_machine();
        let me = self.machines[machine].me.at.place;
        let below: Vec<PlaceId> = self
            .ledger
            .ground
            .keys()
            .copied()
            .filter(|place| self.ledger.is_above(me, *place))
            .collect();
        let level = self.ledger.level_of(self.machines[machine].me.at.node);
        if self.dice.people.roll(12) == 0 && self.losses == 0 {
            return self.merge();
        }
        if self.dice.people.roll(8) == 0 {
            return self.move_place(machine);
        }
        let dice = &mut self.dice.people;
        let number = dice.number() % 10_000;
        let what = match dice.roll(6) {
            0 if !below.is_empty() => Wanted::Directive(vec![dice.pick(&below)]),
            0 | 1 => Wanted::Directive(Vec::new()),
            2 | 3 if !self.people.directives.is_empty() => {
                let directive = dice.pick(&self.people.directives);
                Wanted::AnswerDirective(directive, dice.roll(2) == 0)
            }
            2 | 3 => return None,
            4 => Wanted::Account(format!("extra-{}", number % 3), dice.roll(2) == 0),
            _ if dice.roll(2) == 0 => Wanted::Unit(format!("单位{number}")),
            _ => Wanted::Place(
                format!("新村{number}"),
                if level >= 60 { 60 } else { level + 10 },
            ),
        };
        Some(Asked {
            machine,
            login: dice.pick(&["admin", "leader"]).into(),
            what,
        })
    }

    /// Name of a node for a person.
    pub(super) fn told(&self, machine: MachineId) -> String {
        let node: NodeId = self.machines[machine].me.at.node;
        format!("machine {machine} ({node})")
    }
}
