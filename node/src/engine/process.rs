//! One group from its inputs to its outputs: decided, checked, made durable, and only then said.
//!
//! Deciding touches neither journal nor store, so whatever goes wrong in it has done nothing yet: the state in memory is
//! read anew, the group is tried again one input and one item at a time, and the one that cannot be applied is put aside
//! unread, or refused to whoever asked. Only journal, store and key store end the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fengqiao_hub::clock::{Contact, Moment};
use fengqiao_hub::id::NodeId;
use fengqiao_hub::refusal::{Code, Refusal};

use super::attempts::Unread;
use super::group::Group;
use super::projection::Rows;
use super::record::RecordWriter;
use super::{Engine, EngineError, Input, Output, State};
use crate::enrolment::EnrolRefusal;
use crate::journal::RECORD_BYTES_MAX;
use crate::keystore::CaseSecret;
use crate::store::Batch;

/// What a group comes to, with nothing of it kept yet.
struct Decided {
    record: Option<Vec<u8>>,
    batch: Batch,
    secrets: Vec<([u8; 16], CaseSecret)>,
    owed: std::collections::BTreeSet<NodeId>,
    registry_changed: bool,
    rulebook_changed: bool,
    outputs: Vec<Output>,
}

impl Engine {
    /// Decides a group of inputs and makes it durable. What cannot be applied is put aside with an alarm.
    ///
    /// # Errors
    /// An [`EngineError`] of journal, store or key store: nothing of the group was answered; the engine must not be used
    /// again.
    pub fn process(&mut self, now: Moment, inputs: Vec<Input>) -> Result<Vec<Output>, EngineError> {
        if !inputs.iter().any(|input| self.suspicion.suspects(input)) {
            return self.contain(now, inputs);
        }
        let mut outputs = Vec::new();
        for input in inputs.into_iter().flat_map(one_by_one) {
            outputs.extend(self.contain(now, vec![input])?);
            self.acquit()?;
        }
        Ok(outputs)
    }

    /// A group; where it fails for what is in it, each of its inputs; where one of these does, nothing of that.
    fn contain(&mut self, now: Moment, inputs: Vec<Input>) -> Result<Vec<Output>, EngineError> {
        let unread = self.begin(&inputs);
        let failed = match self.attempt(now, &inputs, unread) {
            Err(error) if !error.is_of_machine() => error,
            ended => return self.end(ended),
        };
        self.reload()?;
        let alone: Vec<Input> = inputs.into_iter().flat_map(one_by_one).collect();
        let mut outputs = Vec::new();
        if let [input] = &alone[..] {
            self.faults += 1;
            tracing::error!(error = %failed, "what came in cannot be applied");
            outputs.extend(self.put_aside(now, input, &failed)?);
        } else {
            for input in alone {
                outputs.extend(self.contain(now, vec![input])?);
            }
        }
        Ok(outputs)
    }

    /// An item waits unread for a person to look at it; whoever asked for something else is told that it failed.
    fn put_aside(
        &mut self,
        now: Moment,
        input: &Input,
        failed: &EngineError,
    ) -> Result<Vec<Output>, EngineError> {
        let unfit = || Refusal::of(Code::Internal, "");
        let mut outputs = match input {
            Input::Items {
                link, lane, items, ..
            } => {
                let unread: Unread = items
                    .iter()
                    .map(|item| (*link, i32::from(*lane), item.sequence))
                    .collect();
                let ended = self.attempt(now, std::slice::from_ref(input), unread);
                return self.end(ended);
            }
            Input::Act(request) => vec![Output::Answer(request.ticket, Err(unfit()))],
            Input::Administer(request) => vec![Output::Answer(request.ticket, Err(unfit()))],
            Input::Join { ticket, .. } => {
                vec![Output::Joined(*ticket, Err(EnrolRefusal::INTERNAL))]
            }
            Input::PeerStored { .. }
            | Input::Enrol { .. }
            | Input::Alarm { .. }
            | Input::Tick { .. }
            | Input::Started
            | Input::Errand(_)
            | Input::OlderCopy { .. }
            | Input::NoOlderCopy { .. }
            | Input::Introduced(_) => Vec::new(),
        };
        let alarm = Input::Alarm {
            code: "UNFIT".to_owned(),
            detail: failed.to_string(),
        };
        outputs.extend(self.attempt(now, &[alarm], Unread::new())?);
        Ok(outputs)
    }

