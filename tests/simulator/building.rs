//! The world of a run, built machine by machine: places, units, accounts, enrolments, all through the engine.

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, NodeId, PlaceId, UnitId};
use fengqiao_node::engine::{Administration, Input, Me, Output};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::agenda::{Event, MachineId};
use super::ledger::{Ground, Shelf};
use super::machine::Machine;
use super::people::STAFF;
use super::wire::Line;
use super::{Broken, HOUR_MS, Simulator};
use crate::world::{EVERY_ROLE, account, administration, first_bundle};

impl Simulator {
    pub(super) fn build(&mut self) -> Result<(), Broken> {
        let shape = self.plan.shape;
        let city = self.found()?;
        let mut counties = Vec::new();
        for index in 0..shape.counties {
            counties.push(self.add(city, &format!("县{index}"), 40)?);
        }
        let mut townships = Vec::new();
        for index in 0..shape.townships {
            let above = counties[index % counties.len()];
            townships.push(self.add(above, &format!("镇{index}"), 50)?);
        }
        for index in 0..shape.villages {
            let above = townships[index % townships.len()];
            self.add(above, &format!("村{index}"), 60)?;
        }
        let centres: Vec<MachineId> = std::iter::once(city)
            .chain(counties.iter().copied())
            .collect();
        for centre in &centres {
            for index in 0..2 {
                let unit = self.add_unit(*centre, &format!("科室{index}"))?;
                self.units.insert(unit, index);
                let login = format!("unit-{index}");
                let what = account(&login, &[pb::Role::Handler], Some(unit));
                self.administer(*centre, what)?;
            }
        }
        for index in 0..shape.departments {
            let centre = centres[(index + 1) % centres.len()];
            let unit = self.add_unit(centre, &format!("局{index}"))?;
            self.enrol(centre, self.machines[centre].me.at.place, Some(unit))?;
        }
        for machine in 0..self.machines.len() {
            self.dial_after(machine, 1_000);
            self.agenda.after(HOUR_MS, Event::Tick(machine));
        }
        Ok(())
    }

    pub(super) fn found(&mut self) -> Result<MachineId, Broken> {
        let me = self.founding.newcomer(0, self.founding.place(0), None);
        let now = Moment(self.agenda.now_ms());
        let genesis = self.founding.genesis(&me, now);
        let place = me.at.place;
        self.ledger.ground.insert(place, Ground::below(None, 30));
        let first = self.move_in(me, vec![genesis])?;
        self.administer(first, first_bundle(place))?;
        Ok(first)
    }

    /// A place below a machine's, with a machine of its own.
    pub(super) fn add(
        &mut self,
        above: MachineId,
        name: &str,
        level: u32,
    ) -> Result<MachineId, Broken> {
        let place = self.founding.place(self.machines.len());
        let wanted = pb::AddPlaceRequest {
            name: name.into(),
            level,
            place: place.to_string(),
            ..Default::default()
        };
        self.administer(above, Administration::AddPlaces(vec![wanted]))?;
        let parent = self.machines[above].me.at.place;
        self.ledger
            .ground
            .insert(place, Ground::below(Some(parent), level));
        self.enrol(above, place, None)
    }

    pub(super) fn add_unit(&mut self, centre: MachineId, name: &str) -> Result<UnitId, Broken> {
        let unit = pb::AddUnitRequest {
            name: name.into(),
            kind: pb::UnitKind::Department.into(),
            presence: pb::UnitPresence::Resident.into(),
            ..Default::default()
        };
        let answer = self.administer(centre, Administration::AddUnit(unit))?;
        pb::AddUnitResponse::decode(&answer[..])
            .ok()
            .and_then(|response| response.unit.parse().ok())
            .ok_or_else(|| Broken::at("harness", "a unit has no id".into()))
    }

