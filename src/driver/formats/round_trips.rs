//! What holds for every field and every form: its reader gives back what was written, or the fields are named.
//!
//! The readers here are models of those that each form is for; the real ones read the same kinds of values end to end.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{
    fields::{Content, Fields},
    *,
};

type Texts = BTreeMap<String, String>;

/// What forms like to get wrong, beside any other character.
const HARD: &str = "'\"\\`$#!=:,;&|<>()[]{}*?~%@ \t\n\r\u{b}\u{c}\u{0}\u{1}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}\u{fffd}\u{ffff}\u{1f600}é-0n";

fn text() -> impl Strategy<Value = String> {
    let hard = prop::sample::select(HARD.chars().collect::<Vec<_>>());
    vec(prop_oneof![3 => hard, 1 => any::<char>(), 1 => prop::char::range('a', 'z')], 0..24)
        .prop_map(|chars| chars.into_iter().collect())
}

fn texts() -> impl Strategy<Value = Texts> {
    prop::collection::btree_map(text(), text(), 0..8)
}

fn variables() -> impl Strategy<Value = Texts> {
    prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}", text(), 0..8)
}

fn fields_of(texts: &Texts) -> Fields {
    Fields::of(texts.iter().map(|(name, text)| (name.clone(), json!(text))).collect())
}

fn written(format: &Format, texts: &Texts) -> Result<String, FormatError> {
    let bytes = write(format, &fields_of(texts))?.expect("one file");
    Ok(String::from_utf8(bytes.expose().to_vec()).expect("text"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_gives_every_text_back(texts in texts()) {
        let back: Texts = serde_json::from_str(&written(&Format::Json, &texts)?)?;
        prop_assert_eq!(back, texts);
    }

    #[test]
    fn yaml_gives_every_text_back(mut texts in texts(), long in 990_usize..1010) {
        // Where a name becomes too long for a line of its own.
        texts.insert("x".repeat(long), "long".to_owned());
        let text = written(&Format::Yaml, &texts)?;
        prop_assert_eq!(by_yaml(&text), Some(texts), "{}", text);
    }

    #[test]
    fn properties_give_every_text_back(texts in texts()) {
        let text = written(&Format::Properties, &texts)?;
        prop_assert!(text.is_ascii(), "a stream is read as Latin-1: {}", text);
        prop_assert_eq!(by_java(&text), Some(texts), "{}", text);
    }

    #[test]
    fn dotenv_gives_every_text_back_or_names_the_fields_with_a_zero_byte(texts in variables()) {
        let zero: Vec<String> = texts.iter().filter(|(_, text)| text.contains('\0')).map(|(name, _)| name.clone()).collect();
        match written(&Format::Dotenv, &texts) {
            Ok(text) => {
                prop_assert!(zero.is_empty());
                prop_assert_eq!(by_shell(&text), Some(texts), "{}", text);
            }
            Err(error) => prop_assert_eq!(error, FormatError::Zero { format: "dotenv", fields: zero }),
        }
    }

    #[test]
    fn dotenv_names_exactly_the_fields_that_are_no_variables(good in variables(), bad in texts()) {
        let is_variable = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let bad: Texts = bad.into_iter().filter(|(name, _)| !is_variable(name)).collect();
        prop_assume!(!bad.is_empty());
        let names: Vec<String> = bad.keys().cloned().collect();
        let all: Texts = good.into_iter().chain(bad).collect();
        let Err(FormatError::Name { fields, .. }) = written(&Format::Dotenv, &all) else { panic!("not refused") };
        prop_assert_eq!(fields, names);
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_every_form_of_text(texts in variables(), bytes in vec(any::<u8>(), 0..12)) {
        let is_text = std::str::from_utf8(&bytes).is_ok();
        for format in [Format::Json, Format::Yaml, Format::Properties, Format::Dotenv] {
            let mut fields = fields_of(&texts);
            fields.insert("the_bytes".into(), Content::Bytes(SecretBytes::new(bytes.clone())));
            let error = write(&format, &fields).err();
            let is_named = matches!(&error, Some(FormatError::Binary { fields, .. }) if *fields == ["the_bytes"]);
            prop_assert_eq!(is_named, !is_text, "{:?}: {:?}", format, error);
        }
    }

    #[test]
    fn what_is_no_text_stays_what_it_is(number in any::<i64>(), flag in any::<bool>(), list in vec(text(), 0..4), name in text()) {
        let value = json!({"number": number, "flag": flag, "nothing": null, "list": list, "map": {name: [1, {"x": flag}]}});
        let fields = Fields::of(value.as_object().cloned().unwrap_or_default());
        let bytes = write(&Format::Json, &fields)?.expect("one file");
        prop_assert_eq!(serde_json::from_slice::<Value>(bytes.expose())?, value);
    }
}

/// Reads what YAML's double quotes and mappings of them mean.
fn by_yaml(text: &str) -> Option<Texts> {
    if text == "{}\n" {
        return Some(Texts::new());
    }
    let mut rest = text;
    let mut found = Texts::new();
    while !rest.is_empty() {
        let is_long = rest.starts_with("? ");
        let (name, after) = double_quoted(rest.strip_prefix("? ").unwrap_or(rest))?;
        let after = after.strip_prefix(if is_long { "\n: " } else { ": " })?;
        let (value, after) = double_quoted(after)?;
        found.insert(name, value);
        rest = after.strip_prefix('\n')?;
    }
    Some(found)
}

fn double_quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => code(&mut chars).and_then(|code| char::from_u32(code.into()))?,
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            // Breaks are folded, and other control characters are not allowed.
            c if c.is_control() || "\u{2028}\u{2029}\u{feff}".contains(c) => return None,
            c => value.push(c),
        }
    }
}

