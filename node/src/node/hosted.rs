//! One node among those of a process: what the desk, the pages and the links of that process need beside the node.

use std::sync::Arc;

use tokio::sync::watch;

use super::Node;
use crate::folder::{Folder, Parent};
use crate::trust::tls::Presented;

/// One hosted node with what it shows to others.
#[derive(Debug)]
pub(crate) struct Hosted {
    /// The node.
    pub node: Arc<Node>,
    /// Its folder.
    pub folder: tokio::sync::Mutex<Folder>,
    /// Its certificate, as it is shown now.
    pub presented: Arc<Presented>,
    /// Its name in certificates.
    pub name: String,
    /// Whom it dials; changes when the parent comes back as another machine.
    pub parent: watch::Sender<Option<Parent>>,
}

/// Resolves when the process is to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender only goes away when the process ends anyway.
    let _ = stop.wait_for(|stop| *stop).await;
}
