//! The table of `docs/docker-compat.md` against the schema: each option has one row, each row an option and a proof that exists.

#[path = "support/tree.rs"]
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;
use strongbox::plugin::schemas_as_json;

use tree::{names_of_tests, root};

/// What a row may say of an option.
const VERDICTS: [&str; 5] = ["same", "more", "different", "refused", "no effect"];
/// Blocks that the built-in driver does not know; `docs/configuration.md` has them.
const OURS: [&str; 9] = [
    "certificate",
    "decrypt",
    "secret",
    "ssh_certificate",
    "template",
    "vault_cluster",
    "vault_namespace",
    "vault_role",
    "vault_token",
];
/// Both spellings have the same fields, and one set of rows.
const ALIAS: &str = "mounts";

/// A row of the table.
struct Row {
    verdict: String,
    how: String,
    proof: String,
}

fn rows() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(root().join("docs/docker-compat.md")).expect("the table");
    let cells = text.lines().filter(|line| line.starts_with("| `")).map(|line| line.trim_matches('|').split('|'));
    let rows = cells.map(|cells| cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let mut found = BTreeMap::new();
    for cells in rows.filter(|cells| cells.len() == 4) {
        let option = cells[0].trim_matches('`').to_owned();
        let row =
            Row { verdict: cells[1].clone(), how: cells[2].clone(), proof: cells[3].trim_matches('`').to_owned() };
        assert!(found.insert(option.clone(), row).is_none(), "{option} has two rows");
    }
    found
}

/// Collects every option with its blocks in front, as `block.option`.
fn options(fields: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, spec) in fields.as_object().expect("fields") {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match spec.get("block").or_else(|| spec.get("blocks")) {
            Some(nested) => options(nested, &path, found),
            None => drop(found.insert(path)),
        }
    }
}

#[test]
fn every_option_has_a_row_and_every_row_an_option() {
    let mut all = BTreeSet::new();
    options(&schemas_as_json()["task"], "", &mut all);
    let first = |option: &str| option.split('.').next().unwrap_or_default().to_owned();
    let mut wanted: BTreeSet<String> =
        all.into_iter().filter(|option| !OURS.contains(&first(option).as_str()) && first(option) != ALIAS).collect();
    wanted.insert(ALIAS.to_owned());
    let rows: BTreeSet<String> = rows().into_keys().collect();
    let without_row: Vec<_> = wanted.difference(&rows).collect();
    let without_option: Vec<_> = rows.difference(&wanted).collect();
    assert!(
        without_row.is_empty() && without_option.is_empty(),
        "no row: {without_row:?}; no option: {without_option:?}"
    );
}

#[test]
fn every_setting_of_the_operators_table_exists() {
    let text = fs::read_to_string(root().join("docs/docker-compat.md")).expect("the table");
    let table = text.split("## The operator's settings").nth(1).expect("the section");
    let mut known = BTreeSet::new();
    options(&schemas_as_json()["plugin"], "", &mut known);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for cells in rows {
        let names = cells[2].split(',').map(|name| name.trim().trim_matches('`')).filter(|name| *name != "–");
        for name in names {
            assert!(known.contains(name), "{}: there is no setting {name:?}", cells[1]);
        }
        assert!(cells[2] != "–" || !cells[3].is_empty(), "{}: does not say why", cells[1]);
    }
}

#[test]
fn every_row_says_how_and_has_a_proof() {
    let tests = names_of_tests();
    for (option, row) in rows() {
        assert!(VERDICTS.contains(&row.verdict.as_str()), "{option}: {:?} is no verdict", row.verdict);
        assert!(row.verdict == "same" || !row.how.is_empty(), "{option}: does not say how it differs");
        let job = root().join("tests/docker_jobs").join(format!("{}.nomad.hcl", row.proof));
        assert!(job.is_file() || tests.contains(&row.proof), "{option}: there is no proof {:?}", row.proof);
        // What the built-in driver has too is proven by a job that is written for it.
        assert!(job.is_file() || row.verdict == "more", "{option}: {:?} is no job file", row.proof);
        let name = option.rsplit('.').next().unwrap_or_default();
        let says = |text: String| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
        assert!(!job.is_file() || fs::read_to_string(&job).is_ok_and(says), "{option}: not in {}", job.display());
    }
}
