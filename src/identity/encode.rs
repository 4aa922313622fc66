//! One encoding for all uses: any text becomes a lower-case DNS label, and no two texts become the same one.
//!
//! ```text
//! a-z 0-9        stand for themselves
//! -              stands for itself after the first byte and before one of a-z 0-9
//! all else       becomes --xx, two lower-case hexadecimal digits a byte
//! x in front     where the result would begin with a dash
//! ```
//!
//! It can be read backwards in one way only. A single dash is a dash, since one that stands for itself is never followed by
//! another; two dashes begin an escape. An `x` before a leading escape is one that was put in front, because a text's own `x` in that
//! place is escaped itself. The same goes for a leading `xn`, which would make the label look like an
//! internationalised name (RFC 5890) that servers try to decode. Only lower case comes out, so a comparison that ignores case joins nothing.

use sha2::{Digest, Sha256};

/// What separates a shortened text's readable part from its hash; no escape looks like it, since `h` is no digit.
const HASH_MARK: &str = "--h";
/// Bytes of the hash: collisions stay out of reach even for somebody who chooses both names.
const HASH_BYTES: usize = 16;

/// There is nothing to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is empty")]
pub struct EmptyText;

/// Encodes `text` such that no other text gives the same result.
pub fn encode(text: &str) -> Result<String, EmptyText> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(EmptyText);
    }
    let own_x_is_escaped = starts_like_ours(bytes);
    let mut encoded = String::with_capacity(bytes.len() + 8);
    if is_escaped(bytes, 0) || own_x_is_escaped {
        encoded.push('x');
    }
    for (at, byte) in bytes.iter().enumerate() {
        if is_escaped(bytes, at) || (at == 0 && own_x_is_escaped) {
            encoded.push_str("--");
            encoded.push_str(&hex::encode([*byte]));
        } else {
            encoded.push(char::from(*byte));
        }
    }
    Ok(encoded)
}

/// Shortens an encoded text to `max` characters: a readable beginning and a hash of all of it. Short ones stay as they are.
///
/// `max` is 40 or more, so that something readable is left.
pub fn fit(encoded: &str, max: usize) -> String {
    if encoded.len() <= max {
        return encoded.to_owned();
    }
    let hash = hex::encode(&Sha256::digest(encoded.as_bytes())[..HASH_BYTES]);
    let room = max.saturating_sub(HASH_MARK.len() + hash.len());
    format!("{}{HASH_MARK}{hash}", whole_part(encoded, room))
}

/// Returns the longest beginning that fits into `room` and cuts no escape.
fn whole_part(encoded: &str, room: usize) -> &str {
    let mut end = room.min(encoded.len());
    if let Some(escape) = encoded[..end].rfind("--")
        && end < escape + 4
    {
        end = escape;
    }
    encoded[..end].trim_end_matches('-')
}

/// Says whether a text's beginning would be read as something that the encoding makes.
fn starts_like_ours(bytes: &[u8]) -> bool {
    let escaped = |at| at < bytes.len() && is_escaped(bytes, at);
    (bytes[0] == b'x' && escaped(1)) || (bytes.starts_with(b"xn") && escaped(2))
}

