//! What a template asks of the server, and where the answers come from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::domain::{SecretBytes, ServerPath};

/// One request that a template makes of the server. Two equal ones are one request and share its answer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// Where.
    pub path: ServerPath,
    /// What is sent along; empty for a read. Any argument makes a write of it, as in consul-template.
    pub params: BTreeMap<String, String>,
    /// What a read names beside the path, such as a version.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// A write that sends nothing along.
    #[serde(default)]
    pub bare_write: bool,
}

/// Holds the answers that have been fetched.
pub trait Answers {
    /// Returns the answer, if it is there: an object with `data`, `lease_id`, `lease_duration`, `renewable`.
    fn get(&self, dependency: &Dependency) -> Option<Arc<serde_json::Value>>;
}

/// No answers: what a first rendering against it misses is what the template surely needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnswers;

/// What one rendering gave.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The text; complete only when nothing is missing.
    pub text: SecretBytes,
    /// What was asked for, whether it was there or not.
    pub used: BTreeSet<Dependency>,
    /// What was asked for and not there.
    pub missing: BTreeSet<Dependency>,
}

impl Dependency {
    /// Returns the reading of `path`.
    pub fn read(path: ServerPath) -> Self {
        Self::query(path, BTreeMap::new())
    }

    /// Returns the reading of `path` with more about what is wanted.
    pub fn query(path: ServerPath, query: BTreeMap<String, String>) -> Self {
        Self { path, params: BTreeMap::new(), query, bare_write: false }
    }

    /// Returns the listing of what is below `path`.
    pub fn list(path: ServerPath) -> Self {
        Self::query(path, BTreeMap::from([("list".to_owned(), "true".to_owned())]))
    }

    /// Says whether this is a listing.
    pub fn is_list(&self) -> bool {
        !self.is_write() && self.query.contains_key("list")
    }

    /// Returns the writing of `params` to `path`.
    pub fn write(path: ServerPath, params: BTreeMap<String, String>) -> Self {
        Self { path, bare_write: params.is_empty(), params, query: BTreeMap::new() }
    }

    /// Returns what a template asks for: a write when it sends anything along.
    pub fn with(path: ServerPath, params: BTreeMap<String, String>) -> Self {
        if params.is_empty() { Self::read(path) } else { Self::write(path, params) }
    }

    /// Says whether something is sent along, which makes something at the server more often than not.
    pub fn is_write(&self) -> bool {
        self.bare_write || !self.params.is_empty()
    }
}

impl Rendered {
    /// Says whether the text can be delivered.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Returns what to fetch before the next rendering: what can be read, and writes only when nothing is left to read.
    ///
    /// An answer may change what is asked for next; a read too many is harmless, a certificate issued too many is not.
    pub fn due(&self) -> BTreeSet<Dependency> {
        let (writes, reads): (BTreeSet<_>, BTreeSet<_>) = self.missing.iter().cloned().partition(Dependency::is_write);
        if reads.is_empty() { writes } else { reads }
    }
}

impl Answers for NoAnswers {
    fn get(&self, _: &Dependency) -> Option<Arc<serde_json::Value>> {
        None
    }
}

impl<F: Fn(&Dependency) -> Option<Arc<serde_json::Value>>> Answers for F {
    fn get(&self, dependency: &Dependency) -> Option<Arc<serde_json::Value>> {
        self(dependency)
    }
}

impl Answers for BTreeMap<Dependency, Arc<serde_json::Value>> {
    fn get(&self, dependency: &Dependency) -> Option<Arc<serde_json::Value>> {
        self.get(dependency).cloned()
    }
}

/// Shows path and kind; parameters by name only, because a value may have been made of a secret.
impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret {:?}", self.path.as_str())?;
        for (nth, name) in self.params.keys().chain(self.query.keys()).enumerate() {
            write!(f, "{}{name}", if nth == 0 { " with " } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
