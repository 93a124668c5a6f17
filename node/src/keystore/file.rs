//! The key store on disk: `<folder>/keys`, and a witness beside it.
//!
//! A put is one write and one sync. Erasing writes the file anew without the case,
//! renames it over the old one and wipes the old one's blocks; a file system that
//! copies on write or a disk that remaps blocks may still keep them, which is why
//! the disk of a node is to be encrypted.

use std::io;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{CaseId, CaseSecret, Holdings, KeyStore, KeyStoreError, codec, merged, witness};
use crate::journal::FolderLock;
use crate::journal::disk::{self, DiskFile};

pub(super) const KEYS_FILE: &str = "keys";
const WIPE_BYTES: usize = 64 << 10;

/// Keys in a file of their own.
pub struct FileKeyStore {
    lock: FolderLock,
    pub(super) file: Arc<dyn DiskFile>,
    /// Of the file.
    bytes: u64,
    /// Of these the witness knows.
    vouched: u64,
    holdings: Holdings,
    poisoned: bool,
}

impl std::fmt::Debug for FileKeyStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FileKeyStore")
            .field("cases", &self.holdings.len())
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

/// A key store ready for use, and what its opening found.
#[derive(Debug)]
pub struct OpenedKeys {
    /// With all it holds in memory.
    pub store: FileKeyStore,
    /// Of a torn tail, never acknowledged, now gone.
    pub cut_bytes: u64,
}

impl FileKeyStore {
    /// Opens the store of a data folder, making it when absent.
    ///
    /// # Errors
    /// `Damaged`, `FormatVersion`: nothing was changed; `DiskFull`, `ReadOnly`, `Io`.
    pub fn open(lock: &FolderLock) -> Result<OpenedKeys, KeyStoreError> {
        let folder = lock.folder();
        // An interrupted erasure leaves a whole copy of the keys aside.
        wipe_aside(lock)?;
        let disk = lock.disk().as_ref();
        let vouched = witness::read(disk, folder)?;
        let path = folder.join(KEYS_FILE);
        if !disk
            .exists(&path)
            .map_err(disk::failed("find the key store"))?
        {
            if vouched > 0 {
                return Err(KeyStoreError::Damaged { offset: 0 });
            }
            disk::replace(disk, folder, KEYS_FILE, &codec::header())?;
        }
        let file = disk::open_for_writing(disk, &path)?;
        let bytes = read_all(file.as_ref()).map_err(disk::failed("read the key store"))?;
        let (holdings, sound) = codec::read(&bytes)?;
        let cut_bytes = (bytes.len() - sound) as u64;
        if vouched > sound as u64 {
            return Err(KeyStoreError::Damaged {
                offset: sound as u64,
            });
        }
        if cut_bytes > 0 {
            wipe(file.as_ref(), sound as u64, bytes.len() as u64)
                .and_then(|()| file.set_len(sound as u64))
                .map_err(disk::failed("cut a torn tail"))?;
        }
        // What a killed process wrote may be in memory only, or be taken for
        // clean after a failed sync: write it again before it is relied on.
        file.write_at(&bytes[..sound], 0)
            .and_then(|()| file.sync_all())
            .map_err(disk::failed("sync the key store"))?;
        let mut store = Self {
            lock: lock.clone(),
            file,
            bytes: sound as u64,
            vouched,
            holdings,
            poisoned: false,
        };
        store.vouch()?;
        Ok(OpenedKeys { store, cut_bytes })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), KeyStoreError> {
        self.file
            .write_at(bytes, self.bytes)
            .map_err(disk::failed("append to the key store"))?;
        self.file
            .sync()
            .map_err(disk::failed("sync the key store"))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts a file of exactly `holdings` in the place of the present one.
    fn rewrite(&mut self) -> Result<(), KeyStoreError> {
        let (disk, folder) = (self.lock.disk().as_ref(), self.lock.folder());
        let whole = whole_file(&self.holdings);
        let old = disk::open_for_writing(disk, &folder.join(KEYS_FILE))?;
        // The new file may be shorter.
        witness::write(&self.lock, 0)?;
        self.vouched = 0;
        self.file = disk::replace(disk, folder, KEYS_FILE, &whole)?;
        let old_bytes = self.bytes;
        self.bytes = whole.len() as u64;
        // The name is gone; the blocks are still ours through the open file.
        wipe(old.as_ref(), 0, old_bytes).map_err(disk::failed("wipe the old key store"))?;
        self.vouch()
    }
}

impl KeyStore for FileKeyStore {
    fn put_many(&mut self, secrets: &[(CaseId, CaseSecret)]) -> Result<(), KeyStoreError> {
        if self.poisoned {
            return Err(KeyStoreError::Poisoned);
        }
        let changed = merged(&self.holdings, secrets)?;
        if changed.is_empty() {
            return Ok(());
        }
        let start = self.bytes - codec::HEADER_BYTES as u64;
        let records = changed.iter().map(|(case, secret)| (case, Some(&**secret)));
        let bytes = encode(start, records, false);
        let written = self.write(&bytes);
        self.poisoned = written.is_err();
        written?;
        for (case, secret) in changed {
            self.holdings.insert(case, Some(secret));
        }
        Ok(())
    }

