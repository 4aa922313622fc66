//! Values of job files: what an expression yields, with the place it was written at.
//!
//! Every value remembers its span, so that a complaint of a later stage (a type that does not fit, a name the plugin
//! does not know) can still point into the file. Maps are sorted by key, as they are for the agent.

use std::{collections::BTreeMap, ops::Range};

use super::number::Number;

/// Byte offsets into the file.
pub type Span = Range<usize>;

/// A value and the place it came from.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The expression or block it was written as.
    pub span: Span,
}

/// A member of a map; the name has a place of its own.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where the name stands.
    pub name: Span,
    /// What it is bound to.
    pub node: Node,
}

/// The shapes of a value.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(Number),
    /// Text.
    String(String),
    /// A tuple, list or set.
    List(Vec<Node>),
    /// An object or map.
    Map(BTreeMap<String, Member>),
}

impl Node {
    /// Returns a node at `span`.
    pub fn new(value: impl Into<Value>, span: Span) -> Self {
        Self { value: value.into(), span }
    }

    /// Returns the text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the member called `name`.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(members) => members.get(name).map(|m| &m.node),
            _ => None,
        }
    }
}

impl Value {
    /// Names the shape, as messages do.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "object",
        }
    }

    /// Returns the text form that a template would print; `None` for lists, objects and null.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Bool(b) => Some(b.to_string()),
            Self::Number(n) => Some(n.to_string()),
            Self::String(s) => Some(s.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Builds a map out of pairs, all placed at `span`.
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Value)>, span: &Span) -> Self {
        let member = |value| Member { name: span.clone(), node: Node::new(value, span.clone()) };
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), member(value))).collect())
    }
}

/// Places do not matter when two values are compared.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.0 == y.0 && x.1.node == y.1.node)
            }
            _ => false,
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Self::Number(Number::from(i128::from(i)))
    }
}
