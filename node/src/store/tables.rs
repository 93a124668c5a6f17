//! Every table of the store: key, value, meaning. Nobody else builds a key.
//!
//! | Key | Value | Meaning |
//! |---|---|---|
//! | `e` chain sequence hash | [`EntryRow`] | an entry of a tree, where its bytes stand |
//! | `h` chain | [`ChainRow`] | what is known of a chain in short |
//! | `g` chain | empty | registry chains, so that opening finds them |
//! | `j` chain | empty | rulebook chains, the same |
//! | `n` case | `SignedNotice` | the notice of a case whose chain is not here |
//! | `a` number 0 chain | empty | cases by their readable number; a copied machine may have given one out twice |
//! | `w` due chain | empty | open cases by due time, those without one last |
//! | `k` link chain | [`CarriedRow`] | what this link carries of a chain |
//! | `o` link lane sequence | [`OwedRow`] | the outbox: an item owed to a link |
//! | `l` link lane | [`LaneRow`] | where a lane ends, both directions |
//! | `c` link lane | [`ReceiptRow`] | what the other side says it has stored of a lane; not in the journal |
//! | `p` chain hash | [`ParkedRow`] | an entry, or what else is signed, that waits; by what it speaks of |
//! | `s` submission | [`SubmissionRow`] | a submission that waits for the custodian |
//! | `q` case submission | empty | the same by case |
//! | `r` request | [`AnswerRow`] | the answer a write got |
//! | `t` node incarnation day unit class | `SignedTally` | a daily figure |
//! | `d` directive place | `SignedDirectiveCount` | how far a directive has come below a place |
//! | `x` warning | empty | red warnings given |
//! | `z` case moment entry | [`LookRow`] | who was shown texts of a case |
//! | `v` chain hash | `Due` | until when an entry that came not to stand is to be adopted or declined |
//! | `u` login | chain hash | an account: the `AccountSet` body |
//! | `i` invitation | JSON | an invitation |
//! | `m` name | 8 bytes | named numbers |
//! | `f` link lane | incarnation, u64 | in that life of this place, the neighbour has handed over what it held for the node before, or was waived |
//! | `y` family | version, u64 | which version of its projector wrote a family of tables |
//! | `b` link | [`HandingRow`] | how far this node has come in handing over to a successor |

use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId, SubmissionId};
use fengqiao_proto::v1 as pb;

/// Where bytes stand in the journal.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Place {
    /// Position of the record.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// Offset in its payload.
    #[prost(uint32, tag = "2")]
    pub offset: u32,
    /// Length, bytes.
    #[prost(uint32, tag = "3")]
    pub length: u32,
}

/// `e`: an entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EntryRow {
    /// Its bytes.
    #[prost(message, optional, tag = "1")]
    pub at: Option<Place>,
    /// Sequence in the parent's cases lane by which it went up, 0 if it did not.
    #[prost(uint64, tag = "2")]
    pub up_sequence: u64,
    /// Node that was the parent's then, 10 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub up: Vec<u8>,
}

/// `h`: a chain in short.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChainRow {
    /// Kind.
    #[prost(enumeration = "pb::ChainKind", tag = "1")]
    pub kind: i32,
    /// What two holders must agree on, 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub digest: Vec<u8>,
    /// Head hash, 32 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub head: Vec<u8>,
    /// Head sequence.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
    /// When it falls due as in the worklist; `i64::MAX` without a clock, `i64::MIN` when not listed.
    #[prost(sint64, tag = "5")]
    pub listed_at: i64,
    /// Stage of a case; empty for other chains, and above a gap.
    #[prost(string, tag = "6")]
    pub stage: String,
    /// Outcome of a case.
    #[prost(enumeration = "pb::Outcome", tag = "7")]
    pub outcome: i32,
    /// Readable number of a case.
    #[prost(string, tag = "8")]
    pub number: String,
    /// External number of a case.
    #[prost(string, tag = "9")]
    pub external_number: String,
    /// The clocks of a case that run.
    #[prost(message, repeated, tag = "10")]
    pub clocks: Vec<pb::RunningClock>,
    /// What a list shows of a case beside that.
    #[prost(message, optional, tag = "11")]
    pub case: Option<CaseRow>,
}

