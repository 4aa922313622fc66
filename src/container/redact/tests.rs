//! Every form of a value, cut at every place.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose};
use proptest::prelude::*;

use super::*;

fn secret(name: &str, value: &str) -> NamedSecret {
    NamedSecret { name: name.to_owned(), value: SecretBytes::new(value) }
}

fn redactions(secrets: &[(&str, &str)]) -> (Arc<Redactions>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let redactions = Redactions::new({
        let told = Arc::clone(&told);
        move |name| told.lock().expect("unpoisoned").push(name.to_owned())
    });
    redactions.set(&secrets.iter().map(|(name, value)| secret(name, value)).collect::<Vec<_>>());
    (Arc::new(redactions), told)
}

/// Feeds the parts and returns what is shown, and how many raw bytes that stands for.
fn shown_of(redactions: &Arc<Redactions>, parts: &[&[u8]]) -> (String, usize) {
    let mut redactor = Redactor::new(Some(Arc::clone(redactions)));
    let (mut text, mut raw) = (Vec::new(), 0);
    let mut out = Redacted::default();
    let mut deliver = |out: &mut Redacted| {
        text.extend_from_slice(&out.text);
        // As a slow reader would take it.
        raw += (0..=out.text.len()).map(|at| out.deliver(usize::from(at > 0))).sum::<usize>();
        out.clear();
    };
    for part in parts {
        redactor.feed(std::iter::once(*part), &mut out);
        deliver(&mut out);
    }
    redactor.finish(&mut out);
    deliver(&mut out);
    (String::from_utf8_lossy(&text).into_owned(), raw)
}

/// Cuts the text in two at every place, and into single bytes; returns what is always shown.
fn shown_however_cut(redactions: &Arc<Redactions>, text: &str) -> String {
    let bytes = text.as_bytes();
    let (whole, raw) = shown_of(redactions, &[bytes]);
    assert_eq!(raw, bytes.len(), "all is accounted for");
    for cut in 0..=bytes.len() {
        assert_eq!(shown_of(redactions, &[&bytes[..cut], &bytes[cut..]]), (whole.clone(), raw), "{text:?} at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(shown_of(redactions, &single), (whole.clone(), raw), "{text:?} byte by byte");
    whole
}

/// Returns how programs write `value`, with something around it.
fn written(value: &str) -> Vec<String> {
    let mut forms = vec![
        format!("password={value} is"),
        value.to_owned(),
        hex::encode(value),
        hex::encode_upper(value),
        serde_json::to_string(value).expect("text"),
    ];
    let encodings = [
        &general_purpose::STANDARD,
        &general_purpose::STANDARD_NO_PAD,
        &general_purpose::URL_SAFE,
        &general_purpose::URL_SAFE_NO_PAD,
    ];
    for engine in encodings {
        for before in ["", "a", "ab", "abc"] {
            for behind in ["", "y", "yz"] {
                forms.push(engine.encode(format!("{before}{value}{behind}")));
            }
        }
    }
    forms
}

/// Returns how programs escape `value` in addresses and in JSON, with something around it.
fn escaped(value: &str) -> Vec<String> {
    let percent = |plain: &str, small: bool, blank: &str| -> String {
        let one = |byte: u8| match byte {
            b' ' if !blank.is_empty() => blank.to_owned(),
            byte if byte.is_ascii_alphanumeric() || plain.contains(char::from(byte)) => char::from(byte).to_string(),
            byte if small => format!("%{byte:02x}"),
            byte => format!("%{byte:02X}"),
        };
        value.bytes().map(one).collect()
    };
    let json = serde_json::to_string(value).expect("text");
    let ascii: String = json
        .chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        })
        .collect();
    let html = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let forms = [
        percent("-_.~", false, ""),
        percent("-_.~", true, ""),
        percent("-_.*", false, "+"),
        percent("-_.!~*'()", false, ""),
        percent("-_.~/:@", false, ""),
        ascii.replace('/', "\\/"),
        ascii,
        html,
        json,
    ];
    forms.into_iter().map(|form| format!("q={form}&x")).collect()
}

