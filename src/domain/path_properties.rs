//! What holds of every path that is taken, whatever a job writes.

use std::path::{Component, Path};

use proptest::prelude::*;

use super::{RelPath, ServerPath};

/// Texts of what paths are made of, good and bad, in any order.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("."),
        Just(".."),
        Just("..data"),
        Just("%2e"),
        Just("%2F"),
        Just("?"),
        Just("#"),
        Just("\\"),
        Just("kv"),
        Just("data"),
        Just("sys"),
        Just("auth"),
        Just("a"),
        Just("ä"),
        Just(" "),
        Just("\n"),
        Just("\0"),
        Just("*"),
        Just("+"),
        Just("~"),
        Just("A"),
        Just("\u{202e}"),
    ];
    prop_oneof![prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()), any::<String>()]
}

/// Cleans a path as a server does that knows neither our rules nor our care.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Takes percent escapes back, once.
fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2).and_then(|two| hex::decode(two).ok())).flatten();
        bytes.push(escaped.as_ref().map_or(*first, |byte| byte[0]));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_server_reads_every_path_as_we_do(text in nasty()) {
        if let Ok(path) = text.parse::<ServerPath>() {
            let path = path.as_str();
            prop_assert_eq!(path, &text, "it is taken as it is written");
            prop_assert_eq!(cleaned(path), path);
            prop_assert_eq!(decoded(path), path);
            prop_assert!(!path.contains(['?', '#', '\\']) && !path.chars().any(char::is_control));
            prop_assert!(!["sys", "auth", "identity", "cubbyhole"].contains(&cleaned(path).split('/').next().unwrap_or("")));
        }
    }

    #[test]
    fn no_file_leaves_its_directory(text in nasty()) {
        if let Ok(path) = text.parse::<RelPath>() {
            let parts: Vec<_> = path.as_path().components().collect();
            prop_assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))), "{:?}", parts);
            prop_assert_eq!(parts.len(), path.as_str().split('/').count(), "no part is empty");
            prop_assert!(Path::new("/run/secrets").join(path.as_path()).starts_with("/run/secrets/"));
            prop_assert!(!path.top().starts_with(".."), "those names are the driver's");
            prop_assert!(path.overlaps(&path));
        }
    }

    #[test]
    fn two_files_overlap_whichever_is_named_first(a in nasty(), b in nasty()) {
        if let (Ok(a), Ok(b)) = (a.parse::<RelPath>(), b.parse::<RelPath>()) {
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            if let Ok(below) = a.join(b.as_str()) {
                prop_assert!(a.overlaps(&below));
            }
        }
    }
}
