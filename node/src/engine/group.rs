//! One group of inputs while it is decided: an overlay over the store, a record being written, and what is to follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fengqiao_hub::casework::DecisionContext;
use fengqiao_hub::clock::{Contact, Moment};
use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PlaceId};
use fengqiao_hub::jurisdiction::{Registry, registry_change};
use fengqiao_hub::payload::{ChainKey, Part};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use pb::registry_change::Change;
use prost::Message as _;

use super::chains::Chain;
use super::closed::Closed;
use super::loading::load_chain;
use super::projection::{Recorder, Rows, lane_row};
use super::record::{RecordWriter, reference_to};
use super::requests::Administration;
use super::requests::{Caller, accept};
use super::vault::Vault;
use super::{EngineError, Input, Me, Output, State, Ticket};
use crate::enrolment::Enroller;
use crate::journal::JournalReader;
use crate::keystore::CaseSecret;
use crate::replication::session::{item_hash, lane_hash};
use crate::store::tables::Place;

/// What a daily figure is kept by: day, unit, class, name of the count.
pub(crate) type TallyKey = (i32, Vec<u8>, String, String);

/// An entry that joined a tree in this group.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    pub(crate) entry: Arc<Entry>,
    pub(crate) at: Place,
    pub(crate) from: Option<NodeId>,
}

/// A chain that changed in this group.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) new: Vec<NewEntry>,
    pub(crate) custodian_before: Option<PlaceId>,
}

pub(crate) struct Group<'a> {
    pub(crate) me: &'a Me,
    pub(crate) zone_offset_minutes: i32,
    pub(crate) now: Moment,
    pub(crate) reader: &'a dyn JournalReader,
    pub(crate) vault: &'a Vault,
    pub(crate) enroller: Option<&'a mut (dyn Enroller + 'static)>,
    pub(crate) state: &'a mut State,
    pub(crate) overlay: Rows<'a>,
    pub(crate) record: RecordWriter,
    pub(crate) secrets: BTreeMap<ChainId, CaseSecret>,
    pub(crate) touched: BTreeMap<ChainId, Touched>,
    pub(crate) tallies: BTreeMap<TallyKey, i64>,
    pub(crate) stored: BTreeSet<(NodeId, pb::Lane)>,
    pub(crate) owed: BTreeSet<NodeId>,
    /// Cases of which a notice has come, or an entry while ways may have changed.
    pub(crate) noticed: BTreeSet<ChainId>,
    /// Entries of cases that came and were here already, by who sent them.
    pub(crate) repeated: BTreeMap<(ChainId, NodeId), BTreeSet<Hash>>,
    /// Chains whose waiting entries are tried again though nothing joined them.
    pub(crate) retry_too: BTreeSet<ChainId>,
    pub(crate) registry_changed: bool,
    /// Places that were moved by entries of this group.
    pub(crate) moved: BTreeSet<PlaceId>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) read_only: bool,
    /// This folder is an older copy of itself.
    pub(crate) older_copy: bool,
    /// Whether the parent was reached when what is decided now was asked for.
    pub(crate) linked: bool,
    /// What the process knows of the node that holds the case acted on.
    pub(crate) contact: Contact,
    /// Items at which the process died too often.
    pub(crate) unread: super::attempts::Unread,
    /// Whether there was no room for the item at hand to wait.
    pub(crate) pausing: bool,
}

impl<'a> Group<'a> {
    /// Takes one input.
    pub(crate) fn take(&mut self, input: &Input) -> Result<(), EngineError> {
        if let Some(closed) = self.closed() {
            return self.turn_away(input.clone(), closed);
        }
        match input {
            Input::Act(request) => {
                let ticket = request.ticket;
                let answer = self.act((**request).clone())?;
                self.outputs.push(Output::Answer(ticket, answer));
            }
            Input::Administer(request) => {
                let ticket = request.ticket;
                let answer = self.administer((**request).clone())?;
                self.outputs.push(Output::Answer(ticket, answer));
            }
            Input::Items {
                link,
                from,
                lane,
                items,
            } => self.arrive(*link, *from, *lane, items)?,
            Input::PeerStored { link, receipt } => self.peer_stored(*link, receipt)?,
            Input::Join { ticket, request } => self.join(*ticket, request)?,
            Input::Enrol { registration } => self.enrol(registration)?,
            Input::Alarm { code, detail } => self.alarm(code, detail),
            Input::Tick { clock_believed } => self.tick(*clock_believed)?,
            Input::Started => self.started()?,
            Input::Errand(errand) => self.run_errand(*errand)?,
            Input::Introduced(entries) => self.introduced(entries)?,
            Input::OlderCopy { link, found } => self.close_as_older_copy(*link, found.clone()),
            Input::NoOlderCopy { .. } => {}
        }
        Ok(())
    }

    /// Writes a fact into the record and applies it at once, so that the next input sees it.
    pub(crate) fn fact(&mut self, fact: Fact) -> Result<(), EngineError> {
        self.recorder().fact(fact)
    }

