//! The first place's node comes back as another machine: nobody stands above it, so the offline root key and two named
//! persons do (PROTOCOL.md 5, 25).

use std::path::Path;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, Hash, NodeId, PersonId, PlaceId, StoreId};
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;

use super::error::EnrolmentError;
use super::init::{ROOT_LEVELS, enrolled, first_authority};
use super::timestamp;
use super::verdict::{AnswerError, prove_registry};
use crate::folder::{
    Folder, FolderError, Identity, Kept, Making, NewFolder, NodeKeys, Purpose, Root,
};
use crate::trust::authority::signing_request;
use crate::trust::keys::PublicKey;
use crate::trust::{Authority, AuthorityKey, Random, draw};

/// How the top recovers.
#[derive(Debug)]
pub struct TopRecovery<'a> {
    /// A restored folder, or where a new one is to be made.
    pub path: &'a Path,
    /// File of the deployment's root key.
    pub root_key_file: &'a Path,
    /// The registry as the backup has it, and as places below know it: each from the first entry on. The longest chain
    /// of the first place counts.
    pub known: Vec<Vec<pb::SignedEntry>>,
    /// The two who approve.
    pub approved_by: [PersonId; 2],
}

/// Makes the first place's next node, pinned by the root key. A folder that was recovered before, and is known nowhere in
/// a later life, is left as it is; what a cut left is gone on with, under the same keys.
///
/// # Errors
/// An [`EnrolmentError`]; the folder is as it was then.
pub fn recover_at_the_top(
    recovery: &TopRecovery<'_>,
    now: Moment,
    random: &mut dyn Random,
) -> Result<Folder, EnrolmentError> {
    let root_key = AuthorityKey::load(recovery.root_key_file).map_err(FolderError::from)?;
    let newest = newest(&recovery.known, root_key.public())?;
    if let Some(done) = done_before(recovery.path, &newest)? {
        return Ok(done);
    }
    let mut making = Making::begin_recovery(recovery.path)?;
    if let Some(restored) = making.restored() {
        if restored.place != newest.place || restored.deployment != newest.deployment {
            return Err(EnrolmentError::OtherBackup("place"));
        }
        if restored.root != root_key.public().fingerprint() {
            return Err(EnrolmentError::OtherBackup("root"));
        }
    }
    let by = format!("recovery {}", newest.incarnation + 1);
    let kept = match making.kept(&by)? {
        Some(kept) => kept,
        None => {
            let kept = Kept {
                purpose: Purpose {
                    by,
                    store: StoreId(draw(random)?),
                    node: Some(NodeId(draw(random)?)),
                },
                keys: NodeKeys::generate(random)?,
                authority: None,
            };
            making.keep(&kept)?;
            kept
        }
    };
    // Nothing is asked of anybody; but where the folder's own part is cut, it goes on with these.
    making.may_be_granted(true);
    let keys = kept.keys;
    let identity = Identity {
        node: kept.purpose.node.unwrap_or_default(),
        place: newest.place,
        place_name: newest.place_name,
        level: newest.level,
        unit: None,
        deployment: newest.deployment,
        store: kept.purpose.store,
        incarnation: newest.incarnation + 1,
        generation: newest.generation + 1,
        parent: None,
        invitation: None,
    };
    let at = timestamp(now);
    let root_authority = Authority::init(root_key, identity.deployment, ROOT_LEVELS, at, random)?;
    let authority = first_authority(&root_authority, identity.place, now, random)?;
    let request = signing_request(&keys.transport)?;
    let chain = authority.issue_leaf(identity.node, &request, at, random)?;
    let root = Root::of_chain(root_authority.chain()).map_err(AnswerError::Identity)?;
    let renewed = pb::RootRenewed {
        node: Some(enrolled(&identity, &keys)),
        approved_by: recovery
            .approved_by
            .iter()
            .map(|who| who.to_vec())
            .collect(),
    };
    let draft = Draft {
        deployment: identity.deployment,
        kind: pb::ChainKind::Registry,
        chain: ChainId::of_place(identity.place),
        rank: Rank::default(),
        sequence: newest.sequence + 1,
        previous: Some(newest.head),
        author: identity.node,
        incarnation: identity.incarnation,
        author_sequence: 1,
        registry: Vec::new(),
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Work,
        body: pb::Body {
            schema: 1,
            wall_time_ms: now.0,
            content: Some(renewed.into()),
            ..Default::default()
        },
        payloads: Vec::new(),
    };
    let mut entries = newest.entries;
    entries.push(draft.sign(root_authority.key().entry_key()).signed);
    Ok(making.finish(&NewFolder {
        identity: &identity,
        keys: &keys,
        chain: &chain,
        authority: Some(&authority),
        root: &root,
        root_authority: None,
        first_entries: &entries,
        rulebook: &[],
    })?)
}

