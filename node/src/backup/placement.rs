//! Where a backup and its keys may lie: not inside what they protect, and not beside each other.

use std::path::{Path, PathBuf};

use super::copying::failed;
use super::error::BackupError;

/// Refuses a place that would be lost with the data folder, or taken together with the keys.
///
/// # Errors
/// `InsideData`, `KeysBeside`; `Io` where a path cannot be looked up.
pub(crate) fn check_placement(
    data: &Path,
    to: &Path,
    keys: Option<&Path>,
) -> Result<(), BackupError> {
    let (real_data, real_to) = (real(data)?, real(to)?);
    if real_to.starts_with(&real_data) {
        return Err(BackupError::InsideData {
            to: to.to_owned(),
            data: data.to_owned(),
        });
    }
    let Some(keys) = keys else { return Ok(()) };
    let real_keys = real(keys)?;
    let in_the_same_folder = real_keys.parent().is_some() && real_keys.parent() == real_to.parent();
    let beside = if real_keys.starts_with(&real_to) || in_the_same_folder {
        to
    } else if real_keys.starts_with(&real_data) {
        data
    } else {
        return Ok(());
    };
    Err(BackupError::KeysBeside {
        keys: keys.to_owned(),
        beside: beside.to_owned(),
    })
}

/// A path without links and without `..`, as far as it exists.
fn real(path: &Path) -> Result<PathBuf, BackupError> {
    let whole = std::path::absolute(path).map_err(failed("look for", path))?;
    for above in whole.ancestors() {
        if let Ok(real) = above.canonicalize() {
            let rest = whole.strip_prefix(above).unwrap_or(Path::new(""));
            return Ok(real.join(rest));
        }
    }
    Ok(whole)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn verdict(data: &Path, to: &Path, keys: Option<&Path>) -> &'static str {
        match check_placement(data, to, keys) {
            Ok(()) => "",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn what_is_lost_or_taken_together_is_refused_also_by_another_name() {
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        std::fs::create_dir_all(at("data/journal")).unwrap();
        std::fs::create_dir_all(at("away")).unwrap();
        std::os::unix::fs::symlink(at("data"), at("away/link")).unwrap();
        let data = at("data");
        for inside in ["data", "data/backup", "away/link/backup", "away/../data/x"] {
            assert_eq!(
                verdict(&data, &at(inside), None),
                "BACKUP_INSIDE_DATA",
                "{inside}"
            );
        }
        let to = at("away/backup");
        assert_eq!(verdict(&data, &to, None), "");
        for beside in ["away/keys", "away/backup/keys", "data/keys.copy"] {
            let keys = at(beside);
            assert_eq!(
                verdict(&data, &to, Some(&keys)),
                "BACKUP_KEYS_BESIDE",
                "{beside}"
            );
        }
        assert_eq!(verdict(&data, &to, Some(&at("safe/keys"))), "");
    }
}