/// What a list shows of a case, in a [`ChainRow`]. Names are looked up when it is shown: they may change.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CaseRow {
    /// Place, 10 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub custodian: Vec<u8>,
    /// Class.
    #[prost(string, tag = "2")]
    pub class: String,
    /// Rank of the head, in words.
    #[prost(string, tag = "3")]
    pub rank: String,
    /// Unit that leads, 10 bytes or empty.
    #[prost(bytes = "vec", tag = "4")]
    pub lead: Vec<u8>,
    /// Place where it began, 10 bytes.
    #[prost(bytes = "vec", tag = "5")]
    pub origin: Vec<u8>,
    /// First receiver when it is a unit, 10 bytes or empty.
    #[prost(bytes = "vec", tag = "6")]
    pub first_unit: Vec<u8>,
    /// First receiver when it is a place, 10 bytes or empty.
    #[prost(bytes = "vec", tag = "7")]
    pub first_place: Vec<u8>,
    /// Sequence below which entries are awaited.
    #[prost(uint64, tag = "8")]
    pub awaited_below: u64,
    /// Written twice at one place: nobody writes before a superior has taken it.
    #[prost(bool, tag = "9")]
    pub frozen: bool,
    /// Entries that came not to stand and are to be decided.
    #[prost(uint32, tag = "10")]
    pub annex_open: u32,
    /// Entries of this node that stand no longer.
    #[prost(uint32, tag = "11")]
    pub own_overtaken: u32,
    /// How it came.
    #[prost(enumeration = "pb::Channel", tag = "12")]
    pub channel: i32,
    /// How urgent it is.
    #[prost(enumeration = "pb::Urgency", tag = "13")]
    pub urgency: i32,
    /// When it was received, Unix milliseconds.
    #[prost(sint64, tag = "14")]
    pub received_ms: i64,
    /// Place it is about, 10 bytes or empty.
    #[prost(bytes = "vec", tag = "15")]
    pub place: Vec<u8>,
    /// Times it was returned.
    #[prost(uint32, tag = "16")]
    pub bounces: u32,
    /// Convened tasks.
    #[prost(message, repeated, tag = "17")]
    pub tasks: Vec<TaskRow>,
    /// The offer that waits for an answer.
    #[prost(message, optional, tag = "18")]
    pub offer: Option<OfferRow>,
    /// Replies that centres owe each other.
    #[prost(message, repeated, tag = "19")]
    pub obligations: Vec<ObligationRow>,
    /// Name of the class in Chinese, where the case brings its definition; else empty.
    #[prost(string, tag = "20")]
    pub class_zh: String,
    /// The same in English.
    #[prost(string, tag = "21")]
    pub class_en: String,
}

/// A convened task, in a [`CaseRow`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskRow {
    /// Number in the case, from 1.
    #[prost(uint32, tag = "1")]
    pub number: u32,
    /// Place, 10 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub place: Vec<u8>,
    /// Unit, 10 bytes or empty.
    #[prost(bytes = "vec", tag = "3")]
    pub unit: Vec<u8>,
    /// Stable word of its state.
    #[prost(string, tag = "4")]
    pub state: String,
    /// Unix milliseconds.
    #[prost(sint64, tag = "5")]
    pub due_ms: i64,
}

/// An offer that waits for an answer, in a [`CaseRow`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OfferRow {
    /// Name of the action that offered.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Place, 10 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub to: Vec<u8>,
    /// Hash of the offering entry, 32 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub entry: Vec<u8>,
}

/// A reply that one centre owes another, in a [`CaseRow`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ObligationRow {
    /// Place that dispatched, 10 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub from: Vec<u8>,
    /// Place that owes the reply, 10 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub to: Vec<u8>,
    /// Unix milliseconds, or 0.
    #[prost(sint64, tag = "3")]
    pub due_ms: i64,
    /// The reply was sent and waits for an answer.
    #[prost(bool, tag = "4")]
    pub replied: bool,
}

