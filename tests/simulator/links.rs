//! Sessions over streams: dialling, frames, endings. What the link floor of a node does with sockets is done here on
//! virtual time.

use std::collections::VecDeque;

use fengqiao_hub::id::{NodeId, StoreId};
use fengqiao_node::engine::Input;
use fengqiao_node::replication::session::{Action, Code, Event as Heard, LANES, Lanes, Session};
use fengqiao_proto::v1 as pb;

use super::agenda::{Event, MachineId};
use super::machine::End;
use super::tally::Family;
use super::wire::{ROOM_FRAMES, Side, Stream, StreamId};
use super::{Broken, Simulator};

const MINUTE_MS: i64 = 60_000;
/// Beyond this skew the node says so.
const SKEW_WARN_MS: i64 = 5 * MINUTE_MS;
/// A stream that nobody answers on is given up after so long.
const KEEPALIVE_MS: i64 = 40_000;

impl Simulator {
    /// Notes that a lower machine dials, once.
    pub(super) fn dial_after(&mut self, lower: MachineId, delay_ms: i64) {
        if let Some(line) = self.wire.lines.get_mut(&lower)
            && !line.is_dialling
            && line.stream.is_none()
        {
            line.is_dialling = true;
            self.agenda.after(delay_ms, Event::Dial(lower));
        }
    }

    /// The lower side dials its parent.
    pub(super) fn dial(&mut self, lower: MachineId) -> Result<(), Broken> {
        let now_ms = self.agenda.now_ms();
        let Some(line) = self.wire.lines.get_mut(&lower) else {
            return Ok(());
        };
        line.is_dialling = false;
        if line.stream.is_some() || self.machines[lower].running.is_none() {
            return Ok(());
        }
        let passes = [Side::Lower, Side::Upper]
            .iter()
            .all(|side| line.passes(*side, now_ms));
        let Some((upper, peer)) = self.parent_of(lower) else {
            if passes && (self.losses > 0 || !self.moved.is_empty()) {
                self.meet_new_parent(lower);
            }
            self.dial_again(lower, 0);
            return Ok(());
        };
        let reached = passes && self.machines[upper].running.is_some();
        let session = reached
            .then(|| self.identity(lower, peer))
            .flatten()
            .map(|identity| Session::lower(identity, self.plan.limits.clone()));
        let Some(session) = session else {
            self.dial_again(lower, 0);
            return Ok(());
        };
        self.wire.opened += 1;
        let stream = self.wire.opened;
        let nodes = [self.machines[lower].me.at.node, peer];
        self.wire.streams.insert(
            stream,
            Stream {
                machines: [lower, upper],
                nodes,
                under_way: [0; 2],
                last_ms: [now_ms; 2],
                sent_ms: now_ms,
                is_ended: [false; 2],
            },
        );
        if let Some(line) = self.wire.lines.get_mut(&lower) {
            line.stream = Some(stream);
        }
        self.seat(lower, peer, stream, session);
        let latency_ms = self.wire.lines[&lower].weather.latency_ms;
        self.agenda.after(latency_ms, Event::Accepted(stream));
        self.hear(lower, peer, Heard::Opened)
    }

    /// Whoever stands below another parent now ends its stream to the one before, also where it has yet to ask who serves
    /// there.
    pub(super) fn leave_former_parent(&mut self, lower: MachineId) {
        let machine = &self.machines[lower];
        let stream = self.wire.lines.get(&lower).and_then(|line| line.stream);
        let dialled = stream.and_then(|stream| self.wire.streams.get(&stream));
        let dialled = dialled.map(|stream| stream.nodes[Side::Upper.index()]);
        let (Some(dialled), Some(running)) = (dialled, machine.running.as_ref()) else {
            return;
        };
        let at = machine.me.at;
        let registry = running.engine.registry();
        let has_other = match at.up(&registry) {
            Some(up) => up != dialled,
            None => at.unit.is_none() && registry.place(at.place).is_some(),
        };
        if has_other {
            self.closed(lower, dialled, Code::Cut, 0);
        }
    }

