//! Who took texts out in clear: `accesses.jsonl` in the data folder, one signed line each, chained by hash.
//!
//! A line is written and synced before the file with the texts stands. It names the account, the reason and how many
//! cases, and no person.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ExportError, failed};
use crate::trust::SigningKey;
use crate::trust::keys::{Fingerprint, PublicKey};

/// Its name inside the data folder.
pub(crate) const ACCESSES: &str = "accesses.jsonl";

const DOMAIN: &[u8] = b"fengqiao/access/1\0";
const SIGNATURE: &str = " signature ";

/// One look at many texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    /// When, RFC 3339.
    pub at: String,
    /// Account that asked.
    pub login: String,
    /// What was done.
    pub what: String,
    /// Why, in the words of who asked.
    pub reason: String,
    /// Cases whose texts were given.
    pub cases: u64,
    /// SHA-256 of the line before; zeros in the first.
    pub previous: Fingerprint,
}

/// Adds a line, synced before this returns.
///
/// # Errors
/// `Io`, `Altered` where the lines before do not hold together.
pub(crate) fn add(folder: &Path, mut access: Access, key: &SigningKey) -> Result<(), ExportError> {
    let path = folder.join(ACCESSES);
    access.previous = check(folder, key.public())?.1;
    let line = serde_json::to_string(&access).unwrap_or_default();
    let signature = key.sign(&[DOMAIN, line.as_bytes()].concat());
    let hex = HEXLOWER.encode(&signature);
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    file.write_all(format!("{line}{SIGNATURE}{hex}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &path))
}

/// Checks all lines; gives how many there are and the hash of the last.
///
/// # Errors
/// `Altered`, `Io`.
pub(crate) fn check(folder: &Path, key: &PublicKey) -> Result<(u64, Fingerprint), ExportError> {
    let path = folder.join(ACCESSES);
    let mut previous = Fingerprint::from_bytes([0; 32]);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, previous)),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let mut number = 0;
    for line in text.split_inclusive('\n') {
        number += 1;
        let wrong = |what: &str| ExportError::Altered {
            path: path.clone(),
            line: number,
            what: what.to_owned(),
        };
        let whole = line
            .strip_suffix('\n')
            .ok_or_else(|| wrong("it is cut short"))?;
        let (json, hex) = whole
            .rsplit_once(SIGNATURE)
            .ok_or_else(|| wrong("no signature"))?;
        let access: Access = serde_json::from_str(json).map_err(|_| wrong("it does not read"))?;
        let signature = HEXLOWER.decode(hex.as_bytes());
        let signature = signature.map_err(|_| wrong("no signature"))?;
        key.verify(&[DOMAIN, json.as_bytes()].concat(), &signature)
            .map_err(|_| wrong("its signature does not hold"))?;
        if access.previous != previous {
            return Err(wrong("the line before it is another one"));
        }
        previous = Fingerprint::from_bytes(Sha256::digest(line.as_bytes()).into());
    }
    Ok((number, previous))
}