    pub(crate) fn recorder(&mut self) -> Recorder<'_, 'a> {
        Recorder {
            me: self.me,
            state: self.state,
            rows: &mut self.overlay,
            reader: self.reader,
            record: &mut self.record,
        }
    }

    /// A chain as it stands in this group.
    pub(crate) fn chain(&mut self, id: ChainId) -> Result<&Chain, EngineError> {
        load_chain(&self.overlay, self.reader, &self.record, self.state, id)?;
        self.state
            .chains
            .get(id)
            .ok_or(EngineError::Unreadable("a chain"))
    }

    /// The same to keep while entries of other chains are decided.
    pub(crate) fn shared_chain(&mut self, id: ChainId) -> Result<Arc<Chain>, EngineError> {
        load_chain(&self.overlay, self.reader, &self.record, self.state, id)?;
        let shared = self.state.chains.share(id);
        shared.ok_or(EngineError::Unreadable("a chain"))
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.state.registry)
    }

    /// The rules in force now, for what begins now.
    pub(crate) fn rules(&self) -> Arc<Rulebook> {
        self.state.rulebooks.in_force(self.now)
    }

    /// The rules that a case is judged by: those it was opened under.
    pub(crate) fn rules_of(&self, chain: &Chain) -> Arc<Rulebook> {
        self.state
            .rulebooks
            .of_case(chain.judged_by().as_ref(), self.now)
    }

    pub(crate) fn view<'v>(
        &'v self,
        registry: &'v Registry,
        rulebook: &'v Rulebook,
    ) -> DecisionContext<'v> {
        DecisionContext {
            place: self.me.at.place,
            registry,
            rulebook,
            now: self.now,
            contact: self.contact,
        }
    }

    /// Keeps an entry that may join its tree, with its bytes, and remembers that its chain changed.
    pub(crate) fn keep_entry(
        &mut self,
        entry: &Arc<Entry>,
        bytes: &[u8],
        from: Option<NodeId>,
    ) -> Result<Verdict, EngineError> {
        let (reference, at) = self.record.blob(bytes);
        self.keep_entry_at(entry, reference, at, from)
    }

    /// The same for bytes that stand in the journal already.
    pub(crate) fn keep_entry_at(
        &mut self,
        entry: &Arc<Entry>,
        reference: pb::BlobReference,
        at: Place,
        from: Option<NodeId>,
    ) -> Result<Verdict, EngineError> {
        let before = self
            .chain(entry.chain)?
            .tree
            .custody()
            .map(|custody| custody.custodian);
        let standing_before = self.chain(entry.chain)?.tree.head().map(|head| head.hash);
        let old_standing = if entry.previous == standing_before {
            Vec::new()
        } else {
            self.standing(entry.chain)
        };
        let verdict = self.recorder().entry(entry, reference, at, from)?;
        if matches!(
            verdict,
            Verdict::Extended | Verdict::Overtook | Verdict::Joined
        ) {
            let touched = self.touched.entry(entry.chain).or_insert_with(|| Touched {
                custodian_before: before,
                ..Default::default()
            });
            touched.new.push(NewEntry {
                entry: Arc::clone(entry),
                at,
                from,
            });
            self.registry_changed |= entry.kind == pb::ChainKind::Registry;
            if let Some(Change::PlaceMoved(moved)) = registry_change(entry.body.content.as_ref()) {
                self.moved.extend(PlaceId::from_bytes(&moved.place));
            }
            self.count(entry, verdict, &old_standing);
        }
        if entry.kind == pb::ChainKind::Case
            && matches!(verdict, Verdict::Overtook | Verdict::Joined)
        {
            self.hold_annex(entry.chain)?;
        }
        Ok(verdict)
    }

    /// What does not stand and was not held before starts the clock by which it is to be adopted or declined. Each
    /// holder counts from when it held it: nobody can decide over what has not arrived.
    fn hold_annex(&mut self, id: ChainId) -> Result<(), EngineError> {
        let Some(chain) = self.state.chains.get(id) else {
            return Ok(());
        };
        let Some(case) = &chain.case else {
            return Ok(());
        };
        let mut fresh = case.annex_open(&chain.tree);
        fresh.retain(|entry| !chain.annex_due.contains_key(entry));
        let due = self
            .rules_of(chain)
            .annex_due(&case.intake.class, case.intake.urgency, self.now)
            .ok();
        if fresh.is_empty() || due.is_none() {
            return Ok(());
        }
        self.fact(Fact::AnnexHeld(pb::AnnexHeld {
            chain: id.to_vec(),
            entries: fresh.into_iter().map(Hash::to_vec).collect(),
            due,
        }))
    }

    pub(crate) fn standing(&self, chain: ChainId) -> Vec<Hash> {
        self.state
            .chains
            .get(chain)
            .map(|chain| chain.tree.standing())
            .unwrap_or_default()
    }

    /// Owes an item to a link: from here on it is in the outbox until the end of time.
    pub(crate) fn owe(
        &mut self,
        link: NodeId,
        lane: pb::Lane,
        item: Owed,
    ) -> Result<(), EngineError> {
        let row = lane_row(&self.overlay, link, lane)?;
        let fact = Fact::Owed(pb::ItemOwed {
            link: link.to_string(),
            lane: lane.into(),
            sequence: row.owed + 1,
            hash: lane_hash(&row.owed_hash, item.hash).to_vec(),
            kind: item.kind.into(),
            blob: Some(reference_to(&item.at)),
            secret_of: item.secret_of.map(ChainId::to_vec).unwrap_or_default(),
            subject: item.subject.map(ChainId::to_vec).unwrap_or_default(),
        });
        self.fact(fact)?;
        self.owed.insert(link);
        Ok(())
    }

    /// Owes fresh bytes to a link.
    pub(crate) fn owe_bytes(
        &mut self,
        link: NodeId,
        lane: pb::Lane,
        kind: pb::ItemKind,
        bytes: &[u8],
        subject: Option<ChainId>,
    ) -> Result<(), EngineError> {
        let (_, at) = self.record.blob(bytes);
        self.owe(
            link,
            lane,
            Owed {
                kind,
                at,
                hash: item_hash(kind, bytes),
                secret_of: None,
                subject,
            },
        )
    }

    /// The key of a part of a chain, also one drawn or received in this group.
    pub(crate) fn key(&self, chain: ChainId, part: Part) -> Option<ChainKey> {
        let id = part.secret_id(chain);
        if let Some(secret) = self.secrets.get(&id)
            && let Some(key) = self.vault.opened(id, secret)
        {
            return Some(key);
        }
        self.vault.key(chain, part)
    }

    /// Notes something a person should look at.
    pub(crate) fn alarm(&mut self, code: &str, detail: &str) {
        tracing::warn!(code, detail, "alarm");
        let text = if detail.is_empty() {
            code.to_owned()
        } else {
            format!("{code}: {detail}")
        };
        self.state.alarm(text);
    }
}

