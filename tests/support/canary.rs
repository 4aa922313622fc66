//! Looks for a test's own secret values where none may be.
//!
//! Each value is searched raw and in the forms in which programs write text: base64 at each of its three alignments,
//! with both alphabets, hexadecimal in both cases, URL- and JSON-escaped. A value must be long and random enough that it
//! cannot be met by chance.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose};

/// Shortest value that can be told from chance.
const SHORTEST: usize = 12;

/// The values to look for.
#[derive(Default)]
pub struct Canaries {
    needles: Vec<(String, &'static str, Vec<u8>)>,
}

/// A value that was found where it must not be.
#[derive(Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which value, by its name.
    pub name: String,
    /// In which form.
    pub form: &'static str,
    /// Where.
    pub place: String,
}

impl Canaries {
    /// Adds a value under a name that may be printed.
    pub fn add(&mut self, name: &str, value: &str) {
        assert!(value.len() >= SHORTEST, "canary {name} is too short to be told from chance");
        for (form, bytes) in forms(value.as_bytes()) {
            if bytes.len() >= SHORTEST {
                self.needles.push((name.to_owned(), form, bytes));
            }
        }
    }

    /// Adds each line of a PEM text but its frame.
    pub fn add_pem(&mut self, name: &str, pem: &str) {
        let lines = pem.lines().filter(|line| !line.starts_with("-----") && line.len() >= 40);
        lines.for_each(|line| self.add(name, line));
    }

    /// Looks through `bytes`, which come from `place`.
    pub fn scan(&self, place: &str, bytes: &[u8]) -> Vec<Hit> {
        self.search(&self.automaton(), place, bytes)
    }

    /// Looks through every regular file below `root`, and through the names.
    pub fn scan_tree(&self, root: &Path) -> Vec<Hit> {
        self.scan_changed(root, SystemTime::UNIX_EPOCH)
    }

    /// As [`Canaries::scan_tree`], without the contents of files that have not changed since a moment before which no
    /// canary existed.
    pub fn scan_changed(&self, root: &Path, since: SystemTime) -> Vec<Hit> {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let is_new = |meta: &fs::Metadata| u64::try_from(meta.ctime()).is_ok_and(|at| at >= since);
        let automaton = self.automaton();
        let mut hits = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for path in children(&folder) {
                let place = path.display().to_string();
                hits.extend(self.search(&automaton, &place, place.as_bytes()));
                match fs::symlink_metadata(&path) {
                    Ok(meta) if meta.is_dir() => folders.push(path),
                    Ok(meta) if meta.is_file() && is_new(&meta) => {
                        // A file that goes away meanwhile is no finding.
                        let bytes = fs::read(&path).unwrap_or_default();
                        hits.extend(self.search(&automaton, &place, &bytes));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        hits
    }

    fn automaton(&self) -> AhoCorasick {
        AhoCorasick::new(self.needles.iter().map(|(_, _, bytes)| bytes)).expect("few and short needles")
    }

    fn search(&self, automaton: &AhoCorasick, place: &str, bytes: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for found in automaton.find_overlapping_iter(bytes) {
            let (name, form, _) = &self.needles[found.pattern().as_usize()];
            let hit = Hit { name: name.clone(), form, place: place.to_owned() };
            if !hits.contains(&hit) {
                hits.push(hit);
            }
        }
        hits
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Returns the forms in which a value may be written.
fn forms(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("raw", value.to_vec()),
        ("hex", hex::encode(value).into_bytes()),
        ("HEX", hex::encode_upper(value).into_bytes()),
        ("url", escaped(value, |byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte))),
    ];
    let text = String::from_utf8_lossy(value);
    let json = serde_json::to_string(&text).unwrap_or_default();
    forms.push(("json", json.trim_matches('"').as_bytes().to_vec()));
    for skip in 0..3 {
        // What stands before the value in the encoded text shifts it; the first and last characters depend on neighbours.
        let shifted = [&b"\0\0"[..skip], value].concat();
        for (form, engine) in
            [("base64", &general_purpose::STANDARD_NO_PAD), ("base64url", &general_purpose::URL_SAFE_NO_PAD)]
        {
            let encoded = engine.encode(&shifted).into_bytes();
            let from = [0, 2, 3][skip];
            forms.push((form, encoded[from..encoded.len() - 1].to_vec()));
        }
    }
    forms
}

fn escaped(value: &[u8], plain: impl Fn(&u8) -> bool) -> Vec<u8> {
    value.iter().flat_map(|byte| if plain(byte) { vec![*byte] } else { format!("%{byte:02X}").into_bytes() }).collect()
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {} in {}", self.name, self.form, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canaries() -> Canaries {
        let mut canaries = Canaries::default();
        canaries.add("word", "s3cr\"t/value+one");
        canaries
    }

    #[test]
    fn every_form_of_a_value_is_found() {
        let value = "s3cr\"t/value+one";
        let base64 = |before: &str| general_purpose::STANDARD.encode(format!("{before}{value}tail"));
        for text in [
            format!("x{value}y"),
            hex::encode(value),
            hex::encode(value).to_uppercase(),
            "a=s3cr%22t%2Fvalue%2Bone&".to_owned(),
            serde_json::to_string(value).expect("text"),
            base64(""),
            base64("a"),
            base64("ab"),
            base64("abc"),
        ] {
            assert!(!canaries().scan("here", text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_finding() {
        assert!(canaries().scan("here", b"s3cr\"t/value+two and more").is_empty());
    }
}
