//! Everything that happens, in one list that can be followed, searched and waited on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::hclog::LogLine;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When the harness saw it.
    pub at: SystemTime,
    /// Since the feed began.
    pub since: Duration,
    /// What it was.
    pub what: Event,
}

/// The kinds of things that happen.
// `TaskEvent` is the wire's own word.
#[allow(clippy::enum_variant_names)]
#[derive(Clone, Debug)]
pub enum Event {
    /// The plugin reported its health.
    Fingerprint { health: String, description: String, attributes: BTreeMap<String, String> },
    /// A line of a task's output.
    TaskLog { task: String, stream: Stream, line: String },
    /// The driver told something about a task.
    TaskEvent { task: String, task_id: String, message: String, annotations: BTreeMap<String, String> },
    /// The plugin wrote to stderr.
    PluginLog(LogLine),
    /// The harness did something.
    Note { task: String, message: String },
    /// The harness saw the plugin do what it must not.
    Fault(String),
}

/// Which output of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The list. Clones are the same list.
#[derive(Clone)]
pub struct Feed {
    entries: Arc<Mutex<Vec<Entry>>>,
    count: watch::Sender<usize>,
    begin: Instant,
}

impl Default for Feed {
    fn default() -> Self {
        Self { entries: Arc::default(), count: watch::Sender::new(0), begin: Instant::now() }
    }
}

impl Feed {
    /// Adds what happened just now.
    pub fn push(&self, what: Event) {
        let entry = Entry { at: SystemTime::now(), since: self.begin.elapsed(), what };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(entry);
        self.count.send_replace(entries.len());
    }

    /// Adds a deed of the harness.
    pub fn note(&self, task: &str, message: impl Into<String>) {
        self.push(Event::Note { task: task.to_owned(), message: message.into() });
    }

    /// Returns everything from entry number `from` on.
    pub fn since(&self, from: usize) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(from..).unwrap_or_default().to_vec()
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// Returns whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are more than `seen` entries.
    pub async fn changed(&self, seen: usize) {
        let mut count = self.count.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = count.wait_for(|n| *n > seen).await;
    }

    /// Returns the first entry (old or new) for which `pick` gives something; `None` after `limit`.
    pub async fn wait_for<T>(&self, limit: Duration, pick: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.wait_after(0, limit, pick).await
    }

    /// As [`Self::wait_for`], beginning at entry number `from`.
    pub async fn wait_after<T>(
        &self,
        mut from: usize,
        limit: Duration,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Option<T> {
        let search = async {
            loop {
                let new = self.since(from);
                if let Some(found) = new.iter().find_map(|entry| pick(&entry.what)) {
                    return found;
                }
                from += new.len();
                self.changed(from).await;
            }
        };
        tokio::time::timeout(limit, search).await.ok()
    }

    /// Returns the output lines of a task so far.
    pub fn lines(&self, task: &str) -> Vec<String> {
        let line = |e: Entry| match e.what {
            Event::TaskLog { task: t, line, .. } if t == task => Some(line),
            _ => None,
        };
        self.since(0).into_iter().filter_map(line).collect()
    }

    /// Returns the driver's messages about a task so far.
    pub fn task_events(&self, task: &str) -> Vec<String> {
        let message = |e: Entry| match e.what {
            Event::TaskEvent { task: t, message, .. } if t == task => Some(message),
            _ => None,
        };
        self.since(0).into_iter().filter_map(message).collect()
    }

    /// Returns what the plugin did and must not.
    pub fn faults(&self) -> Vec<String> {
        self.since(0)
            .into_iter()
            .filter_map(|e| if let Event::Fault(text) = e.what { Some(text) } else { None })
            .collect()
    }
}
