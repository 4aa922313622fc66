//! A YAML mapping in which nothing is left to the reader's guess: every text stands in double quotes, so that `no`, `1e3` and
//! `2024-01-01` stay texts, for readers of YAML 1.1 and 1.2 alike.

use serde_json::{Number, Value};

use super::{Fields, FormatError, fields::values};
use crate::domain::SecretString;

/// Longest name that readers must find a colon after on the same line.
const PLAIN_KEY_MAX: usize = 1000;

/// Writes one entry for each field.
pub(super) fn write(fields: &Fields) -> Result<SecretString, FormatError> {
    let mut text = String::new();
    for (name, value) in values(fields, "yaml")? {
        let key = quoted(name);
        match key.len() {
            ..=PLAIN_KEY_MAX => text.push_str(&key),
            _ => text.push_str(&format!("? {key}\n")),
        }
        text.push_str(": ");
        flow(&value, &mut text);
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("{}\n");
    }
    Ok(SecretString::new(text))
}

fn flow(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&plain(number)),
        Value::String(string) => text.push_str(&quoted(string)),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                flow(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (at, (name, item)) in map.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                text.push_str(&quoted(name));
                text.push_str(": ");
                flow(item, text);
            }
            text.push('}');
        }
    }
}

/// Older readers take a number with an exponent for one only when it has a point and a sign.
fn plain(number: &Number) -> String {
    let text = number.to_string();
    let Some((head, exponent)) = text.split_once('e') else { return text };
    let point = if head.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{head}{point}e{sign}{exponent}")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Line breaks of Unicode, marks at its beginning, and what no reader takes as it is.
            '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::fields, *};

    #[test]
    fn nothing_is_left_to_the_readers_guess() {
        let written = write(&fields(json!({
            "answer": "no", "n": 5, "f": 1e300, "list": ["a", 1], "map": {"x: y": null}, "bell": "\u{7}\u{85}\"",
        })));
        let wanted = "\"answer\": \"no\"\n\"bell\": \"\\u0007\\u0085\\\"\"\n\"f\": 1.0e+300\n\"list\": [\"a\", 1]\n\
                      \"map\": {\"x: y\": null}\n\"n\": 5\n";
        assert_eq!(written.expect("written").expose(), wanted);
        assert_eq!(write(&Fields::default()).expect("written").expose(), "{}\n");
    }
}
