//! Replication: who gets what, and one end of a link's session. Pure: no clock, no disk, no network.

pub mod route;
