//! An independent memory of what was synced, acknowledged and answered, by its own small rules. It never asks the code
//! under test what it thinks; it reads the records of each journal as they are written.

mod lanes;
mod losses;

use std::collections::{BTreeMap, BTreeSet};

use fengqiao_hub::entry::{Entry, Move};
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::registry_change;
use fengqiao_hub::rank::Rank;
use fengqiao_node::engine::record::{place_of, read_record};
use fengqiao_node::journal::{JournalReader, Location, Position, Record};
use fengqiao_node::store::tables::Place;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use sha2::{Digest as _, Sha256};

use super::Broken;
use super::agenda::MachineId;
use super::tally::{Family, Tally};

/// Where a place stands, as the simulator built the world.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Place above, as it stands now.
    pub parent: Option<PlaceId>,
    /// Level.
    pub level: u32,
    /// Where it stood before each move, with who wrote the move and where it stands in that registry chain.
    moves: Vec<(Option<PlaceId>, (PlaceId, u64))>,
}

impl Ground {
    /// A place added below another.
    #[must_use]
    pub fn below(parent: Option<PlaceId>, level: u32) -> Self {
        Self {
            parent,
            level,
            moves: Vec::new(),
        }
    }

    /// The place above as somebody knew it who names these registry versions.
    fn parent_knowing(&self, named: &[(PlaceId, u64)]) -> Option<PlaceId> {
        let unheard =
            |by: &(PlaceId, u64)| !named.iter().any(|named| named.0 == by.0 && named.1 >= by.1);
        let first = self.moves.iter().find(|(_, by)| unheard(by));
        first.map_or(self.parent, |(before, _)| *before)
    }
}

/// What is known of an entry that was synced somewhere.
#[derive(Debug, Clone)]
pub struct Known {
    /// Chain.
    pub chain: ChainId,
    /// Kind of chain.
    pub kind: pb::ChainKind,
    /// Entry before.
    pub previous: Option<Hash>,
    /// From 1.
    pub sequence: u64,
    /// Rank at it.
    pub rank: Rank,
    /// Author.
    pub author: NodeId,
    /// What it does to custody.
    pub mv: Move,
    /// Who may write next, by the ledger's own rules; unknown above a gap.
    custodian: Option<PlaceId>,
    /// Registry versions named where custody was given.
    pub(super) way: Vec<(PlaceId, u64)>,
    bytes: [u8; 32],
    /// Machines that have joined it to a tree, with the order in which they did.
    pub applied_at: BTreeMap<MachineId, u64>,
    /// Machines that have it in their journal.
    pub stored_at: BTreeSet<MachineId>,
}

/// Who may write next, and the registry versions named where custody was given.
type Given = (Option<PlaceId>, Vec<(PlaceId, u64)>);

/// What is known of a machine's journal.
#[derive(Debug, Default, Clone)]
pub struct Shelf {
    /// Up to where it was read.
    pub end: u64,
    last: Option<(u64, [u8; 32])>,
    received: BTreeMap<(String, i32), u64>,
    owed: BTreeMap<(String, i32), Vec<Hash>>,
    /// Where entries stand in the journal.
    places: BTreeMap<(u64, u32), Hash>,
    /// Entries owed in a lane of cases and not shown as settled yet, by link.
    under_way: BTreeMap<String, BTreeSet<Hash>>,
    /// Who has handed over here, in which lane.
    handed_over: BTreeSet<(NodeId, pb::Lane)>,
    /// Records read.
    pub records: u64,
    /// Its disk was lost, put back or copied: what it had forgotten is excused.
    pub is_excused: bool,
}

