//! The code in git is what the `.proto` files say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{compile, here};

fn names(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_code_in_git_is_what_the_files_generate() {
    let fresh = tempfile::tempdir().unwrap();
    compile::generate(here(), fresh.path()).unwrap();
    let kept = here().join("src/gen");
    assert_eq!(
        names(&kept),
        names(fresh.path()),
        "other files: run `make proto`"
    );
    for name in names(&kept) {
        let same =
            fs::read(kept.join(&name)).unwrap() == fs::read(fresh.path().join(&name)).unwrap();
        assert!(
            same,
            "proto/src/gen/{name} is not what the .proto files generate: run `make proto`"
        );
    }
}
