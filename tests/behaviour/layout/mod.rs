//! The layout of the sources and the direction of dependencies, held to what ARCHITECTURE.md draws.

mod rules;
mod source;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rules::{Crate, HARNESS, SERVER, TEST_ONLY, complaints};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `folder` of the project, by its path from the root, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let relative = path.strip_prefix(root()).expect("it is below the root");
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            (parts.join("/"), text)
        })
        .collect()
}

#[track_caller]
fn assert_clean(of: &Crate) {
    let files = sources(of.root);
    assert!(files.len() > 10, "{}: where have the sources gone?", of.root);
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| complaints(of, path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_harness_keeps_its_layout() {
    assert_clean(&HARNESS);
}

#[test]
fn the_reference_server_keeps_its_layout_and_knows_nothing_of_the_harness() {
    assert_clean(&SERVER);
    let manifest = root().join("reference-server/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the member has a manifest");
    assert!(
        !manifest.contains("rtcstorm"),
        "it must not depend on the harness"
    );
}

#[test]
fn every_folder_is_in_the_table_and_begins_by_saying_what_it_is_for() {
    for of in [&HARNESS, &SERVER] {
        let mut folders = BTreeSet::new();
        for (path, text) in sources(of.root) {
            let below = path[of.root.len() + 1..].split('/').collect::<Vec<_>>();
            folders.extend((below.len() > 1).then(|| below[0].to_owned()));
            if path.ends_with("/mod.rs") || path.ends_with("/lib.rs") {
                assert!(text.starts_with("//! "), "{path} does not say what it is for");
            }
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let has_index = ["mod.rs", "lib.rs"]
                .iter()
                .any(|f| root().join(folder).join(f).is_file());
            assert!(has_index, "{folder} has no mod.rs");
        }
        let known: BTreeSet<String> = of.folders.iter().map(|f| f.name.to_owned()).collect();
        let missing: Vec<_> = folders.difference(&known).collect();
        assert!(missing.is_empty(), "{}: not in the table: {missing:?}", of.root);
    }
}

#[test]
fn the_table_itself_has_no_way_back() {
    for of in [&HARNESS, &SERVER] {
        for (index, folder) in of.folders.iter().enumerate() {
            let above: Vec<&str> = of.folders[..index].iter().map(|f| f.name).collect();
            for used in folder.may_use {
                assert!(
                    above.contains(used),
                    "{} may use {used}, which comes after it",
                    folder.name
                );
                let edge_below_pure = folder.pure && of.folders.iter().any(|f| f.name == *used && !f.pure);
                assert!(
                    !edge_below_pure,
                    "{} is pure and may use {used}, which is not",
                    folder.name
                );
            }
        }
    }
}

#[test]
fn exceptions_for_tests_are_needed_and_are_tests() {
    for (file, used) in TEST_ONLY {
        let text = fs::read_to_string(root().join(file)).expect(file);
        let uses = source::paths(&text);
        assert!(
            uses.iter().any(|named| named.contains(&format!("crate::{used}"))),
            "{file} no longer needs {used}"
        );
        let (folder, name) = file.rsplit_once('/').expect("a file in a folder");
        let index = fs::read_to_string(root().join(folder).join("mod.rs")).expect(folder);
        let declared = format!("#[cfg(test)]\nmod {};", name.trim_end_matches(".rs"));
        assert!(index.contains(&declared), "{file} is no test");
    }
}

#[test]
fn nothing_goes_behind_the_compilers_back() {
    let folders = [
        "src",
        "tests",
        "benches",
        "reference-server/src",
        "reference-server/tests",
    ];
    for (path, text) in folders.into_iter().flat_map(sources) {
        let found = source::paths(&text)
            .into_iter()
            .find(|named| named.contains("unsafe"));
        assert!(found.is_none(), "{path}: {found:?}");
    }
}