    fn attempt(
        &mut self,
        now: Moment,
        inputs: &[Input],
        unread: Unread,
    ) -> Result<Vec<Output>, EngineError> {
        let decided = catch_unwind(AssertUnwindSafe(|| self.decide(now, inputs, unread)));
        let decided = decided.unwrap_or(Err(EngineError::Unfit("the engine panicked")))?;
        self.keep(decided)
    }

    /// What the group comes to. Nothing is kept yet, and everything that could refuse it has been asked.
    fn decide(
        &mut self,
        now: Moment,
        inputs: &[Input],
        unread: Unread,
    ) -> Result<Decided, EngineError> {
        let rulebooks = self.rulebooks();
        let mut group = Group {
            me: &self.me,
            zone_offset_minutes: self.zone_offset_minutes,
            now,
            reader: self.reader.as_ref(),
            vault: &self.vault,
            enroller: self.enroller.as_deref_mut(),
            state: &mut self.state,
            overlay: Rows::over(self.store.as_ref()),
            record: RecordWriter::at(self.journal.end().0),
            secrets: std::collections::BTreeMap::new(),
            touched: std::collections::BTreeMap::new(),
            tallies: std::collections::BTreeMap::new(),
            stored: std::collections::BTreeSet::new(),
            owed: std::collections::BTreeSet::new(),
            noticed: std::collections::BTreeSet::new(),
            retry_too: std::collections::BTreeSet::new(),
            repeated: std::collections::BTreeMap::new(),
            moved: std::collections::BTreeSet::new(),
            registry_changed: false,
            outputs: Vec::new(),
            read_only: self.read_only,
            older_copy: self.older_copy,
            linked: true,
            contact: Contact::Here,
            unread,
            pausing: false,
        };
        for input in inputs {
            group.take(input)?;
        }
        group.finish()?;
        self.older_copy = group.older_copy;
        let Group {
            overlay,
            record,
            secrets,
            owed,
            registry_changed,
            outputs,
            ..
        } = group;
        let secrets: Vec<_> = secrets
            .into_iter()
            .map(|(chain, secret)| (chain.0, secret))
            .collect();
        let batch = overlay.changes();
        crate::store::check_rows(&batch)?;
        if record.len() > RECORD_BYTES_MAX {
            return Err(EngineError::Unfit("a record above its limit"));
        }
        Ok(Decided {
            record: (!record.is_empty()).then(|| record.finish()),
            batch,
            secrets,
            owed,
            registry_changed,
            rulebook_changed: !Arc::ptr_eq(&rulebooks, &self.state.rulebooks),
            outputs,
        })
    }

    /// Keys, then the journal, then the store; then it may be said.
    fn keep(&mut self, decided: Decided) -> Result<Vec<Output>, EngineError> {
        if !decided.secrets.is_empty() {
            self.vault.put_many(&decided.secrets)?;
        }
        // What a neighbour has stored is known again at its next greeting, so it needs no record of its own.
        let mut end = self.journal.end();
        if let Some(record) = decided.record {
            end = self.journal.append(end, &[record])?.end;
            self.syncs += 1;
        }
        if !decided.batch.is_empty() {
            let applied = self.store.apply(&decided.batch, end.0);
            applied.map_err(EngineError::Diverged)?;
        }
        let mut outputs = decided.outputs;
        outputs.extend(decided.owed.into_iter().map(Output::Owed));
        if decided.registry_changed {
            outputs.push(Output::RegistryChanged);
        }
        if decided.rulebook_changed {
            outputs.push(Output::RulebookChanged);
        }
        Ok(outputs)
    }

    /// Reads anew what is kept in memory: what a group had changed of it before it failed is worth nothing.
    fn reload(&mut self) -> Result<(), EngineError> {
        let fresh = State::empty(self.state.chains.held_max(), self.state.parked_max);
        let before = std::mem::replace(&mut self.state, fresh);
        self.state.alarms = before.alarms;
        self.state.paused = before.paused;
        self.state.refused = before.refused;
        self.load()?;
        self.load_tops()
    }
}

/// A batch as its items, so that a failure is the one item's.
fn one_by_one(input: Input) -> Vec<Input> {
    let Input::Items {
        link,
        from,
        lane,
        items,
    } = input
    else {
        return vec![input];
    };
    let alone = |item| Input::Items {
        link,
        from,
        lane,
        items: vec![item],
    };
    items.into_iter().map(alone).collect()
}
