//! `NAME=value` lines that a POSIX shell reads with `. file`, byte for byte.
//!
//! Most libraries for such files agree with the shell about what is written here: plain words stand bare, everything else
//! in single quotes, in which nothing is special. A value with a single quote in it, or with a backslash that some would take for
//! an escape, stands in double quotes; libraries differ in what a backslash means there, so that only the shell is exact for all of these.

use super::{Fields, FormatError, fields::texts};
use crate::domain::SecretString;

const FORMAT: &str = "dotenv";

/// Writes one line for each field; a value with line breaks goes on within its quotes.
pub(super) fn write(fields: &Fields) -> Result<SecretString, FormatError> {
    let bad = fields.names_where(|name, _| !is_name(name));
    if !bad.is_empty() {
        let wanted = "letters, digits and _, no digit first";
        return Err(FormatError::Name { format: FORMAT, wanted, fields: bad });
    }
    let texts = texts(fields, FORMAT)?;
    let zero: Vec<String> =
        texts.iter().filter(|(_, text)| text.contains('\0')).map(|(name, _)| (*name).clone()).collect();
    if !zero.is_empty() {
        return Err(FormatError::Zero { format: FORMAT, fields: zero });
    }
    let lines: String = texts.into_iter().map(|(name, text)| format!("{name}={}\n", quoted(&text))).collect();
    Ok(SecretString::new(lines))
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    // Python's library reads these two as escapes, within single quotes too.
    let misread = (text.contains("\\\\") || text.ends_with('\\')) && !text.contains(['$', '`']);
    if !text.contains('\'') && !misread {
        return format!("'{text}'");
    }
    let escaped = |c: char| if "\\\"$`".contains(c) { vec!['\\', c] } else { vec![c] };
    format!("\"{}\"", text.chars().flat_map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::fields, *};

    fn line(value: &str) -> String {
        write(&fields(json!({ "K": value }))).expect("written").expose().to_owned()
    }

    #[test]
    fn plain_words_stand_bare_and_others_in_quotes() {
        assert_eq!(line("postgres://u:p@h:5432/db"), "K=postgres://u:p@h:5432/db\n");
        assert_eq!(line(""), "K=\n");
        assert_eq!(line("a b$c`d\\"), "K='a b$c`d\\'\n");
        assert_eq!(line("a\\b"), "K='a\\b'\n");
        assert_eq!(line("a\\"), "K=\"a\\\\\"\n");
        assert_eq!(line("it's $5"), "K=\"it's \\$5\"\n");
    }

    #[test]
    fn names_that_no_shell_takes_are_told_all_at_once() {
        let error = write(&fields(json!({"a-b": "x", "1st": "y", "good_1": "z", "": "w", "ü": "v"})));
        let Err(FormatError::Name { fields, .. }) = error else { panic!("{error:?}") };
        assert_eq!(fields, ["", "1st", "a-b", "ü"]);
        assert!(matches!(write(&super::super::tests::fields(json!({"a": "x\0y"}))), Err(FormatError::Zero { .. })));
    }
}