impl Group<'_> {
    /// Why nothing may be written, as of what this group has seen.
    pub(crate) fn closed(&self) -> Option<Closed> {
        let own = self.state.registry.node(self.me.at.node);
        Closed::of(own, self.older_copy)
    }

    /// Takes an input of a node that writes nothing any more.
    pub(crate) fn turn_away(&mut self, input: Input, closed: Closed) -> Result<(), EngineError> {
        match input {
            Input::Act(request) => self.turn_away_write(request.ticket, closed),
            Input::Administer(request) => {
                if let Administration::Waive(link) = request.what
                    && closed == Closed::OlderCopy
                {
                    let answer = self.disbelieve(&request.caller, link)?;
                    self.outputs.push(Output::Answer(request.ticket, answer));
                } else {
                    self.turn_away_write(request.ticket, closed);
                }
            }
            Input::Join { ticket, .. } => {
                let refusal = closed.to_newcomers();
                self.outputs.push(Output::Joined(ticket, Err(refusal)));
            }
            Input::Alarm { code, detail } => self.alarm(&code, &detail),
            // How it came to be revoked, and who serves its place now.
            Input::Introduced(entries) if closed == Closed::Revoked => self.introduced(&entries)?,
            Input::Started => {
                let (code, node) = (closed.refusal().code, self.me.at.node);
                self.alarm(code.as_str(), &node.to_string());
            }
            // The neighbours keep them: nothing was acknowledged, and the links are closed.
            Input::NoOlderCopy { link } => self.reopen(link),
            Input::OlderCopy { link, found } => self.close_as_older_copy(link, found),
            Input::Items { .. }
            | Input::PeerStored { .. }
            | Input::Introduced(_)
            | Input::Enrol { .. }
            | Input::Tick { .. }
            | Input::Errand(_) => {}
        }
        Ok(())
    }

    pub(crate) fn close_as_older_copy(&mut self, link: NodeId, found: String) {
        self.older_copy = true;
        self.alarm(Code::OlderCopy.as_str(), &format!("{link}: {found}"));
        self.outputs.push(Output::OlderCopy(link, found));
    }

    fn reopen(&mut self, link: NodeId) {
        if self.older_copy {
            self.older_copy = false;
            self.outputs.push(Output::NoOlderCopy(link));
        }
    }

    /// A leader does not believe what a neighbour says of this folder: one that may say anything could close this node
    /// with a word.
    fn disbelieve(
        &mut self,
        caller: &Caller,
        link: NodeId,
    ) -> Result<Result<Vec<u8>, Refusal>, EngineError> {
        let actor = accept!(self.actor(caller)?);
        if !actor.roles.contains(&pb::Role::Leader) {
            return Ok(Err(Refusal::of(Code::RoleMissing, "").because("leader")));
        }
        self.reopen(link);
        Ok(Ok(pb::WaiveNeighbourResponse {}.encode_to_vec()))
    }

    fn turn_away_write(&mut self, ticket: Ticket, closed: Closed) {
        self.outputs
            .push(Output::Answer(ticket, Err(closed.refusal())));
    }
}

/// An item to owe whose bytes stand in this record or an earlier one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed {
    pub(crate) kind: pb::ItemKind,
    pub(crate) at: Place,
    pub(crate) hash: Hash,
    pub(crate) secret_of: Option<ChainId>,
    pub(crate) subject: Option<ChainId>,
}