/// Says whether a part of the value, in any form, is still to be seen.
fn leaks(shown: &str, value: &str) -> bool {
    let aligned = (0..3).map(|skip| general_purpose::STANDARD_NO_PAD.encode(&value.as_bytes()[skip..]));
    let needles = [value.to_owned(), hex::encode(value)].into_iter().chain(aligned);
    needles.flat_map(|needle| needle.as_bytes().windows(6).map(<[u8]>::to_vec).collect::<Vec<_>>()).any(|part| {
        let part = String::from_utf8_lossy(&part).to_lowercase();
        shown.to_lowercase().contains(&part)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_form_of_a_value_is_shown_wherever_the_stream_is_cut(value in "[!-~]{6,24}") {
        let (redactions, told) = redactions(&[("db/password", &value)]);
        for text in written(&value) {
            let shown = shown_however_cut(&redactions, &text);
            prop_assert!(shown.contains("[redacted:db/password]"), "{text} gives {shown}");
            prop_assert!(!leaks(&shown, &value), "{text} gives {shown}");
        }
        let told = told.lock().expect("unpoisoned").clone();
        prop_assert_eq!(told, ["db/password"]);
    }

    #[test]
    fn no_escaped_form_of_a_value_is_shown_wherever_the_stream_is_cut(value in "[!-~äß€🔒][ -~äß€🔒]{4,14}[!-~äß€🔒]") {
        let (redactions, _) = redactions(&[("db/password", &value)]);
        for text in escaped(&value) {
            let shown = shown_however_cut(&redactions, &text);
            prop_assert!(shown.contains("[redacted:db/password]"), "{text} gives {shown}");
            prop_assert!(shown.len() <= "q=\"[redacted:db/password]\"&x".len(), "{text} gives {shown}");
        }
    }

    #[test]
    fn no_line_of_broken_base64_is_shown_wherever_the_stream_is_cut(value in "[!-~]{60,150}") {
        let (redactions, _) = redactions(&[("key", &value)]);
        let encoded = general_purpose::STANDARD.encode(&value);
        for width in [64, 76] {
            let lines: Vec<_> = encoded.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
            let shown = shown_however_cut(&redactions, &lines.join("\n"));
            prop_assert!(!leaks(&shown, &value), "{encoded} gives {shown}");
        }
    }

    #[test]
    fn whatever_is_no_secret_is_shown_as_it_is(text in "[a-f\\n]{0,80}", cut in 0_usize..80) {
        let (redactions, _) = redactions(&[("x", "secret-x"), ("y", "fedcba98"), ("z", "abcabcabd")]);
        prop_assume!(!text.contains("abcabcabd"));
        let bytes = text.as_bytes();
        let cut = cut.min(bytes.len());
        prop_assert_eq!(shown_of(&redactions, &[&bytes[..cut], &bytes[cut..]]), (text.clone(), text.len()));
    }

    #[test]
    fn values_that_overlap_are_masked_as_if_each_were_alone(text in "[ab]{0,60}", one in "[ab]{6,9}", two in "[ab]{6,12}") {
        let (redactions, _) = redactions(&[("one", &one), ("two", &two)]);
        let mut hidden = vec![false; text.len()];
        for value in [&one, &two] {
            for at in (0..text.len()).filter(|at| text[*at..].starts_with(value.as_str())) {
                hidden[at..at + value.len()].fill(true);
            }
        }
        let kept: String = text.chars().zip(&hidden).filter(|(_, hidden)| !**hidden).map(|(c, _)| c).collect();
        let shown = shown_however_cut(&redactions, &text).replace("[redacted:one]", "").replace("[redacted:two]", "");
        prop_assert_eq!(shown, kept);
    }
}

#[test]
fn what_is_nearly_a_value_all_along_is_shown_or_masked_wherever_the_stream_is_cut() {
    let near = |length: usize| "a".repeat(length);
    let (one, two) = (format!("{}b", near(40)), format!("{}c", near(250)));
    let nested: Vec<String> = (6..12).map(|length| format!("{}d", near(length))).collect();
    let mut secrets = vec![("one", one.as_str()), ("two", two.as_str())];
    secrets.extend(nested.iter().map(|value| ("nested", value.as_str())));
    let (redactions, _) = redactions(&secrets);
    let long = near(600);
    assert_eq!(shown_however_cut(&redactions, &long), long);
    let shown = shown_however_cut(&redactions, &format!("{long}b{long}c{long}d{long}"));
    let before = |length: usize| near(600 - length);
    let expected =
        format!("{}[redacted:one]{}[redacted:two]{}[redacted:nested]{long}", before(40), before(250), before(11));
    assert_eq!(shown, expected);
}

#[test]
fn percent_and_wrapped_base64_are_masked() {
    let value = "a value / with + letters? that & need = escapes, and is long enough to be broken into several lines";
    let (redactions, _) = redactions(&[("long", value)]);
    let url: String = value
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    assert_eq!(shown_however_cut(&redactions, &format!("GET /?q={url}&x")), "GET /?q=[redacted:long]&x");
    let encoded = general_purpose::STANDARD.encode(value);
    for width in [64, 76] {
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).expect("ascii")).collect();
        let shown = shown_however_cut(&redactions, &lines.join("\n"));
        assert!(!leaks(&shown, value), "{shown}");
    }
}

