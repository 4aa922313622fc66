//! The tree's promises: arrows point down, siblings do not name each other, each foreign crate has one home.

#[path = "support/tree.rs"]
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tree::{root, rust_files};

/// The folders from the top down; a file may name its own folder and those of later rows.
const LAYERS: [&[&str]; 5] = [
    &["cli"],
    &["plugin"],
    &["driver"],
    &["identity", "vault", "pki", "template", "tmpfs", "container", "lease", "journal", "audit"],
    &["domain"],
];

/// Foreign crates and the folders that may name them.
const HOMES: [(&str, &[&str]); 16] = [
    ("tonic", &["plugin"]),
    ("tonic_health", &["plugin"]),
    ("hyper", &["plugin"]),
    ("hyper_util", &["plugin"]),
    ("prometheus_client", &["plugin"]),
    ("prost", &["plugin"]),
    ("prost_types", &["plugin"]),
    ("rmp_serde", &["plugin"]),
    ("rmp", &["plugin"]),
    ("bollard", &["container"]),
    ("vaultrs", &["vault"]),
    ("rustify", &["vault"]),
    ("reqwest", &["vault"]),
    ("jsonwebtoken", &["vault"]),
    ("rcgen", &["pki"]),
    ("x509_parser", &["pki"]),
];

fn source() -> PathBuf {
    root().join("src")
}

/// Returns the code of a file without comments and without its own tests, which may borrow from anywhere below.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    body.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn layer_of(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&folder))
}

/// Says whether `code` names the module or crate `name` as the first part of a path.
fn names(code: &str, prefix: &str, name: &str) -> bool {
    let needle = format!("{prefix}{name}");
    code.match_indices(&needle).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + needle.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') && after == Some(':')
    })
}

/// Finds `crate::{…}` groups and returns the names that stand first in each branch.
fn grouped_imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::{") {
        let mut depth = 0;
        let mut word = String::new();
        for c in code[at + "crate::{".len()..].chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                c if depth == 0 && !c.is_whitespace() => word.push(c),
                _ => {}
            }
        }
        found.push(word);
    }
    found.into_iter().map(|word| word.split("::").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_folder_has_a_layer() {
    for entry in fs::read_dir(source()).expect("src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
            assert!(layer_of(name).is_some(), "src/{name} stands in no layer of the house");
        }
    }
}

#[test]
fn arrows_point_down_and_siblings_do_not_name_each_other() {
    let mut wrong = Vec::new();
    for (layer, folders) in LAYERS.iter().enumerate() {
        for folder in *folders {
            for file in rust_files(&source().join(folder)) {
                let code = code(&file);
                let grouped = grouped_imports(&code);
                for (other_layer, others) in LAYERS.iter().enumerate() {
                    for other in others.iter().filter(|other| *other != folder) {
                        let named = names(&code, "crate::", other) || grouped.iter().any(|name| name == other);
                        if named && other_layer <= layer {
                            wrong.push(format!("{} names {other}", file.display()));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up or aside:\n{}", wrong.join("\n"));
}

#[test]
fn each_foreign_crate_stays_in_its_home() {
    let mut wrong = Vec::new();
    for file in rust_files(&source()) {
        let inside = file.strip_prefix(source()).expect("below src");
        let folder =
            inside.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
        for (name, homes) in HOMES {
            if names(&code(&file), "", name) && !homes.contains(&folder.as_str()) {
                wrong.push(format!("{} names {name}, whose home is {homes:?}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "crates away from home:\n{}", wrong.join("\n"));
}

#[test]
fn plain_types_know_no_io() {
    for file in rust_files(&source().join("domain")) {
        let code = code(&file);
        for name in ["tokio", "std::fs", "std::net::Tcp", "async fn"] {
            assert!(!code.contains(name), "{} speaks of {name}", file.display());
        }
    }
}