fn code(chars: &mut std::str::Chars<'_>) -> Option<u16> {
    u16::from_str_radix(&chars.by_ref().take(4).collect::<String>(), 16).ok()
}

/// Reads as `java.util.Properties` does, without lines that go on.
fn by_java(text: &str) -> Option<Texts> {
    text.split_terminator('\n').map(property).collect()
}

fn property(line: &str) -> Option<(String, String)> {
    let is_comment = line.trim_start_matches([' ', '\t', '\u{c}']).starts_with(['#', '!']);
    let mut end = None;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        if !is_escaped && "=: \t\u{c}".contains(c) {
            end = Some(at);
            break;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    let (name, rest) = line.split_at(end.filter(|_| !is_comment)?);
    let rest = rest.strip_prefix('=')?.trim_start_matches([' ', '\t', '\u{c}']);
    Some((unescaped(name)?, unescaped(rest)?))
}

fn unescaped(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\u{c}',
                'u' => {
                    units.push(code(&mut chars)?);
                    continue;
                }
                other => other,
            },
            '\r' => return None,
            c => c,
        };
        units.extend(c.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16(&units).ok()
}

/// Reads assignments as a POSIX shell does: bare words, single quotes, double quotes.
fn by_shell(text: &str) -> Option<Texts> {
    let mut rest = text;
    let mut found = Texts::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = word(after)?;
        found.insert(name.to_owned(), value);
        rest = after;
    }
    Some(found)
}

fn word(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '\n' => return Some((value, chars.as_str())),
            '\'' => {
                let (quoted, after) = chars.as_str().split_once('\'')?;
                value.push_str(quoted);
                chars = after.chars();
            }
            '"' => loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => value.push(chars.next().filter(|c| "\\\"$`".contains(*c))?),
                    '$' | '`' => return None,
                    c => value.push(c),
                }
            },
            // A leading tilde would be a home; the writer never has one bare, nor anything that a shell would split or expand.
            c if c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c) => value.push(c),
            _ => return None,
        }
    }
}
