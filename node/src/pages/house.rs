//! What every page is made from: the node, its entrance, and the time of the wall.

use std::path::PathBuf;
use std::sync::Arc;

use fengqiao_hub::clock::Moment;

use super::entrance::Entrance;
use super::entrance::attempts::Attempts;
use super::entrance::links::FOLDER;
use super::office::Office;
use crate::node::Node;
use crate::node::hosted::Hosted;

/// The pages of one node.
#[derive(Debug)]
pub(super) struct House {
    /// The node.
    pub hosted: Arc<Hosted>,
    /// Who may come in.
    pub entrance: Entrance,
    /// Who looked after cases with wrong codes.
    pub tracking: Attempts,
    /// Who submitted requests.
    pub submitting: Attempts,
    /// Where the pages keep their own.
    pub folder: PathBuf,
    /// How far east of UTC the clocks on the wall are.
    pub zone_minutes: i32,
}

impl House {
    /// The pages of a node.
    pub(super) fn new(hosted: Arc<Hosted>, zone_minutes: i32) -> Self {
        let folder = hosted.node.folder.join(FOLDER);
        Self {
            entrance: Entrance::open(&folder),
            tracking: Attempts::default(),
            submitting: Attempts::default(),
            hosted,
            folder,
            zone_minutes,
        }
    }

    pub(super) fn node(&self) -> &Node {
        &self.hosted.node
    }

    pub(super) fn now(&self) -> Moment {
        self.node().clock.now()
    }

    /// The desk, as an account.
    pub(super) fn office(&self, login: &str) -> Office {
        Office::of(&self.hosted, login)
    }

    /// The centre's name.
    pub(super) fn centre(&self) -> String {
        self.node().registry.load().name(self.node().me.at.place)
    }

    /// Whether there is a parent and it is not reached.
    pub(super) fn is_cut_off(&self) -> bool {
        let node = self.node();
        let up = node.me.at.up(&node.registry.load());
        up.is_some_and(|up| {
            let ends = node.link_ends();
            !ends
                .get(&up)
                .is_some_and(crate::node::LinkEnd::is_connected)
        })
    }
}
