//! A disk that keeps written and synced apart. A killed process loses nothing of what it wrote; a power cut drops, tears
//! and reorders what was not synced; rot flips a bit of what was.
//!
//! As on ext4 with its journal, changes of names survive as a prefix of their order; the contents of files do not: of
//! each write not yet synced any sectors may be there and others not, and a file may be as long as was written while its
//! new bytes are zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fengqiao_node::journal::{Disk, DiskFile, FileSystem, JournalError};

use super::dice::Dice;

const SECTOR_BYTES: usize = 512;

/// What the next operation that changes something comes to, after so many good ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fuse {
    /// The process dies in it; a write is half done.
    Die,
    /// The device says EIO, once.
    Fail,
    /// There is no room, once.
    Full,
}

/// How a machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The process ends, the kernel goes on.
    Kill,
    /// The power goes.
    PowerCut,
}

/// What a power cut did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lost {
    /// Writes of which nothing is left.
    pub dropped: u64,
    /// Writes of which a part is left.
    pub torn: u64,
    /// Writes that are there although an earlier one of the same file is not.
    pub reordered: u64,
    /// Changes of names that are gone.
    pub names: u64,
}

/// The disk of one machine.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<Inode>,
    /// As the process sees them.
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    folders: BTreeSet<PathBuf>,
    fuse: Option<(u64, Fuse)>,
    burnt: Option<Fuse>,
    /// The process has died in an operation: nothing works for it any more.
    is_dead: bool,
    syncs: u64,
}

#[derive(Debug, Clone)]
enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveFolder(PathBuf),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

