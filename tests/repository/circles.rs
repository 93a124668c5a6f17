//! Inside a room files name each other one way too: no two of them need each other to be read.
//!
//! A file names another by a path. What a parent only passes on (`pub use child::Thing`) counts as the child's, so that a
//! child that takes a sibling from `super` names the sibling. Test modules are left out.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use super::tree::File;
use super::{made_up, nothing_wrong, tree};

/// A module by the names on the way to it from the root of its crate.
type Module = Vec<String>;

/// What one file says of modules.
#[derive(Default)]
struct Names {
    /// Paths in its code, as names from the root of the crate.
    paths: BTreeSet<Module>,
    /// Names it passes on, with what they stand for.
    passed_on: BTreeMap<String, Module>,
    /// Modules from which it passes on everything.
    passed_on_all: Vec<Module>,
}

/// Walks over the code of a file.
struct Walk<'f> {
    /// The module at hand, inline modules too.
    at: Module,
    files: &'f BTreeSet<Module>,
    names: Names,
}

impl Walk<'_> {
    /// A path from the root of the crate, when it begins in this crate.
    fn absolute(&self, mut segments: Vec<String>) -> Option<Module> {
        let mut at = self.at.clone();
        let mut anchored = false;
        while let Some(first) = segments.first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => {
                    at.pop();
                }
                "self" => {}
                _ => break,
            }
            anchored = true;
            segments.remove(0);
        }
        at.extend(segments);
        let child = at.get(..=self.at.len());
        let is_child = child.is_some_and(|child| self.files.contains(child));
        (anchored || is_child).then_some(at)
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String], is_passed_on: bool) {
        let named = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (path, shown) = match tree {
            syn::UseTree::Path(path) => {
                return self.tree(&path.tree, &named(&path.ident), is_passed_on);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, is_passed_on);
                }
                return;
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                (before.to_vec(), before.last().cloned())
            }
            syn::UseTree::Name(name) => (named(&name.ident), Some(name.ident.to_string())),
            syn::UseTree::Rename(rename) => (named(&rename.ident), Some(rename.rename.to_string())),
            syn::UseTree::Glob(_) => (before.to_vec(), None),
        };
        let Some(path) = self.absolute(path) else {
            return;
        };
        match (is_passed_on, shown) {
            (true, Some(shown)) => {
                self.names.passed_on.insert(shown, path);
            }
            (true, None) => self.names.passed_on_all.push(path),
            (false, _) => {
                self.names.paths.insert(path);
            }
        }
    }

    fn path(&mut self, segments: Vec<String>) {
        // A name passed on and used here too is a use of what it stands for.
        let own = segments
            .first()
            .and_then(|first| self.names.passed_on.get(first));
        let path = match own {
            Some(path) => Some([path.as_slice(), &segments[1..]].concat()),
            // One name alone is a local one, not a module.
            None if segments.len() > 1 => self.absolute(segments),
            None => None,
        };
        self.names.paths.extend(path);
    }

    /// Paths in the arguments of a macro, which are no syntax of their own.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.path(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                proc_macro2::TokenTree::Group(group) => {
                    self.path(std::mem::take(&mut path));
                    self.tokens(group.stream());
                }
                proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Literal(_) => {
                    self.path(std::mem::take(&mut path));
                }
            }
        }
        self.path(path);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        list.is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.content.is_none() || is_for_tests(&module.attrs) {
            return;
        }
        self.at.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.at.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_passed_on = !matches!(item.vis, syn::Visibility::Inherited);
        if !is_for_tests(&item.attrs) {
            self.tree(&item.tree, &[], is_passed_on);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        self.path(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(called.tokens.clone());
    }
}

/// The module that a file is, from the root of its crate.
fn module_of(file: &File) -> Option<Module> {
    let inside = file.path.strip_prefix("node/src/")?.strip_suffix(".rs")?;
    let is_code = !["main", "lib"].contains(&inside) && !file.is_test();
    is_code.then(|| inside.split('/').map(str::to_owned).collect())
}