/// How much of a chain a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Extent {
    /// Nothing.
    None = 0,
    /// Its notice.
    Notice = 1,
    /// All entries.
    Full = 2,
}

/// `k`: what a link carries of a chain.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CarriedRow {
    /// How much.
    #[prost(enumeration = "Extent", tag = "1")]
    pub extent: i32,
    /// Hash of the last notice carried, 32 bytes or empty.
    #[prost(bytes = "vec", tag = "2")]
    pub notice: Vec<u8>,
    /// The other side has, or is owed, every entry that is here.
    #[prost(bool, tag = "3")]
    pub whole: bool,
}

/// `o`: an item owed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OwedRow {
    /// What it is.
    #[prost(enumeration = "pb::ItemKind", tag = "1")]
    pub kind: i32,
    /// Its bytes.
    #[prost(message, optional, tag = "2")]
    pub at: Option<Place>,
    /// Running hash of the lane after it, 32 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub hash: Vec<u8>,
    /// Chain whose secret goes with it, 16 bytes or empty.
    #[prost(bytes = "vec", tag = "4")]
    pub secret_of: Vec<u8>,
}

/// `l`: a lane of a link.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LaneRow {
    /// Last sequence owed.
    #[prost(uint64, tag = "1")]
    pub owed: u64,
    /// Running hash there.
    #[prost(bytes = "vec", tag = "2")]
    pub owed_hash: Vec<u8>,
    /// What is stored here of the other side's lane.
    #[prost(message, optional, tag = "3")]
    pub received: Option<pb::Cursor>,
}

/// Tables that no journal can give back, each by decision: a rebuilt store begins without their rows.
///
/// - `c`: a neighbour's greeting says anew what it has stored, so an acknowledgement costs no sync.
pub const NOT_IN_THE_JOURNAL: [u8; 1] = [b'c'];

/// `z`: one look at texts of a case.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LookRow {
    /// Person, 10 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub person: Vec<u8>,
    /// What for.
    #[prost(enumeration = "pb::LookPurpose", tag = "2")]
    pub purpose: i32,
    /// Roles of the texts shown.
    #[prost(string, repeated, tag = "3")]
    pub fields: Vec<String>,
    /// When, Unix milliseconds.
    #[prost(int64, tag = "4")]
    pub at_ms: i64,
    /// Node at which it was, 10 bytes.
    #[prost(bytes = "vec", tag = "5")]
    pub node: Vec<u8>,
    /// Entry that says so, 32 bytes.
    #[prost(bytes = "vec", tag = "6")]
    pub entry: Vec<u8>,
}

/// `c`: what the other side says it has stored of a lane.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReceiptRow {
    /// Last sequence the other side acknowledged.
    #[prost(uint64, tag = "1")]
    pub acknowledged: u64,
    /// Last sequence that is stored at the top too.
    #[prost(uint64, tag = "2")]
    pub top: u64,
    /// Last sequence that is settled by the other side's acknowledgements.
    #[prost(uint64, tag = "3")]
    pub settled: u64,
    /// Of the acknowledgements that settle when more of the other side's lane has come: the oldest and the newest.
    #[prost(message, repeated, tag = "4")]
    pub settling: Vec<Settling>,
}

/// An acknowledgement that has yet to settle, in a [`ReceiptRow`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Settling {
    /// Sequence acknowledged.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// What is to be stored of the other side's lane.
    #[prost(uint64, tag = "2")]
    pub after: u64,
}

impl LaneRow {
    /// The last sequence of the other side's lane that is stored here.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.received.as_ref().map_or(0, |cursor| cursor.sequence)
    }
}

impl ReceiptRow {
    /// Notes an acknowledgement that settles later: the oldest waits where it is, of later ones the last counts.
    pub fn settles(&mut self, sequence: u64, after: u64) {
        self.settling.retain(|earlier| earlier.after < after);
        self.settling.truncate(1);
        self.settling.push(Settling { sequence, after });
    }

