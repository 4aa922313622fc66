//! What expressions are made of.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{error::Problem, limits::VALUE_DEPTH, text::Text};

/// A value while a template runs.
#[derive(Clone)]
pub enum Value {
    /// Depends on an answer that is not there yet: counts as false, prints as nothing, and so does all that is made of it.
    Absent,
    /// JSON's null, or what a lenient look-up did not find; with where it comes from, if that is known.
    Nil(Option<Arc<Origin>>),
    /// True or false.
    Bool(bool),
    /// A whole number; holds what JSON's signed and unsigned 64 bits hold.
    Int(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A byte string.
    Text(Text),
    /// A sequence.
    List(Arc<Vec<Value>>),
    /// Named values, in the order of their names.
    Map(Arc<Map>),
}

/// Named values that remember which answer they are a part of.
pub struct Map {
    /// The values by name.
    pub entries: BTreeMap<String, Value>,
    /// Where it comes from, if that is known.
    pub origin: Option<Arc<Origin>>,
}

/// Which part of which answer a value is; the names and places in it are no secrets.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// Such as `.Data.data`; empty for the whole.
    pub path: String,
    /// Such as `secret "kv/data/app"`.
    pub of: Arc<str>,
}

impl Value {
    /// Says whether `if` takes it: not absent, null, false, zero or empty.
    pub fn truth(&self) -> bool {
        match self {
            Self::Absent | Self::Nil(_) => false,
            Self::Bool(value) => *value,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.bytes().is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
        }
    }

    /// Returns the kind in words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "a value not fetched yet",
            Self::Nil(_) => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Takes a JSON document; each map in it remembers that it is a part of `of`.
    pub fn from_json(json: &serde_json::Value, of: &Arc<str>) -> Result<Self, Problem> {
        Self::part_of_json(json, "", of)
    }

    /// Takes a part of a JSON document that is called `path` within `of`.
    pub fn part_of_json(json: &serde_json::Value, path: &str, of: &Arc<str>) -> Result<Self, Problem> {
        from_json(json, &Origin { path: path.to_owned(), of: Arc::clone(of) }, 0)
    }
}

/// Converts one level of `json`, which is the part `origin` of an answer.
fn from_json(json: &serde_json::Value, origin: &Origin, depth: usize) -> Result<Value, Problem> {
    if depth > VALUE_DEPTH {
        return Err(Problem::Limit("meets a value nested more than 64 deep"));
    }
    Ok(match json {
        serde_json::Value::Null => Value::Nil(Some(Arc::new(origin.part("")))),
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => from_number(number),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(nth, item)| from_json(item, &origin.part(&format!("[{nth}]")), depth + 1))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from)?,
        serde_json::Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(name, field)| {
                    Ok((name.clone(), from_json(field, &origin.part(&format!(".{name}")), depth + 1)?))
                })
                .collect::<Result<_, Problem>>()?;
            Value::Map(Arc::new(Map { entries, origin: Some(Arc::new(origin.part(""))) }))
        }
    })
}

/// Keeps whole numbers whole.
fn from_number(number: &serde_json::Number) -> Value {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    whole.map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
}

impl Origin {
    /// Returns the part of this one that `suffix` leads to.
    fn part(&self, suffix: &str) -> Self {
        Self { path: format!("{}{suffix}", self.path), of: Arc::clone(&self.of) }
    }

    /// Returns what stands for an entry that this map has not; its key may be a secret's value and stays unnamed.
    pub fn without_entry(&self) -> Self {
        Self { path: String::new(), of: format!("what index looks for in {self}").into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.of),
            path => write!(f, "{path} of {}", self.of),
        }
    }
}

/// Shows the kind only: values are secrets.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deeply_nested_answer_is_refused() {
        let mut json = serde_json::Value::Null;
        for _ in 0..100 {
            json = serde_json::json!([json]);
        }
        assert!(Value::from_json(&json, &"test".into()).is_err());
    }

    #[test]
    fn large_whole_numbers_stay_exact() {
        let json = serde_json::json!([u64::MAX, i64::MIN]);
        let Value::List(items) = Value::from_json(&json, &"test".into()).expect("shallow") else { panic!("a list") };
        assert!(matches!(items[0], Value::Int(n) if n == i128::from(u64::MAX)));
        assert!(matches!(items[1], Value::Int(n) if n == i128::from(i64::MIN)));
    }
}