#[test]
fn an_end_of_a_line_is_never_held_back() {
    let (redactions, _) = redactions(&[("x", "secret-value")]);
    let mut redactor = Redactor::new(Some(redactions));
    let mut out = Redacted::default();
    for line in ["secr\n", "\n", "secret-valu\n", "progress 50%"] {
        redactor.feed(std::iter::once(line.as_bytes()), &mut out);
        assert_eq!(String::from_utf8_lossy(&out.text), line);
        out.clear();
    }
    redactor.feed(std::iter::once(b"so: secret".as_slice()), &mut out);
    assert_eq!(out.text, b"so: ");
    out.clear();
    redactor.feed(std::iter::once(b"ive".as_slice()), &mut out);
    assert_eq!(out.text, b"secretive");
}

#[test]
fn a_private_key_is_masked_line_by_line() {
    let key =
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqG\nSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";
    let (redactions, _) = redactions(&[("server/key.pem", key)]);
    let mask = "[redacted:server/key.pem]";
    let expected = format!("-----BEGIN PRIVATE KEY-----\n{mask}\n{mask}\n-----END PRIVATE KEY-----\n");
    assert_eq!(shown_however_cut(&redactions, key), expected);
}

#[test]
fn each_name_is_told_once_for_each_set_and_short_values_are_said() {
    let (redactions, told) = redactions(&[("a", "first-value"), ("b", "other-value")]);
    let say = |text: &str| shown_of(&redactions, &[text.as_bytes()]).0;
    assert_eq!(say("first-value first-value\nother-value"), "[redacted:a] [redacted:a]\n[redacted:b]");
    say("first-value");
    assert_eq!(*told.lock().expect("unpoisoned"), ["a", "b"]);
    let skipped = redactions.set(&[secret("a", "later-value"), secret("pin", "12345"), secret("none", "")]);
    assert_eq!(skipped, ["pin"]);
    assert_eq!(say("later-value first-value 12345"), "[redacted:a] first-value 12345");
    assert_eq!(*told.lock().expect("unpoisoned"), ["a", "b", "a"]);
}

#[test]
fn a_name_from_an_answer_cannot_break_a_line() {
    let (redactions, _) = redactions(&[("db/a]\n\u{1b}[31mb", "secret-value")]);
    assert_eq!(shown_of(&redactions, &[b"secret-value"]).0, "[redacted:db/a[31mb]");
}