    /// Settles what has only waited for what is stored by now of the other side's lane.
    pub fn settle(&mut self, stored: u64) {
        let ripe = self.settling.iter().filter(|one| one.after <= stored);
        let last = ripe.map(|one| one.sequence).max();
        self.settled = self.settled.max(last.unwrap_or_default());
        self.settling.retain(|one| one.after > stored);
    }
}

/// `p`: an entry or another signed item that waits.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ParkedRow {
    /// Its bytes.
    #[prost(message, optional, tag = "1")]
    pub at: Option<Place>,
    /// Stable reason.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// Link it came by, 10 bytes or empty.
    #[prost(bytes = "vec", tag = "3")]
    pub link: Vec<u8>,
    /// What it is; not said of entries written before others waited too.
    #[prost(enumeration = "pb::ItemKind", tag = "4")]
    pub kind: i32,
}

impl ParkedRow {
    /// Whether what it needs may still come.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.reason.ends_with("AWAITED")
    }
}

/// `s`: a submission that waits.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubmissionRow {
    /// Its bytes.
    #[prost(message, optional, tag = "1")]
    pub at: Option<Place>,
    /// Case, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub case: Vec<u8>,
    /// Refusal code once it was refused; the row stays at its author.
    #[prost(string, tag = "3")]
    pub refused: String,
    /// Whether this node wrote it.
    #[prost(bool, tag = "4")]
    pub own: bool,
}

/// `r`: the answer a write got.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AnswerRow {
    /// Hash of what was asked, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub asked: Vec<u8>,
    /// Encoded answer.
    #[prost(bytes = "vec", tag = "2")]
    pub answer: Vec<u8>,
}

/// `b`: a handing over.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HandingRow {
    /// Last key looked at.
    #[prost(bytes = "vec", tag = "1")]
    pub after: Vec<u8>,
    /// All was owed, and the last word too.
    #[prost(bool, tag = "2")]
    pub done: bool,
}

/// A cases lane never carries an entry of this sequence: not sent up.
pub const NOT_LISTED: i64 = i64::MIN;
/// Listed without a due time.
pub const LISTED_LAST: i64 = i64::MAX;

