//! Masks a task's own secrets in its output.
//!
//! The owner says which values a task was given ([`Redactions::set`]) before the task can see them; whoever carries output
//! takes the patterns anew for each batch. Each value is looked for as it is and in the forms in which programs write
//! values: base64 at each of its three alignments and in both alphabets, hexadecimal, URL- and JSON-escaped.
//!
//! Promises: what is found is replaced by `[redacted:NAME]`, wherever the output is cut into chunks; nothing is held back but
//! what may be the begin of a value, never more than the longest pattern and never across the end of a line; each name
//! is told once for each set of values; patterns are wiped when they are dropped.
//!
//! Does not know: what was changed further (compressed, encrypted, cut into parts, written backwards), values of less than six
//! bytes, and what the engine itself keeps of the output.

mod forms;
mod patterns;
mod redactor;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::domain::SecretBytes;

use patterns::Patterns;
pub(super) use redactor::{Redacted, Redactor};

/// Shortest value that can be told from chance.
const SHORTEST: usize = 6;
/// Most letters of a name that are shown.
const NAME_MAX: usize = 80;

/// A value that a task was given, under a name that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedSecret {
    /// What it is called, such as `db/password`.
    pub name: String,
    /// The value.
    pub value: SecretBytes,
}

/// What is masked in the output of one task.
pub struct Redactions {
    known: Mutex<Known>,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

struct Known {
    patterns: Arc<Patterns>,
    /// Names that were met since the values were set.
    met: BTreeSet<String>,
}

impl Redactions {
    /// Begins with no values; `tell` is told each name that is met.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let known = Known { patterns: Arc::default(), met: BTreeSet::new() };
        Self { known: Mutex::new(known), tell: Box::new(tell) }
    }

    /// Masks `secrets` from now on, instead of what was masked before. Returns the names of those that are too short for it.
    pub fn set(&self, secrets: &[NamedSecret]) -> Vec<String> {
        let (patterns, skipped) = Patterns::new(secrets);
        let mut known = self.lock();
        known.patterns = Arc::new(patterns);
        known.met.clear();
        skipped
    }

    /// Returns what to look for at this moment.
    fn patterns(&self) -> Arc<Patterns> {
        Arc::clone(&self.lock().patterns)
    }

    /// Tells the names that are met for the first time.
    fn note(&self, names: &BTreeSet<Arc<str>>) {
        for name in names {
            if self.lock().met.insert(name.to_string()) {
                (self.tell)(name);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Redactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactions")
    }
}

/// Masks `secrets` in a stream that comes in `batches`, for a measurement; returns how many bytes would be shown.
pub fn masked<'a>(secrets: &[NamedSecret], batches: impl Iterator<Item = &'a [u8]>) -> usize {
    let redactions = Redactions::new(|_| {});
    redactions.set(secrets);
    let (mut redactor, mut out) = (Redactor::new(Some(Arc::new(redactions))), Redacted::default());
    let mut shown = 0;
    for batch in batches {
        redactor.feed(std::iter::once(batch), &mut out);
        shown += out.text.len();
        out.clear();
    }
    redactor.finish(&mut out);
    shown + out.text.len()
}

/// Returns a name as it is shown: names come from answers, and may hold anything.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control() && *c != ']').take(NAME_MAX).collect()
}
