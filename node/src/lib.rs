//! How one machine keeps and carries a jurisdiction.

pub mod app;
mod audit;
mod backup;
pub mod cli;
pub mod config;
pub mod desk;
mod dial;
pub mod engine;
pub mod enrolment;
mod export;
pub mod folder;
mod host;
pub mod journal;
pub mod keystore;
mod link;
mod log;
pub mod node;
pub mod pages;
mod ports;
pub mod replication;
pub mod store;
pub mod tabular;
pub mod trust;
