//! One session a link: a newer one takes the seat of the older, and sits down only when that has risen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fengqiao_hub::id::NodeId;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::replication::session::Code;

/// Asks one session to leave. The first reason stands.
#[derive(Debug, Clone)]
pub(crate) struct Leave(Arc<watch::Sender<Option<Code>>>);

impl Default for Leave {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Leave {
    /// Asks.
    pub(crate) fn ask(&self, code: Code) {
        self.0.send_if_modified(|reason| {
            let is_first = reason.is_none();
            reason.get_or_insert(code);
            is_first
        });
    }

    /// Resolves once asked.
    pub(crate) async fn asked(&self) -> Code {
        let mut reason = self.0.subscribe();
        match reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(Code::Cut),
            // The sender is held by this very value.
            Err(_) => Code::Cut,
        }
    }
}

#[derive(Debug, Default)]
struct Chair {
    occupied: Arc<tokio::sync::Mutex<()>>,
    leave: Option<Leave>,
}

/// The live sessions of a process, by own node and link.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    chairs: Mutex<BTreeMap<(NodeId, String), Chair>>,
}

/// The right to run the one session of a link; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    leave: Leave,
    _occupied: OwnedMutexGuard<()>,
}

impl Seats {
    /// Asks the session that has the link's seat to leave, waits until it is over, and takes the seat. `None` when a
    /// still newer one came meanwhile, or `leave` was asked.
    pub(crate) async fn take(&self, node: NodeId, link: &str, leave: Leave) -> Option<Seat> {
        let (before, occupied) = self.exchange(node, link, leave.clone());
        if let Some(before) = before {
            before.ask(Code::Replaced);
        }
        tokio::select! {
            biased;
            _ = leave.asked() => None,
            guard = occupied.lock_owned() => Some(Seat { leave, _occupied: guard }),
        }
    }

    fn exchange(
        &self,
        node: NodeId,
        link: &str,
        leave: Leave,
    ) -> (Option<Leave>, Arc<tokio::sync::Mutex<()>>) {
        let mut chairs = self.chairs.lock().unwrap_or_else(PoisonError::into_inner);
        let chair = chairs.entry((node, link.to_owned())).or_default();
        (chair.leave.replace(leave), Arc::clone(&chair.occupied))
    }

    /// Closes the live session of a link: a revocation, a change of the registry.
    pub(crate) fn drop_link(&self, node: NodeId, link: &str, code: Code) {
        let chairs = self.chairs.lock().unwrap_or_else(PoisonError::into_inner);
        let chair = chairs.get(&(node, link.to_owned()));
        if let Some(leave) = chair.and_then(|chair| chair.leave.as_ref()) {
            leave.ask(code);
        }
    }
}

impl Seat {
    /// Resolves when this session must end.
    pub(super) async fn asked_to_leave(&self) -> Code {
        self.leave.asked().await
    }
}
