//! Who is waited for after a loss, as the store and the registry tell it. Only reads; `recovery` acts on it.

use fengqiao_hub::id::NodeId;
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_proto::v1 as pb;

use super::{EngineError, Me};
use crate::store::{Read, tables};

/// Lanes whose last word is waited for: what is in bulk binds nobody's pen.
pub(crate) const AWAITED: [pb::Lane; 2] = [pb::Lane::Control, pb::Lane::Cases];

impl Me {
    /// Whether another machine served this place, or unit, before.
    #[must_use]
    pub fn is_successor(&self) -> bool {
        self.incarnation > 1
    }
}

/// Named number that says since when neighbours have yet to speak, Unix milliseconds, 0 when none has: for whoever reads
/// the store beside the engine.
pub(crate) const RECOVERING: &str = "recovering";

/// Whether a node may have forgotten a taking of its own. What it acknowledges settles nothing then.
pub(crate) fn is_recovering(read: &dyn Read) -> Result<bool, EngineError> {
    let row = read.get(&tables::named(RECOVERING))?;
    Ok(row.is_some_and(|row| row.iter().any(|byte| *byte != 0)))
}

/// Since when this node recovers, Unix milliseconds; `None` when it does not.
pub(crate) fn recovering_since(read: &dyn Read) -> Result<Option<i64>, EngineError> {
    let row = read.get(&tables::named(RECOVERING))?;
    let since = row.and_then(|row| <[u8; 8]>::try_from(&row[..]).ok());
    let since = since.map(u64::from_be_bytes).filter(|since| *since > 0);
    Ok(since.and_then(|since| i64::try_from(since).ok()))
}

/// Whether what a node wrote is settled when its parent has stored it: this node has been handed what the parent held
/// for the one before it, so no taking of the parent is still on its way.
pub(crate) fn settles(read: &dyn Read, me: &Me, up: NodeId) -> Result<bool, EngineError> {
    Ok(!me.is_successor() || has_heard(read, me, up, pb::Lane::Cases)?)
}

/// Neighbours that hold something of a predecessor of this node and have not handed it over.
pub(crate) fn awaited(
    read: &dyn Read,
    me: &Me,
    registry: &Registry,
) -> Result<Vec<NodeId>, EngineError> {
    if !is_recovering(read)? {
        return Ok(Vec::new());
    }
    let pinned_at = registry.node(me.at.node).map(|node| node.pinned_at);
    // Whom this node itself has enrolled never knew the one before, unless it came back over a backup; and neither did
    // a place moved here since this node serves.
    let below = me.at.down(registry).into_iter().filter(|link| {
        let record = registry.node(*link);
        record.is_some_and(|record| {
            let moved_here = registry
                .moved_at(record.place)
                .filter(|_| record.unit.is_none());
            let since = moved_here
                .zip(pinned_at)
                .is_some_and(|(moved, pinned)| moved.0 == pinned.0 && moved.1 > pinned.1);
            (record.pinned_by != me.at.node || record.incarnation > 1) && !since
        })
    });
    let mut awaited = Vec::new();
    for link in above(read, me, registry)?.into_iter().chain(below) {
        if !has_spoken(read, me, link)? {
            awaited.push(link);
        }
    }
    Ok(awaited)
}

/// Whose word from above is waited for: the parent's, as long as it is the one that knew the node before. Where the
/// place was moved while it waited, the former parent's.
fn above(read: &dyn Read, me: &Me, registry: &Registry) -> Result<Option<NodeId>, EngineError> {
    let up = me.at.up(registry);
    let pinned_by = registry.node(me.at.node).map(|node| node.pinned_at.0);
    let parent = up.and_then(|up| registry.node(up)).map(|node| node.place);
    let Some(former) =
        pinned_by.filter(|pinned_by| parent.is_some_and(|parent| parent != *pinned_by))
    else {
        return Ok(up);
    };
    let served = registry
        .nodes()
        .filter(|node| (node.place, node.unit) == (former, None));
    for node in served {
        if has_spoken(read, me, node.id)? {
            return Ok(None);
        }
    }
    Ok(registry.node_of(former).map(|node| node.id))
}

/// Whether a neighbour has handed over to this node.
pub(crate) fn has_spoken(read: &dyn Read, me: &Me, link: NodeId) -> Result<bool, EngineError> {
    for lane in AWAITED {
        if !has_heard(read, me, link, lane)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same of one lane.
pub(crate) fn has_heard(
    read: &dyn Read,
    me: &Me,
    link: NodeId,
    lane: pb::Lane,
) -> Result<bool, EngineError> {
    Ok(heard_in(read, link, lane)? == Some(me.incarnation.into()))
}

/// Whether a neighbour has ever handed over here: to this node, or to one before it whose journal goes on here.
pub(crate) fn has_ever_spoken(read: &dyn Read, link: NodeId) -> Result<bool, EngineError> {
    for lane in AWAITED {
        if heard_in(read, link, lane)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// In which life of this place a neighbour's last word of a lane was heard.
fn heard_in(read: &dyn Read, link: NodeId, lane: pb::Lane) -> Result<Option<u64>, EngineError> {
    let Some(row) = read.get(&tables::heard(link, lane))? else {
        return Ok(None);
    };
    let life = <[u8; 8]>::try_from(&row[..]).map_err(|_| EngineError::Unreadable("a last word"))?;
    Ok(Some(u64::from_be_bytes(life)))
}
