//! A mutant: a patch that breaks the shipped code, with the promise it breaks and the tests that must notice.

use std::path::{Path, PathBuf};

/// A patch under `tests/mutants`.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// What is broken: "safety 3", "liveness 1" or a rule of the protocol.
    pub(crate) promise: String,
    /// At least one must fail.
    pub(crate) caught_by: Vec<Test>,
}

/// One test, as cargo finds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) package: String,
    /// `--lib`, or `--test` with its name.
    pub(crate) target: String,
    /// Its whole path within the target.
    pub(crate) name: String,
}

impl Test {
    /// Reads `fengqiao-hub custody some_test` or `fengqiao-hub lib module::tests::some_test`.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let test = Self {
            package: words.next()?,
            target: words.next()?,
            name: words.next()?,
        };
        words.next().is_none().then_some(test)
    }

    /// What cargo is told before `--`.
    pub(crate) fn target_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--package".to_owned(), self.package.clone()];
        match self.target.as_str() {
            "lib" => arguments.push("--lib".to_owned()),
            target => arguments.extend(["--test".to_owned(), target.to_owned()]),
        }
        arguments
    }
}

impl Patch {
    /// Reads a patch's head: what stands before its first `---`.
    fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let head = text.split("\n---").next().unwrap_or_default();
        let said =
            |word: &'static str| head.lines().filter_map(move |line| line.strip_prefix(word));
        let name = path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let promise = said("Promise: ")
            .next()
            .ok_or(format!("{name} names no promise"))?;
        let caught_by: Vec<Test> = said("Caught-by: ")
            .map(|line| Test::read(line).ok_or(format!("{name}: no test: {line}")))
            .collect::<Result<_, _>>()?;
        if caught_by.is_empty() {
            return Err(format!("{name} names no test"));
        }
        Ok(Self {
            promise: promise.to_owned(),
            path: path.to_owned(),
            caught_by,
            name,
        })
    }

    /// Every patch, by name.
    ///
    /// # Errors
    /// A folder or file does not read, or a head does not say what it must.
    pub(crate) fn all(root: &Path) -> Result<Vec<Self>, String> {
        let folder = root.join("tests/mutants");
        let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "patch")
            })
            .collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }
}

/// The tree this program was built from.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}
