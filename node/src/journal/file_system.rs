//! Which file systems can keep a promise of durability.

// Magic numbers of statfs(2).
const EXT4: u64 = 0xEF53;
const XFS: u64 = 0x5846_5342;
const TMPFS: u64 = 0x0102_1994;
const OVERLAY: u64 = 0x794C_7630;
const NFS: u64 = 0x6969;
const FUSE: u64 = 0x6573_5546;

/// What a folder stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ext2, ext3 and ext4 share one number.
    Ext4,
    /// XFS.
    Xfs,
    /// Memory; for tests.
    Tmpfs,
    /// A container's layer.
    Overlay,
    /// Refused.
    Nfs,
    /// Refused.
    Fuse,
    /// Untried here; statfs magic.
    Other(u64),
}

impl FileSystem {
    /// Names the file system behind a statfs magic number.
    pub fn from_magic(magic: u64) -> Self {
        match magic {
            EXT4 => Self::Ext4,
            XFS => Self::Xfs,
            TMPFS => Self::Tmpfs,
            OVERLAY => Self::Overlay,
            NFS => Self::Nfs,
            FUSE => Self::Fuse,
            other => Self::Other(other),
        }
    }

    /// Whether an operator should be told that this one is untried.
    pub fn deserves_a_warning(self) -> bool {
        matches!(self, Self::Other(_))
    }
}
