//! A clock that is a file: every node that was started with it reads it again when it was written anew.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use fengqiao_hub::clock::Moment;

/// Writes a moment, at an offset in minutes, into the file of a clock. A reader sees the old moment or the new one,
/// never half of it.
///
/// # Errors
/// The file cannot be written, or the moment lies outside of what RFC 3339 can say.
pub fn set(file: &Path, moment: Moment, offset_minutes: i32) -> anyhow::Result<()> {
    let text = moment.to_rfc3339(offset_minutes)?;
    let aside = file.with_extension("next");
    std::fs::write(&aside, text)?;
    // Read again when the file's time changes: two settings within one tick of the disk's clock must differ.
    let since = Duration::from_millis(moment.0.unsigned_abs());
    std::fs::File::options()
        .write(true)
        .open(&aside)?
        .set_modified(UNIX_EPOCH + since)?;
    Ok(std::fs::rename(&aside, file)?)
}
