//! The note of what is being applied, in a small file of the data folder: written over at each group, never synced.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use prost::Message as _;

use crate::engine::attempts::{Attempted, Attempts};

const NAME: &str = "arriving";
/// Longer notes are not written: so many lanes are never begun at once.
const BYTES_MAX: usize = 64 * 1024;

/// The file.
#[derive(Debug)]
pub(crate) struct FileAttempts {
    file: File,
    last: Attempted,
}

impl FileAttempts {
    /// Opens it in a data folder. What does not read was not written to its end, and says nothing.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(NAME))?;
        let mut bytes = vec![0; BYTES_MAX];
        let read = file.read_at(&mut bytes, 0)?;
        let last = decode(&bytes[..read]).unwrap_or_default();
        Ok(Self { file, last })
    }
}

impl Attempts for FileAttempts {
    fn note(&mut self, begun: &Attempted) {
        let content = begun.encode_to_vec();
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let bytes = [
            &length.to_be_bytes()[..],
            &crc32c::crc32c(&content).to_be_bytes(),
            &content,
        ]
        .concat();
        if bytes.len() > BYTES_MAX {
            return;
        }
        if let Err(error) = self.file.write_all_at(&bytes, 0) {
            tracing::debug!(%error, "what is applied was not noted");
        }
    }

    fn last(&self) -> Attempted {
        self.last.clone()
    }
}

fn decode(bytes: &[u8]) -> Option<Attempted> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let content = rest.get(..length)?;
    (crc32c::crc32c(content) == u32::from_be_bytes(*crc))
        .then(|| Attempted::decode(content).ok())
        .flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::engine::attempts::Attempt;

    #[test]
    fn the_last_note_is_read_again_and_a_torn_one_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut noted = FileAttempts::open(folder.path()).unwrap();
        assert_eq!(noted.last(), Attempted::default());
        let attempted = |begun| Attempted {
            attempts: vec![Attempt {
                link: vec![1; 10],
                lane: 2,
                first: 7,
                last: 9,
                begun,
            }],
        };
        noted.note(&attempted(400_000));
        noted.note(&attempted(1));
        let again = FileAttempts::open(folder.path()).unwrap();
        assert_eq!(again.last(), attempted(1), "a shorter note over a longer");
        let path = folder.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[12] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let torn = FileAttempts::open(folder.path()).unwrap();
        assert_eq!(torn.last(), Attempted::default());
    }
}