fn is_escaped(bytes: &[u8], at: usize) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let dash = bytes[at] == b'-' && at > 0 && bytes.get(at + 1).is_some_and(plain);
    !(plain(&bytes[at]) || dash)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn encoded(text: &str) -> String {
        encode(text).expect("a text")
    }

    /// Reads an encoded text backwards, by the rules in the module's head alone.
    fn decode(encoded: &str) -> String {
        let rest = encoded.strip_prefix('x').filter(|rest| rest.starts_with("--")).unwrap_or(encoded);
        let (mut rest, mut bytes) = (rest, Vec::new());
        while !rest.is_empty() {
            if let Some(escape) = rest.strip_prefix("--") {
                bytes.extend(hex::decode(&escape[..2]).expect("two digits"));
                rest = &escape[2..];
            } else {
                bytes.push(rest.as_bytes()[0]);
                rest = &rest[1..];
            }
        }
        String::from_utf8(bytes).expect("what was encoded was text")
    }

    fn is_label(text: &str) -> bool {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.bytes().all(good) && !text.starts_with('-') && !text.ends_with('-')
    }

    #[test]
    fn plain_names_stay_as_they_are() {
        for name in ["a", "timeline", "web-admin", "a-1-b", "x", "xn", "xa", "x-1", "0", "9to5"] {
            assert_eq!(encoded(name), name);
        }
    }

    #[test]
    fn other_bytes_are_escaped() {
        for (name, wanted) in [
            ("A", "x--41"),
            ("my_app", "my--5fapp"),
            ("web/dispatch-1", "web--2fdispatch-1"),
            ("-a", "x--2da"),
            ("a-", "a--2d"),
            ("a--b", "a--2d-b"),
            ("a-.b", "a--2d--2eb"),
            ("..", "x--2e--2e"),
            ("x_", "x--78--5f"),
            ("x--2e", "x--78--2d-2e"),
            ("xn--a", "x--78n--2d-a"),
            ("xn_", "x--78n--5f"),
            ("ä", "x--c3--a4"),
        ] {
            assert_eq!(encoded(name), wanted, "{name:?}");
            assert_eq!(decode(wanted), name);
        }
        assert_eq!(encode(""), Err(EmptyText));
    }

    #[test]
    fn all_short_texts_of_nasty_letters_differ_and_come_back() {
        let letters = ["x", "n", "-", "A", "a", "2", "d", "h", ".", "/", "é", "X"];
        let mut texts = vec![String::new()];
        let mut seen = HashMap::new();
        for _ in 0..5 {
            texts = texts.iter().flat_map(|text| letters.map(|letter| format!("{text}{letter}"))).collect();
            for text in &texts {
                let label = encoded(text);
                assert!(is_label(&label), "{text:?} gives {label}");
                assert!(!label.starts_with("xn--"), "{text:?} gives {label}");
                assert_eq!(decode(&label), *text);
                if let Some(other) = seen.insert(label, text.clone()) {
                    panic!("{other:?} and {text:?} become the same");
                }
            }
        }
    }

    #[test]
    fn a_million_random_pairs_differ_and_come_back() {
        let seed: u64 = rand::random();
        let mut random = StdRng::seed_from_u64(seed);
        let letters: Vec<char> =
            "xxnn---aAbBzZ0129fh._/*,;=+?[]{}$%\\\"'\n\t\u{1b}\u{7f} éÉ\u{301}\u{2028}\u{202e}🦀ſK".chars().collect();
        let mut text = || -> String {
            let length = random.random_range(1..=7);
            (0..length).map(|_| letters[random.random_range(0..letters.len())]).collect()
        };
        let pairs = std::env::var("IDENTITY_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
        for _ in 0..pairs {
            let (a, b) = (text(), text());
            let (label_a, label_b) = (encoded(&a), encoded(&b));
            assert_eq!(a == b, label_a.eq_ignore_ascii_case(&label_b), "seed {seed}: {a:?} {b:?}");
            assert!(decode(&label_a) == a && is_label(&label_a), "seed {seed}: {a:?}");
        }
    }

    #[test]
    fn ambiguous_joins_stay_apart() {
        assert_ne!([encoded("a-b"), encoded("c")].join("."), [encoded("a"), encoded("b-c")].join("."));
        assert_ne!([encoded("a.b"), encoded("c")].join("."), [encoded("a"), encoded("b.c")].join("."));
    }

    #[test]
    fn long_texts_keep_a_readable_beginning_and_a_hash() {
        for length in [64, 256, 1024, 65_536] {
            for letter in ["a", "Ä", "-", "a_"] {
                let text = letter.repeat(length);
                let (one, other) = (encoded(&text), encoded(&format!("{text}b")));
                for max in [40, 41, 42, 43, 63, 64, 128, 255] {
                    let (one, other) = (fit(&one, max), fit(&other, max));
                    assert!(one.len() <= max && other.len() <= max, "{one}");
                    assert!(is_label(&one) && one != other, "{one}");
                }
            }
        }
        assert_eq!(fit("short", 63), "short");
        let long = fit(&encoded(&"timeline-".repeat(20)), 63);
        assert!(long.starts_with("timeline-timeline-timeline-t--h"), "{long}");
        assert_eq!(fit(&"a".repeat(63), 63), "a".repeat(63));
    }

    #[test]
    fn no_encoded_text_looks_shortened() {
        assert_eq!(encoded("a--h0123"), "a--2d-h0123");
        assert!(!encoded("a--h0123").contains(HASH_MARK));
    }
}
