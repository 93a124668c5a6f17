//! Pages over HTTP. So far the operations port alone: is the process alive, is it ready, and its figures for Prometheus.
//!
//! Labels name nodes and neighbours, never a case or a person. A parent that cannot be reached does not make a node
//! unready: working alone is normal here.

pub(crate) mod operations;
