//! Links that have something to carry: they carry it (L5), and what a lost machine had comes back in one exchange (L7).
//!
//! Looked at ten seconds after something was owed, where nothing stands in the way: both ends are seated, frames pass
//! both ways and none is under way, and neither engine has anything to do.

use fengqiao_hub::id::NodeId;
use fengqiao_node::replication::session::LANES;

use super::agenda::{Event, MachineId};
use super::tally::Family;
use super::wire::{Side, StreamId};
use super::{Broken, Simulator};

/// Within it, a frame is sent.
const SILENCE_MS: i64 = 10_000;

impl Simulator {
    /// A look at a link is noted, once.
    pub(super) fn watch_soon(&mut self, machine: MachineId, peer: NodeId) {
        if let Some(end) = self.end(machine, peer)
            && !end.is_watched
        {
            end.is_watched = true;
            let stream = end.stream;
            let side = self.side_of(stream, machine);
            self.agenda.after(SILENCE_MS, Event::Watch(stream, side));
        }
    }

    pub(super) fn watch(&mut self, stream: StreamId, side: Side) -> Result<(), Broken> {
        let Some((machine, peer)) = self.seated(stream, side) else {
            return Ok(());
        };
        if let Some(end) = self.end(machine, peer) {
            end.is_watched = false;
        }
        let Some((other, me)) = self.seated(stream, side.other()) else {
            return Ok(());
        };
        let now_ms = self.agenda.now_ms();
        let Some(known) = self.wire.streams.get(&stream) else {
            return Ok(());
        };
        let line = self.wire.lines.get(&known.machines[0]);
        let passes = line.is_some_and(|line| {
            [Side::Lower, Side::Upper]
                .iter()
                .all(|side| line.passes(*side, now_ms))
        });
        // A frame that is lost inside a stream is no fault of the session: no TCP does that.
        let is_open = [(machine, peer), (other, me)]
            .iter()
            .all(|(at, of)| self.end(*at, *of).is_some_and(|end| end.session.is_open()));
        if !passes || !is_open || self.plan.is_wild || self.is_twin_about() {
            return Ok(());
        }
        let Some(known) = self.wire.streams.get(&stream) else {
            return Ok(());
        };
        let is_busy = known.under_way != [0; 2]
            || now_ms - known.sent_ms < SILENCE_MS
            || [machine, other].iter().any(|at| {
                let running = self.machines[*at].running.as_ref();
                running.is_some_and(|running| running.is_working || !running.inbox.is_empty())
            });
        if is_busy {
            self.watch_soon(machine, peer);
            return Ok(());
        }
        let owed = self.owed_to(machine, peer, other, me)?;
        if owed > 0 {
            return Err(Broken::at(
                "L5 no deadlock",
                format!(
                    "{owed} items owed by {} to {peer}, and nothing sent for {} ms",
                    self.told(machine),
                    now_ms - known.sent_ms
                ),
            ));
        }
        self.tally.count(Family::Property, "L5 no deadlock");
        self.check_heard(machine, other, me)
    }

    /// Items owed in all lanes that are not stored at the other end.
    fn owed_to(
        &self,
        machine: MachineId,
        peer: NodeId,
        other: MachineId,
        me: NodeId,
    ) -> Result<u64, Broken> {
        let (Some(from), Some(to)) = (
            &self.machines[machine].running,
            &self.machines[other].running,
        ) else {
            return Ok(0);
        };
        let unread = |error| Broken::at("harness", format!("a lane does not read: {error}"));
        let mut owed = 0;
        for lane in LANES {
            let sent = from.views.lane(peer, lane).map_err(unread)?.owed;
            let stored = to.lanes(me).received(lane).map_err(unread)?.sequence;
            owed += sent.saturating_sub(stored);
        }
        Ok(owed)
    }

    /// L7: a neighbour that has sent all it owes, and waits for nobody itself, has handed over; but for the new parent of
    /// a place that was lost before it had.
    fn check_heard(
        &mut self,
        giver: MachineId,
        taker: MachineId,
        me: NodeId,
    ) -> Result<(), Broken> {
        let (Some(from), Some(to)) = (&self.machines[giver].running, &self.machines[taker].running)
        else {
            return Ok(());
        };
        let unread = |error| Broken::at("harness", format!("a store does not read: {error}"));
        let is_parent = self.parent_of(taker).is_some_and(|(_, up)| up == me);
        if is_parent && !self.vouches(giver, taker) {
            return Ok(());
        }
        if !to.views.is_recovering().map_err(unread)?
            || from.views.is_recovering().map_err(unread)?
        {
            return Ok(());
        }
        self.tally.count(Family::Property, "L7 recovery ends");
        let awaited = to.views.awaited(&to.engine.registry()).map_err(unread)?;
        if !awaited.contains(&me) {
            return Ok(());
        }
        Err(Broken::at(
            "L7 recovery ends",
            format!(
                "{} has sent all and is awaited at {}",
                self.told(giver),
                self.told(taker)
            ),
        ))
    }
}
