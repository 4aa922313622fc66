//! Who uses which image, and which names the driver itself brought to this machine.
//!
//! Plain data and its changes; the caller passes the time. Content ids are the keys, because a name may move while a
//! container of the old content still runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::domain::TaskKey;

/// Shortest time between two tries to take an image away.
const RETRY: Duration = Duration::from_secs(10);

/// Version of the file's form.
pub(super) const VERSION: u32 = 1;

/// Everything that is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) version: u32,
    /// Images by content id.
    #[serde(default)]
    pub(super) images: BTreeMap<String, Entry>,
    /// Names that are being brought, noted before anything is asked of a registry.
    #[serde(default)]
    pub(super) pending: BTreeMap<String, Pending>,
}

/// One image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Names that the driver brought.
    #[serde(default)]
    pub(super) brought: BTreeSet<String>,
    /// Repositories from which the driver brought it, also when the name has moved on since.
    #[serde(default)]
    pub(super) repositories: BTreeSet<String>,
    /// Names by which tasks asked for it.
    #[serde(default)]
    pub(super) asked: BTreeSet<String>,
    /// Who uses it.
    #[serde(default)]
    pub(super) users: BTreeSet<TaskKey>,
    /// Since when nobody does.
    #[serde(default)]
    pub(super) idle_since: Option<SystemTime>,
}

/// A name that is being brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The image that had the name before, if any.
    pub(super) before: Option<String>,
    /// Since when.
    pub(super) since: SystemTime,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: VERSION, images: BTreeMap::new(), pending: BTreeMap::new() }
    }
}

impl Ledger {
    /// Notes that `name` is about to be brought. What another task has noted for the same name stays.
    pub(super) fn announce(&mut self, name: &str, before: Option<String>, now: SystemTime) {
        self.pending.entry(name.to_owned()).or_insert(Pending { before, since: now });
    }

    /// Notes that `user` runs image `id`, found under `name`; `came` says that it was brought just now.
    pub(super) fn take(&mut self, user: &TaskKey, name: &str, id: &str, came: bool) {
        if came {
            self.arrived(name, id);
        }
        let entry = self.images.entry(id.to_owned()).or_default();
        entry.asked.insert(name.to_owned());
        entry.users.insert(user.clone());
        entry.idle_since = None;
    }

    /// Notes a name that was brought. One that meant the same image before is not ours: somebody else had put it there.
    fn arrived(&mut self, name: &str, id: &str) {
        let pending = self.pending.remove(name);
        for (_, other) in self.images.iter_mut().filter(|(other, _)| *other != id) {
            other.brought.remove(name);
            other.asked.remove(name);
        }
        if pending.is_none_or(|pending| pending.before.as_deref() != Some(id)) {
            let entry = self.images.entry(id.to_owned()).or_default();
            entry.brought.insert(name.to_owned());
            entry.repositories.insert(repository(name).to_owned());
        }
    }

    /// Settles a name whose bringing was cut off: whatever came of it is ours and used by nobody.
    pub(super) fn settle(&mut self, name: &str, found: Option<&str>, now: SystemTime) {
        let Some(pending) = self.pending.get(name) else { return };
        match found {
            Some(id) if pending.before.as_deref() != Some(id) => {
                self.arrived(name, id);
                let entry = self.images.entry(id.to_owned()).or_default();
                entry.idle_since = entry.users.is_empty().then_some(now);
            }
            Some(_) | None => {
                self.pending.remove(name);
            }
        }
    }

    /// Notes that `user` needs no image any more. Says whether anything changed.
    pub(super) fn release(&mut self, user: &TaskKey, now: SystemTime) -> bool {
        self.retain_users(|other| other != user, now)
    }

    /// Forgets users that are no more. Says whether anything changed.
    pub(super) fn reconcile(&mut self, alive: &HashSet<TaskKey>, now: SystemTime) -> bool {
        self.retain_users(|user| alive.contains(user), now)
    }

    fn retain_users(&mut self, stays: impl Fn(&TaskKey) -> bool, now: SystemTime) -> bool {
        let mut changed = false;
        for entry in self.images.values_mut() {
            let before = entry.users.len();
            entry.users.retain(&stays);
            if entry.users.len() < before {
                changed = true;
                entry.idle_since = entry.users.is_empty().then_some(now);
            }
        }
        changed
    }

    /// Returns the images that nobody has used for `delay`.
    pub(super) fn due(&self, delay: Duration, now: SystemTime) -> Vec<String> {
        let over = |since: SystemTime| now.duration_since(since).is_ok_and(|idle| idle >= delay);
        let idle = self.images.iter().filter(|(_, entry)| entry.users.is_empty() && entry.idle_since.is_some_and(over));
        idle.map(|(id, _)| id.clone()).collect()
    }

    /// Returns the names whose bringing began longer than `delay` ago.
    pub(super) fn overdue(&self, delay: Duration, now: SystemTime) -> Vec<String> {
        let over = |since: SystemTime| now.duration_since(since).is_ok_and(|age| age >= delay);
        self.pending.iter().filter(|(_, pending)| over(pending.since)).map(|(name, _)| name.clone()).collect()
    }

    /// Returns how long until something may be due; `None` while nothing waits.
    pub(super) fn next(&self, delay: Duration, now: SystemTime) -> Option<Duration> {
        let idle = self.images.values().filter(|entry| entry.users.is_empty()).filter_map(|entry| entry.idle_since);
        let times = idle.chain(self.pending.values().map(|pending| pending.since));
        // A clock that was set back must not make it wait for ever.
        let wait = |since: SystemTime| (since + delay).duration_since(now).unwrap_or_default().min(delay + RETRY);
        times.map(wait).min()
    }

