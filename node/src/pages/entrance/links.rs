//! Links by which an account sets its password: a file each, which goes away when the link is used.
//!
//! Whoever may write in the data folder may make one; the command line does, with the node running or not. A new link of
//! an account replaces the one before. The file holds a hash, so that reading a backup of the folder gives nobody a link.

use std::path::Path;

use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::base32;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::passwords::{make_folder, put};
use crate::trust::random::{OsRandom, draw};

/// How long a link is good for.
pub(crate) const GOOD_FOR_MS: i64 = 72 * 3600 * 1000;
/// Folder of the pages in a data folder.
pub(crate) const FOLDER: &str = "pages";
const LINKS: &str = "links";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    token_sha256: Vec<u8>,
    expires_ms: i64,
}

/// Makes a link for an account, in the data folder of a node; its path on the pages.
///
/// # Errors
/// It cannot be kept, or the system has no randomness.
pub(crate) fn make(data: &Path, login: &str, now: Moment) -> anyhow::Result<String> {
    anyhow::ensure!(is_login(login), "no account can be called that");
    let folder = data.join(FOLDER).join(LINKS);
    make_folder(&folder)?;
    let token = base32(&draw::<20>(&mut OsRandom)?);
    let kept = Kept {
        token_sha256: Sha256::digest(token.as_bytes()).to_vec(),
        expires_ms: now.0.saturating_add(GOOD_FOR_MS),
    };
    let kept = serde_json::to_vec(&kept)?;
    put(&folder, login, &kept)?;
    Ok(format!("/welcome/{login}/{token}"))
}

/// Where a browser finds a link: on this machine, at the port that pages have unless they are told another one.
#[must_use]
pub(crate) fn address(path: &str) -> String {
    let host = rustix::system::uname();
    format!("https://{}:8443{path}", host.nodename().to_string_lossy())
}

/// Whether an account can be called so; a login is a file name here.
fn is_login(login: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    !login.is_empty() && login.len() <= 32 && !login.starts_with('.') && login.bytes().all(plain)
}

/// Whether a link may be used. `folder` is that of the pages.
pub(super) fn is_good(folder: &Path, login: &str, token: &str, now: Moment) -> bool {
    if !is_login(login) {
        return false;
    }
    let read = std::fs::read(folder.join(LINKS).join(login));
    let kept = read
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    kept.is_some_and(|kept| {
        let same = Sha256::digest(token.as_bytes()).ct_eq(&kept.token_sha256[..]);
        bool::from(same) && now.0 <= kept.expires_ms
    })
}

/// Uses a link up; whether it was good.
pub(super) fn spend(folder: &Path, login: &str, token: &str, now: Moment) -> bool {
    is_good(folder, login, token, now)
        && std::fs::remove_file(folder.join(LINKS).join(login)).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_for_its_account_and_not_for_ever() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        let now = Moment(1_000);
        let path = make(data.path(), "wang", now).unwrap();
        let token = path.strip_prefix("/welcome/wang/").unwrap();
        assert!(is_good(&folder, "wang", token, now));
        assert!(!is_good(&folder, "li", token, now));
        assert!(!is_good(&folder, "wang", "guessed", now));
        assert!(!is_good(
            &folder,
            "wang",
            token,
            Moment(now.0 + GOOD_FOR_MS + 1)
        ));
        assert!(!is_good(&folder, "../links/wang", token, now));
        assert!(spend(&folder, "wang", token, now));
        assert!(!spend(&folder, "wang", token, now));

        let newer = make(data.path(), "wang", now).unwrap();
        make(data.path(), "wang", now).unwrap();
        let token = newer.strip_prefix("/welcome/wang/").unwrap();
        assert!(
            !is_good(&folder, "wang", token, now),
            "replaced by the one after it"
        );
    }
}