/// The files that each file names, itself left out.
fn named(files: &[File]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<Module> = files.iter().filter_map(module_of).collect();
    let all: BTreeMap<Module, Names> = files
        .iter()
        .filter_map(|file| {
            let module = module_of(file)?;
            let parsed = syn::parse_file(&file.text)
                .unwrap_or_else(|error| panic!("{} does not parse: {error}", file.path));
            let mut walk = Walk {
                at: module.clone(),
                files: &modules,
                names: Names::default(),
            };
            // First what is passed on, so that a use of it above is known as one.
            for item in &parsed.items {
                if let syn::Item::Use(item) = item {
                    walk.visit_item_use(item);
                }
            }
            walk.visit_file(&parsed);
            Some((module, walk.names))
        })
        .collect();
    all.iter()
        .map(|(module, names)| {
            let paths = names.paths.iter();
            let mut named: BTreeSet<Module> = paths.filter_map(|path| meant(path, &all)).collect();
            named.remove(module);
            (module.clone(), named)
        })
        .collect()
}

/// The file in which what a path names stands.
fn meant(path: &[String], all: &BTreeMap<Module, Names>) -> Option<Module> {
    let mut path = path.to_vec();
    // Each name that is passed on leads to another file; a circle of those would not compile.
    loop {
        let at = (1..=path.len())
            .rev()
            .find(|length| all.contains_key(&path[..*length]))?;
        let names = &all[&path[..at]];
        let Some(name) = path.get(at) else {
            return Some(path);
        };
        let further = names.passed_on.get(name).cloned();
        let from_all = || {
            let mut globs = names.passed_on_all.iter();
            globs.find_map(|glob| {
                meant(&[glob.as_slice(), std::slice::from_ref(name)].concat(), all)
            })
        };
        match further.filter(|further| *further != path[..=at]) {
            Some(further) => path = [further.as_slice(), &path[at + 1..]].concat(),
            None => return from_all().or_else(|| Some(path[..at].to_vec())),
        }
    }
}

/// Sets of files of one floor that name each other, straight or by way of others.
fn circles(files: &[File]) -> Vec<Vec<String>> {
    let named = named(files);
    let inside = |from: &Module| {
        let floor = from[0].clone();
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut ahead: Vec<&Module> = named[from].iter().collect();
        while let Some(next) = ahead.pop() {
            if next[0] == floor && seen.insert(next) {
                ahead.extend(&named[next]);
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = named
        .keys()
        .map(|module| (module, inside(module)))
        .collect();
    let mut found = BTreeSet::new();
    for (module, ahead) in &reached {
        if ahead.contains(module) {
            let with = ahead
                .iter()
                .filter(|other| reached[*other].contains(module));
            let paths = with.map(|module| format!("node/src/{}.rs", module.join("/")));
            found.insert(paths.collect::<Vec<_>>());
        }
    }
    found.into_iter().collect()
}

#[test]
fn inside_a_room_no_files_name_each_other() {
    let found = circles(tree());
    let wrong: Vec<String> = found
        .iter()
        .map(|circle| format!("{} files:\n  {}", circle.len(), circle.join("\n  ")))
        .collect();
    nothing_wrong("files that name each other", &wrong);
}

#[test]
fn a_circle_is_found_by_whatever_way_it_goes() {
    let files = [
        made_up(
            "node/src/store.rs",
            "mod a;\nmod b;\npub use b::Thing;\nfn f() { a::f(); }",
        ),
        made_up(
            "node/src/store/a.rs",
            "use super::Thing;\nfn f() { assert!(super::b::g()); }",
        ),
        made_up(
            "node/src/store/b.rs",
            "mod c { fn f() { crate::store::a::f(); } }",
        ),
        made_up("node/src/link.rs", "mod a;\npub use a::Port;\nimpl Port {}"),
        made_up("node/src/link/a.rs", "use super::*;"),
        made_up("node/src/desk.rs", "mod a;\npub use a::View;\nstruct Own;"),
        made_up(
            "node/src/desk/a.rs",
            "use super::Own;\n#[cfg(test)] mod tests { use super::super::b; }",
        ),
        made_up("node/src/desk/b.rs", "use super::View;"),
        made_up("node/src/host.rs", "use crate::pages::Page;"),
        made_up("node/src/pages.rs", "use crate::host::Host;"),
    ];
    assert_eq!(
        circles(&files),
        [
            vec!["node/src/link.rs", "node/src/link/a.rs"],
            vec!["node/src/store/a.rs", "node/src/store/b.rs"],
        ]
    );
}
