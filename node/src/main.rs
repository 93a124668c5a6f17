//! The binary `fengqiao`.
fn main() {}
