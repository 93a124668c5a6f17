//! Regenerates `src/gen` from the `.proto` files: `make proto`. With a folder as argument it writes there instead.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod compile;

use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = std::env::args()
        .nth(1)
        .map_or_else(|| here.join("src/gen"), PathBuf::from);
    compile::generate(here, &out)?;
    println!("wrote {}", out.display());
    Ok(())
}
