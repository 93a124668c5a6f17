//! A stream of writes at one node, and what it was told about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fengqiao_proto::v1 as pb;
use fengqiao_tests::city::desk::{Desk, act, refusal, register};
use fengqiao_tests::city::until;
use tokio::task::JoinSet;
use tonic::Code;

/// Writes at once at one node.
const HANDS: usize = 3;
/// Between a call that broke and its repeat.
const AGAIN: Duration = Duration::from_millis(20);

/// Registers cases until told to stop; a call that breaks is repeated with the same request id until it is answered.
pub(crate) struct Writers {
    hands: JoinSet<Vec<pb::ActResponse>>,
    stopping: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    repeated: Arc<AtomicUsize>,
}

impl Writers {
    pub(crate) fn start(desk: &Desk) -> Self {
        let mut writers = Self {
            hands: JoinSet::new(),
            stopping: Arc::default(),
            answered: Arc::default(),
            repeated: Arc::default(),
        };
        for _ in 0..HANDS {
            let (desk, stopping) = (desk.clone(), Arc::clone(&writers.stopping));
            let (answered, repeated) =
                (Arc::clone(&writers.answered), Arc::clone(&writers.repeated));
            writers.hands.spawn(async move {
                let mut told = Vec::new();
                while !stopping.load(Ordering::Relaxed) {
                    told.push(write_once(&desk, &repeated).await);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                told
            });
        }
        writers
    }

    /// Writes answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Calls that broke and were made again.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Waits until so many more are answered.
    pub(crate) async fn more(&self, count: usize) {
        let goal = self.answered() + count;
        until("further writes are answered", async || {
            (self.answered() >= goal).then_some(())
        })
        .await;
    }

    /// Every answer given.
    pub(crate) async fn stop(self) -> Vec<pb::ActResponse> {
        self.stopping.store(true, Ordering::Relaxed);
        self.hands.join_all().await.into_iter().flatten().collect()
    }
}

async fn write_once(desk: &Desk, repeated: &AtomicUsize) -> pb::ActResponse {
    let request = act("", register(), &[("text", "邻居装修噪声")]);
    loop {
        match desk.ask(request.clone()).await {
            Ok(answer) => return answer,
            Err(status) => {
                let broke = matches!(
                    status.code(),
                    Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
                );
                assert!(broke, "{:?}", refusal(&status));
                repeated.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
