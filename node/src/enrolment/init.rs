//! The first node of a deployment, and the renewal of its own certificate.
//!
//! The root key signs three things: its own certificate, the authority of the
//! first place, and the first entry of the registry. From then on it is needed
//! only every few years and for the recovery of the first place, so it lies in
//! a file of its own that is to be taken offline.

use std::path::{Path, PathBuf};

use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::{Draft, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, NodeId, PlaceId, StoreId};
use fengqiao_hub::jurisdiction::{Code, NAME_CHARACTERS_MAX};
use fengqiao_hub::rank::Rank;
use fengqiao_proto::v1 as pb;

use super::verdict::AnswerError;
use super::{EnrolmentError, timestamp};
use crate::folder::{Folder, FolderError, Identity, Making, NewFolder, NodeKeys, Root};
use crate::trust::authority::{AuthorityError, Chain, signing_request};
use crate::trust::identity::window;
use crate::trust::name::AUTHORITY_DEPTH_MAX;
use crate::trust::{Authority, AuthorityKey, Random, draw};

/// Levels lie between 1 and this.
pub(super) const LEVEL_MAX: u32 = 99;
/// Levels of authorities below the root: the first place's is one of them.
pub(super) const ROOT_LEVELS: u8 = {
    assert!(AUTHORITY_DEPTH_MAX <= 255);
    AUTHORITY_DEPTH_MAX.to_le_bytes()[0]
};

/// What is said of the first place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitOptions {
    /// Official name, 1 to 64 characters.
    pub name: String,
    /// Official division code, or empty.
    pub code: String,
    /// Level of its tier, 1 to 99: 20 province, 30 city, 40 county.
    pub level: u32,
    /// The deployment's id; drawn where none is given.
    pub deployment: Option<DeploymentId>,
    /// The rules it begins with, which its node issues as the first bundle; without any, no case can be registered
    /// before one is issued.
    pub rulebook: Vec<pb::BundleFile>,
}

/// A deployment that was made.
#[derive(Debug)]
pub struct Initialised {
    /// The first node's folder, open.
    pub folder: Folder,
    /// The root key, to be taken offline.
    pub root_key_file: PathBuf,
}

impl Initialised {
    /// What to tell the person who made it, in English.
    pub fn advice(&self) -> String {
        format!(
            "{} is the root key of the whole deployment. Move it to a medium that is kept under lock \
             and delete it here; it is needed again only to recover this node and to renew its authority.",
            self.root_key_file.display()
        )
    }

    /// The same in Chinese.
    pub fn advice_chinese(&self) -> String {
        format!(
            "{} 是整个系统的根密钥。请移存到离线介质并妥善保管，然后从本机删除；\
             只有恢复本节点或更换本级签发证书时才会再用到它。",
            self.root_key_file.display()
        )
    }
}

/// Makes a deployment and the node of its first place.
///
/// # Errors
/// [`EnrolmentError::Option`] for what was said of the place,
/// [`EnrolmentError::Folder`], [`EnrolmentError::Random`]; nothing is left then.
pub fn init(
    path: &Path,
    options: &InitOptions,
    now: Moment,
    random: &mut dyn Random,
) -> Result<Initialised, EnrolmentError> {
    check(options)?;
    let making = Making::begin(path)?;
    let drawn = draw(random).map(DeploymentId)?;
    let identity = Identity {
        node: NodeId(draw(random)?),
        place: PlaceId(draw(random)?),
        place_name: options.name.clone(),
        level: options.level,
        unit: None,
        deployment: options.deployment.unwrap_or(drawn),
        store: StoreId(draw(random)?),
        incarnation: 1,
        generation: 1,
        parent: None,
        invitation: None,
    };
    let keys = NodeKeys::generate(random)?;
    let at = timestamp(now);
    let root_key = AuthorityKey::generate(random)?;
    let root_authority = Authority::init(root_key, identity.deployment, ROOT_LEVELS, at, random)?;
    let authority = first_authority(&root_authority, identity.place, now, random)?;
    let request = signing_request(&keys.transport)?;
    let chain = authority.issue_leaf(identity.node, &request, at, random)?;
    let genesis = genesis(&identity, &keys, &options.code, &root_authority, now);
    let root = Root::of_chain(root_authority.chain()).map_err(AnswerError::Identity)?;
    let folder = making.finish(&NewFolder {
        identity: &identity,
        keys: &keys,
        chain: &chain,
        authority: Some(&authority),
        root: &root,
        root_authority: Some(&root_authority),
        first_entries: &[genesis],
        rulebook: &options.rulebook,
    })?;
    let root_key_file = folder.root_key_file().ok_or(FolderError::Missing {
        file: "root/authority.pem",
    })?;
    Ok(Initialised {
        folder,
        root_key_file,
    })
}

/// Renews the first node's certificate: nobody stands above it to be asked.
///
/// # Errors
/// [`EnrolmentError::Folder`], [`EnrolmentError::Authority`] where its
/// authority has expired; the present certificate stays then.
pub fn renew_at_the_top(
    folder: &mut Folder,
    now: Moment,
    random: &mut dyn Random,
) -> Result<(), EnrolmentError> {
    let authority = own_authority(folder)?;
    let chain = own_leaf(folder, &authority, now, random)?;
    Ok(folder.replace_chains(&chain, None)?)
}

