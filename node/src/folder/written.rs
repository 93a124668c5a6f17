//! The files that say who a node is or whence it comes: JSON that a person can read, with a sum over every byte of it.
//!
//! Nothing else would notice a flipped bit in a name or a number there. The sum stands in the file itself and is taken
//! with zeros in its place, so any tool can compute it again.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{FolderError, damaged};
use crate::trust::keys::Fingerprint;

/// Version of the layout; a folder of a higher one is refused.
pub const FORMAT: u32 = 1;

const ZEROS: Fingerprint = Fingerprint::from_bytes([0; 32]);

/// What is said, with what says how to read it.
#[derive(Serialize, Deserialize)]
struct Written<T> {
    format: u32,
    written_by: String,
    #[serde(flatten)]
    said: T,
    /// SHA-256 of the file with 64 zeros here; files of earlier builds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Fingerprint>,
}

#[derive(Debug, thiserror::Error)]
#[error("its bytes are not those that were written: the sum differs")]
struct SumDiffers;

/// The bytes of such a file.
pub(super) fn to_json<T: Serialize>(file: &'static str, said: T) -> Result<Vec<u8>, FolderError> {
    let written = Written {
        format: FORMAT,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        said,
        sha256: Some(ZEROS),
    };
    let json = serde_json::to_string_pretty(&written).map_err(damaged(file))?;
    let sum = sum_of(json.as_bytes());
    Ok(with(&json, &ZEROS, &sum).into_bytes())
}

/// Reads such a file; refuses a newer layout before anything else of it is read.
pub(super) fn of_json<T: DeserializeOwned>(
    file: &'static str,
    bytes: &[u8],
) -> Result<T, FolderError> {
    let head: Written<serde_json::Value> = serde_json::from_slice(bytes).map_err(damaged(file))?;
    if head.format > FORMAT {
        return Err(FolderError::Newer {
            format: head.format,
            written_by: head.written_by,
        });
    }
    if let Some(sum) = head.sha256 {
        let zeroed = with(&String::from_utf8_lossy(bytes), &sum, &ZEROS);
        if sum_of(zeroed.as_bytes()) != sum {
            return Err(damaged(file)(SumDiffers));
        }
    }
    serde_json::from_value(head.said).map_err(damaged(file))
}

fn sum_of(bytes: &[u8]) -> Fingerprint {
    Fingerprint::from_bytes(Sha256::digest(bytes).into())
}

/// The same text with another sum in it. The sum is the last thing said.
fn with(json: &str, sum: &Fingerprint, other: &Fingerprint) -> String {
    let sum = sum.to_string();
    match json.rsplit_once(&sum) {
        Some((before, after)) => format!("{before}{other}{after}"),
        None => json.to_owned(),
    }
}
