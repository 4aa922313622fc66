//! How a line is tied to the one before.
//!
//! A line is a JSON object whose last member, `hash`, is the SHA-256 of the bytes of the object without that member. The
//! object's own `prev` is the hash of the line before. So a line can be checked with `sed` and `sha256sum` alone.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Entry, Note};

/// What stands between a line's content and its hash.
const NECK: &str = r#","hash":""#;
/// What stands after it.
const TAIL: &str = r#""}"#;
/// Digits of a hash.
const DIGITS: usize = 64;

/// A line's place in the chain: its number and its hash. The last one of a file is its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The line's number, from 0.
    pub seq: u64,
    /// The line's hash, 64 hexadecimal digits.
    pub hash: String,
}

impl Link {
    /// Ties `note` to this link; returns the line with its end, and its link.
    pub(super) fn tie(&self, note: Note) -> (String, Self) {
        seal(Entry { seq: self.seq + 1, prev: self.hash.clone(), note })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl std::str::FromStr for Link {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parted = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)));
        match parted {
            Some((seq, hash)) if is_hash(hash) => Ok(Self { seq, hash: hash.to_owned() }),
            _ => Err("no head; give NUMBER:HASH as verify prints it"),
        }
    }
}

/// Begins a chain; returns the line with its end, and its link.
pub(super) fn begin(note: Note) -> (String, Link) {
    seal(Entry { seq: 0, prev: "0".repeat(DIGITS), note })
}

fn seal(entry: Entry) -> (String, Link) {
    let body = serde_json::to_string(&entry).expect("names, ids and times serialise");
    let hash = hash_of(body.as_bytes());
    let open = body.strip_suffix('}').unwrap_or(&body);
    (format!("{open}{NECK}{hash}{TAIL}\n"), Link { seq: entry.seq, hash })
}

/// Reads a line without its end; one whose hash is not its own is none.
pub(super) fn read(line: &[u8]) -> Option<(Entry, Link)> {
    let rest = std::str::from_utf8(line).ok()?.strip_suffix(TAIL)?;
    let (open, hash) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let body = format!("{}}}", open.strip_suffix(NECK)?);
    if !is_hash(hash) || hash_of(body.as_bytes()) != hash {
        return None;
    }
    let entry: Entry = serde_json::from_str(&body).ok()?;
    let link = Link { seq: entry.seq, hash: hash.to_owned() };
    Some((entry, link))
}

/// Returns the SHA-256 of some bytes in hexadecimal.
pub(super) fn hash_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn is_hash(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{super::entry::samples::note, *};

    #[test]
    fn no_flipped_bit_passes() {
        let (line, link) = begin(note(1)).1.tie(note(2));
        let good = line.trim_end().as_bytes();
        assert_eq!(read(good).map(|(_, link)| link), Some(link));
        for at in 0..good.len() * 8 {
            let mut bad = good.to_owned();
            bad[at / 8] ^= 1 << (at % 8);
            assert_eq!(read(&bad), None, "bit {at} of {line}");
        }
    }

    #[test]
    fn the_hash_is_of_the_line_without_it() {
        let (line, link) = begin(note(1));
        let without = line.replace(&format!(r#","hash":"{}""#, link.hash), "");
        assert_eq!(hash_of(without.trim_end().as_bytes()), link.hash);
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
    }

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let (_, link) = begin(note(1));
        assert_eq!(link.to_string().parse(), Ok(link));
        for bad in ["", "1", "1:abc", "x:y", ":"] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }
}