    pub(super) fn enrol(
        &mut self,
        above: MachineId,
        place: PlaceId,
        unit: Option<UnitId>,
    ) -> Result<MachineId, Broken> {
        let me = self.founding.newcomer(self.machines.len(), place, unit);
        let registration = self.founding.registration(&me);
        self.process(above, vec![Input::Enrol { registration }])?;
        let first = self.first_entries(above);
        self.move_in(me, first)
    }

    /// The registry chains that name who stands on the way from the first place to a machine's, as joining brings them.
    pub(super) fn first_entries(&self, above: MachineId) -> Vec<Vec<u8>> {
        self.entries_on_way_to(self.machines[above].me.at.place, above)
    }

    /// The same for the way to another place, but for what that place itself has written.
    pub(super) fn entries_on_way_to(&self, place: PlaceId, above: MachineId) -> Vec<Vec<u8>> {
        let Some(running) = &self.machines[above].running else {
            return Vec::new();
        };
        let registry = running.engine.registry();
        let told = self.machines[above].me.at.place;
        let mut way = registry.named_on_way_down(place);
        way.retain(|named| *named == told || *named != place);
        let registries = way.iter().copied().map(ChainId::of_place);
        let rulebooks = way.iter().copied().map(ChainId::rulebook_of);
        registries
            .chain(rulebooks)
            .filter_map(|id| running.views.chain(&registry, id).ok())
            .flat_map(|chain| {
                let standing = chain.standing().into_iter();
                standing.map(|(entry, _)| entry.bytes()).collect::<Vec<_>>()
            })
            .collect()
    }

    pub(super) fn move_in(&mut self, me: Me, first: Vec<Vec<u8>>) -> Result<MachineId, Broken> {
        let mut machine = Machine::new(me);
        machine.group_max = self.plan.group_max;
        machine.parked_max = self.plan.parked_max;
        let id = self.add_machine(machine, Shelf::default());
        self.start(id)?;
        self.administer_as(id, "", Administration::Bootstrap(first))?;
        for (login, roles) in STAFF {
            self.administer(id, account(login, roles, None))?;
        }
        if self.machines[id].me.at.unit.is_some() {
            self.administer(id, account("unit-0", &EVERY_ROLE, None))?;
        }
        self.link(id);
        Ok(id)
    }

    pub(super) fn add_machine(&mut self, machine: Machine, shelf: Shelf) -> MachineId {
        let id = self.machines.len();
        let at = machine.me.at;
        self.ledger.homes.insert(id, at.node);
        self.ledger
            .nodes
            .insert(at.node, (at.place, at.unit.is_some()));
        self.ledger.shelves.push(shelf);
        self.tickets_at.push(Vec::new());
        self.machines.push(machine);
        id
    }

    pub(super) fn link(&mut self, machine: MachineId) {
        if self.parent_of(machine).is_some() {
            let line = Line::new(self.plan.weather);
            self.wire.lines.insert(machine, line);
        }
    }

    /// Whom a machine dials.
    pub(super) fn parent_of(&self, machine: MachineId) -> Option<(MachineId, NodeId)> {
        let running = self.machines[machine].running.as_ref()?;
        let up = self.machines[machine]
            .me
            .at
            .up(&running.engine.registry())?;
        let upper = self
            .machines
            .iter()
            .position(|machine| machine.me.at.node == up)?;
        Some((upper, up))
    }

    pub(super) fn administer(
        &mut self,
        machine: MachineId,
        what: Administration,
    ) -> Result<Vec<u8>, Broken> {
        self.administer_as(machine, "admin", what)
    }

    pub(super) fn administer_as(
        &mut self,
        machine: MachineId,
        login: &str,
        what: Administration,
    ) -> Result<Vec<u8>, Broken> {
        let ticket = u64::MAX - self.tally.events;
        self.tally.events += 1;
        let outputs = self.process(machine, vec![administration(ticket, login, what)])?;
        outputs
            .into_iter()
            .find_map(|output| match output {
                Output::Answer(_, answer) => answer.ok(),
                _ => None,
            })
            .ok_or_else(|| Broken::at("harness", "the world was not built".into()))
    }
}
