//! One session from its first frame to its last, whatever carries the frames; and the loop that tries again.
//!
//! One task a session: it alone touches the machine, never waits for the wire while it could hear the engine, and takes
//! in no more while the engine is behind. When it returns or is dropped the seat is free and nothing of it runs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::seat::{Leave, Seat};
use super::{Draw, Limits, Port};
use crate::replication::backoff::Backoff;
use crate::replication::session::{Action, Code, Event, Lanes, Session};

/// Between two [`Event::Tick`].
const TICK: Duration = Duration::from_secs(1);
/// Until whom this node does not reach is said again, though it is the same; at once when it is another.
const UNREACHED_AGAIN_MS: i64 = 60_000;
/// For the last words to leave, and for the peer to end its side.
const FAREWELL: Duration = Duration::from_millis(500);
/// What a peer is told when its session makes room for another of its own, or for a restart.
const LEAVE_RETRY_MS: u64 = 1_000;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// Why; [`Code::Cut`] when the stream broke.
    pub code: Code,
    /// Do not come back before.
    pub retry_after_ms: u64,
    /// Whether the Hellos were said.
    pub was_open: bool,
}

impl Ending {
    /// It never began.
    pub(super) const fn cut() -> Self {
        Self {
            code: Code::Cut,
            retry_after_ms: 0,
            was_open: false,
        }
    }
}

/// Runs one session over a stream of frames until either end closes, the stream breaks, or the seat is wanted.
///
/// May be dropped at any point: the port is then told that the session is closed, as at a cut.
pub(super) async fn drive<S>(
    session: Session,
    seat: Seat,
    port: Arc<dyn Port>,
    link: &str,
    mut incoming: S,
    outgoing: mpsc::Sender<pb::Frame>,
) -> Ending
where
    S: Stream<Item = Result<pb::Frame, Status>> + Unpin,
{
    let (mut driver, events) = Driver::new(session, port, link);
    driver.run(&seat, &mut incoming, &outgoing, events).await;
    let (ending, last_words) = driver.end();
    drop(seat);
    if ending.code != Code::Cut {
        let farewell = farewell(last_words, outgoing, incoming);
        // Whoever does not listen any more learns it by the end of the stream.
        drop(tokio::time::timeout(FAREWELL, farewell).await);
    }
    ending
}

/// Says the last words and lets the peer end the stream, so that they are not cut off on the way.
async fn farewell<S>(words: Vec<pb::Frame>, outgoing: mpsc::Sender<pb::Frame>, mut incoming: S)
where
    S: Stream<Item = Result<pb::Frame, Status>> + Unpin,
{
    for frame in words {
        if outgoing.send(frame).await.is_err() {
            return;
        }
    }
    drop(outgoing);
    while let Some(Ok(_)) = incoming.next().await {}
}

struct Driver<'a> {
    session: Session,
    port: Arc<dyn Port>,
    lanes: Arc<dyn Lanes>,
    link: &'a str,
    events: mpsc::UnboundedSender<Event>,
    /// Frames the machine wants sent: one after room was offered, or the last words.
    unsent: Vec<pb::Frame>,
    was_opened: bool,
    /// Places said last to be unreached, and when.
    unreached: (Vec<Vec<u8>>, i64),
    ending: Option<Ending>,
}

impl<'a> Driver<'a> {
    fn new(
        session: Session,
        port: Arc<dyn Port>,
        link: &'a str,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        // Unbounded, but what comes is bounded: answers by questions, Stored by credit, the rest by group commits; and it
        // is read whatever the wire does.
        let (events, receiver) = mpsc::unbounded_channel();
        let lanes = port.lanes(link);
        let driver = Self {
            session,
            port,
            lanes,
            link,
            events,
            unsent: Vec::new(),
            was_opened: false,
            unreached: (Vec::new(), 0),
            ending: None,
        };
        (driver, receiver)
    }