/// The memory.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By hash.
    pub entries: BTreeMap<Hash, Known>,
    /// One author in one life uses a number once.
    numbers: BTreeMap<(NodeId, u32, u64), Hash>,
    /// One place of a chain at one rank has one entry of one author in one life.
    positions: BTreeMap<(ChainId, Rank, u64), Hash>,
    /// By machine.
    pub shelves: Vec<Shelf>,
    /// By node: place and whether it is a department's.
    pub nodes: BTreeMap<NodeId, (PlaceId, bool)>,
    /// Where places stand.
    pub ground: BTreeMap<PlaceId, Ground>,
    /// What requests were answered with, by whom, and up to where its journal had come then.
    answers: BTreeMap<u64, (MachineId, u64, Vec<u8>)>,
    /// What was shown as settled while it stood, and the places by whose acknowledgement.
    pub settled: BTreeMap<Hash, BTreeSet<PlaceId>>,
    /// Entries whose author was told that they are stored.
    pub answered: BTreeMap<Hash, MachineId>,
    joined: u64,
    /// Whose node runs on a machine.
    pub homes: BTreeMap<MachineId, NodeId>,
    /// Authors of whom two machines run: they may write twice.
    pub twins: BTreeSet<NodeId>,
    /// Authors that a leader had go on without the word of a neighbour: what that one holds, they may write again.
    waived: BTreeSet<NodeId>,
    /// What twins, and who was waived, wrote at one place of a chain.
    pub doubles: Vec<(Hash, Hash)>,
    /// Nodes whose keys somebody else had.
    pub liars: BTreeSet<NodeId>,
    /// Hashes of the bytes they put on the wire.
    forged: BTreeSet<[u8; 32]>,
}

impl Shelf {
    /// The same journal under another identity: what it owed it owes, what it received it receives anew.
    #[must_use]
    pub fn begun_again(mut self) -> Self {
        self.received.clear();
        self
    }
}

impl Ledger {
    /// Whether a machine was handed over to by one that served a place.
    #[must_use]
    pub fn was_handed_over(&self, machine: MachineId, place: PlaceId) -> bool {
        let shelf = &self.shelves[machine];
        let spoke = |node: &NodeId| {
            [pb::Lane::Control, pb::Lane::Cases]
                .iter()
                .all(|lane| shelf.handed_over.contains(&(*node, *lane)))
        };
        let served = self.nodes.iter().filter(|(_, at)| **at == (place, false));
        served.map(|(node, _)| node).any(spoke)
    }

    /// Whether one place stands above another.
    #[must_use]
    pub fn is_above(&self, above: PlaceId, below: PlaceId) -> bool {
        let parent = |place: &PlaceId| self.ground.get(place).and_then(|ground| ground.parent);
        std::iter::successors(parent(&below), parent).any(|place| place == above)
    }

    /// The same by the registry versions that an entry names.
    #[must_use]
    pub fn is_above_knowing(
        &self,
        above: PlaceId,
        below: PlaceId,
        named: &[(PlaceId, u64)],
    ) -> bool {
        let parent = |place: &PlaceId| self.ground.get(place)?.parent_knowing(named);
        std::iter::successors(parent(&below), parent).any(|place| place == above)
    }

    /// A place was moved: every place is at most once in a run.
    fn moved(&mut self, entry: &Entry) {
        let change = registry_change(entry.body.content.as_ref());
        let Some(pb::registry_change::Change::PlaceMoved(moved)) = change else {
            return;
        };
        let place = PlaceId::from_bytes(&moved.place);
        let ground = place.and_then(|place| self.ground.get_mut(&place));
        if let (Some(ground), Some(by)) = (ground, entry.chain.place()) {
            ground.moves.push((ground.parent, (by, entry.sequence)));
            ground.parent = PlaceId::from_bytes(&moved.to);
        }
    }

    /// What was synced of a chain, and where, in words.
    #[must_use]
    pub fn told(&self, chain: ChainId) -> Vec<String> {
        let known = self
            .entries
            .iter()
            .filter(|(_, known)| known.chain == chain);
        known
            .map(|(hash, known)| {
                let (at, stored) = (known.sequence, &known.stored_at);
                format!(
                    "{at}@{} {} {:?} at {stored:?}",
                    known.rank,
                    hash.short(),
                    known.mv
                )
            })
            .collect()
    }

    /// Level of a node's place.
    #[must_use]
    pub fn level_of(&self, node: NodeId) -> u32 {
        let place = self.nodes.get(&node).map(|(place, _)| place);
        place
            .and_then(|place| self.ground.get(place))
            .map_or(0, |ground| ground.level)
    }

