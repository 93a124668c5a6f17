//! How one machine keeps and carries a jurisdiction.

pub mod config;
pub mod store;
pub mod tabular;