    fn dial_again(&mut self, lower: MachineId, retry_after_ms: u64) {
        let random = self.dice.network.number();
        if let Some(line) = self.wire.lines.get_mut(&lower) {
            let pause = if retry_after_ms > 0 {
                line.backoff.next_after_ms(retry_after_ms, random)
            } else {
                line.backoff.next_ms(random)
            };
            self.dial_after(lower, i64::try_from(pause).unwrap_or(i64::MAX));
        }
    }

    fn identity(
        &self,
        machine: MachineId,
        peer: NodeId,
    ) -> Option<fengqiao_node::replication::session::Identity> {
        self.machines[machine].running.as_ref()?.identity(peer)
    }

    fn seat(&mut self, machine: MachineId, peer: NodeId, stream: StreamId, session: Session) {
        if let Some(running) = &mut self.machines[machine].running {
            let end = End {
                session,
                stream,
                lanes: running.lanes(peer),
                peer: None,
                skew_ms: 0,
                unread: VecDeque::new(),
                is_tick_noted: false,
                is_watched: false,
            };
            running.ends.insert(peer, end);
        }
    }

    /// The upper side has the stream; an older session of the same link makes room.
    pub(super) fn accepted(&mut self, stream: StreamId) -> Result<(), Broken> {
        let Some(known) = self.wire.streams.get(&stream) else {
            return Ok(());
        };
        let (lower, upper, lower_node) = (known.machines[0], known.machines[1], known.nodes[0]);
        if known.is_ended[0] || self.machines[upper].running.is_none() {
            self.break_soon(stream, Side::Lower, 0);
            return Ok(());
        }
        if self.end(upper, lower_node).is_some() {
            let leave = Heard::Leave {
                code: Code::Replaced,
                retry_after_ms: 1_000,
            };
            self.hear(upper, lower_node, leave)?;
        }
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.dice.network.number().to_be_bytes());
        nonce[8..].copy_from_slice(&stream.to_be_bytes());
        match self.identity(upper, lower_node) {
            Some(identity) => {
                let session = Session::upper(identity, nonce, self.plan.limits.clone());
                self.seat(upper, lower_node, stream, session);
                self.hear(upper, lower_node, Heard::Opened)
            }
            None => {
                self.tally.count(Family::Link, "not linked");
                if self.losses > 0 {
                    self.meet_new_parent(lower);
                }
                self.break_soon(stream, Side::Lower, 0);
                Ok(())
            }
        }
    }

    /// Whether a session with the parent stands.
    pub(super) fn reaches_parent(&mut self, machine: MachineId) -> bool {
        match self.parent_of(machine) {
            Some((_, peer)) => self
                .end(machine, peer)
                .is_some_and(|end| end.peer.is_some()),
            None => true,
        }
    }

    pub(super) fn end(&mut self, machine: MachineId, peer: NodeId) -> Option<&mut End> {
        self.machines[machine].running.as_mut()?.ends.get_mut(&peer)
    }

    /// Tells a session what happened, carries out what it answers, and lets it send what it may.
    pub(super) fn hear(
        &mut self,
        machine: MachineId,
        peer: NodeId,
        event: Heard,
    ) -> Result<(), Broken> {
        let is_tick = event == Heard::Tick;
        let acted = self.converse(machine, peer, VecDeque::from([event]))?;
        if acted || !is_tick {
            self.note_tick(machine, peer);
        }
        Ok(())
    }

    /// Whether anything was done.
    pub(super) fn converse(
        &mut self,
        machine: MachineId,
        peer: NodeId,
        mut heard: VecDeque<Heard>,
    ) -> Result<bool, Broken> {
        let mut acted = false;
        loop {
            while let Some(event) = heard.pop_front() {
                let now_ms = self.machines[machine].now(self.agenda.now_ms()).0;
                let Some(end) = self.end(machine, peer) else {
                    return Ok(acted);
                };
                let actions = end.session.step(now_ms, &end.lanes, event);
                acted |= !actions.is_empty();
                for action in actions {
                    self.carry_out(machine, peer, action, &mut heard)?;
                }
            }
            let Some(end) = self.end(machine, peer) else {
                return Ok(acted);
            };
            if !end.session.is_full()
                && let Some(frame) = end.unread.pop_front()
            {
                heard.push_back(Heard::Frame(frame));
                continue;
            }
            let (wants_room, stream) = (end.session.wants_room(), end.stream);
            let side = self.side_of(stream, machine);
            let has_room = self
                .wire
                .streams
                .get(&stream)
                .is_some_and(|known| known.under_way[side.index()] < ROOM_FRAMES);
            if !wants_room || !has_room {
                return Ok(acted);
            }
            heard.push_back(Heard::Room);
        }
    }

    pub(super) fn side_of(&self, stream: StreamId, machine: MachineId) -> Side {
        let lower = self
            .wire
            .streams
            .get(&stream)
            .map(|known| known.machines[0]);
        if lower == Some(machine) {
            Side::Lower
        } else {
            Side::Upper
        }
    }

    /// A session looks at the time once after something happened, when a digest may be due.
    fn note_tick(&mut self, machine: MachineId, peer: NodeId) {
        let delay_ms = self.plan.limits.digest_interval_ms + 1;
        if let Some(end) = self.end(machine, peer)
            && !end.is_tick_noted
        {
            end.is_tick_noted = true;
            let stream = end.stream;
            let side = self.side_of(stream, machine);
            self.agenda
                .after(delay_ms, Event::SessionTick(stream, side));
        }
    }

    /// A session looks at the time. A quiet one is not looked at again until something happens.
    pub(super) fn session_tick(&mut self, stream: StreamId, side: Side) -> Result<(), Broken> {
        let Some((machine, peer)) = self.seated(stream, side) else {
            return Ok(());
        };
        if let Some(end) = self.end(machine, peer) {
            end.is_tick_noted = false;
        }
        self.hear(machine, peer, Heard::Tick)
    }

    fn carry_out(
        &mut self,
        machine: MachineId,
        peer: NodeId,
        action: Action,
        heard: &mut VecDeque<Heard>,
    ) -> Result<(), Broken> {
        match action {
            Action::Send(frame) => self.send(machine, peer, frame)?,
            Action::Store { lane, items } => {
                if let Some(from) = self.end(machine, peer).and_then(|end| end.peer) {
                    let input = Input::Items {
                        link: peer,
                        from,
                        lane,
                        items,
                    };
                    self.submit(machine, input);
                }
            }
            Action::PeerStored(receipt) => {
                let link = peer;
                self.submit(machine, Input::PeerStored { link, receipt });
            }
            Action::PeerHello(hello) => self.greeted(machine, peer, &hello, heard),
            Action::ComputeDigest => self.compute_soon(machine, peer, None),
            Action::ComputeRange(range) => self.compute_soon(machine, peer, Some(range)),
            Action::DigestResult { equal } => self.compared(machine, peer, equal)?,
            Action::RangeDiffers(_) => {
                self.tell(|| format!("{machine} - {peer}: {}", self.differences(machine, peer)));
                let input = Input::Alarm {
                    code: "DIGEST_DIFFERS".into(),
                    detail: peer.to_string(),
                };
                self.submit(machine, input);
            }
            // Nobody asks for lamps here.
            Action::PeerUnreached(_) => {}
            Action::Alarm { code, detail, .. } => self.alarmed(machine, peer, code, &detail)?,
            Action::Close {
                code,
                retry_after_ms,
            } => self.closed(machine, peer, code, retry_after_ms),
        }
        Ok(())
    }

    fn greeted(
        &mut self,
        machine: MachineId,
        peer: NodeId,
        hello: &pb::Hello,
        heard: &mut VecDeque<Heard>,
    ) {
        let now_ms = self.machines[machine].now(self.agenda.now_ms()).0;
        let Some(running) = &mut self.machines[machine].running else {
            return;
        };
        let is_up = running.views.me().at.up(&running.registry.load()) == Some(peer);
        for lane in LANES {
            let top_sequence = running.engine.top_reached(peer, lane);
            heard.push_back(Heard::TopMoved { lane, top_sequence });
        }
        let Some(end) = running.ends.get_mut(&peer) else {
            return;
        };
        end.peer = StoreId::from_bytes(&hello.store).map(|store| (store, hello.incarnation));
        end.skew_ms = hello.wall_time_ms.saturating_sub(now_ms);
        let skew_ms = end.skew_ms;
        if is_up {
            running.skew_up_ms = skew_ms;
        }
        self.tally.count(Family::Link, "session open");
        self.watch_soon(machine, peer);
        if skew_ms.saturating_abs() > SKEW_WARN_MS {
            self.tally.count(Family::Link, "CLOCK_SKEW");
            let input = Input::Alarm {
                code: "CLOCK_SKEW".into(),
                detail: String::new(),
            };
            self.submit(machine, input);
        }
    }

    fn compute_soon(&mut self, machine: MachineId, peer: NodeId, range: Option<u8>) {
        if let Some(end) = self.end(machine, peer) {
            let stream = end.stream;
            let side = self.side_of(stream, machine);
            let delay_ms = self.dice.network.between(0, 20);
            self.agenda
                .after(delay_ms, Event::Compute(stream, side, range));
        }
    }

    /// A digest, or a range of it, as the node stands now.
    pub(super) fn compute(
        &mut self,
        stream: StreamId,
        side: Side,
        range: Option<u8>,
    ) -> Result<(), Broken> {
        let Some((machine, peer)) = self.seated(stream, side) else {
            return Ok(());
        };
        let Some(running) = &self.machines[machine].running else {
            return Ok(());
        };
        let views = &running.views;
        let unread = |error| Broken::at("harness", format!("a digest does not read: {error}"));
        let event = match range {
            None => {
                let lanes = running.lanes(peer);
                Heard::DigestComputed(pb::Digest {
                    received: LANES
                        .iter()
                        .map(|lane| Lanes::received(&lanes, *lane))
                        .collect(),
                    sent: LANES
                        .iter()
                        .map(|lane| Lanes::last(&lanes, *lane))
                        .collect(),
                    ranges: views.digest_ranges(peer).map_err(unread)?,
                })
            }
            Some(range) => Heard::RangeComputed(pb::DigestRange {
                range: range.into(),
                chains: views.digest_range(peer, range).map_err(unread)?,
            }),
        };
        self.hear(machine, peer, event)
    }

    fn compared(&mut self, machine: MachineId, peer: NodeId, equal: bool) -> Result<(), Broken> {
        let word = if equal {
            "digest equal"
        } else {
            "digest differs"
        };
        self.tally.count(Family::Link, word);
        if equal || self.is_twin_about() {
            return Ok(());
        }
        let differing = self.differences(machine, peer);
        Err(Broken::at(
            "S3 agreement",
            format!(
                "at equal cursors the digests differ between {} and {peer}: {differing}",
                self.told(machine)
            ),
        ))
    }

    fn alarmed(
        &mut self,
        machine: MachineId,
        peer: NodeId,
        code: Code,
        detail: &str,
    ) -> Result<(), Broken> {
        self.tally.count(Family::Link, code.as_str());
        let text = format!("{peer}: {detail}");
        self.submit(
            machine,
            Input::Alarm {
                code: code.as_str().into(),
                detail: text,
            },
        );
        if self.is_twin_about() && code.as_str().starts_with("CURSOR") {
            self.tally
                .count(Family::Fault, "clone found out by its cursors");
        }
        let torn_frames =
            self.plan.is_wild && matches!(code, Code::Gap | Code::Credit | Code::CursorBehind);
        if torn_frames || self.is_twin_about() {
            return Ok(());
        }
        Err(Broken::at(
            "honest nodes raise no alarm",
            format!("{} at {}: {detail}", code.as_str(), self.told(machine)),
        ))
    }

    /// A session is over at this side.
    fn closed(&mut self, machine: MachineId, peer: NodeId, code: Code, retry_after_ms: u64) {
        self.tally.count(Family::Link, code.as_str());
        let stream = self.end(machine, peer).map(|end| end.stream);
        let Some(stream) = stream else { return };
        let side = self.side_of(stream, machine);
        // The other side learns it when the stream ends, after the last words.
        self.break_soon(stream, side.other(), 0);
        self.leave(stream, side, !code.is_alarm(), retry_after_ms);
    }

    /// One end is free; the lower one dials again.
    fn leave(&mut self, stream: StreamId, side: Side, is_fresh: bool, retry_after_ms: u64) {
        let Some(known) = self.wire.streams.get_mut(&stream) else {
            return;
        };
        known.is_ended[side.index()] = true;
        let (machines, nodes) = (known.machines, known.nodes);
        let (machine, peer) = (machines[side.index()], nodes[side.other().index()]);
        let mut was_open = false;
        if let Some(running) = &mut self.machines[machine].running
            && running
                .ends
                .get(&peer)
                .is_some_and(|end| end.stream == stream)
        {
            was_open = running
                .ends
                .remove(&peer)
                .is_some_and(|end| end.peer.is_some());
        }
        if side == Side::Lower
            && let Some(line) = self.wire.lines.get_mut(&machine)
            && line.stream == Some(stream)
        {
            line.stream = None;
            if was_open && is_fresh {
                line.backoff.reset();
            }
            self.dial_again(machine, retry_after_ms);
        }
    }

    /// Lets one side learn that its stream broke: after what is under way to it.
    pub(super) fn break_soon(&mut self, stream: StreamId, side: Side, delay_ms: i64) {
        let Some(known) = self.wire.streams.get(&stream) else {
            return;
        };
        let lower = known.machines[0];
        let latency_ms = self
            .wire
            .lines
            .get(&lower)
            .map_or(1, |line| line.weather.latency_ms);
        let now_ms = self.agenda.now_ms();
        let last_ms = known.last_ms[side.other().index()].min(now_ms + KEEPALIVE_MS);
        let delay_ms = delay_ms.max(last_ms - now_ms) + latency_ms;
        self.agenda.after(delay_ms, Event::Broke(stream, side));
    }

    /// One side learns that its stream broke.
    pub(super) fn broke(&mut self, stream: StreamId, side: Side) {
        let is_over = self
            .wire
            .streams
            .get(&stream)
            .is_none_or(|known| known.is_ended[side.index()]);
        if !is_over {
            self.tally.count(Family::Link, Code::Cut.as_str());
            self.leave(stream, side, true, 0);
        }
    }

    /// The streams of a machine that stops: the other sides learn it later, its own at once.
    pub(super) fn hang_up(&mut self, machine: MachineId) {
        let held: Vec<(StreamId, Side)> = self
            .wire
            .streams
            .iter()
            .flat_map(|(stream, known)| {
                [Side::Lower, Side::Upper]
                    .into_iter()
                    .filter(|side| known.machines[side.index()] == machine)
                    .filter(|side| !known.is_ended[side.index()])
                    .map(|side| (*stream, side))
            })
            .collect();
        for (stream, side) in held {
            let delay_ms = self.dice.network.between(0, KEEPALIVE_MS);
            self.break_soon(stream, side.other(), delay_ms);
            self.leave(stream, side, false, 0);
        }
    }

    pub(super) fn seated(&self, stream: StreamId, side: Side) -> Option<(MachineId, NodeId)> {
        let known = self.wire.streams.get(&stream)?;
        let (machine, peer) = (
            known.machines[side.index()],
            known.nodes[side.other().index()],
        );
        let running = self.machines[machine].running.as_ref()?;
        let end = running.ends.get(&peer)?;
        (end.stream == stream).then_some((machine, peer))
    }
}
