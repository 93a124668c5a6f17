//! The files of a bundle on this machine.

use std::path::{Path, PathBuf};

use fengqiao_hub::rulebook::{Part, Rulebook, Sources, Unsound};
use fengqiao_proto::v1 as pb;

/// Why the files of a bundle are not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The machine refused.
    #[error("{}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is neither UTF-8 nor GB18030.
    #[error("{} is neither UTF-8 nor GB18030", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
    },
    /// There is no file of a bundle.
    #[error("{} holds none of {}", path.display(), names())]
    None {
        /// The folder or file.
        path: PathBuf,
    },
}

impl FilesError {
    /// The same in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Disk { path, .. } => format!("无法读写 {}", path.display()),
            Self::Encoding { path } => {
                format!("{} 既不是 UTF-8 也不是 GB18030 编码", path.display())
            }
            Self::None { path } => format!("{} 中没有 {}", path.display(), names()),
        }
    }
}

fn names() -> String {
    Part::ALL.map(Part::file).join(", ")
}

/// The rules that a new deployment begins with unless others are given. Nothing else reads them: what is in force comes
/// from the chain, and what ages in it, the days off first, is replaced by a bundle.
#[must_use]
pub fn shipped() -> Vec<pb::BundleFile> {
    let text = |part| match part {
        Part::Rules => include_str!("../../../../deploy/rulebook/rules.toml"),
        Part::Classes => include_str!("../../../../deploy/rulebook/classes.csv"),
        Part::Calendar => include_str!("../../../../deploy/rulebook/calendar.json"),
    };
    Part::ALL
        .into_iter()
        .map(|part| file(part, text(part).to_owned()))
        .collect()
}

/// Reads the files of a bundle: those of a folder that have a name of one, or one file, which says by its ending what
/// it is. A table may come in GB18030, as spreadsheets write it.
///
/// # Errors
/// A [`FilesError`].
pub fn read_files(path: &Path) -> Result<Vec<pb::BundleFile>, FilesError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        |source| FilesError::Disk { path, source }
    };
    if !std::fs::metadata(path).map_err(disk(path))?.is_dir() {
        let part = part_of(path).ok_or_else(|| FilesError::None {
            path: path.to_owned(),
        })?;
        return Ok(vec![file(part, read(path)?)]);
    }
    let mut files = Vec::new();
    for part in Part::ALL {
        let path = path.join(part.file());
        if path.try_exists().map_err(disk(&path))? {
            files.push(file(part, read(&path)?));
        }
    }
    if files.is_empty() {
        return Err(FilesError::None {
            path: path.to_owned(),
        });
    }
    Ok(files)
}

/// Writes files into a folder, which is made where it is missing.
///
/// # Errors
/// [`FilesError::Disk`].
pub(super) fn write_files(folder: &Path, files: &[pb::BundleFile]) -> Result<(), FilesError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        |source| FilesError::Disk { path, source }
    };
    std::fs::create_dir_all(folder).map_err(disk(folder))?;
    for file in files {
        // A name comes from a chain: only one that is known names a file here.
        let known = Part::ALL.into_iter().find(|part| part.file() == file.name);
        if let Some(part) = known {
            let path = folder.join(part.file());
            std::fs::write(&path, &file.content).map_err(disk(&path))?;
        }
    }
    Ok(())
}

/// Judges files as the whole rulebook of a deployment.
///
/// # Errors
/// All that is wrong with them.
pub fn whole(files: &[pb::BundleFile]) -> Result<Rulebook, Unsound> {
    let text = |part: Part| {
        let found = files.iter().find(|file| file.name == part.file());
        let text = found.and_then(|file| std::str::from_utf8(&file.content).ok());
        text.unwrap_or_default()
    };
    let sources = Sources {
        rules: text(Part::Rules),
        classes: text(Part::Classes),
        calendar: text(Part::Calendar),
    };
    Rulebook::read(&sources, 1)
}

fn part_of(path: &Path) -> Option<Part> {
    let name = path.file_name()?.to_str()?;
    let ending = path.extension()?;
    let mut parts = Part::ALL.into_iter();
    let by_name = Part::ALL.into_iter().find(|part| part.file() == name);
    by_name.or_else(|| parts.find(|part| Path::new(part.file()).extension() == Some(ending)))
}

fn file(part: Part, text: String) -> pb::BundleFile {
    pb::BundleFile {
        name: part.file().to_owned(),
        content: text.into_bytes(),
    }
}

fn read(path: &Path) -> Result<String, FilesError> {
    let bytes = std::fs::read(path).map_err(|source| FilesError::Disk {
        path: path.to_owned(),
        source,
    })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let (text, malformed) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    if malformed {
        return Err(FilesError::Encoding {
            path: path.to_owned(),
        });
    }
    Ok(text.into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_sound_and_reads_back_from_a_folder_or_file() {
        let room = tempfile::tempdir().unwrap();
        assert!(whole(&shipped()).is_ok());
        write_files(room.path(), &shipped()).unwrap();
        assert_eq!(read_files(room.path()).unwrap(), shipped());
        let list = room.path().join("2027.json");
        std::fs::write(&list, "{}").unwrap();
        let read = read_files(&list).unwrap();
        assert_eq!((read.len(), read[0].name.as_str()), (1, "calendar.json"));
        assert_eq!(read_files(room.path()).unwrap().len(), 3);
    }

    #[test]
    fn a_table_may_come_from_a_spreadsheet_and_nothing_damaged_is_read() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("classes.csv");
        std::fs::write(&path, b"\xef\xbb\xbfid\n").unwrap();
        assert_eq!(read_files(&path).unwrap()[0].content, b"id\n");
        std::fs::write(&path, b"\xb5\xc0\xc2\xb7").unwrap();
        assert_eq!(read_files(&path).unwrap()[0].content, "道路".as_bytes());
        std::fs::write(&path, b"\xff\xff").unwrap();
        assert!(matches!(
            read_files(&path),
            Err(FilesError::Encoding { .. })
        ));
        assert!(matches!(
            read_files(&room.path().join("none")),
            Err(FilesError::Disk { .. })
        ));
        let other = room.path().join("notes.txt");
        std::fs::write(&other, "x").unwrap();
        std::fs::remove_file(&path).unwrap();
        for path in [room.path(), &other] {
            assert!(matches!(read_files(path), Err(FilesError::None { .. })));
        }
    }
}
