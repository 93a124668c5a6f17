//! Pages in a real browser: a day of three tiers, and pictures of every page to be looked at.
//!
//! A program and not a test of the workspace, because it needs a browser: `make browser` and `make screenshots` install
//! Debian's.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that a person starts and watches"
)]

mod day;
mod driver;
mod pictures;

use std::path::PathBuf;

use clap::Parser;
use fengqiao_tests::city::process::Node;

use driver::Window;

/// The password of everybody.
const PASSWORD: &str = "运河边上的老槐树开花了";

/// See the pages in a real browser.
#[derive(Debug, Parser)]
#[command(name = "browser")]
enum Command {
    /// Play a case through three tiers, with a link cut in the middle
    Day,
    /// Take pictures of every page, in both languages, light and dark, at three sizes
    Pictures {
        /// Folder they are put into
        folder: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Day => day::play().await,
        Command::Pictures { folder } => pictures::take(&folder).await,
    }
}

/// A page of a node.
fn at(node: &Node, path: &str) -> String {
    format!("https://localhost:{}{path}", node.ports.pages)
}

/// Signs in by a link of the command line.
async fn enter(window: &Window, node: &Node, login: &str) -> anyhow::Result<()> {
    let link = node.cli(&["account", "link", login]).json();
    window.go(&at(node, link["path"].as_str().unwrap())).await?;
    window.write("password", PASSWORD).await?;
    window.write("again", PASSWORD).await?;
    window.send("button.go").await?;
    let address = window.address().await?;
    anyhow::ensure!(address.ends_with("/today"), "{login} is at {address}");
    Ok(())
}
