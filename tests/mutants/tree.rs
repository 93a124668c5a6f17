//! A copy of the tree in which code may be broken.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The copy, with a build folder of its own beside it.
#[derive(Debug)]
pub(crate) struct Tree {
    folder: PathBuf,
    build: PathBuf,
}

impl Tree {
    /// Copies what git knows of the tree, and what it would come to know.
    pub(crate) fn copy(root: &Path) -> Result<Self, String> {
        let ground = root.join("target/mutants");
        let tree = Self {
            folder: ground.join("tree"),
            build: ground.join("build"),
        };
        let listed = Command::new("git")
            .args([
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "-z",
            ])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git ls-files: {error}"))?;
        let files: Vec<&str> = std::str::from_utf8(&listed.stdout)
            .map_err(|error| error.to_string())?
            .split('\0')
            .filter(|file| !file.is_empty() && root.join(file).is_file())
            .collect();
        tree.remove_others(&files)?;
        for file in files {
            same(&root.join(file), &tree.folder.join(file))
                .map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(tree)
    }

    /// Files of an earlier copy that are gone since.
    fn remove_others(&self, files: &[&str]) -> Result<(), String> {
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let inside = path.strip_prefix(&self.folder).ok().and_then(Path::to_str);
                if path.is_dir() {
                    folders.push(path);
                } else if inside.is_none_or(|inside| !files.contains(&inside)) {
                    std::fs::remove_file(&path).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Applies a patch; `false` when it does not fit.
    pub(crate) fn apply(&self, patch: &Path) -> Result<bool, String> {
        self.git(&[], patch)
    }

    /// Takes a patch back.
    pub(crate) fn take_back(&self, patch: &Path) -> Result<(), String> {
        let back = self.git(&["--reverse"], patch)?;
        back.then_some(())
            .ok_or(format!("{} cannot be taken back", patch.display()))
    }

    fn git(&self, arguments: &[&str], patch: &Path) -> Result<bool, String> {
        // The copy lies inside a repository and is none: git must not find the one around it.
        let ceiling = self.folder.parent().unwrap_or(&self.folder);
        let status = Command::new("git")
            .arg("apply")
            .args(arguments)
            .arg(patch)
            .current_dir(&self.folder)
            .env("GIT_CEILING_DIRECTORIES", ceiling)
            .status();
        status
            .map(|status| status.success())
            .map_err(|error| format!("git apply: {error}"))
    }

    /// Whether a test target builds.
    pub(crate) fn builds(&self, target: &[String]) -> Result<bool, String> {
        self.cargo(target, &["--no-run"], &[])
    }

    /// Whether the named tests of a target pass.
    pub(crate) fn passes(&self, target: &[String], names: &[&str]) -> Result<bool, String> {
        self.cargo(target, &[], names)
    }

    fn cargo(&self, target: &[String], arguments: &[&str], names: &[&str]) -> Result<bool, String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = Command::new(cargo);
        command
            .args(["test", "--locked", "--quiet"])
            .args(target)
            .args(arguments);
        if !names.is_empty() {
            command.arg("--").arg("--exact").args(names);
        }
        let status = command
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.build)
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status
            .map(|status| status.success())
            .map_err(|error| format!("cargo: {error}"))
    }
}

/// Copies a file unless it is the same already, so that cargo builds only what changed.
fn same(from: &Path, to: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(to, bytes)
}