    async fn run<S>(
        &mut self,
        seat: &Seat,
        incoming: &mut S,
        outgoing: &mpsc::Sender<pb::Frame>,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) where
        S: Stream<Item = Result<pb::Frame, Status>> + Unpin,
    {
        let mut tick = tokio::time::interval_at(Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.step(Event::Opened);
        while self.ending.is_none() {
            let wants_room = self.session.wants_room();
            tokio::select! {
                biased;
                code = seat.asked_to_leave() => {
                    self.step(Event::Leave { code, retry_after_ms: LEAVE_RETRY_MS });
                }
                _ = tick.tick() => {
                    self.step(Event::Tick);
                    self.say_unreached();
                }
                Some(event) = events.recv() => self.step(event),
                room = outgoing.reserve(), if wants_room => match room {
                    Ok(room) => self.fill(room),
                    Err(_) => self.cut(None),
                },
                () = outgoing.closed(), if !wants_room => self.cut(None),
                frame = incoming.next(), if !self.session.is_full() => match frame {
                    Some(Ok(frame)) => self.step(Event::Frame(frame)),
                    Some(Err(status)) => self.cut(Some(&status)),
                    None => self.cut(None),
                },
            }
        }
    }

    fn fill(&mut self, room: mpsc::Permit<'_, pb::Frame>) {
        self.step(Event::Room);
        if self.ending.is_none()
            && let Some(frame) = self.unsent.pop()
        {
            room.send(frame);
        }
    }

    fn cut(&mut self, status: Option<&Status>) {
        if let Some(status) = status {
            let (link, code, why) = (self.link, status.code(), status.message());
            tracing::debug!(link, ?code, why, "the stream of a link broke");
        }
        self.ending = Some(Ending {
            code: Code::Cut,
            retry_after_ms: 0,
            was_open: self.was_opened,
        });
    }

    /// Has the peer told whom this node does not reach, where that is new or was said a while ago.
    fn say_unreached(&mut self) {
        if !self.session.is_open() {
            return;
        }
        let (now_ms, told) = (self.port.now_ms(), self.port.unreached(self.link));
        let places: Vec<Vec<u8>> = told.places.iter().map(|one| one.place.clone()).collect();
        let (before, at_ms) = &self.unreached;
        let again = !places.is_empty() && now_ms.saturating_sub(*at_ms) >= UNREACHED_AGAIN_MS;
        if places != *before || again {
            self.unreached = (places, now_ms);
            self.step(Event::Unreached(told));
        }
    }

    fn step(&mut self, event: Event) {
        let now_ms = self.port.now_ms();
        for action in self.session.step(now_ms, &*self.lanes, event) {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        let (port, link) = (&self.port, self.link);
        match action {
            Action::Send(frame) => self.unsent.push(frame),
            Action::Store { lane, items } => port.store(link, lane, items),
            Action::PeerStored(receipt) => port.peer_stored(link, receipt),
            Action::PeerHello(hello) => {
                self.was_opened = true;
                port.opened(link, &hello, self.events.clone());
            }
            Action::ComputeDigest => port.compute_digest(link),
            Action::ComputeRange(range) => port.compute_range(link, range),
            Action::DigestResult { equal } => port.digest_result(link, equal),
            Action::PeerUnreached(places) => port.peer_unreached(link, &places),
            Action::RangeDiffers(theirs) => port.range_differs(link, theirs),
            Action::Alarm {
                code,
                detail,
                older_copy,
            } => {
                port.alarm(link, code, &detail);
                if older_copy {
                    port.older_copy(link, &detail);
                }
            }
            Action::Close {
                code,
                retry_after_ms,
            } => {
                self.ending = Some(Ending {
                    code,
                    retry_after_ms,
                    was_open: self.was_opened,
                });
            }
        }
    }

    /// The ending and what is still to be said.
    fn end(mut self) -> (Ending, Vec<pb::Frame>) {
        let ending = self.ending.unwrap_or(Ending::cut());
        (ending, std::mem::take(&mut self.unsent))
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if self.was_opened {
            let code = self.ending.map_or(Code::Cut, |ending| ending.code);
            self.port.closed(self.link, code);
        }
    }
}

/// Tries until asked to stop, with pauses: from the least again once a session stood and nothing alarmed. Each attempt
/// is given what asks it to leave, and is waited for.
pub(super) async fn keep_trying<F>(
    limits: &Limits,
    draw: &Draw,
    stop: &Leave,
    mut attempt: impl FnMut(Leave) -> F,
) where
    F: Future<Output = Ending>,
{
    let mut backoff = Backoff::new(limits.retry_ms_min, limits.retry_ms_max);
    loop {
        let leave = Leave::default();
        let mut attempt = pin!(attempt(leave.clone()));
        let ending = tokio::select! {
            ending = &mut attempt => ending,
            code = stop.asked() => {
                leave.ask(code);
                attempt.await;
                return;
            }
        };
        let pause = Duration::from_millis(pause_ms(&mut backoff, ending, draw()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.asked() => return,
        }
    }
}

fn pause_ms(backoff: &mut Backoff, ending: Ending, random: u64) -> u64 {
    if ending.was_open && !ending.code.is_alarm() {
        backoff.reset();
    }
    if ending.retry_after_ms > 0 {
        backoff.next_after_ms(ending.retry_after_ms, random)
    } else {
        backoff.next_ms(random)
    }
}
