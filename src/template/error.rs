//! Why a template was refused or did not render.
//!
//! Messages name places, functions, keys and paths that stand in the source; never a value out of an answer.

use std::{fmt, sync::Arc};

use super::value::Origin;

/// Where in a template's source something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The template's name.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// From 1, counted in characters.
    pub column: usize,
    /// The line itself, cut after 200 characters.
    pub source_line: String,
    /// Up to three lines around it with their numbers, and a mark below the column.
    pub excerpt: String,
}

/// Why a template was refused or did not render.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The source cannot be taken at all.
    #[error("template {name:?} {message}")]
    Source {
        /// The template's name.
        name: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The source breaks the language's rules; nothing was asked of the server.
    #[error("{at}: {message}, in `{}`", at.source_line.trim())]
    Syntax {
        /// Where.
        at: Box<Place>,
        /// What is wrong.
        message: String,
    },
    /// The answer has no such key.
    #[error("{at}: {what}, in `{}`", at.source_line.trim())]
    MissingKey {
        /// Where.
        at: Box<Place>,
        /// Which key of which answer.
        what: String,
    },
    /// The answer has null where a text was wanted.
    #[error("{at}: {what} is null; test it with if or give a default with or, in `{}`", at.source_line.trim())]
    NullValue {
        /// Where.
        at: Box<Place>,
        /// Which part of which answer.
        what: String,
    },
    /// A path that a template may not ask for.
    #[error("{at}: secret: {what}, in `{}`", at.source_line.trim())]
    Refused {
        /// Where.
        at: Box<Place>,
        /// Which path, if it stands in the source, and why.
        what: String,
    },
    /// A function or operation cannot take what it was given.
    #[error("{at}: {message}, in `{}`", at.source_line.trim())]
    Value {
        /// Where.
        at: Box<Place>,
        /// Which function, and what it was given.
        message: String,
    },
    /// It asks for more work, depth or room than a template gets.
    #[error("{at}: it {limit}, in `{}`", at.source_line.trim())]
    Limit {
        /// Where.
        at: Box<Place>,
        /// Which limit.
        limit: String,
    },
}

/// What is wrong, before it is known where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Plain words.
    Message(String),
    /// Which key of which map, as far as both may be named.
    Missing(String),
    /// What is null.
    Null(String),
    /// Why a path is refused.
    Refused(String),
    /// Which limit is passed.
    Limit(&'static str),
    /// The depth limit is passed by templates that call each other; how they did.
    Recursion(String),
}

/// A problem at a byte of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset.
    pub at: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl TemplateError {
    /// Returns where it is, when it is at one place.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Source { .. } => None,
            Self::Syntax { at, .. }
            | Self::MissingKey { at, .. }
            | Self::NullValue { at, .. }
            | Self::Refused { at, .. }
            | Self::Value { at, .. }
            | Self::Limit { at, .. } => Some(at),
        }
    }
}

impl Problem {
    /// Returns a problem in plain words.
    pub fn message(words: impl Into<String>) -> Self {
        Self::Message(words.into())
    }

    /// Returns the problem that `origin` is null where something was wanted.
    pub fn null(origin: Option<&Arc<Origin>>) -> Self {
        Self::Null(origin.map_or_else(|| "the value".to_owned(), ToString::to_string))
    }

    /// Places it at a byte of the source.
    pub fn at(self, at: usize) -> Fault {
        Fault { at, problem: self }
    }

    /// Puts the function's name in front of plain words.
    pub fn within(self, function: &str) -> Self {
        match self {
            Self::Message(words) => Self::Message(format!("{function}: {words}")),
            other => other,
        }
    }
}

impl Fault {
    /// Returns the error for a fault found while reading the source `text` of template `name`.
    pub fn while_parsing(self, name: &str, text: &str) -> TemplateError {
        match self.problem {
            Problem::Message(message) => {
                TemplateError::Syntax { at: Box::new(Place::of(name, text, self.at)), message }
            }
            _ => self.while_rendering(name, text),
        }
    }

    /// Returns the error for a fault found while rendering.
    pub fn while_rendering(self, name: &str, text: &str) -> TemplateError {
        let at = Box::new(Place::of(name, text, self.at));
        match self.problem {
            Problem::Message(message) => TemplateError::Value { at, message },
            Problem::Missing(what) => TemplateError::MissingKey { at, what },
            Problem::Null(what) => TemplateError::NullValue { at, what },
            Problem::Refused(what) => TemplateError::Refused { at, what },
            Problem::Limit(limit) => TemplateError::Limit { at, limit: limit.to_owned() },
            Problem::Recursion(limit) => TemplateError::Limit { at, limit },
        }
    }
}

impl Place {
    /// Returns the place of byte `offset` in `text`.
    pub fn of(name: &str, text: &str, offset: usize) -> Self {
        let offset = (0..=offset.min(text.len())).rev().find(|&o| text.is_char_boundary(o)).unwrap_or(0);
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        let source_line = cut(text.split('\n').nth(line - 1).unwrap_or_default());
        Self { name: name.to_owned(), line, column, source_line, excerpt: excerpt(text, line, column) }
    }
}

/// Returns `line` without its end and not too long.
fn cut(line: &str) -> String {
    line.trim_end().chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Returns the line, its neighbours, and a mark below the column.
fn excerpt(text: &str, line: usize, column: usize) -> String {
    let first = line.saturating_sub(1).max(1);
    let mut shown = Vec::new();
    for (nth, source) in text.split('\n').enumerate().skip(first - 1).take(line + 2 - first) {
        shown.push(format!("{:>5} | {}", nth + 1, cut(source)));
        if nth + 1 == line {
            shown.push(format!("      | {:>column$}", "^"));
        }
    }
    shown.join("\n")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template {:?}, line {}, column {}", self.name, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_and_shows_its_line() {
        let place = Place::of("t", "one\nzwölf {{ x }}\r\nthree\nfour", "one\nzwölf ".len());
        assert_eq!((place.line, place.column), (2, 7));
        assert_eq!(place.source_line, "zwölf {{ x }}");
        assert_eq!(place.excerpt, "    1 | one\n    2 | zwölf {{ x }}\n      |       ^\n    3 | three");
    }

    #[test]
    fn a_place_at_the_end_or_beyond_is_the_last_line() {
        for offset in [4, 400] {
            assert_eq!(Place::of("t", "one\n", offset).line, 2);
        }
    }
}
