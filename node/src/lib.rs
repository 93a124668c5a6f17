//! How one machine keeps and carries a jurisdiction.

pub mod app;
pub mod audit;
pub mod backup;
pub mod cli;
pub mod config;
pub mod desk;
pub mod dial;
pub mod engine;
pub mod enrolment;
pub mod export;
pub mod folder;
pub mod host;
pub mod journal;
pub mod keystore;
pub mod link;
pub mod log;
pub mod node;
pub mod pages;
pub mod replication;
pub mod store;
pub mod tabular;
pub mod trust;