fn apply_name(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    match change {
        NameChange::Create(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Rename(from, to) => {
            let moved: Vec<(PathBuf, usize)> = names
                .iter()
                .filter(|(path, _)| path.starts_with(from))
                .map(|(path, inode)| (path.clone(), *inode))
                .collect();
            for (path, inode) in moved {
                names.remove(&path);
                let rest = path.strip_prefix(from).unwrap_or(Path::new(""));
                let path = if rest.as_os_str().is_empty() {
                    to.clone()
                } else {
                    to.join(rest)
                };
                names.insert(path, inode);
            }
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::RemoveFolder(folder) => names.retain(|path, _| !path.starts_with(folder)),
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    let end = offset + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(new);
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, new) => write(bytes, *offset, new),
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

fn died() -> io::Error {
    io::Error::other("the process has died")
}

impl State {
    /// Before an operation that changes something.
    fn burn(&mut self) -> Result<(), Fuse> {
        if self.is_dead {
            return Err(Fuse::Die);
        }
        match &mut self.fuse {
            Some((0, fuse)) => {
                let fuse = *fuse;
                self.fuse = None;
                self.burnt = Some(fuse);
                self.is_dead |= fuse == Fuse::Die;
                Err(fuse)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        self.burn().map_err(error_of)?;
        apply_name(&mut self.names, &change);
        self.unsynced_names.push(change);
        Ok(())
    }

    fn stands(&self, path: &Path) -> bool {
        self.folders.contains(path) || self.names.keys().any(|name| name.starts_with(path))
    }
}

fn error_of(fuse: Fuse) -> io::Error {
    match fuse {
        Fuse::Die => died(),
        Fuse::Fail => io::Error::from_raw_os_error(5),
        Fuse::Full => io::Error::from_raw_os_error(28),
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an operation fail, `after` more that change something.
    pub fn set_fuse(&self, after: u64, fuse: Fuse) {
        self.state().fuse = Some((after, fuse));
    }

    /// Takes the fuse out; what it came to, if it had burnt.
    pub fn take_fuse(&self) -> Option<Fuse> {
        let mut state = self.state();
        state.fuse = None;
        state.burnt.take()
    }

    /// Files with writes that were not synced.
    #[must_use]
    pub fn unsynced(&self) -> Vec<PathBuf> {
        let state = self.state();
        state
            .names
            .iter()
            .filter(|(_, inode)| !state.files[**inode].unsynced.is_empty())
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The machine stops; afterwards the disk works again.
    pub fn stop(&self, stop: Stop, dice: &mut Dice) -> Lost {
        let mut state = self.state();
        state.fuse = None;
        state.burnt = None;
        state.is_dead = false;
        if stop == Stop::Kill {
            return Lost::default();
        }
        let mut lost = Lost::default();
        let kept = dice.roll(state.unsynced_names.len() + 1);
        lost.names = (state.unsynced_names.len() - kept) as u64;
        let changes = std::mem::take(&mut state.unsynced_names);
        for change in &changes[..kept] {
            apply_name(&mut state.synced_names, change);
        }
        state.names = state.synced_names.clone();
        for inode in &mut state.files {
            inode.lose(dice, &mut lost);
        }
        lost
    }

    /// Flips one bit of a file where it is synced.
    pub fn flip(&self, name: &Path, offset: usize, bit: u8) {
        let mut state = self.state();
        if let Some(inode) = state.names.get(name).copied() {
            let inode = &mut state.files[inode];
            for bytes in [&mut inode.seen, &mut inode.synced] {
                if let Some(byte) = bytes.get_mut(offset) {
                    *byte ^= 1 << (bit & 7);
                }
            }
        }
    }

    /// Names and lengths of all files.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let state = self.state();
        let named = state.names.iter();
        named
            .map(|(path, inode)| (path.clone(), state.files[*inode].seen.len()))
            .collect()
    }

    /// A disk with the same synced contents: a backup, or a clone.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        let mut files = state.files.clone();
        for inode in &mut files {
            inode.seen.clone_from(&inode.synced);
            inode.unsynced.clear();
        }
        Self(Arc::new(Mutex::new(State {
            files,
            names: state.synced_names.clone(),
            synced_names: state.synced_names.clone(),
            folders: state.folders.clone(),
            ..State::default()
        })))
    }
}

impl Inode {
    /// What the power cut leaves of the writes that were not synced.
    fn lose(&mut self, dice: &mut Dice, lost: &mut Lost) {
        let mut is_gap = false;
        for change in std::mem::take(&mut self.unsynced) {
            match dice.roll(4) {
                0 => {
                    lost.dropped += 1;
                    is_gap = true;
                }
                1 => {
                    lost.reordered += u64::from(is_gap);
                    apply(&mut self.synced, &change);
                }
                _ => {
                    lost.torn += 1;
                    is_gap = true;
                    self.tear(&change, dice);
                }
            }
        }
        self.seen.clone_from(&self.synced);
    }

    fn tear(&mut self, change: &Change, dice: &mut Dice) {
        let Change::Write(offset, new) = change else {
            return;
        };
        // The length may be known before the bytes are there.
        let is_long = dice.roll(2) == 0;
        let mut at = *offset;
        let end = offset + new.len();
        while at < end {
            let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
            if dice.roll(2) == 0 {
                write(&mut self.synced, at, &new[at - offset..next - offset]);
            }
            at = next;
        }
        if is_long && self.synced.len() < end {
            self.synced.resize(end, 0);
        }
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            apply(&mut self.synced, &change);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let seen = &state.files[self.inode].seen;
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(seen.len());
        let read = buffer.len().min(seen.len() - from);
        buffer[..read].copy_from_slice(&seen[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let was_dead = state.is_dead;
        let burnt = state.burn();
        let inode = &mut state.files[self.inode];
        let mut put = |bytes: &[u8]| {
            write(&mut inode.seen, offset, bytes);
            inode.unsynced.push(Change::Write(offset, bytes.to_vec()));
        };
        match burnt {
            Ok(()) => put(bytes),
            Err(Fuse::Die) if was_dead => return Err(died()),
            // Half of it is done.
            Err(fuse) => {
                put(&bytes[..bytes.len() / 2]);
                return Err(error_of(fuse));
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.burn().map_err(error_of)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let inode = &mut state.files[self.inode];
        inode.seen.resize(length, 0);
        inode.unsynced.push(Change::Length(length));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.inode].seen.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if let Err(fuse) = state.burn() {
            if fuse == Fuse::Fail {
                // The kernel calls the pages clean from now on, and they are not on the disk.
                state.files[self.inode].unsynced.clear();
            }
            return Err(error_of(fuse));
        }
        state.syncs += 1;
        state.files[self.inode].sync();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.state().names.get(path).copied();
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.files.len();
        state.change_name(NameChange::Create(path.to_owned(), inode))?;
        state.files.push(Inode::default());
        drop(state);
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.folders.remove(from) {
            state.folders.insert(to.to_owned());
        }
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.burn().map_err(error_of)?;
        state.unsynced_names.clear();
        state.synced_names = state.names.clone();
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.state().folders.insert(path.to_owned());
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(path.to_owned()))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.stands(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.folders.remove(path);
        state.change_name(NameChange::RemoveFolder(path.to_owned()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state
            .names
            .keys()
            .filter_map(|name| name.strip_prefix(path).ok());
        let first = inside.filter_map(|rest| rest.iter().next()?.to_str());
        let names: BTreeSet<String> = first.map(str::to_owned).collect();
        Ok(names.into_iter().collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        // A folder stands while something in it does.
        Ok(self.state().names.keys().any(|name| name.starts_with(path)))
    }

    fn file_system(&self, _: &Path) -> Result<FileSystem, JournalError> {
        Ok(FileSystem::Ext4)
    }
}
