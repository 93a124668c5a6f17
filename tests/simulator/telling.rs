//! What happens, in words, for whoever looks into a seed: `FENGQIAO_TELL=1`. One line an event, and one for each fact
//! that a machine has synced.

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, SubmissionId};
use fengqiao_node::engine::record::{place_of, read_record};
use fengqiao_node::journal::{JournalReader, Position};
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use pb::frame::Content;

use super::Simulator;
use super::agenda::{Event, MachineId};
use super::ledger::bytes_at;

impl Simulator {
    /// Tells an event.
    pub(super) fn tell_event(&self, event: &Event) {
        self.tell(|| match event {
            Event::Frame(stream, side, frame) => {
                format!("  {stream} {side:?} hears {}", frame_told(frame))
            }
            other => format!("{other:?}"),
        });
    }

    /// Tells what a machine has synced since it was last looked at.
    pub(super) fn tell_synced(&self, machine: MachineId, reader: &dyn JournalReader) {
        if !self.is_told() {
            return;
        }
        let from = Position(self.ledger.shelves[machine].end);
        for record in reader.tail(from).map_while(Result::ok) {
            let Ok((facts, blobs)) = read_record(record.position.0, &record.payload) else {
                continue;
            };
            for fact in &facts {
                let blob = match fact {
                    Fact::Entry(stored) => stored.blob.as_ref(),
                    Fact::Owed(owed) => owed.blob.as_ref(),
                    _ => None,
                };
                let bytes = place_of(blob, &blobs).and_then(|at| bytes_at(&record, reader, &at));
                let bytes = bytes.unwrap_or_default();
                self.tell(|| format!("  {machine} has {}", fact_told(fact, &bytes)));
            }
        }
    }
}

/// A frame, without what it carries.
pub(super) fn frame_told(frame: &pb::Frame) -> String {
    let session = frame.session.last().copied().unwrap_or_default();
    let cursor = |cursor: &pb::Cursor| format!("{:?} {}", cursor.lane(), cursor.sequence);
    let what = match &frame.content {
        Some(Content::Hello(hello)) => {
            let [received, sent] = [&hello.received, &hello.sent]
                .map(|all| all.iter().map(cursor).collect::<Vec<_>>());
            format!("Hello: has {received:?}, sends {sent:?}")
        }
        Some(Content::Items(items)) => {
            let ends = items.items.first().zip(items.items.last());
            let ends = ends.map(|(first, last)| (first.sequence, last.sequence));
            format!("Items: {:?} {ends:?}", items.lane())
        }
        Some(Content::Acknowledged(word)) => {
            let (top, tentative) = (word.top_sequence, word.tentative);
            let stored = word.cursor.as_ref().map(cursor);
            format!("Acknowledged: {stored:?}, top {top}, tentative {tentative}")
        }
        Some(Content::Digest(_)) => "Digest".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{what} ({session})")
}

fn fact_told(fact: &Fact, bytes: &[u8]) -> String {
    match fact {
        Fact::Entry(stored) => {
            let (verdict, by) = (stored.verdict(), &stored.link);
            format!(
                "{verdict:?} {} {} by link {by:?}",
                stored.reason,
                entry_told(bytes)
            )
        }
        Fact::Owed(owed) => {
            let what = match owed.kind() {
                pb::ItemKind::Entry => entry_told(bytes),
                kind => {
                    let subject = ChainId::from_bytes(&owed.subject);
                    format!("{kind:?} of {subject:?}")
                }
            };
            let (lane, sequence) = (owed.lane(), owed.sequence);
            format!("owed to {} {lane:?} {sequence}: {what}", owed.link)
        }
        Fact::SubmissionEnded(ended) => {
            let submission = SubmissionId::from_bytes(&ended.submission);
            format!("submission {submission:?} ended {}", ended.code)
        }
        Fact::Received(moved) => {
            let cursor = moved.cursor.clone().unwrap_or_default();
            format!(
                "{:?} {} from {}",
                cursor.lane(),
                cursor.sequence,
                moved.link
            )
        }
        Fact::Heard(heard) => format!("the last word of {} in {:?}", heard.link, heard.lane()),
        Fact::HandingOver(step) => format!("handed over to {}, done {}", step.link, step.done),
        Fact::Answered(_) => "answered".to_owned(),
        other => format!("{other:?}"),
    }
}

fn entry_told(bytes: &[u8]) -> String {
    let Ok(entry) = Entry::parse(bytes) else {
        return "bytes that are no entry".to_owned();
    };
    let (chain, sequence, rank, mv) = (entry.chain, entry.sequence, &entry.rank, entry.mv);
    let (hash, author): (Hash, NodeId) = (entry.hash, entry.author);
    let content = format!("{:?}", entry.body.content);
    let content: String = content
        .trim_start_matches("Some(")
        .chars()
        .take_while(|letter| letter.is_alphanumeric())
        .collect();
    let previous = entry.previous.map(|previous| previous.short());
    format!(
        "{:?} {chain} {sequence}@{rank} {} after {previous:?} {mv:?} {content} by {author}",
        entry.kind,
        hash.short()
    )
}
