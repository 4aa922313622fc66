//! `name=value` lines as `java.util.Properties` reads them, from a reader or from a stream of whatever encoding.

use super::{Fields, FormatError, fields::texts};
use crate::domain::SecretString;

/// Writes one line for each field. Every name and every text can be written.
pub(super) fn write(fields: &Fields) -> Result<SecretString, FormatError> {
    let mut lines = String::new();
    for (name, text) in texts(fields, "properties")? {
        escape(name, true, &mut lines);
        lines.push('=');
        escape(&text, false, &mut lines);
        lines.push('\n');
    }
    Ok(SecretString::new(lines))
}

/// Escapes what the reader takes for an end, a separator or a comment. Leading blanks of a value would be skipped; in a name
/// each blank ends it. What is not ASCII becomes `\uXXXX`, because a stream is read as Latin-1.
fn escape(text: &str, is_name: bool, lines: &mut String) {
    for (at, c) in text.chars().enumerate() {
        match c {
            '\t' => lines.push_str("\\t"),
            '\n' => lines.push_str("\\n"),
            '\r' => lines.push_str("\\r"),
            '\x0c' => lines.push_str("\\f"),
            ' ' if is_name || at == 0 => lines.push_str("\\ "),
            '\\' | '#' | '!' | '=' | ':' => lines.extend(['\\', c]),
            ' '..='~' => lines.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    lines.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::fields, *};

    #[test]
    fn what_the_reader_would_take_amiss_is_escaped() {
        let written = write(&fields(json!({"a b:c": "  x = 1 \n", "#k": "é😀\\"}))).expect("written");
        assert_eq!(written.expose(), "\\#k=\\u00e9\\ud83d\\ude00\\\\\na\\ b\\:c=\\  x \\= 1 \\n\n");
    }
}