    /// Reads what a machine has synced since.
    ///
    /// # Errors
    /// A promise that does not hold.
    pub fn observe(
        &mut self,
        machine: MachineId,
        me: NodeId,
        reader: &dyn JournalReader,
        tally: &mut Tally,
        now_ms: i64,
    ) -> Result<(), Broken> {
        let from = self.shelves[machine].end;
        for record in reader.tail(Position(from)) {
            let record = record.map_err(|error| {
                Broken::at(
                    "S8 ack means stored",
                    format!("the journal does not read: {error}"),
                )
            })?;
            tally.trace(now_ms, "record", &record.payload);
            self.read(machine, me, &record, reader, tally)?;
            let shelf = &mut self.shelves[machine];
            shelf.end = record.next.0;
            shelf.records += 1;
            let hash = Sha256::digest(&record.payload).into();
            shelf.last = Some((record.position.0, hash));
        }
        Ok(())
    }

    /// Bytes of a machine's last record, with its header.
    #[must_use]
    pub fn last_record_bytes(&self, machine: MachineId, end: u64) -> usize {
        let last = self.shelves[machine]
            .last
            .map_or(0, |(position, _)| position);
        usize::try_from(end.saturating_sub(last)).unwrap_or_default()
    }

    /// After a start: all that was synced before is there.
    ///
    /// # Errors
    /// `S8`.
    pub fn started(
        &self,
        machine: MachineId,
        reader: &dyn JournalReader,
        end: u64,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        tally.count(Family::Property, "S8 stored survives a stop");
        let shelf = &self.shelves[machine];
        if end < shelf.end {
            return Err(Broken::at(
                "S8 ack means stored",
                format!("the journal ends at {end}, {} was synced", shelf.end),
            ));
        }
        let Some((position, hash)) = shelf.last else {
            return Ok(());
        };
        let again = reader.tail(Position(position)).next();
        let same = match again {
            Some(Ok(record)) => <[u8; 32]>::from(Sha256::digest(&record.payload)) == hash,
            Some(Err(_)) | None => false,
        };
        if same {
            Ok(())
        } else {
            Err(Broken::at(
                "S8 ack means stored",
                format!("another record stands at {position}"),
            ))
        }
    }

    fn read(
        &mut self,
        machine: MachineId,
        me: NodeId,
        record: &Record,
        reader: &dyn JournalReader,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        let (facts, blobs) = read_record(record.position.0, &record.payload)
            .map_err(|_| Broken::at("S8 ack means stored", "a record does not read".into()))?;
        for fact in &facts {
            match fact {
                Fact::Entry(stored) => {
                    let at = place_of(stored.blob.as_ref(), &blobs);
                    let bytes = at.and_then(|at| bytes_at(record, reader, &at));
                    let (Some(at), Some(bytes)) = (at, bytes) else {
                        return Err(Broken::at(
                            "S8 ack means stored",
                            "an entry without bytes".into(),
                        ));
                    };
                    self.stored(machine, stored, at, &bytes, tally)?;
                }
                Fact::Owed(owed) => {
                    let at = place_of(owed.blob.as_ref(), &blobs);
                    self.owed(machine, owed, at)?;
                }
                Fact::Received(moved) => self.received(machine, me, moved, tally)?,
                Fact::SubmissionEnded(ended) => {
                    tally.count(Family::Refusal, format!("submission: {}", ended.code));
                }
                Fact::ItemParked(parked) => {
                    let kind = parked.kind().as_str_name().trim_start_matches("ITEM_KIND_");
                    tally.count(
                        Family::Verdict,
                        format!("parked {}: {}", kind.to_lowercase(), parked.reason),
                    );
                }
                Fact::Heard(heard) if heard.waived_by.is_empty() => {
                    let link = heard.link.parse().map_err(|_| {
                        Broken::at("S8 ack means stored", "a link does not read".into())
                    })?;
                    let shelf = &mut self.shelves[machine];
                    shelf.handed_over.insert((link, heard.lane()));
                }
                Fact::Heard(_) => {
                    self.waived.insert(me);
                }
                Fact::ParkingEnded(_) => tally.count(Family::Verdict, "no longer parked"),
                Fact::Kept(_)
                | Fact::Answered(_)
                | Fact::Number(_)
                | Fact::Invitation(_)
                | Fact::Started(_)
                | Fact::Recovered(_)
                | Fact::HandingOver(_)
                | Fact::PassingOn(_)
                | Fact::AnnexHeld(_) => {}
            }
        }
        Ok(())
    }