fn key(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(table);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// The range of all keys that begin with a prefix.
#[must_use]
pub fn prefixed(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    (prefix.to_vec(), end)
}

/// `e`.
#[must_use]
pub fn entry(chain: ChainId, sequence: u64, hash: Hash) -> Vec<u8> {
    key(b'e', &[&chain.0, &sequence.to_be_bytes(), &hash.0])
}
/// All of `e` for a chain.
#[must_use]
pub fn entries(chain: ChainId) -> Vec<u8> {
    key(b'e', &[&chain.0])
}
/// `h`.
#[must_use]
pub fn chain(chain: ChainId) -> Vec<u8> {
    key(b'h', &[&chain.0])
}
/// All of `h`.
#[must_use]
pub fn chains() -> Vec<u8> {
    vec![b'h']
}
/// `g`.
#[must_use]
pub fn registry(chain: ChainId) -> Vec<u8> {
    key(b'g', &[&chain.0])
}
/// All of `g`.
#[must_use]
pub fn registries() -> Vec<u8> {
    vec![b'g']
}
/// `j`.
#[must_use]
pub fn rulebook(chain: ChainId) -> Vec<u8> {
    key(b'j', &[&chain.0])
}
/// All of `j`.
#[must_use]
pub fn rulebooks() -> Vec<u8> {
    vec![b'j']
}
/// `n`.
#[must_use]
pub fn notice(case: ChainId) -> Vec<u8> {
    key(b'n', &[&case.0])
}
/// All of `n`.
#[must_use]
pub fn notices() -> Vec<u8> {
    vec![b'n']
}
/// `a`.
#[must_use]
pub fn number(number: &str, chain: ChainId) -> Vec<u8> {
    key(b'a', &[number.as_bytes(), &[0], &chain.0])
}
/// All of `a` for a number.
#[must_use]
pub fn numbered(number: &str) -> Vec<u8> {
    key(b'a', &[number.as_bytes(), &[0]])
}
/// All of `a`.
#[must_use]
pub fn numbers() -> Vec<u8> {
    vec![b'a']
}
/// Reads the chain of an `a` key.
#[must_use]
pub fn read_number(key: &[u8]) -> Option<ChainId> {
    ChainId::from_bytes(key.get(key.len().checked_sub(16)?..)?)
}
/// `w`.
#[must_use]
pub fn worklist(listed_at: i64, chain: ChainId) -> Vec<u8> {
    key(b'w', &[&due_key(listed_at), &chain.0])
}
/// The start of `w` from a due time on.
#[must_use]
pub fn worklist_from(listed_at: i64) -> Vec<u8> {
    key(b'w', &[&due_key(listed_at)])
}
/// Reads a `w` key back.
#[must_use]
pub fn read_worklist(key: &[u8]) -> Option<(i64, ChainId)> {
    let due = <[u8; 8]>::try_from(key.get(1..9)?).ok()?;
    Some((
        (u64::from_be_bytes(due) ^ (1 << 63)).cast_signed(),
        ChainId::from_bytes(key.get(9..)?)?,
    ))
}
fn due_key(due: i64) -> [u8; 8] {
    (due.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}
/// `k`.
#[must_use]
pub fn carried(link: NodeId, chain: ChainId) -> Vec<u8> {
    key(b'k', &[&link.0, &chain.0])
}
/// All of `k` for a link.
#[must_use]
pub fn carried_by(link: NodeId) -> Vec<u8> {
    key(b'k', &[&link.0])
}
/// `o`.
#[must_use]
pub fn owed(link: NodeId, lane: pb::Lane, sequence: u64) -> Vec<u8> {
    key(b'o', &[&link.0, &lane_key(lane), &sequence.to_be_bytes()])
}
/// `l`.
#[must_use]
pub fn lane(link: NodeId, lane: pb::Lane) -> Vec<u8> {
    key(b'l', &[&link.0, &lane_key(lane)])
}
/// All of `l`.
#[must_use]
pub fn lanes() -> Vec<u8> {
    vec![b'l']
}
/// Reads an `l` key back.
#[must_use]
pub fn read_lane(key: &[u8]) -> Option<(NodeId, pb::Lane)> {
    let link = NodeId::from_bytes(key.get(1..11)?)?;
    let lane = pb::Lane::try_from(i32::from(*key.get(11)?)).ok()?;
    Some((link, lane))
}
/// `c`.
#[must_use]
pub fn receipt(link: NodeId, lane: pb::Lane) -> Vec<u8> {
    key(b'c', &[&link.0, &lane_key(lane)])
}
/// All of `c`.
#[must_use]
pub fn receipts() -> Vec<u8> {
    vec![b'c']
}
/// `y`.
#[must_use]
pub fn projector(family: &str) -> Vec<u8> {
    key(b'y', &[family.as_bytes()])
}
/// `f`.
#[must_use]
pub fn heard(link: NodeId, lane: pb::Lane) -> Vec<u8> {
    key(b'f', &[&link.0, &lane_key(lane)])
}
/// `b`.
#[must_use]
pub fn handing(link: NodeId) -> Vec<u8> {
    key(b'b', &[&link.0])
}
fn lane_key(lane: pb::Lane) -> [u8; 1] {
    match lane {
        pb::Lane::Unspecified => [0],
        pb::Lane::Control => [1],
        pb::Lane::Cases => [2],
        pb::Lane::Bulk => [3],
    }
}
/// `p`.
#[must_use]
pub fn parked(chain: ChainId, hash: Hash) -> Vec<u8> {
    key(b'p', &[&chain.0, &hash.0])
}
/// Reads a `p` key back.
#[must_use]
pub fn read_parked(key: &[u8]) -> Option<(ChainId, Hash)> {
    let chain = ChainId::from_bytes(key.get(1..17)?)?;
    Some((chain, Hash::from_bytes(key.get(17..)?)?))
}
/// All of `p` for a chain.
#[must_use]
pub fn parked_of(chain: ChainId) -> Vec<u8> {
    key(b'p', &[&chain.0])
}
/// All of `p`.
#[must_use]
pub fn parked_all() -> Vec<u8> {
    vec![b'p']
}
/// `s`.
#[must_use]
pub fn submission(id: SubmissionId) -> Vec<u8> {
    key(b's', &[&id.0])
}
/// `q`.
#[must_use]
pub fn submission_of(case: ChainId, id: SubmissionId) -> Vec<u8> {
    key(b'q', &[&case.0, &id.0])
}
/// All of `s`.
#[must_use]
pub fn submissions() -> Vec<u8> {
    vec![b's']
}
/// All of `q` for a case.
#[must_use]
pub fn submissions_of(case: ChainId) -> Vec<u8> {
    key(b'q', &[&case.0])
}
/// `r`.
#[must_use]
pub fn request(login: &str, id: &str) -> Vec<u8> {
    key(b'r', &[login.as_bytes(), &[0], id.as_bytes()])
}
/// `t`.
#[must_use]
pub fn tally(tally: &pb::Tally) -> Vec<u8> {
    let incarnation = tally.incarnation.to_be_bytes();
    key(
        b't',
        &[
            &tally.node,
            &incarnation,
            &tally.day.to_be_bytes(),
            &[0],
            &tally.unit,
            &[0],
            tally.class.as_bytes(),
        ],
    )
}
/// All of `t`.
#[must_use]
pub fn tallies() -> Vec<u8> {
    vec![b't']
}
/// `d`.
#[must_use]
pub fn directive_count(directive: ChainId, place: PlaceId) -> Vec<u8> {
    key(b'd', &[&directive.0, &place.0])
}
/// All of `d`.
#[must_use]
pub fn directive_counts() -> Vec<u8> {
    vec![b'd']
}
/// `z`: looks at a case stand by their time, and by their entry where two fall together.
#[must_use]
pub fn look(case: ChainId, at_ms: i64, entry: Hash) -> Vec<u8> {
    // Before 1970 no node was at work.
    let at = u64::try_from(at_ms).unwrap_or_default();
    key(b'z', &[&case.0, &at.to_be_bytes(), &entry.0])
}
/// All of `z` for a case.
#[must_use]
pub fn looks_at(case: ChainId) -> Vec<u8> {
    key(b'z', &[&case.0])
}
/// `x`.
#[must_use]
pub fn warning(id: Hash) -> Vec<u8> {
    key(b'x', &[&id.0])
}
/// `v`.
#[must_use]
pub fn annexed(chain: ChainId, hash: Hash) -> Vec<u8> {
    key(b'v', &[&chain.0, &hash.0])
}
/// All of `v` for a chain.
#[must_use]
pub fn annexed_of(chain: ChainId) -> Vec<u8> {
    key(b'v', &[&chain.0])
}
/// `u`.
#[must_use]
pub fn account(login: &str) -> Vec<u8> {
    key(b'u', &[login.as_bytes()])
}
/// All of `u`.
#[must_use]
pub fn accounts() -> Vec<u8> {
    vec![b'u']
}
/// `i`.
#[must_use]
pub fn invitation(id: &str) -> Vec<u8> {
    key(b'i', &[id.as_bytes()])
}
/// All of `i`.
#[must_use]
pub fn invitations() -> Vec<u8> {
    vec![b'i']
}
/// How far this node has come in passing on what ended and moved places held; the last key looked at.
#[must_use]
pub fn passing_on() -> Vec<u8> {
    named("passing-on")
}
/// `m`.
#[must_use]
pub fn named(name: &str) -> Vec<u8> {
    key(b'm', &[name.as_bytes()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_worklist_sorts_by_due_time_with_none_last() {
        let chain = ChainId([1; 16]);
        let keys = [-5, 0, 7, LISTED_LAST].map(|due| worklist(due, chain));
        assert!(keys.is_sorted());
        assert_eq!(read_worklist(&keys[0]).unwrap(), (-5, chain));
    }

    #[test]
    fn a_prefix_range_ends_where_the_next_prefix_begins() {
        assert_eq!(
            prefixed(b"k\x01\xff"),
            (b"k\x01\xff".to_vec(), b"k\x02".to_vec())
        );
    }
}
