//! How one machine keeps and carries a jurisdiction.

pub mod config;
pub mod journal;
pub mod keystore;
pub mod store;
pub mod tabular;
pub mod trust;