    fn stored(
        &mut self,
        machine: MachineId,
        stored: &pb::EntryStored,
        at: Place,
        bytes: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        let is_applied = stored.verdict() == pb::EntryVerdict::Applied;
        if is_applied {
            tally.count(Family::Verdict, "applied");
        } else {
            tally.count(Family::Verdict, format!("parked: {}", stored.reason));
        }
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        if self.forged.contains(&digest) {
            return if is_applied {
                Err(Broken::at(
                    "S12 authority",
                    format!("a forged entry was applied: {:?}", Entry::parse(bytes)),
                ))
            } else {
                Ok(())
            };
        }
        let Ok(entry) = Entry::parse(bytes) else {
            return if is_applied {
                Err(Broken::at(
                    "S12 authority",
                    "bytes that are no entry were applied".into(),
                ))
            } else {
                Ok(())
            };
        };
        self.shelves[machine]
            .places
            .insert((at.position, at.offset), entry.hash);
        let is_first = is_applied
            && self
                .entries
                .get(&entry.hash)
                .is_none_or(|known| known.applied_at.is_empty());
        let (mut custodian, mut way) = (None, Vec::new());
        if is_first {
            self.unique(&entry, tally)?;
            self.moved(&entry);
            if entry.kind == pb::ChainKind::Case {
                (custodian, way) = self.judged(&entry, tally)?;
            }
        }
        if let Some(known) = self.entries.get_mut(&entry.hash) {
            if is_first {
                known.custodian = custodian;
                known.way.clone_from(&way);
            }
            tally.count(Family::Property, "S13 byte fidelity");
            if known.bytes != digest {
                return Err(Broken::at(
                    "S13 byte fidelity",
                    format!("other bytes of entry {}", entry.hash.short()),
                ));
            }
            known.stored_at.insert(machine);
            if is_applied {
                self.joined += 1;
                known.applied_at.entry(machine).or_insert(self.joined);
            }
            return Ok(());
        }
        let mut known = Known {
            chain: entry.chain,
            kind: entry.kind,
            previous: entry.previous,
            sequence: entry.sequence,
            rank: entry.rank.clone(),
            author: entry.author,
            mv: entry.mv,
            custodian,
            way,
            bytes: digest,
            applied_at: BTreeMap::new(),
            stored_at: BTreeSet::from([machine]),
        };
        if is_applied {
            self.joined += 1;
            known.applied_at.insert(machine, self.joined);
        }
        self.entries.insert(entry.hash, known);
        Ok(())
    }

    /// S2: nobody uses a number twice, and no place of a chain has two entries of one rank.
    fn unique(&mut self, entry: &Entry, tally: &mut Tally) -> Result<(), Broken> {
        tally.count(Family::Property, "S2 unique identity");
        let number = (entry.author, entry.incarnation, entry.author_sequence);
        let position = (entry.chain, entry.rank.clone(), entry.sequence);
        let numbered = *self.numbers.entry(number).or_insert(entry.hash);
        let placed = *self.positions.entry(position).or_insert(entry.hash);
        if self.twins.contains(&entry.author) {
            if placed != entry.hash {
                tally.count(Family::Fault, "clone wrote twice");
                self.doubles.push((placed, entry.hash));
            }
            return Ok(());
        }
        if numbered == entry.hash && placed != entry.hash && self.waived.contains(&entry.author) {
            // A leader went on without the word of whoever held the other one.
            tally.count(Family::Fault, "wrote again after a waiver");
            self.doubles.push((placed, entry.hash));
            return Ok(());
        }
        if numbered != entry.hash || placed != entry.hash {
            return Err(Broken::at("S2 unique identity", {
                let other = if numbered == entry.hash {
                    placed
                } else {
                    numbered
                };
                let known = self.entries.get(&other);
                format!(
                    "entries {} and {} share a number or a place: {:?} {} {:?}@{} by {} and {:?}, stored at {:?}",
                    entry.hash.short(),
                    other.short(),
                    entry.kind,
                    entry.chain,
                    entry.sequence,
                    entry.rank,
                    entry.author,
                    known.map(|known| known.author),
                    known.map(|known| known.stored_at.clone())
                )
            }));
        }
        Ok(())
    }