    fn get(&self, case: &CaseId) -> Option<&CaseSecret> {
        self.holdings.get(case)?.as_deref()
    }

    fn is_erased(&self, case: &CaseId) -> bool {
        matches!(self.holdings.get(case), Some(None))
    }

    fn vouch(&mut self) -> Result<(), KeyStoreError> {
        if self.poisoned {
            return Err(KeyStoreError::Poisoned);
        }
        if self.vouched != self.bytes {
            witness::write(&self.lock, self.bytes)?;
            self.vouched = self.bytes;
        }
        Ok(())
    }

    fn erase_many(&mut self, cases: &[CaseId]) -> Result<(), KeyStoreError> {
        if self.poisoned {
            return Err(KeyStoreError::Poisoned);
        }
        if cases.iter().all(|case| self.is_erased(case)) {
            return Ok(());
        }
        for case in cases {
            self.holdings.insert(*case, None);
        }
        let rewritten = self.rewrite();
        self.poisoned = rewritten.is_err();
        rewritten
    }
}

/// A file of exactly these holdings.
pub(super) fn whole_file(holdings: &Holdings) -> Zeroizing<Vec<u8>> {
    let header = codec::header();
    let records = holdings.iter().map(|(c, s)| (c, s.as_deref()));
    let records = encode(0, records, true);
    let mut whole = Zeroizing::new(Vec::with_capacity(header.len() + records.len()));
    whole.extend_from_slice(&header);
    whole.extend_from_slice(&records);
    whole
}

/// Records of one append, or of a whole file where each is its own.
fn encode<'a>(
    start: u64,
    records: impl Iterator<Item = (&'a CaseId, Option<&'a CaseSecret>)> + Clone,
    each_its_own: bool,
) -> Zeroizing<Vec<u8>> {
    let size = records.clone().map(|(_, secret)| codec::size(secret)).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    for (case, secret) in records {
        let written = bytes.len();
        if each_its_own {
            codec::encode(&mut bytes, start + written as u64, 0, case, secret);
        } else {
            codec::encode(&mut bytes, start, written, case, secret);
        }
    }
    bytes
}

pub(super) fn read_all(file: &dyn DiskFile) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = usize::try_from(file.len()?).unwrap_or_default();
    let mut bytes = Zeroizing::new(vec![0; length]);
    disk::read_exact(file, &mut bytes, 0)?;
    Ok(bytes)
}

fn wipe(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = [0; WIPE_BYTES];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).map_or(WIPE_BYTES, |left| left.min(WIPE_BYTES));
        file.write_at(&zeros[..length], at)?;
        at += length as u64;
    }
    file.sync()
}

fn wipe_aside(lock: &FolderLock) -> Result<(), KeyStoreError> {
    let disk = lock.disk().as_ref();
    let path = lock.folder().join(format!("{KEYS_FILE}{}", disk::ASIDE));
    let exists = disk.exists(&path);
    if exists.map_err(disk::failed("find a left key store"))? {
        let file = disk::open_for_writing(disk, &path)?;
        let wiped = file.len().and_then(|length| wipe(file.as_ref(), 0, length));
        wiped.map_err(disk::failed("wipe a left key store"))?;
        disk::remove_file(disk, &path)?;
        disk::sync_folder(disk, lock.folder())?;
    }
    Ok(())
}
