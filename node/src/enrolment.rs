//! How a node comes to be and stays one: the first place of a deployment is
//! made, every other is invited by its parent and joins, and certificates are
//! renewed.
//!
//! [`init()`] makes a deployment. An [`Enroller`] judges joins and renewals for a
//! centre; it is pure but for randomness, and what it returns is stored by the
//! engine before anything is answered. `server` carries requests to it from a
//! port of its own, `client` is the other end. The secret of an invitation is
//! sent only to the very node that issued it, and stands in no log, no error
//! and no file.

use fengqiao_hub::clock::Moment;
use jiff::Timestamp;

mod client;
mod enroller;
mod error;
mod init;
mod introduction;
mod refusal;
mod registrar;
mod server;
mod succession;
mod verdict;

#[cfg(test)]
mod tests;

pub(crate) use client::host_and_port;
pub use client::{Authorities, JoinOptions, join, join_from, renew};
pub use enroller::{
    Enrolled, Enroller, InvitationView, Issuer, Minted, ParentAddress, invitation_view, revoked,
};
pub use error::EnrolmentError;
pub use init::{InitOptions, Initialised, init, renew_at_the_top, renew_authority_at_the_top};
pub use introduction::{Introduction, introduce};
pub use refusal::EnrolRefusal;
pub use registrar::RegistryRegistrar;
pub(crate) use server::PLACES;
pub use server::{EnrolDesk, EnrolServer, places_of_its_own};
pub use succession::{TopRecovery, knows_as_much, recover_at_the_top};

/// The seam between the hub's milliseconds and the certificates' calendar.
fn timestamp(now: Moment) -> Timestamp {
    let edge = if now.0 < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(now.0).unwrap_or(edge)
}

fn moment(seconds: i64) -> Moment {
    Moment(seconds.saturating_mul(1000))
}
