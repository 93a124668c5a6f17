//! Certificates are renewed from a third of their life on; at once when they have not begun, or when the parent refuses
//! one that is out of its time by its clock.

use std::sync::Arc;
use std::time::Duration;

use fengqiao_hub::clock::Moment;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Host, Hosted, stopped};
use crate::enrolment::{Enroller, Issuer, renew, renew_at_the_top};
use crate::folder::Folder;
use crate::node::clock::timestamp;
use crate::trust::random::OsRandom;
use crate::trust::renewal::{Renewal, renewal};
use crate::trust::tls::{HostedNodes, Trust};

/// Between two looks at the clock and the certificate. A clock that was set right is noticed by it.
const LOOK: Duration = Duration::from_secs(10);
/// After a renewal that failed, before it is tried again for the same reason.
const AGAIN: Duration = Duration::from_secs(3_600);

/// Why a certificate is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It is time, or past it.
    Time,
    /// It has not begun by this machine's clock.
    Early,
    /// The parent holds it to be out of its time.
    Refused,
}

impl Host {
    /// Keeps every certificate renewed until the process stops.
    pub(super) fn renew(self: &Arc<Self>, stop: &watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
        for hosted in &self.hosted {
            let (host, hosted) = (Arc::clone(self), Arc::clone(hosted));
            let until = stopped(stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = until => {}
                    () = host.keep_renewed(&hosted) => {}
                }
            });
        }
    }

    async fn keep_renewed(&self, hosted: &Hosted) {
        let mut downs = hosted.node.downs();
        let mut failed: Option<(Due, Instant)> = None;
        loop {
            let now = self.clock.now();
            let due = due(hosted, now).await;
            let rests =
                |due| failed.is_some_and(|(why, until)| why == due && Instant::now() < until);
            if let Some(due) = due.filter(|due| !rests(*due)) {
                failed = match renew_one(hosted, &self.trust, &self.names, now).await {
                    Ok(()) => None,
                    Err(error) => {
                        let node = hosted.node.me.at.node;
                        tracing::warn!(%error, %node, ?due, "a certificate was not renewed");
                        Some((due, Instant::now() + AGAIN))
                    }
                };
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                changed = downs.changed() => if changed.is_err() { return },
            }
        }
    }
}

async fn due(hosted: &Hosted, now: Moment) -> Option<Due> {
    let folder = hosted.folder.lock().await;
    let (begin, end) = folder.credentials.window;
    match renewal(begin, end, timestamp(now)) {
        Renewal::Early(_) => return Some(Due::Early),
        Renewal::Due(_) | Renewal::Late(_) | Renewal::Over => return Some(Due::Time),
        Renewal::NotBefore(_) => {}
    }
    let parent = folder.identity.parent.as_ref()?.node;
    let down = hosted.node.down(parent)?;
    down.wants_renewal().then_some(Due::Refused)
}

async fn renew_one(
    hosted: &Hosted,
    trust: &Trust,
    names: &HostedNodes,
    now: Moment,
) -> anyhow::Result<()> {
    let mut folder = hosted.folder.lock().await;
    match folder.identity.parent.clone() {
        None => renew_at_the_top(&mut folder, now, &mut OsRandom)?,
        Some(parent) => renew(&mut folder, trust, &parent.enrol_address, now).await?,
    }
    hosted.node.use_enroller(issuer_of(&folder)?);
    hosted.presented.replace(&folder.credentials);
    names.install(&folder.credentials);
    tracing::info!(node = %hosted.node.me.at.node, "the certificate was renewed");
    Ok(())
}

/// The issuer made anew from a folder whose authority may have been renewed.
fn issuer_of(folder: &Folder) -> anyhow::Result<Option<Box<dyn Enroller>>> {
    let issuer = Issuer::of_folder(folder, Box::new(OsRandom))?;
    Ok(issuer.map(|issuer| Box::new(issuer) as Box<dyn Enroller>))
}
