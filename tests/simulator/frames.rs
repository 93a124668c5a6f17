//! Frames on their way: lost, repeated, overtaken, late by days, and left over from sessions that are gone.

use std::collections::VecDeque;

use fengqiao_hub::id::NodeId;
use fengqiao_node::replication::session::Event as Heard;
use fengqiao_proto::v1 as pb;
use pb::frame::Content;
use prost::Message as _;

use super::agenda::{Event, MachineId};
use super::tally::Family;
use super::telling::frame_told;
use super::wire::{Side, StreamId};
use super::{Broken, DAY_MS, Simulator};

impl Simulator {
    /// A frame goes on its way, if its way lets it.
    pub(super) fn send(
        &mut self,
        machine: MachineId,
        peer: NodeId,
        frame: pb::Frame,
    ) -> Result<(), Broken> {
        if let Some(Content::Acknowledged(word)) = &frame.content {
            self.ledger
                .may_acknowledge(machine, peer, word, &mut self.tally)?;
        }
        let Some(stream) = self.end(machine, peer).map(|end| end.stream) else {
            return Ok(());
        };
        self.tell(|| format!("  {machine} sends on {stream}: {}", frame_told(&frame)));
        let side = self.side_of(stream, machine);
        let now_ms = self.agenda.now_ms();
        self.tally
            .trace(now_ms, "frame", &frame.encoded_len().to_be_bytes());
        let Some(known) = self.wire.streams.get_mut(&stream) else {
            return Ok(());
        };
        known.sent_ms = now_ms;
        let Some(line) = self.wire.lines.get(&known.machines[0]) else {
            return Ok(());
        };
        let (weather, dice) = (line.weather, &mut self.dice.network);
        let cut_ms = line.cut_until_ms[side.index()]
            .saturating_sub(now_ms)
            .max(0);
        let mut delay_ms = weather.latency_ms + dice.between(0, weather.jitter_ms) + cut_ms;
        if dice.mille(weather.lose) {
            self.tally.count(Family::Fault, "frame lost");
            return Ok(());
        }
        if dice.mille(weather.delay) {
            self.tally.count(Family::Fault, "frame delayed by days");
            delay_ms += dice.between(0, 30 * DAY_MS);
        }
        let mut at_ms = now_ms + delay_ms;
        if dice.mille(weather.reorder) {
            self.tally.count(Family::Fault, "frame reordered");
            at_ms += dice.between(1, 2_000);
        } else {
            at_ms = at_ms.max(known.last_ms[side.index()]);
            known.last_ms[side.index()] = at_ms;
        }
        known.under_way[side.index()] += 1;
        if dice.mille(weather.repeat) {
            self.tally.count(Family::Fault, "frame repeated");
            known.under_way[side.index()] += 1;
            let again_ms = at_ms - now_ms + dice.between(0, 5_000);
            let event = Event::Frame(stream, side.other(), Box::new(frame.clone()));
            self.agenda.after(again_ms, event);
        }
        self.agenda.after(
            at_ms - now_ms,
            Event::Frame(stream, side.other(), Box::new(frame)),
        );
        Ok(())
    }

    /// A frame arrives.
    pub(super) fn arrive(
        &mut self,
        stream: StreamId,
        side: Side,
        frame: pb::Frame,
    ) -> Result<(), Broken> {
        let Some(known) = self.wire.streams.get_mut(&stream) else {
            return Ok(());
        };
        let under_way = &mut known.under_way[side.other().index()];
        *under_way = under_way.saturating_sub(1);
        let (sender, receiver_node) = (
            known.machines[side.other().index()],
            known.nodes[side.index()],
        );
        match self.seated(stream, side) {
            Some((machine, peer)) => self.give(machine, peer, frame)?,
            None => self.give_stale(stream, side, frame)?,
        }
        // The sender has room again.
        if self.seated(stream, side.other()).is_some() {
            self.converse(sender, receiver_node, VecDeque::new())?;
        }
        Ok(())
    }

    fn give(&mut self, machine: MachineId, peer: NodeId, frame: pb::Frame) -> Result<(), Broken> {
        let Some(end) = self.end(machine, peer) else {
            return Ok(());
        };
        if end.session.is_full() || !end.unread.is_empty() {
            end.unread.push_back(frame);
            self.tally.count(Family::Link, "full");
            return Ok(());
        }
        self.hear(machine, peer, Heard::Frame(frame))
    }

    /// A frame of a stream that is over at its receiver: lost, or thrown into the session that stands there now.
    fn give_stale(&mut self, stream: StreamId, side: Side, frame: pb::Frame) -> Result<(), Broken> {
        let Some(known) = self.wire.streams.get(&stream) else {
            return Ok(());
        };
        let (machine, peer, lower) = (
            known.machines[side.index()],
            known.nodes[side.other().index()],
            known.machines[0],
        );
        let stale = self
            .wire
            .lines
            .get(&lower)
            .map_or(0, |line| line.weather.stale);
        let is_open = self
            .end(machine, peer)
            .is_some_and(|end| end.session.is_open());
        if is_open && self.dice.network.mille(stale) {
            self.tally.count(Family::Fault, "frame of an old session");
            return self.give(machine, peer, frame);
        }
        Ok(())
    }
}
