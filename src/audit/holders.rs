//! Who held which credential at a moment, as the lines tell it.

use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use serde::Serialize;
use wildmatch::WildMatch;

use super::{Act, Kind, Note, Result, Who, chain, entry::time, verify::read_lines};

/// What is looked for; a field that is absent covers everything. A `*` stands for any letters.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The token, or the one with which something was obtained.
    pub accessor: Option<String>,
    /// The lease.
    pub lease: Option<String>,
    /// The path on the server.
    pub path: Option<String>,
    /// The certificate.
    pub serial: Option<String>,
    /// The job's namespace.
    pub namespace: Option<String>,
    /// The job.
    pub job: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The allocation.
    pub alloc: Option<String>,
}

/// A credential in a task's hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Whose.
    #[serde(flatten)]
    pub who: Who,
    /// Of what kind.
    pub kind: Kind,
    /// From where.
    pub path: String,
    /// The token, or the one with which it was obtained.
    pub accessor: String,
    /// The lease.
    pub lease: String,
    /// The certificate.
    pub serial: String,
    /// The first set of files that showed it; none that was never shown.
    pub generation: Option<u64>,
    /// Since when.
    #[serde(with = "time")]
    pub since: SystemTime,
    #[serde(skip)]
    expires: Option<SystemTime>,
}

impl Wanted {
    fn covers(&self, note: &Note) -> bool {
        let is = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| WildMatch::new(wanted).matches(text))
        };
        let nobody = Who::default();
        let who = note.who.as_ref().unwrap_or(&nobody);
        is(&self.accessor, &note.accessor)
            && is(&self.lease, &note.lease)
            && is(&self.path, &note.path)
            && is(&self.serial, &note.serial)
            && is(&self.namespace, &who.namespace)
            && is(&self.job, &who.job)
            && is(&self.task, &who.task)
            && is(&self.alloc, &who.alloc)
    }
}

/// Returns the lines, without their ends, that speak of what is wanted.
///
/// # Errors
/// A file cannot be read.
pub fn lines_of(files: &[PathBuf], wanted: &Wanted) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in files {
        read_lines(path, |line| {
            if chain::read(line.bytes).is_some_and(|(entry, _)| wanted.covers(&entry.note)) {
                lines.push(String::from_utf8_lossy(line.bytes).into_owned());
            }
        })?;
    }
    Ok(lines)
}

/// Returns what was held at the moment `at` of what is wanted, the longest held first.
///
/// # Errors
/// A file cannot be read.
pub fn holders(files: &[PathBuf], wanted: &Wanted, at: SystemTime) -> Result<Vec<Holding>> {
    let mut held = Held::default();
    for path in files {
        read_lines(path, |line| {
            if let Some((entry, _)) = chain::read(line.bytes).filter(|(entry, _)| entry.note.at <= at) {
                held.apply(entry.note, wanted);
            }
        })?;
    }
    let mut holdings: Vec<_> = held.0.into_values().collect();
    holdings.retain(|holding| holding.expires.is_none_or(|end| end > at));
    holdings.sort_by_key(|holding| holding.since);
    Ok(holdings)
}

/// What is held, by the start of a task and the credential's name.
#[derive(Default)]
struct Held(BTreeMap<(String, String), Holding>);

impl Held {
    fn apply(&mut self, note: Note, wanted: &Wanted) {
        let Some(who) = note.who.clone() else { return };
        match note.event {
            Act::Obtained | Act::Delivered | Act::Renewed if wanted.covers(&note) => self.hold(note, who),
            Act::Revoked if note.outcome != "failed" => self.0.retain(|_, holding| !ends(&note, holding)),
            Act::Ended => self.0.retain(|(task_id, _), _| *task_id != who.task_id),
            _ => {}
        }
    }

    fn hold(&mut self, note: Note, who: Who) {
        let kind = note.kind.unwrap_or(Kind::Unknown);
        let name = match kind {
            Kind::Token => note.accessor.clone(),
            Kind::Certificate => note.serial.clone(),
            _ if note.lease.is_empty() => note.path.clone(),
            _ => note.lease.clone(),
        };
        let key = (who.task_id.clone(), format!("{kind:?} {name}"));
        let (expires, generation) = (note.expires, note.generation);
        let holding = self.0.entry(key).or_insert_with(|| Holding {
            who,
            kind,
            path: note.path,
            accessor: note.accessor,
            lease: note.lease,
            serial: note.serial,
            generation: None,
            since: note.at,
            expires: None,
        });
        holding.expires = expires.or(holding.expires);
        holding.generation = holding.generation.or(generation);
    }
}

/// Says whether a revocation ended a holding: the thing itself, or the token with which a lease was made.
fn ends(note: &Note, holding: &Holding) -> bool {
    match note.kind {
        Some(Kind::Token) => {
            !note.accessor.is_empty() && note.accessor == holding.accessor && holding.kind != Kind::Certificate
        }
        Some(Kind::Certificate) => !note.serial.is_empty() && note.serial == holding.serial,
        _ => !note.lease.is_empty() && note.lease == holding.lease,
    }
}
