//! What the shim wrote down: every call of a node on its files, in one order, with the acknowledgements between them.

use anyhow::{Context as _, bail};

/// Bytes of a record before its name.
const HEAD_BYTES: usize = 29;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call<'t> {
    /// The folder under which everything is watched.
    Root { inode: u64 },
    /// A file came to be.
    Create { path: &'t str, inode: u64 },
    /// A folder came to be.
    Folder { path: &'t str, inode: u64 },
    /// Bytes were written.
    Write {
        inode: u64,
        offset: usize,
        bytes: &'t [u8],
    },
    /// A file was cut or lengthened.
    Cut { inode: u64, length: usize },
    /// A file or folder was synced.
    Sync { inode: u64 },
    /// A sync that failed: the kernel may call the pages clean.
    SyncFailed { inode: u64 },
    /// Pages were handed to the device, without a flush of its cache and without the length.
    SyncRange {
        inode: u64,
        offset: usize,
        length: usize,
    },
    /// A name was moved over another.
    Move { from: &'t str, to: &'t str },
    /// A name was taken away.
    Take { path: &'t str },
    /// A line on standard output.
    Said(&'t str),
}

/// A whole trace.
#[derive(Debug)]
pub(crate) struct Trace<'t> {
    /// In order.
    pub(crate) calls: Vec<Call<'t>>,
}

impl<'t> Trace<'t> {
    /// Reads a trace; paths are told from the root it names.
    pub(crate) fn read(bytes: &'t [u8]) -> anyhow::Result<Self> {
        let mut calls = Vec::new();
        let mut root = "";
        let mut rest = bytes;
        while !rest.is_empty() {
            let call = record(&mut rest, &mut root)
                .with_context(|| format!("record {} of the trace", calls.len()))?;
            calls.push(call);
        }
        Ok(Self { calls })
    }

    /// Every point at which a node may be stopped: before each call and after the last.
    pub(crate) fn points(&self) -> usize {
        self.calls.len() + 1
    }
}

fn record<'t>(rest: &mut &'t [u8], root: &mut &'t str) -> anyhow::Result<Call<'t>> {
    let head = take(rest, HEAD_BYTES)?;
    let inode = number(&head[1..9]);
    let offset = usize::try_from(number(&head[9..17]))?;
    let length = usize::try_from(number(&head[17..25]))?;
    let name_bytes = usize::try_from(u32::from_le_bytes(head[25..29].try_into()?))?;
    let name = std::str::from_utf8(take(rest, name_bytes)?)?;
    let data_bytes = usize::try_from(number(take(rest, 8)?))?;
    let data = take(rest, data_bytes)?;
    if head[0] == b'O' {
        *root = name;
        return Ok(Call::Root { inode });
    }
    let path = |whole: &'t str| {
        let below = whole.strip_prefix(*root).context("a path elsewhere")?;
        anyhow::Ok(below.trim_start_matches('/'))
    };
    Ok(match head[0] {
        b'C' => Call::Create {
            path: path(name)?,
            inode,
        },
        b'D' => Call::Folder {
            path: path(name)?,
            inode,
        },
        b'W' => Call::Write {
            inode,
            offset,
            bytes: data,
        },
        b'T' => Call::Cut { inode, length },
        b'S' => Call::Sync { inode },
        b'E' => Call::SyncFailed { inode },
        b'R' => Call::SyncRange {
            inode,
            offset,
            length,
        },
        b'N' => Call::Move {
            from: path(name)?,
            to: path(std::str::from_utf8(data)?)?,
        },
        b'U' => Call::Take { path: path(name)? },
        b'A' => Call::Said(std::str::from_utf8(data)?),
        b'?' => bail!("the node called {name}, which the shim does not follow"),
        other => bail!("operation {other} is unknown"),
    })
}

fn take<'t>(rest: &mut &'t [u8], count: usize) -> anyhow::Result<&'t [u8]> {
    let (taken, after) = rest.split_at_checked(count).context("cut short")?;
    *rest = after;
    Ok(taken)
}

fn number(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}
