//! What the files of a folder say of its node: who it is, or whence it comes.

use std::path::Path;

use fengqiao_hub::id::{DeploymentId, NodeId, PlaceId, StoreId, UnitId};
use serde::{Deserialize, Serialize};

use crate::journal;
use crate::trust::keys::Fingerprint;
use crate::trust::name::{InvitationId, NodeName};

/// Who a node is: `identity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// The place it serves.
    pub place: PlaceId,
    /// Official name of that place, as it was when the folder was made.
    pub place_name: String,
    /// Level of that place, as it was then.
    pub level: u32,
    /// The unit it serves, when it is a department's own node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitId>,
    /// The deployment.
    pub deployment: DeploymentId,
    /// This folder's store.
    pub store: StoreId,
    /// Incarnation it writes in, from 1.
    pub incarnation: u32,
    /// Generation of its takings, from 1.
    pub generation: u32,
    /// Where it dials; none at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The invitation that it came by: the same command once more finds that all is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationId>,
}

/// The parent as it was found at the join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Its node.
    pub node: NodeId,
    /// Its name in certificates: what is dialled.
    pub name: NodeName,
    /// `host:port` of its link port.
    pub link_address: String,
    /// `host:port` of its enrol port.
    pub enrol_address: String,
    /// The configuration's `link.parent_address` as it was when a move led here: it names the former parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken_address: Option<String>,
}

impl Identity {
    /// What the journal of this folder is opened by.
    pub fn journal(&self) -> journal::Identity {
        journal::Identity {
            store: self.store.0,
            incarnation: u64::from(self.incarnation),
        }
    }
}

/// Where a restored folder comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The place its node served.
    pub place: PlaceId,
    /// Official name of that place, as it was when that node's folder was made.
    pub place_name: String,
    /// Level of that place, as it was then.
    pub level: u32,
    /// The unit that node served, when it was a department's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitId>,
    /// The node whose journal it is. The folder's next node is another one.
    pub node: NodeId,
    /// Fingerprint of the deployment's root key that the registry in the journal rests on: the token's must be equal.
    pub root: Fingerprint,
    /// When the backup was made, RFC 3339, by the clock of the machine that made it.
    pub backup_made: String,
    /// Where the journal ends.
    pub position: u64,
    /// SHA-256 of the journal's last segment, which stands for all before it; 64 hex digits.
    pub chain_hash: Fingerprint,
    /// Whether case keys were put back too. Without them texts are unreadable until neighbours send the keys again.
    pub keys: bool,
    /// `host:port` of its parent's enrol port, as it was then; none at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrol_address: Option<String>,
}

impl Restored {
    /// The command that gives it its identity.
    #[must_use]
    pub fn next_command(&self, folder: &Path) -> String {
        let folder = folder.display();
        match &self.enrol_address {
            Some(address) => {
                format!("fengqiao recover --data {folder} --parent {address} --token-file FILE")
            }
            None => format!(
                "fengqiao recover --data {folder} --root-key FILE --approved-by LOGIN --approved-by LOGIN --witness HOST:7444"
            ),
        }
    }
}
