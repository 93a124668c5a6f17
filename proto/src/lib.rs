//! The words of Fengqiao: what goes over the wire and into the journal.
//!
//! The code in `gen/` is generated from `proto/fengqiao/v1/*.proto` by `make proto` and kept in git, so that a build
//! needs no protoc and a change of the wire shows as a diff. Nothing here decides anything.

/// Protocol version 1.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated"
)]
pub mod v1 {
    include!("gen/fengqiao.v1.rs");
}

/// The encoded `FileDescriptorSet` of all files, for reflection and for the test that keeps the wire from changing.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/fengqiao.v1.bin");
