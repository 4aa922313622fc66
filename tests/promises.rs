//! The table of `docs/promises.md` against the tree: each promise has a test that exists.

#[path = "support/tree.rs"]
mod tree;

use std::fs;

use tree::{names_of_tests, root};

#[test]
fn every_promise_names_tests_that_exist() {
    let tests = names_of_tests();
    let text = fs::read_to_string(root().join("docs/promises.md")).expect("the table");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what "));
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, proofs] = cells[..] else { panic!("not two cells: {row}") };
        let proofs: Vec<&str> = proofs.split_whitespace().map(|proof| proof.trim_matches('`')).collect();
        assert!(!proofs.is_empty(), "{what}: no test");
        for proof in proofs {
            assert!(tests.contains(proof), "{what}: there is no test {proof:?}");
        }
        seen += 1;
    }
    assert!(seen >= 25, "only {seen} promises");
}
