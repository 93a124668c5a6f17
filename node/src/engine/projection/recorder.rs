//! The two ways by which a fact reaches the rows: as it happens, into the record of its group too, and read again from
//! a journal. Whoever decides has a [`Recorder`] and cannot change a row without writing down why.

use std::sync::Arc;

use fengqiao_hub::custody::Verdict;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::NodeId;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;

use super::projector::Projection;
use super::rows::Rows;
use crate::engine::record::{RecordWriter, read_record};
use crate::engine::{EngineError, Me, State};
use crate::journal::{JournalReader, Record};
use crate::replication::session::Receipt;
use crate::store::Store;
use crate::store::tables::Place;

/// Records facts and applies each at once, so that what is decided next sees it.
pub(crate) struct Recorder<'a, 's> {
    pub(crate) me: &'a Me,
    pub(crate) state: &'a mut State,
    pub(crate) rows: &'a mut Rows<'s>,
    pub(crate) reader: &'a dyn JournalReader,
    pub(crate) record: &'a mut RecordWriter,
}

impl<'s> Recorder<'_, 's> {
    /// A fact.
    pub(crate) fn fact(&mut self, fact: Fact) -> Result<(), EngineError> {
        let (mut projection, record) = self.projection();
        projection.apply(&fact, record.places())?;
        self.record.fact(fact);
        Ok(())
    }

    /// An entry that may join its tree, parsed already, with its bytes in the journal; says what became of it.
    pub(crate) fn entry(
        &mut self,
        entry: &Arc<Entry>,
        reference: pb::BlobReference,
        at: Place,
        from: Option<NodeId>,
    ) -> Result<Verdict, EngineError> {
        let verdict = self.projection().0.entry(entry, at, from)?;
        self.record.fact(Fact::Entry(pb::EntryStored {
            blob: Some(reference),
            verdict: pb::EntryVerdict::Applied.into(),
            reason: String::new(),
            link: from.map(|link| link.to_string()).unwrap_or_default(),
        }));
        Ok(verdict)
    }

    /// What a neighbour has stored of ours: kept in the store only, by decision.
    pub(crate) fn receipt(&mut self, link: NodeId, receipt: &Receipt) -> Result<(), EngineError> {
        self.projection().0.receipt(link, receipt)
    }

    /// Ends the record, if there is anything in it.
    pub(crate) fn end(&mut self) {
        if !self.record.is_empty() {
            self.projection().0.keep_counts();
        }
    }

    fn projection(&mut self) -> (Projection<'_, 's>, &RecordWriter) {
        let record = &*self.record;
        let projection = Projection {
            me: self.me,
            state: self.state,
            rows: self.rows,
            reader: self.reader,
            record,
        };
        (projection, record)
    }
}

/// Applies a record of the journal to a store.
pub(crate) fn replay(
    me: &Me,
    state: &mut State,
    store: &dyn Store,
    reader: &dyn JournalReader,
    record: &Record,
) -> Result<(), EngineError> {
    let read = read_record(record.position.0, &record.payload);
    let (facts, blobs) = read.map_err(|_| EngineError::Unreadable("a journal record"))?;
    let mut rows = Rows::over(store);
    let mut projection = Projection {
        me,
        state,
        rows: &mut rows,
        reader,
        record: &RecordWriter::at(u64::MAX),
    };
    for fact in &facts {
        projection.replay(fact, &blobs)?;
    }
    projection.keep_counts();
    let mut batch = rows.changes();
    let unfit = crate::store::retain_fitting(&mut batch);
    if unfit > 0 {
        state.alarm(format!("RECORD_UNFIT: {unfit} rows"));
    }
    Ok(store.apply(&batch, record.next.0)?)
}
