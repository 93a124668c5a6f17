//! What the ledger remembers of links: what was owed, stored, acknowledged, and shown as settled.

use fengqiao_hub::id::{Hash, NodeId, PlaceId};
use fengqiao_node::store::tables::Place;
use fengqiao_proto::v1 as pb;

use super::Ledger;
use crate::simulator::Broken;
use crate::simulator::agenda::MachineId;
use crate::simulator::tally::{Family, Tally};

impl Ledger {
    /// Entries a machine has under way to a neighbour and has not shown as settled.
    #[must_use]
    pub fn under_way(&self, machine: MachineId, link: NodeId) -> Vec<Hash> {
        let under_way = self.shelves[machine].under_way.get(&link.to_string());
        under_way.map_or_else(Vec::new, |hashes| hashes.iter().copied().collect())
    }

    /// A machine shows an entry as settled: by a place, if it stands there.
    pub fn settle(&mut self, machine: MachineId, link: NodeId, entry: Hash, by: Option<PlaceId>) {
        if let Some(under_way) = self.shelves[machine].under_way.get_mut(&link.to_string()) {
            under_way.remove(&entry);
        }
        if let Some(place) = by {
            self.settled.entry(entry).or_default().insert(place);
        }
    }

    pub(super) fn owed(
        &mut self,
        machine: MachineId,
        owed: &pb::ItemOwed,
        at: Option<Place>,
    ) -> Result<(), Broken> {
        let shelf = &mut self.shelves[machine];
        if owed.lane() == pb::Lane::Cases
            && let Some(at) = at
            && let Some(hash) = shelf.places.get(&(at.position, at.offset))
        {
            let under_way = shelf.under_way.entry(owed.link.clone()).or_default();
            under_way.insert(*hash);
        }
        let lane = shelf
            .owed
            .entry((owed.link.clone(), owed.lane))
            .or_default();
        if owed.sequence != lane.len() as u64 + 1 {
            return Err(Broken::at(
                "S9 exactly once",
                format!("item {} is owed after {}", owed.sequence, lane.len()),
            ));
        }
        lane.push(Hash::from_bytes(&owed.hash).unwrap_or_default());
        Ok(())
    }

    /// S9 and S10: a cursor goes on only, and stands on what the sender has there.
    pub(super) fn received(
        &mut self,
        machine: MachineId,
        me: NodeId,
        moved: &pb::CursorMoved,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        let cursor = moved.cursor.clone().unwrap_or_default();
        let key = (moved.link.clone(), cursor.lane);
        tally.count(Family::Property, "S9 exactly once");
        tally.count(Family::Property, "S10 no rewind");
        let before = self.shelves[machine]
            .received
            .get(&key)
            .copied()
            .unwrap_or(0);
        if cursor.sequence <= before {
            return Err(Broken::at(
                "S10 no rewind",
                format!("a cursor went from {before} to {}", cursor.sequence),
            ));
        }
        self.shelves[machine].received.insert(key, cursor.sequence);
        let Ok(link) = moved.link.parse::<NodeId>() else {
            return Err(Broken::at("S9 exactly once", "a cursor of nobody".into()));
        };
        if self.twins.contains(&link) || self.twins.contains(&me) || self.liars.contains(&link) {
            return Ok(());
        }
        let senders = self.machines_of(link);
        if senders.is_empty() {
            // Its machine was lost meanwhile.
            return Ok(());
        }
        let at = usize::try_from(cursor.sequence - 1).unwrap_or(usize::MAX);
        let hash = Hash::from_bytes(&cursor.hash);
        let stands = senders.iter().any(|sender| {
            let lane = self.shelves[*sender]
                .owed
                .get(&(me.to_string(), cursor.lane));
            lane.and_then(|lane| lane.get(at)).copied() == hash
        });
        if stands {
            Ok(())
        } else {
            Err(Broken::at(
                "S9 exactly once",
                format!(
                    "{me} stored {} items of {link} that it never sent so",
                    cursor.sequence
                ),
            ))
        }
    }

    fn machines_of(&self, node: NodeId) -> Vec<MachineId> {
        self.homes
            .iter()
            .filter(|(_, home)| **home == node)
            .map(|(machine, _)| *machine)
            .collect()
    }

    /// S8: an acknowledgement names what is synced.
    ///
    /// # Errors
    /// `S8`.
    pub fn may_acknowledge(
        &self,
        machine: MachineId,
        peer: NodeId,
        word: &pb::Acknowledged,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        tally.count(Family::Property, "S8 ack means stored");
        let cursor = word.cursor.clone().unwrap_or_default();
        let synced = self.shelves[machine]
            .received
            .get(&(peer.to_string(), cursor.lane))
            .copied()
            .unwrap_or(0);
        if cursor.sequence <= synced {
            return Ok(());
        }
        Err(Broken::at(
            "S8 ack means stored",
            format!("{} acknowledged, {synced} synced", cursor.sequence),
        ))
    }
}
