//! The id under which a write is asked for.

use clap::Args;

use super::failure::{Call, Failure};
use super::words;

/// The id of a write, for commands that write once.
#[derive(Debug, Default, Args)]
pub(super) struct WriteArgs {
    /// Id of this request: repeated with the same id it happens once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl WriteArgs {
    /// The id given, or a new one, with what the call is.
    ///
    /// # Errors
    /// A usage failure when the system has no randomness.
    pub(super) fn begin(self) -> Result<(String, Call), Failure> {
        let request_id = words::request_id(self.request_id)?;
        let call = Call::Write {
            request_id: request_id.clone(),
        };
        Ok((request_id, call))
    }
}
