//! The workers that run engines: few threads for many nodes, one worker a node at a time.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Node;

/// Threads that run engines.
#[derive(Debug, Clone)]
pub struct Pool {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    ready: Mutex<VecDeque<Arc<Node>>>,
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
    pub(crate) fn run(&self, node: Arc<Node>) {
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
        if std::panic::catch_unwind(AssertUnwindSafe(|| node.work())).is_err() {
            tracing::error!(node = %node.me.at.node, "an engine panicked; the process ends");
            crate::log::exit(1);
        }
    }
}
