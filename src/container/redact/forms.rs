//! The forms in which programs write a value.
//!
//! None holds the end of a line: of a value with several lines each line is looked for by itself.

use base64::{Engine, engine::general_purpose};
use zeroize::Zeroizing;

use super::SHORTEST;

/// Longest pattern. Longer forms are cut into parts of equal length, each of which is masked by itself: what must be held
/// back stays little, and a part of a value is masked too.
pub(super) const LONGEST: usize = 256;
/// A value longer than this is a file; only its lines are looked for.
const FILE: usize = 16 << 10;
/// How programs break base64 into lines: `openssl` and PEM files, `base64`.
const WRAPS: [usize; 2] = [64, 76];
/// How much in front of the end of base64 its last letters are looked for together with.
const END: usize = 48;

type Form = Zeroizing<Vec<u8>>;

/// Returns all patterns of a value; none when it is too short.
pub(super) fn forms(value: &[u8]) -> Vec<Form> {
    let value = value.trim_ascii();
    let mut forms = Forms(Vec::new());
    if value.len() < SHORTEST {
        return forms.0;
    }
    for line in value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !is_frame(line)) {
        forms.add(line);
    }
    if value.len() <= FILE {
        forms.add(Zeroizing::new(hex::encode(value)).as_bytes());
        forms.add(Zeroizing::new(hex::encode_upper(value)).as_bytes());
        forms.add_base64(value);
        forms.add_urls(value);
        forms.add_json(value);
    }
    forms.0
}

/// The first and last line of PEM are the same for all.
fn is_frame(line: &[u8]) -> bool {
    line.starts_with(b"-----") && line.ends_with(b"-----")
}

struct Forms(Vec<Form>);

impl Forms {
    fn add(&mut self, form: &[u8]) {
        if form.len() < SHORTEST {
            return;
        }
        let parts = form.len().div_ceil(LONGEST);
        for part in form.chunks(form.len().div_ceil(parts)).filter(|part| part.len() >= SHORTEST) {
            self.0.push(Zeroizing::new(part.to_vec()));
        }
    }

    fn add_base64(&mut self, value: &[u8]) {
        for engine in [&general_purpose::STANDARD_NO_PAD, &general_purpose::URL_SAFE_NO_PAD] {
            for before in 0..3 {
                self.add_aligned(engine, before, value);
            }
            let whole = Zeroizing::new(engine.encode(value));
            let wraps = WRAPS.iter().filter(|width| whole.len() > **width);
            wraps.flat_map(|width| whole.as_bytes().chunks(*width)).for_each(|line| self.add(line));
        }
    }

    /// What stands before the value shifts it by `before` bytes; of its first and last letters only those are looked for
    /// that its neighbours have no part in.
    fn add_aligned(&mut self, engine: &general_purpose::GeneralPurpose, before: usize, value: &[u8]) {
        let shifted = Zeroizing::new([&[0, 0][..before], value].concat());
        let text = Zeroizing::new(engine.encode(shifted.as_slice()));
        let own = &text.as_bytes()[[0, 2, 3][before]..];
        let whole = shifted.len() * 8 / 6 - [0, 2, 3][before];
        self.add(&own[..whole]);
        // Where the value is the last, its last letter is known too, and so is the padding.
        if own.len() > whole {
            let end = &own[own.len().saturating_sub(END)..];
            let padding = &b"=="[..(3 - shifted.len() % 3) % 3];
            self.add(end);
            self.add(&Zeroizing::new([end, padding].concat()));
        }
    }

    fn add_urls(&mut self, value: &[u8]) {
        // RFC 3986, the same in small letters, forms, `encodeURIComponent`, paths.
        let dialects: [(&[u8], bool, bool); 5] = [
            (b"-_.~", false, false),
            (b"-_.~", true, false),
            (b"-_.*", false, true),
            (b"-_.!~*'()", false, false),
            (b"-_.~/:@", false, false),
        ];
        for (plain, small, plus) in dialects {
            let mut text = Zeroizing::new(Vec::with_capacity(value.len() * 3));
            for byte in value {
                match byte {
                    b' ' if plus => text.push(b'+'),
                    byte if byte.is_ascii_alphanumeric() || plain.contains(byte) => text.push(*byte),
                    byte if small => text.extend_from_slice(format!("%{byte:02x}").as_bytes()),
                    byte => text.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                }
            }
            self.add(&text);
        }
    }

    fn add_json(&mut self, value: &[u8]) {
        let Ok(text) = std::str::from_utf8(value) else { return };
        // As little as must be, as Go does, as Python does, as PHP does.
        for (html, ascii, slash) in
            [(false, false, false), (true, false, false), (false, true, false), (false, true, true)]
        {
            let mut escaped = Zeroizing::new(String::with_capacity(text.len() * 6));
            for c in text.chars() {
                escape(c, (html, ascii, slash), &mut escaped);
            }
            self.add(escaped.as_bytes());
        }
    }
}

fn escape(c: char, (html, ascii, slash): (bool, bool, bool), text: &mut String) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        '/' if slash => text.push_str("\\/"),
        '<' | '>' | '&' if html => units(c, text),
        c if c.is_control() && c < '\u{80}' || ascii && !c.is_ascii() => units(c, text),
        c => text.push(c),
    }
}

fn units(c: char, text: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        text.push_str(&format!("\\u{unit:04x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<String> {
        forms(value.as_bytes()).iter().map(|form| String::from_utf8_lossy(form).into_owned()).collect()
    }

    #[test]
    fn short_values_and_frames_of_pem_have_no_form() {
        assert!(all("abcde").is_empty() && all(" abcde\n").is_empty());
        let pem = all("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nx\n-----END PRIVATE KEY-----\n");
        assert!(pem.contains(&"MIGHAgEAMBMGByqGSM49".to_owned()));
        assert!(!pem.iter().any(|form| form == "-----BEGIN PRIVATE KEY-----" || form.contains('\n')), "{pem:?}");
    }

    #[test]
    fn what_a_program_escapes_is_escaped() {
        let forms = all("pä ss/<wo\"rd>");
        for form in [
            "p%C3%A4%20ss%2F%3Cwo%22rd%3E",
            "p%c3%a4%20ss%2f%3cwo%22rd%3e",
            "p%C3%A4+ss%2F%3Cwo%22rd%3E",
            "pä ss/<wo\\\"rd>",
            "pä ss/\\u003cwo\\\"rd\\u003e",
            "p\\u00e4 ss/<wo\\\"rd>",
            "p\\u00e4 ss\\/<wo\\\"rd>",
        ] {
            assert!(forms.iter().any(|known| known == form), "{form} in {forms:?}");
        }
    }

    #[test]
    fn long_forms_come_in_parts_of_a_size() {
        let forms = all(&"k3y-".repeat(1000));
        assert!(forms.iter().all(|form| form.len() <= LONGEST));
        assert!(all(&"x".repeat(FILE + 1)).iter().all(|form| form.starts_with('x')), "a file's lines only");
    }
}