/// A folder that is ahead of all that is known of its place: it was recovered, and nobody has heard of it yet.
fn done_before(path: &Path, newest: &Newest) -> Result<Option<Folder>, EnrolmentError> {
    match Folder::open(path) {
        Ok(folder) => {
            let identity = &folder.identity;
            let is_ahead =
                identity.place == newest.place && identity.incarnation > newest.incarnation;
            Ok(is_ahead.then_some(folder))
        }
        Err(
            FolderError::Absent { .. }
            | FolderError::Restored { .. }
            | FolderError::Missing { .. }
            | FolderError::Damaged { .. },
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a folder's own registry of the first place is no shorter than any that others tell: then they know nothing of
/// it that it does not know itself.
///
/// # Errors
/// An [`EnrolmentError`]: a registry does not hold.
pub fn knows_as_much(
    own: &[pb::SignedEntry],
    told: &[Vec<pb::SignedEntry>],
    root_key: &PublicKey,
) -> Result<bool, EnrolmentError> {
    let own = first_chain(own, root_key)?.sequence;
    for told in told {
        if first_chain(told, root_key)?.sequence > own {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first place as its newest registry tells.
struct Newest {
    deployment: DeploymentId,
    place: PlaceId,
    place_name: String,
    level: u32,
    incarnation: u32,
    generation: u32,
    sequence: u64,
    head: Hash,
    entries: Vec<pb::SignedEntry>,
}

/// The longest sound chain of the first place among those given.
fn newest(known: &[Vec<pb::SignedEntry>], root_key: &PublicKey) -> Result<Newest, EnrolmentError> {
    let mut newest: Option<Newest> = None;
    for told in known {
        let found = first_chain(told, root_key)?;
        if newest
            .as_ref()
            .is_none_or(|newest| newest.sequence < found.sequence)
        {
            newest = Some(found);
        }
    }
    newest.ok_or(EnrolmentError::Option {
        field: "witness",
        reason: "neither a backup nor a place below tells the registry",
        chinese: "既没有备份，也没有下级节点可提供登记册。",
    })
}

fn first_chain(told: &[pb::SignedEntry], root_key: &PublicKey) -> Result<Newest, AnswerError> {
    let bad = |position| move |source| AnswerError::Entry { position, source };
    let genesis = told.first().ok_or(AnswerError::NotRegistered)?;
    let genesis = Entry::from_signed(genesis).map_err(bad(1))?;
    let mut entries = Vec::new();
    let (mut sequence, mut head) = (0, Hash::default());
    for (index, signed) in told.iter().enumerate() {
        let entry = Entry::from_signed(signed).map_err(bad(index + 1))?;
        if entry.chain == genesis.chain {
            (sequence, head) = (entry.sequence, entry.hash);
            entries.push(signed.clone());
        }
    }
    let registry = prove_registry(&entries, root_key, genesis.deployment)?;
    let place = registry.root().and_then(|place| registry.place(place));
    let place = place.ok_or(AnswerError::NotRegistered)?;
    let before = registry.last_node_of(place.id, None);
    let before = before.ok_or(AnswerError::NotRegistered)?;
    Ok(Newest {
        deployment: genesis.deployment,
        place: place.id,
        place_name: place.name.clone(),
        level: place.level,
        incarnation: before.incarnation,
        generation: before.generation,
        sequence,
        head,
        entries,
    })
}
