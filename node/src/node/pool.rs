//! The workers that run engines: few threads for many nodes, one worker a node at a time.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What a worker works on: one node's inbox.
pub(crate) trait Work: Send + Sync {
    /// Takes what has queued, as one group after the other.
    fn work(self: Arc<Self>);
    /// Names it in the log.
    fn name(&self) -> String;
}

/// Threads that run engines.
#[derive(Clone)]
pub struct Pool {
    queue: Arc<Queue>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pool").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    ready: Mutex<VecDeque<Arc<dyn Work>>>,
    wake: Condvar,
}

impl Pool {
    /// Starts `workers` threads, at least one. They live as long as the process.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(workers: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        for index in 0..workers.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("engine-{index}"))
                .stack_size(1 << 20)
                .spawn(move || work(&queue))?;
        }
        Ok(Self { queue })
    }

    /// Has a node's inbox worked on.
    pub(crate) fn run(&self, node: Arc<dyn Work>) {
        let mut ready = self
            .queue
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ready.push_back(node);
        self.queue.wake.notify_one();
    }
}

fn work(queue: &Queue) {
    loop {
        let mut ready = queue.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let node = loop {
            if let Some(node) = ready.pop_front() {
                break node;
            }
            ready = queue
                .wake
                .wait(ready)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(ready);
        // What an engine had in memory when it panicked is worth nothing: the process ends and opens everything anew.
        if std::panic::catch_unwind(AssertUnwindSafe(|| Arc::clone(&node).work())).is_err() {
            tracing::error!(node = node.name(), "an engine panicked; the process ends");
            crate::log::exit(1);
        }
    }
}
