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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::dice::Dice;
use super::trace::Call;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Model {
    Kill,
    Power1,
    Power2,
}

/// How much of what is unsure is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Nothing,
    UpTo(usize),
    Random,
}

#[derive(Debug)]
enum Change<'t> {
    Write { offset: usize, bytes: &'t [u8] },
    Cut { length: usize },
}

/// A change of a file that is not sure yet.
#[derive(Debug)]
struct Unsure<'t> {
    change: Change<'t>,
    /// Number of the call.
    at: usize,
    /// Its sync failed.
    dropped: bool,
    /// It was range-synced.
    ranged: bool,
}

impl Unsure<'_> {
    fn apply(&self, to: &mut Vec<u8>) {
        match self.change {
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[offset..end].copy_from_slice(bytes);
            }
            Change::Cut { length } => to.resize(length, 0),
        }
    }

    fn pages(&self) -> std::ops::Range<usize> {
        match self.change {
            Change::Write { offset, bytes } => {
                offset / PAGE..(offset + bytes.len()).div_ceil(PAGE).max(offset / PAGE)
            }
            Change::Cut { .. } => 0..0,
        }
    }
}

#[derive(Debug, Default)]
struct File<'t> {
    live: Vec<u8>,
    sure: Vec<u8>,
    unsure: Vec<Unsure<'t>>,
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

fn unsure(change: Change<'_>) -> Unsure<'_> {
    Unsure {
        change,
        at: 0,
        dropped: false,
        ranged: false,
    }
}

impl File<'_> {
    fn sync(&mut self) {
        let mut pages = BTreeSet::new();
        for change in &self.unsure {
            if let Change::Cut { length } = change.change {
                self.sure.resize(length, 0);
            } else if !change.dropped {
                pages.extend(change.pages());
            }
        }
        self.sure.resize(self.live.len(), 0);
        for page in &pages {
            let from = page * PAGE;
            let to = (from + PAGE).min(self.live.len());
            if from < to {
                self.sure[from..to].copy_from_slice(&self.live[from..to]);
            }
        }
        self.unsure
            .retain(|change| change.dropped && change.pages().any(|page| !pages.contains(&page)));
    }

    /// The bytes a stop leaves.
    fn left(&self, luck: Luck, range_is_sure: bool, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.sure.clone();
        let ranged = |change: &Unsure<'_>| range_is_sure && change.ranged && !change.dropped;
        match luck {
            Luck::Nothing => self.keep_ranged(&mut bytes, ranged),
            Luck::UpTo(call) => {
                for change in self.unsure.iter().filter(|change| !change.dropped) {
                    if change.at < call {
                        change.apply(&mut bytes);
                    }
                }
                self.keep_ranged(&mut bytes, ranged);
            }
            Luck::Random => self.scatter(&mut bytes, ranged, dice),
        }
        bytes
    }

    /// What was range-synced is there, inside the length that is.
    fn keep_ranged(&self, bytes: &mut Vec<u8>, ranged: impl Fn(&Unsure<'_>) -> bool) {
        let length = bytes.len();
        for change in self.unsure.iter().filter(|change| ranged(change)) {
            change.apply(bytes);
        }
        bytes.resize(length, 0);
    }

    /// Each page in one of its versions, with a length the file had.
    fn scatter(&self, bytes: &mut Vec<u8>, ranged: impl Fn(&Unsure<'_>) -> bool, dice: &mut Dice) {
        if self.unsure.is_empty() {
            return;
        }
        let mut lengths = vec![bytes.len()];
        let mut touching: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, change) in self.unsure.iter().enumerate() {
            let last = lengths[lengths.len() - 1];
            lengths.push(match change.change {
                Change::Write { offset, bytes } => last.max(offset + bytes.len()),
                Change::Cut { length } => length,
            });
            for page in change.pages() {
                touching.entry(page).or_default().push(index);
            }
        }
        for (page, changes) in touching {
            let from = page * PAGE;
            if bytes.len() < from + PAGE {
                bytes.resize(from + PAGE, 0);
            }
            let version = self.version(&changes, &ranged, dice);
            let mut before = Vec::new();
            for (nth, index) in changes.iter().take(version).enumerate() {
                if nth + 1 == version {
                    before = bytes[from..from + PAGE].to_vec();
                }
                self.unsure[*index].apply_to_page(from, &mut bytes[from..from + PAGE]);
            }
            let last = version
                .checked_sub(1)
                .map(|last| &self.unsure[changes[last]]);
            if last.is_some_and(|last| !ranged(last)) && dice.roll(4) == 0 {
                for sector in 0..PAGE / SECTOR {
                    if dice.heads() {
                        let at = sector * SECTOR;
                        bytes[from + at..from + at + SECTOR]
                            .copy_from_slice(&before[at..at + SECTOR]);
                    }
                }
            }
        }
        // A write that ends a file is seldom overtaken by the record of its length, but may be.
        let length = lengths[dice.roll(lengths.len())];
        bytes.resize(length, 0);
    }

    /// How many of the changes of a page are in the version on disk.
    fn version(
        &self,
        changes: &[usize],
        ranged: &impl Fn(&Unsure<'_>) -> bool,
        dice: &mut Dice,
    ) -> usize {
        let sure = changes
            .iter()
            .rposition(|index| ranged(&self.unsure[*index]));
        let least = sure.map_or(0, |last| last + 1);
        let mut versions = vec![least];
        for (nth, index) in changes.iter().enumerate().skip(least) {
            if !self.unsure[*index].dropped {
                versions.push(nth + 1);
            }
        }
        versions[dice.roll(versions.len())]
    }
}

impl Unsure<'_> {
    fn apply_to_page(&self, from: usize, page: &mut [u8]) {
        if let Change::Write { offset, bytes } = self.change {
            let start = offset.max(from);
            let end = (offset + bytes.len()).min(from + page.len());
            if start < end {
                page[start - from..end - from]
                    .copy_from_slice(&bytes[start - offset..end - offset]);
            }
        }
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
