//! What is due, the earliest first.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// Things and the moments at which they are due.
#[derive(Clone, Debug)]
pub struct Schedule<K> {
    at: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { at: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Schedule<K> {
    /// Plans `key` for `at`, instead of what was planned for it before.
    pub fn set(&mut self, key: K, at: Instant) {
        self.remove(&key);
        self.order.insert((at, key.clone()));
        self.at.insert(key, at);
    }

    /// Forgets `key`; an unknown one is fine.
    pub fn remove(&mut self, key: &K) {
        if let Some((key, at)) = self.at.remove_entry(key) {
            self.order.remove(&(at, key));
        }
    }

    /// Returns the moment at which something is due next.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out what is due at `now`, the earliest first.
    pub fn due(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        while let Some((_, key)) = self.order.first().filter(|(at, _)| *at <= now).cloned() {
            self.remove(&key);
            due.push(key);
        }
        due
    }

    /// Returns the moment that is planned for `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.at.get(key).copied()
    }

    /// Returns all that is planned, in the order of the keys.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.at.keys()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::default();
        assert_eq!((schedule.next(), schedule.due(at(9))), (None, vec![]));
        for (key, seconds) in [("late", 9), ("early", 1), ("middle", 5), ("moved", 1)] {
            schedule.set(key, at(seconds));
        }
        schedule.set("moved", at(6));
        schedule.set("gone", at(2));
        schedule.remove(&"gone");
        schedule.remove(&"unknown");
        assert_eq!(schedule.next(), Some(at(1)));
        assert_eq!(schedule.due(at(6)), ["early", "middle", "moved"]);
        assert_eq!((schedule.next(), schedule.due(at(8))), (Some(at(9)), vec![]));
        assert_eq!(schedule.keys().collect::<Vec<_>>(), [&"late"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_comes_early(plans in prop::collection::vec((0u8..20, 0u64..100), 0..60), now in 0u64..100) {
            let start = Instant::now();
            let (mut schedule, mut last) = (Schedule::default(), BTreeMap::new());
            for (key, seconds) in plans {
                schedule.set(key, start + Duration::from_secs(seconds));
                last.insert(key, seconds);
            }
            let due = schedule.due(start + Duration::from_secs(now));
            prop_assert!(due.iter().map(|key| last[key]).is_sorted());
            for (key, seconds) in &last {
                prop_assert_eq!(due.contains(key), *seconds <= now);
                prop_assert_eq!(schedule.get(key).is_some(), *seconds > now);
            }
        }
    }
}