    /// S4 and S5: the custodian writes, an ancestor takes, ranks never fall.
    fn judged(&self, entry: &Entry, tally: &mut Tally) -> Result<Given, Broken> {
        let broken = |promise, why: &str| {
            let (hash, author) = (entry.hash.short(), entry.author);
            Broken::at(promise, format!("entry {hash} of {author}: {why}"))
        };
        let Some((place, is_department)) = self.nodes.get(&entry.author).copied() else {
            return Err(broken("S12 authority", "its author is nobody"));
        };
        if is_department {
            return Err(broken("S4 one writer", "a department wrote"));
        }
        let taken = matches!(entry.mv, Move::Taken(_));
        let Some(previous) = entry.previous else {
            return Ok((Some(place), entry.registry.clone()));
        };
        let Some(before) = self.entries.get(&previous) else {
            return Ok((taken.then_some(place), entry.registry.clone()));
        };
        tally.count(Family::Property, "S4 one writer");
        tally.count(Family::Property, "S5 fence");
        if taken && entry.rank <= before.rank || !taken && entry.rank != before.rank {
            return Err(broken("S5 fence", "the rank does not follow"));
        }
        if let Some(custodian) = before.custodian {
            let may = if taken {
                self.is_above_knowing(place, custodian, &entry.registry)
                    && self.is_above_knowing(place, custodian, &before.way)
            } else {
                place == custodian
            };
            if !may && !self.twins.contains(&entry.author) {
                let why = format!(
                    "{:?} at {place} where {custodian} was custodian after {} by {}: {:?}",
                    entry.mv,
                    previous.short(),
                    before.author,
                    before.mv
                );
                return Err(broken("S4 one writer", &why));
            }
        }
        Ok(match entry.mv {
            Move::Dispatched(to) => (Some(to), entry.registry.clone()),
            Move::Taken(_) => (Some(place), entry.registry.clone()),
            Move::None | Move::Offered(_) => (before.custodian, before.way.clone()),
        })
    }

    /// Somebody was answered: the same request is always answered alike, and what it names is stored.
    ///
    /// # Errors
    /// `S8`, `S9`.
    pub fn answer(
        &mut self,
        machine: MachineId,
        request: u64,
        answer: &[u8],
        entry: Option<Hash>,
        tally: &mut Tally,
    ) -> Result<(), Broken> {
        if let Some((_, _, before)) = self.answers.get(&request) {
            tally.count(Family::Property, "S9 a request asked again");
            if before != answer {
                return Err(Broken::at(
                    "S9 exactly once",
                    format!("request {request} was answered twice, differently"),
                ));
            }
        }
        let end = self.shelves[machine].end;
        self.answers
            .entry(request)
            .or_insert_with(|| (machine, end, answer.to_vec()));
        let Some(hash) = entry else { return Ok(()) };
        tally.count(Family::Property, "S8 an answer means stored");
        let is_stored = self
            .entries
            .get(&hash)
            .is_some_and(|known| known.stored_at.contains(&machine));
        if !is_stored {
            return Err(Broken::at(
                "S8 ack means stored",
                format!("entry {} was answered and is not synced", hash.short()),
            ));
        }
        self.answered.insert(hash, machine);
        Ok(())
    }
}

pub(super) fn bytes_at(record: &Record, reader: &dyn JournalReader, at: &Place) -> Option<Vec<u8>> {
    if at.position == record.position.0 {
        let from = at.offset as usize;
        return record
            .payload
            .get(from..from + at.length as usize)
            .map(<[u8]>::to_vec);
    }
    let location = Location {
        position: Position(at.position),
        offset: at.offset,
        length: at.length,
    };
    reader.read(location).ok()
}
