//! Writes a whole secret into one file, in a form that programs read.
//!
//! Pure: fields in, bytes out. Every writer either writes what its readers give back byte for byte, or names the fields that
//! its form cannot hold; nothing is bent to fit. It does not know where the fields are from, nor where the file goes.

mod dotenv;
mod fields;
mod properties;
#[cfg(test)]
mod round_trips;
mod yaml;

pub(super) use fields::Fields;

use crate::domain::{Format, SecretBytes, SecretString};

/// Most fields that an error names; the rest are counted.
const NAMED_MAX: usize = 8;

/// Why fields cannot be written in a form. Names fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormatError {
    /// A value is no base64.
    #[error("field {0:?} is not base64, which encoding = \"base64\" promises")]
    Base64(String),
    /// A value has bytes that are no text.
    #[error("{} not text in UTF-8, which format {format:?} needs; use format = \"files\"", list(fields))]
    Binary {
        /// The form.
        format: &'static str,
        /// Which fields.
        fields: Vec<String>,
    },
    /// The one field that was asked for is not there.
    #[error("field {0:?} is missing, which format \"raw\" is to write")]
    FieldMissing(String),
    /// Nobody said which field, and there are several or none.
    #[error("format \"raw\" writes one field, but the secret has {0}; say which with field = \"…\"")]
    FieldUnclear(usize),
    /// Names that the form has no way to write.
    #[error("{} no name for format {format:?}, which takes {wanted}; use another format or a template", list(fields))]
    Name {
        /// The form.
        format: &'static str,
        /// What a name must be.
        wanted: &'static str,
        /// Which fields.
        fields: Vec<String>,
    },
    /// Values that the form has no way to write.
    #[error("{} a zero byte, which format {format:?} cannot hold; use format = \"files\"", list_having(fields))]
    Zero {
        /// The form.
        format: &'static str,
        /// Which fields.
        fields: Vec<String>,
    },
}

/// Writes `fields` into one file. [`Format::Files`] is not one file; it gives nothing.
///
/// # Errors
/// Names the fields that the form cannot hold.
pub(super) fn write(format: &Format, fields: &Fields) -> Result<Option<SecretBytes>, FormatError> {
    let text = match format {
        Format::Files => return Ok(None),
        Format::Raw { field } => return raw(fields, field.as_deref()).map(Some),
        Format::Dotenv => dotenv::write(fields)?,
        Format::Json => json(fields)?,
        Format::Properties => properties::write(fields)?,
        Format::Yaml => yaml::write(fields)?,
    };
    Ok(Some(text.into()))
}

fn raw(fields: &Fields, wanted: Option<&str>) -> Result<SecretBytes, FormatError> {
    let content = match wanted {
        Some(name) => fields.get(name).ok_or_else(|| FormatError::FieldMissing(name.to_owned()))?,
        None if fields.len() == 1 => fields.values().next().expect("there is one"),
        None => return Err(FormatError::FieldUnclear(fields.len())),
    };
    Ok(content.bytes())
}

fn json(fields: &Fields) -> Result<SecretString, FormatError> {
    let values = fields::values(fields, "json")?;
    let map: serde_json::Map<_, _> = values.into_iter().map(|(name, value)| (name.clone(), value)).collect();
    Ok(SecretString::new(format!("{:#}\n", serde_json::Value::Object(map))))
}

fn list(fields: &[String]) -> String {
    let verb = if fields.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", named(fields))
}

fn list_having(fields: &[String]) -> String {
    let verb = if fields.len() == 1 { "has" } else { "have" };
    format!("{} {verb}", named(fields))
}

fn named(fields: &[String]) -> String {
    let short = |name: &String| format!("{:?}", name.chars().take(80).collect::<String>());
    let names: Vec<String> = fields.iter().take(NAMED_MAX).map(short).collect();
    let word = if fields.len() == 1 { "field" } else { "fields" };
    match fields.len().saturating_sub(NAMED_MAX) {
        0 => format!("{word} {}", names.join(", ")),
        more => format!("{word} {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{fields::Content, *};

    pub(super) fn fields(value: Value) -> Fields {
        Fields::of(value.as_object().cloned().unwrap_or_default())
    }

    fn text(format: &Format, value: Value) -> String {
        let bytes = write(format, &fields(value)).expect("written").expect("one file");
        String::from_utf8(bytes.expose().to_vec()).expect("text")
    }

    #[test]
    fn json_keeps_what_is_no_text() {
        let value = json!({"user": "a\"b", "port": 5432, "tls": true, "more": {"x": [1, null]}});
        let back: Value = serde_json::from_str(&text(&Format::Json, value.clone())).expect("JSON");
        assert_eq!(back, value);
    }

    #[test]
    fn raw_writes_one_field_as_it_is() {
        let two = json!({"a": "x\n", "b": "y"});
        let raw = |field: Option<&str>| Format::Raw { field: field.map(str::to_owned) };
        assert_eq!(text(&raw(Some("a")), two.clone()), "x\n");
        assert_eq!(text(&raw(None), json!({"only": "z"})), "z");
        assert_eq!(write(&raw(None), &fields(two.clone())), Err(FormatError::FieldUnclear(2)));
        assert_eq!(write(&raw(Some("c")), &fields(two)), Err(FormatError::FieldMissing("c".into())));
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let mut binary = fields(json!({"good": "x"}));
        binary.insert("key".into(), Content::Bytes(SecretBytes::new([0xff, 0])));
        for format in [Format::Json, Format::Dotenv, Format::Properties, Format::Yaml] {
            let error = write(&format, &binary).expect_err("refused").to_string();
            assert!(error.starts_with("field \"key\" is not text"), "{error}");
        }
    }

    #[test]
    fn an_error_names_a_few_fields_and_counts_the_rest() {
        let many: Vec<String> = (0..11).map(|n| format!("f-{n}")).collect();
        assert!(named(&many).ends_with("\"f-7\" and 3 more"), "{}", named(&many));
    }
}
