//! A disk in memory that keeps what was written and what is durable apart, and says what a stop leaves of both.
//!
//! Three models. **Kill**: the process dies and the kernel lives: all calls so far, the last write perhaps torn.
//! **Power 1**: the power goes and the device keeps what it was given: a file's bytes and length are sure after its own
//! sync, bytes inside the durable length after a range sync, a name only after a sync of its folder, each folder for
//! itself. **Power 2**: the device has a volatile cache: any subset of unsynced pages may have reached it, range syncs
//! promise nothing, names become durable in one order as in ext4, and any sync makes those before it durable.
//!
//! What is not sure may be there or not, by one of three ways: nothing of it; all up to some moment; or each page in any
//! of its versions, perhaps torn at a sector, with any length the file had meanwhile and any names that could be.
//! A failed sync leaves pages that no later sync writes, unless they are written again.

mod file;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::dice::Dice;
use super::trace::Call;
use file::{Change, File, Luck, Unsure, unsure};

/// What a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Model {
    Kill,
    Power1,
    Power2,
}

#[derive(Debug)]
enum Body<'t> {
    File(File<'t>),
    Folder,
}

type Names<'t> = BTreeMap<(usize, &'t str), usize>;

/// A change of names that is not sure yet.
#[derive(Debug, Clone, Copy)]
enum Naming<'t> {
    Put {
        folder: usize,
        name: &'t str,
        body: usize,
    },
    Take {
        folder: usize,
        name: &'t str,
    },
    Move {
        from: (usize, &'t str),
        to: (usize, &'t str),
    },
}

impl<'t> Naming<'t> {
    fn folders(self) -> [usize; 2] {
        match self {
            Naming::Put { folder, .. } | Naming::Take { folder, .. } => [folder, folder],
            Naming::Move { from, to } => [from.0, to.0],
        }
    }

    fn apply(self, names: &mut Names<'t>) {
        match self {
            Naming::Put { folder, name, body } => {
                names.insert((folder, name), body);
            }
            Naming::Take { folder, name } => {
                names.remove(&(folder, name));
            }
            Naming::Move { from, to } => {
                if let Some(body) = names.remove(&from) {
                    names.insert(to, body);
                }
            }
        }
    }
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Disk<'t> {
    model: Model,
    bodies: Vec<Body<'t>>,
    by_inode: HashMap<u64, usize>,
    live: Names<'t>,
    sure: Names<'t>,
    unsure: Vec<(usize, Naming<'t>)>,
    calls: usize,
}

const ROOT: usize = 0;

impl<'t> Disk<'t> {
    /// An empty one.
    pub(crate) fn new(model: Model) -> Self {
        Self {
            model,
            bodies: vec![Body::Folder],
            by_inode: HashMap::new(),
            live: Names::new(),
            sure: Names::new(),
            unsure: Vec::new(),
            calls: 0,
        }
    }

    /// Calls taken so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Takes one call.
    pub(crate) fn take(&mut self, call: &Call<'t>) -> anyhow::Result<()> {
        let at = self.calls;
        self.calls += 1;
        match *call {
            Call::Root { inode } => {
                self.by_inode.insert(inode, ROOT);
            }
            Call::Create { path, inode } => self.put(path, inode, Body::File(File::default()))?,
            Call::Folder { path, inode } => self.put(path, inode, Body::Folder)?,
            Call::Write {
                inode,
                offset,
                bytes,
            } => self.change(inode, at, Change::Write { offset, bytes })?,
            Call::Cut { inode, length } => self.change(inode, at, Change::Cut { length })?,
            Call::Sync { inode } => self.sync(inode)?,
            Call::SyncFailed { inode } => {
                let body = self.body(inode)?;
                if let Body::File(file) = &mut self.bodies[body] {
                    file.unsure
                        .iter_mut()
                        .for_each(|change| change.dropped = true);
                }
            }
            Call::SyncRange {
                inode,
                offset,
                length,
            } => {
                let file = self.file(inode)?;
                for change in &mut file.unsure {
                    if let Change::Write {
                        offset: from,
                        bytes,
                    } = change.change
                    {
                        change.ranged |= from >= offset && from + bytes.len() <= offset + length;
                    }
                }
            }
            Call::Move { from, to } => {
                let naming = Naming::Move {
                    from: self.find(from)?,
                    to: self.find(to)?,
                };
                self.name(naming);
            }
            Call::Take { path } => {
                let (folder, name) = self.find(path)?;
                self.name(Naming::Take { folder, name });
            }
            Call::Said(_) => {}
        }
        Ok(())
    }

    /// The name a file or folder has.
    pub(crate) fn name_of(&self, inode: u64) -> Option<String> {
        let body = self.by_inode.get(&inode)?;
        let mut names = self.live.iter();
        let found = names.find(|(_, named)| *named == body);
        found.map(|((_, name), _)| (*name).to_owned())
    }

    fn body(&self, inode: u64) -> anyhow::Result<usize> {
        let body = self.by_inode.get(&inode).copied();
        body.with_context(|| format!("inode {inode} was never made"))
    }

    fn file(&mut self, inode: u64) -> anyhow::Result<&mut File<'t>> {
        let body = self.body(inode)?;
        match &mut self.bodies[body] {
            Body::File(file) => Ok(file),
            Body::Folder => bail!("inode {inode} is a folder"),
        }
    }

    /// The folder of a path, and the name in it.
    fn find(&self, path: &'t str) -> anyhow::Result<(usize, &'t str)> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder = ROOT;
        for part in above.split('/').filter(|part| !part.is_empty()) {
            let next = self.live.get(&(folder, part)).copied();
            folder = next.with_context(|| format!("{path} has no folder"))?;
        }
        Ok((folder, name))
    }

    fn put(&mut self, path: &'t str, inode: u64, body: Body<'t>) -> anyhow::Result<()> {
        let (folder, name) = self.find(path)?;
        let index = self.bodies.len();
        self.bodies.push(body);
        self.by_inode.insert(inode, index);
        self.name(Naming::Put {
            folder,
            name,
            body: index,
        });
        Ok(())
    }

    fn name(&mut self, naming: Naming<'t>) {
        naming.apply(&mut self.live);
        self.unsure.push((self.calls - 1, naming));
    }

    fn change(&mut self, inode: u64, at: usize, change: Change<'t>) -> anyhow::Result<()> {
        let kill = self.model == Model::Kill;
        let file = self.file(inode)?;
        let unsure = Unsure {
            change,
            at,
            dropped: false,
            ranged: false,
        };
        unsure.apply(&mut file.live);
        // A kill leaves what is live, whatever was synced.
        if !kill {
            file.unsure.push(unsure);
        }
        Ok(())
    }

    fn sync(&mut self, inode: u64) -> anyhow::Result<()> {
        let body = self.body(inode)?;
        match &mut self.bodies[body] {
            Body::File(file) => file.sync(),
            Body::Folder if self.model == Model::Power1 => self.sync_names(body),
            Body::Folder => {}
        }
        if self.model != Model::Power1 {
            for (_, naming) in self.unsure.drain(..) {
                naming.apply(&mut self.sure);
            }
        }
        Ok(())
    }

    /// Makes the changes of one folder durable, with those they build upon.
    fn sync_names(&mut self, folder: usize) {
        let mut wanted = BTreeSet::from([folder]);
        let mut settled = vec![false; self.unsure.len()];
        for (index, (_, naming)) in self.unsure.iter().enumerate().rev() {
            if naming
                .folders()
                .iter()
                .any(|touched| wanted.contains(touched))
            {
                wanted.extend(naming.folders());
                settled[index] = true;
            }
        }
        let mut settled = settled.into_iter();
        let sure = &mut self.sure;
        self.unsure.retain(|(_, naming)| {
            let settled = settled.next().unwrap_or(false);
            if settled {
                naming.apply(sure);
            }
            !settled
        });
    }

    /// Writes what a stop here leaves below `to`, which is empty; `next` is the call under way.
    pub(crate) fn leave(
        &self,
        next: Option<&Call<'t>>,
        seed: u64,
        to: &Path,
    ) -> anyhow::Result<()> {
        let mut dice = Dice(seed);
        if self.model == Model::Kill {
            let torn = next.and_then(|call| {
                let Call::Write {
                    inode,
                    offset,
                    bytes,
                } = *call
                else {
                    return None;
                };
                let body = self.by_inode.get(&inode)?;
                let cut = dice.roll(bytes.len() + 1);
                Some((*body, offset, &bytes[..cut]))
            });
            return lay_out(&self.live, to, &mut |body| {
                let mut bytes = self.live_bytes(body)?.to_vec();
                if let Some((torn, offset, part)) = torn
                    && torn == body
                {
                    let write = Change::Write {
                        offset,
                        bytes: part,
                    };
                    unsure(write).apply(&mut bytes);
                }
                Some(bytes)
            });
        }
        let luck = match dice.roll(5) {
            0 => Luck::Nothing,
            1 | 2 => {
                let oldest = self.oldest_unsure();
                Luck::UpTo(oldest + dice.roll(self.calls - oldest + 1))
            }
            _ => Luck::Random,
        };
        let names = self.names_left(luck, &mut dice);
        let range_is_sure = self.model == Model::Power1;
        lay_out(&names, to, &mut |body| match &self.bodies[body] {
            Body::File(file) => Some(file.left(luck, range_is_sure, &mut dice)),
            Body::Folder => None,
        })
    }

    /// Writes the folder as the process saw it.
    pub(crate) fn lay_out_live(&self, to: &Path) -> anyhow::Result<()> {
        lay_out(&self.live, to, &mut |body| {
            self.live_bytes(body).map(<[u8]>::to_vec)
        })
    }

    fn live_bytes(&self, body: usize) -> Option<&[u8]> {
        match &self.bodies[body] {
            Body::File(file) => Some(&file.live),
            Body::Folder => None,
        }
    }

    fn oldest_unsure(&self) -> usize {
        let names = self.unsure.first().map(|(at, _)| *at);
        let files = self.bodies.iter().filter_map(|body| match body {
            Body::File(file) => file.unsure.first().map(|change| change.at),
            Body::Folder => None,
        });
        files.chain(names).min().unwrap_or(self.calls)
    }

    fn names_left(&self, luck: Luck, dice: &mut Dice) -> Names<'t> {
        let mut names = self.sure.clone();
        let ordered = self.model == Model::Power2;
        let until = match luck {
            Luck::Nothing => 0,
            Luck::UpTo(call) => self.unsure.partition_point(|(at, _)| *at < call),
            Luck::Random if ordered => dice.roll(self.unsure.len() + 1),
            Luck::Random => self.unsure.len(),
        };
        let mut stopped = BTreeSet::new();
        for (_, naming) in &self.unsure[..until] {
            let held = naming
                .folders()
                .iter()
                .any(|folder| stopped.contains(folder));
            let skipped = luck == Luck::Random && !ordered && dice.roll(4) == 0;
            if held || skipped {
                stopped.extend(naming.folders());
            } else {
                naming.apply(&mut names);
            }
        }
        names
    }
}

/// Writes a tree of names; `bytes` gives a file's content and nothing for a folder.
fn lay_out(
    names: &Names<'_>,
    to: &Path,
    bytes: &mut dyn FnMut(usize) -> Option<Vec<u8>>,
) -> anyhow::Result<()> {
    let mut folders = vec![(ROOT, to.to_owned())];
    while let Some((folder, path)) = folders.pop() {
        for ((_, name), body) in names.range((folder, "")..(folder + 1, "")) {
            let path = path.join(name);
            match bytes(*body) {
                Some(bytes) => write_private(&path, &bytes)?,
                None => {
                    fs::create_dir(&path)?;
                    folders.push((*body, path));
                }
            }
        }
    }
    Ok(())
}

/// Key files that others may read are refused.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(bytes)?)
}
