//! Passwords of this node's accounts: Argon2id, in one small file.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::Context as _;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};

use crate::journal::{JournalError, SystemDisk, disk};

const FILE: &str = "passwords.json";
/// Characters of a password.
pub(crate) const CHARACTERS_MIN: usize = 10;
const BYTES_MAX: usize = 256;

/// What everybody tries first, in lower case; any of these, alone or repeated, is no password.
const COMMON: [&str; 16] = [
    "1234567890",
    "0123456789",
    "123456789a",
    "a123456789",
    "1q2w3e4r5t",
    "qwertyuiop",
    "password",
    "passw0rd",
    "admin",
    "12345",
    "123123",
    "666666",
    "888888",
    "woaini1314",
    "5201314",
    "iloveyou",
];

/// Why a password may not be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// In Chinese.
    pub(crate) zh: &'static str,
    /// In English.
    pub(crate) en: &'static str,
}

static TOO_SHORT: Unfit = Unfit {
    zh: "密码至少 10 个字符，可以是一句好记的话。",
    en: "At least 10 characters; a sentence you remember is fine.",
};
static TOO_LONG: Unfit = Unfit {
    zh: "密码过长，最多 256 字节。",
    en: "At most 256 bytes.",
};
static GUESSED: Unfit = Unfit {
    zh: "该密码太常见或与账号相同，容易被猜到，请换一个。",
    en: "This password is common or repeats the account name. Choose another one.",
};

/// Why a password may not be used for an account; `None` where it may.
pub(crate) fn unfit(login: &str, password: &str) -> Option<&'static Unfit> {
    if password.chars().count() < CHARACTERS_MIN {
        return Some(&TOO_SHORT);
    }
    if password.len() > BYTES_MAX {
        return Some(&TOO_LONG);
    }
    let lower = password.to_lowercase();
    let made_of = |part: &str| !part.is_empty() && lower.replace(part, "").chars().count() < 4;
    let first = lower.chars().next().map(String::from).unwrap_or_default();
    let guessed = made_of(login) || made_of(&first) || COMMON.into_iter().any(made_of);
    guessed.then_some(&GUESSED)
}

/// Makes a folder that only its owner reads.
pub(crate) fn make_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Puts a file in place whole.
///
/// # Errors
/// The disk's, with the file's name.
pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    disk::replace(&SystemDisk, folder, name, bytes)
        .map_err(JournalError::from)
        .with_context(|| folder.join(name).display().to_string())?;
    Ok(())
}

/// The file of passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    folder: PathBuf,
    /// Held while the file is read and written again.
    writing: Mutex<()>,
}

/// What is checked where an account has no password: nobody knows it.
static NOBODYS: LazyLock<String> =
    LazyLock::new(|| hashed("nobody's password").unwrap_or_default());

fn hashed(password: &str) -> anyhow::Result<String> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    Ok(hashed
        .map_err(|error| anyhow::anyhow!("Argon2: {error}"))?
        .to_string())
}

impl Passwords {
    /// Those of a folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            writing: Mutex::default(),
        }
    }

    fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let path = self.folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Whether it is the account's password. Takes as long where it has none.
    pub(crate) fn is_right(&self, login: &str, password: &str) -> anyhow::Result<bool> {
        let kept = self.read()?.remove(login);
        let hash = kept.as_deref().unwrap_or(&NOBODYS);
        let same = Argon2::default()
            .verify_password(password.as_bytes(), hash)
            .is_ok();
        Ok(same && kept.is_some())
    }

    /// Sets it.
    pub(crate) fn set(&self, login: &str, password: &str) -> anyhow::Result<()> {
        let hash = hashed(password)?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.read()?;
        all.insert(login.to_owned(), hash);
        let bytes = serde_json::to_vec_pretty(&all)?;
        put(&self.folder, FILE, &bytes)?;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.folder.join(FILE), mode)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_for_its_account_only_and_stands_nowhere_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let passwords = Passwords::of(folder.path());
        assert!(!passwords.is_right("wang", "nobody's password").unwrap());
        passwords.set("wang", "运河边上的老槐树开花了").unwrap();
        assert!(
            passwords
                .is_right("wang", "运河边上的老槐树开花了")
                .unwrap()
        );
        assert!(!passwords.is_right("wang", "运河边上的老槐树").unwrap());
        assert!(!passwords.is_right("li", "运河边上的老槐树开花了").unwrap());
        let kept = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(kept.contains("$argon2id$") && !kept.contains("运河"));
    }

    #[test]
    fn what_is_easily_guessed_is_no_password() {
        for password in [
            "short",
            "1234567890",
            "Password123",
            "8888888888",
            "wangminwangmin",
            "123123123123",
            "aaaaaaaaaaaa",
        ] {
            assert!(unfit("wangmin", password).is_some(), "{password}");
        }
        for password in [
            "运河边上的老槐树开花了",
            "three grey herons",
            "Wm-canal-2023-x",
        ] {
            assert_eq!(unfit("wangmin", password), None, "{password}");
        }
    }
}
