//! What the service manager is told: ready, alive, stopping. Says nothing where none asked (`NOTIFY_SOCKET`).

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::node::hosted::{Hosted, stopped};

/// Says that everything listens, and from then on, twice within the time the manager waits (`WATCHDOG_USEC`), that the
/// engines go on. An engine that has not finished a tick for `patience` hangs: nothing more is said, and the manager
/// ends the process and starts it anew.
pub(super) fn ready(
    hosted: Vec<Arc<Hosted>>,
    patience: Duration,
    stop: watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    tell(NotifyState::Ready);
    let Some(waits) = sd_notify::watchdog_enabled().filter(|waits| !waits.is_zero()) else {
        return;
    };
    tasks.spawn(async move {
        let mut interval = tokio::time::interval(waits / 2);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let until = stopped(stop);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return,
                _ = interval.tick() => {}
            }
            let goes_on = |hosted: &Arc<Hosted>| hosted.node.silent_for() <= patience;
            if hosted.iter().all(goes_on) {
                tell(NotifyState::Watchdog);
            }
        }
    });
}

/// Says that the process drains.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // A manager that does not listen ends the process by its own limits, and says so itself.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager was not told");
    }
}
