//! A secret's fields, as text, as bytes, or as what else JSON knows.

use std::collections::BTreeMap;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use super::FormatError;
use crate::domain::SecretBytes;

/// Takes base64 with and without its final `=`: both are common.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret's fields by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::driver) struct Fields(BTreeMap<String, Content>);

/// What a field holds.
#[derive(Clone, PartialEq)]
pub(in crate::driver) enum Content {
    /// Bytes that were decoded.
    Bytes(SecretBytes),
    /// What the server's JSON had.
    Json(Value),
}

impl Fields {
    /// Takes an answer's fields.
    pub(in crate::driver) fn of(map: Map<String, Value>) -> Self {
        Self(map.into_iter().map(|(name, value)| (name, Content::Json(value))).collect())
    }

    /// Decodes every value.
    ///
    /// # Errors
    /// Names the first field that is no base64.
    pub(in crate::driver) fn decoded(self) -> Result<Self, FormatError> {
        let decode = |(name, content): (String, Content)| match content.decoded() {
            Some(bytes) => Ok((name, Content::Bytes(bytes))),
            None => Err(FormatError::Base64(name)),
        };
        self.0.into_iter().map(decode).collect::<Result<_, _>>().map(Self)
    }

    /// Adds a field, or replaces it.
    pub(in crate::driver) fn insert(&mut self, name: String, content: Content) {
        self.0.insert(name, content);
    }

    /// Adds `text` under `name` unless that field is there and says something.
    pub(in crate::driver) fn default_to(&mut self, name: &str, text: &str) {
        if self.get(name).is_none_or(|content| matches!(content, Content::Json(Value::Null))) {
            self.insert(name.to_owned(), Content::Json(Value::String(text.to_owned())));
        }
    }

    /// Returns a field.
    pub(in crate::driver) fn get(&self, name: &str) -> Option<&Content> {
        self.0.get(name)
    }

    /// Returns how many there are.
    pub(in crate::driver) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns all fields in order.
    pub(in crate::driver) fn iter(&self) -> impl Iterator<Item = (&String, &Content)> {
        self.0.iter()
    }

    /// Returns what they hold.
    pub(in crate::driver) fn values(&self) -> impl Iterator<Item = &Content> {
        self.0.values()
    }

    /// Returns the names for which `bad` holds.
    pub(super) fn names_where(&self, bad: impl Fn(&str, &Content) -> bool) -> Vec<String> {
        self.iter().filter(|(name, content)| bad(name, content)).map(|(name, _)| name.clone()).collect()
    }
}

impl Content {
    /// Returns the bytes of a file that holds this alone.
    pub(in crate::driver) fn bytes(&self) -> SecretBytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Json(Value::Null) => SecretBytes::default(),
            Self::Json(Value::String(text)) => SecretBytes::new(text.as_bytes()),
            Self::Json(other) => SecretBytes::new(other.to_string()),
        }
    }

    /// Returns the same as text, when it is text.
    fn value(&self) -> Option<Value> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes.expose()).ok().map(|text| Value::String(text.to_owned())),
            Self::Json(value) => Some(value.clone()),
        }
    }

    fn decoded(&self) -> Option<SecretBytes> {
        let Self::Json(Value::String(text)) = self else { return None };
        // Files that were encoded by a program have line breaks.
        let dense: zeroize::Zeroizing<Vec<u8>> =
            text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>().into();
        BASE64.decode(&*dense).ok().map(SecretBytes::new)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Returns what a form of text can hold.
pub(super) fn values<'a>(fields: &'a Fields, format: &'static str) -> Result<Vec<(&'a String, Value)>, FormatError> {
    let binary = fields.names_where(|_, content| content.value().is_none());
    if !binary.is_empty() {
        return Err(FormatError::Binary { format, fields: binary });
    }
    Ok(fields.iter().filter_map(|(name, content)| Some((name, content.value()?))).collect())
}

/// As [`values`], with everything that is no text written as JSON.
pub(super) fn texts<'a>(fields: &'a Fields, format: &'static str) -> Result<Vec<(&'a String, String)>, FormatError> {
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(values(fields, format)?.into_iter().map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::fields, *};

    #[test]
    fn base64_becomes_the_bytes_that_were_encoded() {
        let encoded = fields(json!({"padded": "AP8=", "bare": "AP8", "lines": "QUJD\nREVG\n", "empty": ""}));
        let decoded = encoded.decoded().expect("base64");
        let bytes = |name: &str| decoded.get(name).expect("there").bytes().expose().to_vec();
        assert_eq!((bytes("padded"), bytes("bare")), (vec![0, 255], vec![0, 255]));
        assert_eq!((bytes("lines"), bytes("empty")), (b"ABCDEF".to_vec(), vec![]));
    }

    #[test]
    fn what_is_no_base64_is_named() {
        for bad in [json!({"key": "a-b_"}), json!({"key": 7}), json!({"key": "A"}), json!({"key": null})] {
            assert_eq!(fields(bad).decoded(), Err(FormatError::Base64("key".into())));
        }
    }

    #[test]
    fn a_default_fills_what_is_not_there() {
        let mut held = fields(json!({"a": "x", "b": null, "c": ""}));
        for name in ["a", "b", "c", "d"] {
            held.default_to(name, "default");
        }
        let texts: Vec<String> = texts(&held, "json").expect("texts").into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["x", "default", "", "default"]);
    }
}