    /// Lets an image that something else uses be for a while.
    pub(super) fn postpone(&mut self, id: &str, delay: Duration, now: SystemTime) {
        if let Some(entry) = self.images.get_mut(id).filter(|entry| entry.idle_since.is_some()) {
            entry.idle_since = Some(now + RETRY.saturating_sub(delay));
        }
    }

    /// Takes an image that is to stay out of those that wait; what the driver did not bring is forgotten.
    pub(super) fn spare(&mut self, id: &str) {
        let Some(entry) = self.images.get_mut(id) else { return };
        entry.idle_since = None;
        if entry.repositories.is_empty() {
            self.images.remove(id);
        }
    }
}

impl Entry {
    /// Says whether a name without a tag, as the engine keeps it beside a content id, came with what the driver brought.
    pub(super) fn came_with(&self, digest: &str) -> bool {
        self.repositories.contains(repository(digest))
    }
}

/// Returns a name without tag and digest.
fn repository(name: &str) -> &str {
    let bare = name.split('@').next().unwrap_or(name);
    match bare.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TaskId;

    const DELAY: Duration = Duration::from_secs(180);

    fn user(text: &str) -> TaskKey {
        text.parse::<TaskId>().expect("an id").key()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_image_is_due_after_the_delay_and_a_new_use_cancels_it() {
        let mut ledger = Ledger::default();
        let (one, two) = (user("a/b/1"), user("a/b/2"));
        ledger.announce("app:1", None, at(0));
        ledger.take(&one, "app:1", "x", true);
        ledger.take(&two, "app:1", "x", false);
        assert!(ledger.release(&one, at(10)) && ledger.next(DELAY, at(10)).is_none());
        assert!(ledger.release(&two, at(20)) && !ledger.release(&two, at(21)));
        assert_eq!(ledger.next(DELAY, at(50)), Some(Duration::from_secs(150)));
        assert!(ledger.due(DELAY, at(199)).is_empty());
        assert_eq!(ledger.due(DELAY, at(200)), ["x"]);
        ledger.take(&one, "app:1", "x", false);
        assert!(ledger.due(DELAY, at(500)).is_empty());
    }

    #[test]
    fn a_name_that_was_there_is_not_ours_even_when_it_is_pulled_again() {
        let mut ledger = Ledger::default();
        ledger.announce("app:latest", Some("x".into()), at(0));
        ledger.take(&user("a/b/1"), "app:latest", "x", true);
        assert!(ledger.images["x"].brought.is_empty());
        ledger.announce("app:latest", Some("x".into()), at(1));
        ledger.take(&user("a/b/2"), "app:latest", "y", true);
        assert!(ledger.images["y"].brought.contains("app:latest") && ledger.pending.is_empty());
    }

    #[test]
    fn a_name_that_moved_belongs_to_the_new_image() {
        let mut ledger = Ledger::default();
        for id in ["x", "y"] {
            ledger.announce("app:latest", None, at(0));
            ledger.take(&user("a/b/1"), "app:latest", id, true);
        }
        assert!(ledger.images["x"].brought.is_empty() && ledger.images["y"].brought.contains("app:latest"));
        assert!(ledger.images["x"].came_with("app@sha256:00") && !ledger.images["x"].came_with("r:5000/app@sha256:00"));
    }

    #[test]
    fn what_a_cut_off_pull_left_is_ours_and_idle() {
        let mut ledger = Ledger::default();
        ledger.announce("app:1", None, at(0));
        ledger.announce("gone:1", None, at(0));
        assert_eq!(ledger.overdue(DELAY, at(180)), ["app:1", "gone:1"]);
        ledger.settle("app:1", Some("x"), at(180));
        ledger.settle("gone:1", None, at(180));
        assert!(ledger.pending.is_empty());
        assert_eq!(ledger.due(DELAY, at(360)), ["x"]);
    }

    #[test]
    fn what_is_in_use_elsewhere_is_tried_again_no_sooner_than_in_ten_seconds() {
        let mut ledger = Ledger::default();
        ledger.take(&user("a/b/1"), "app:1", "x", true);
        ledger.release(&user("a/b/1"), at(0));
        ledger.postpone("x", Duration::ZERO, at(0));
        assert!(ledger.due(Duration::ZERO, at(9)).is_empty());
        assert_eq!(ledger.next(Duration::ZERO, at(1)), Some(Duration::from_secs(9)));
        assert_eq!(ledger.due(Duration::ZERO, at(10)), ["x"]);
        ledger.spare("x");
        assert!(ledger.next(Duration::ZERO, at(10)).is_none() && ledger.images.contains_key("x"));
        ledger.take(&user("a/b/1"), "other:1", "y", false);
        ledger.release(&user("a/b/1"), at(11));
        ledger.spare("y");
        assert!(!ledger.images.contains_key("y"), "somebody else's image is of no interest");
    }

    #[test]
    fn users_that_are_no_more_are_forgotten() {
        let mut ledger = Ledger::default();
        ledger.take(&user("a/b/1"), "app:1", "x", true);
        ledger.take(&user("a/b/2"), "app:1", "x", false);
        assert!(ledger.reconcile(&[user("a/b/2")].into(), at(5)));
        assert_eq!(ledger.images["x"].users.len(), 1);
        assert!(ledger.reconcile(&HashSet::new(), at(6)));
        assert_eq!(ledger.images["x"].idle_since, Some(at(6)));
    }
}