/// Renews the authority of the first node by the root key, and its certificate
/// under it; the root's own certificate too where it is out of its time, under
/// the same key. An enroller made before is to be made anew.
///
/// # Errors
/// [`EnrolmentError::Folder`], also for the file of the root key;
/// [`EnrolmentError::Authority`] where that holds another key. The present
/// certificates stay then.
pub fn renew_authority_at_the_top(
    folder: &mut Folder,
    root_key_file: &Path,
    now: Moment,
    random: &mut dyn Random,
) -> Result<(), EnrolmentError> {
    let at = timestamp(now);
    let present = own_authority(folder)?;
    let fingerprint = folder.root.fingerprint();
    let key = AuthorityKey::load(root_key_file).map_err(FolderError::from)?;
    let (begin, end) = window(folder.root.chain().certificates()).map_err(AnswerError::Identity)?;
    let root = if (begin..end).contains(&at) {
        Authority::load(key, folder.root.chain(), &fingerprint, at)?
    } else if key.public().fingerprint() == fingerprint {
        // Whoever believes the root knows it by its key.
        Authority::init(key, folder.identity.deployment, ROOT_LEVELS, at, random)?
    } else {
        return Err(AuthorityError::OtherKey.into());
    };
    let request = signing_request(present.key())?;
    let (place, levels) = (folder.identity.place, present.levels_below());
    let chain = root.issue_authority(place, &request, levels, at, random)?;
    let renewed = present.with_chain(chain, &fingerprint, at)?;
    let chain = own_leaf(folder, &renewed, now, random)?;
    folder.replace_root(root.chain())?;
    Ok(folder.replace_chains(&chain, Some(renewed.chain()))?)
}

fn own_authority(folder: &Folder) -> Result<Authority, FolderError> {
    folder.authority()?.ok_or(FolderError::Missing {
        file: "private/authority.pem",
    })
}

fn own_leaf(
    folder: &Folder,
    authority: &Authority,
    now: Moment,
    random: &mut dyn Random,
) -> Result<Chain, EnrolmentError> {
    let request = signing_request(&folder.keys.transport)?;
    let node = folder.identity.node;
    Ok(authority.issue_leaf(node, &request, timestamp(now), random)?)
}

/// The first place issues by an authority of its own, so that the root key can
/// be taken away.
pub(super) fn first_authority(
    root: &Authority,
    place: PlaceId,
    now: Moment,
    random: &mut dyn Random,
) -> Result<Authority, EnrolmentError> {
    let key = AuthorityKey::generate(random)?;
    let request = signing_request(&key)?;
    let levels = root.levels_below().saturating_sub(1);
    let chain = root.issue_authority(place, &request, levels, timestamp(now), random)?;
    Ok(Authority::load(
        key,
        chain,
        &root.public().fingerprint(),
        timestamp(now),
    )?)
}

/// What the registry pins of the first place's node.
pub(super) fn enrolled(identity: &Identity, keys: &NodeKeys) -> pb::NodeEnrolled {
    let transport = keys.transport.public().fingerprint();
    pb::NodeEnrolled {
        node: identity.node.to_vec(),
        place: identity.place.to_vec(),
        unit: Vec::new(),
        signing_key: keys.signing.public().as_bytes().to_vec(),
        encryption_key: keys.encryption.public().as_bytes().to_vec(),
        transport_key_hash: transport.as_bytes().to_vec(),
        incarnation: identity.incarnation,
        generation: identity.generation,
    }
}

/// The first entry of the first place's registry, signed by the root key.
fn genesis(
    identity: &Identity,
    keys: &NodeKeys,
    code: &str,
    root: &Authority,
    now: Moment,
) -> pb::SignedEntry {
    let place = identity.place;
    let granted = pb::RootGranted {
        place: Some(pb::PlaceAdded {
            place: place.to_vec(),
            code: code.to_owned(),
            name: identity.place_name.clone(),
            level: identity.level,
        }),
        node: Some(enrolled(identity, keys)),
        root_key: root.public().as_bytes().to_vec(),
    };
    let draft = Draft {
        deployment: identity.deployment,
        kind: pb::ChainKind::Registry,
        chain: ChainId::of_place(place),
        rank: Rank::default(),
        sequence: 1,
        previous: None,
        author: identity.node,
        incarnation: identity.incarnation,
        author_sequence: 1,
        registry: vec![(place, 1)],
        mv: Move::None,
        submission: None,
        kind_class: pb::KindClass::Opening,
        body: pb::Body {
            schema: 1,
            actor: Vec::new(),
            wall_time_ms: now.0,
            judged_by: None,
            unsettled: false,
            content: Some(pb::body::Content::from(granted)),
        },
        payloads: Vec::new(),
    };
    draft.sign(root.key().entry_key()).signed
}

fn check(options: &InitOptions) -> Result<(), EnrolmentError> {
    let refused = |field, reason, chinese| {
        Err(EnrolmentError::Option {
            field,
            reason,
            chinese,
        })
    };
    let name = &options.name;
    if name.trim().is_empty() {
        return refused("name", "is empty", "名称不能为空。");
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return refused("name", "has more than 64 characters", "名称超过 64 个字。");
    }
    if name.chars().any(char::is_control) {
        return refused("name", "holds control characters", "名称含有控制字符。");
    }
    if !options.code.is_empty() && options.code.parse::<Code>().is_err() {
        return refused(
            "code",
            "has 2, 4, 6, 9 or 12 digits, or is empty",
            "区划代码应为 2、4、6、9 或 12 位数字，也可不填。",
        );
    }
    if !(1..=LEVEL_MAX).contains(&options.level) {
        return refused("level", "lies between 1 and 99", "层级应在 1 至 99 之间。");
    }
    Ok(())
}
