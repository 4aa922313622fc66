//! The table of `docs/promises.md` against the tree: each promise has a test that exists.

#[path = "support/tree.rs"]
mod tree;

use std::{collections::BTreeSet, fs};

use tree::{names_of_tests, root, rust_files};

#[test]
fn every_promise_names_tests_that_exist() {
    let tests = names_of_tests();
    let text = fs::read_to_string(root().join("docs/promises.md")).expect("the table");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what "));
    let mut seen = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, proofs] = cells[..] else { panic!("not two cells: {row}") };
        let proofs: Vec<&str> = proofs.split_whitespace().map(|proof| proof.trim_matches('`')).collect();
        assert!(!proofs.is_empty(), "{what}: no test");
        for proof in proofs {
            assert!(tests.contains(proof), "{what}: there is no test {proof:?}");
        }
        assert!(seen.insert(what), "{what}: stands there twice");
    }
    assert!(seen.len() >= 25, "only {} promises", seen.len());
}

/// The names between quotes behind `before` in all files of `folder`.
fn named(folder: &str, before: &str) -> BTreeSet<String> {
    let texts =
        rust_files(&root().join(folder)).into_iter().map(|file| fs::read_to_string(file).expect("a source file"));
    let names = |text: String| {
        let names = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
        names.map(|name| name.split(':').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    texts.flat_map(names).collect()
}

#[test]
fn a_test_dies_at_each_point_of_death_in_the_source() {
    let points = named("src", "fail_point(\"");
    assert!(points.len() > 25, "{points:?}");
    let tests: BTreeSet<String> = ["tests/e2e", "tests/images"].iter().flat_map(|folder| named(folder, "\"")).collect();
    let unmet: Vec<_> = points.difference(&tests).collect();
    assert!(unmet.is_empty(), "no test dies at {unmet:?}");
}
