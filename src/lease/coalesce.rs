//! Many changes, one action.

use std::time::Duration;

use tokio::time::Instant;

use super::LONGEST;

/// Waits until nothing has changed for a while, but not for ever.
#[derive(Clone, Debug)]
pub struct Coalescer {
    quiet: Duration,
    longest: Duration,
    /// The first and the last change that were not acted upon.
    pending: Option<(Instant, Instant)>,
}

impl Coalescer {
    /// Takes the time without a change that is waited for, and the longest time from the first change on.
    pub fn new(quiet: Duration, longest: Duration) -> Self {
        Self { quiet: quiet.min(LONGEST), longest: longest.min(LONGEST), pending: None }
    }

    /// Notes a change at `now`.
    pub fn note(&mut self, now: Instant) {
        let first = self.pending.map_or(now, |(first, _)| first);
        self.pending = Some((first, now));
    }

    /// Returns the moment to act at, when something has changed. Another change may put it off.
    pub fn ready_at(&self) -> Option<Instant> {
        self.pending.map(|(first, last)| (last + self.quiet).min(first + self.longest))
    }

    /// Forgets the changes, since they are being acted upon.
    pub fn reset(&mut self) {
        self.pending = None;
    }
}

impl Default for Coalescer {
    /// Five seconds of quiet, thirty at most.
    fn default() -> Self {
        Self::new(Duration::from_secs(5), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_is_acted_upon_after_quiet_and_at_the_latest_after_the_longest_wait() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.ready_at(), None);
        coalescer.note(at(0));
        assert_eq!(coalescer.ready_at(), Some(at(5)));
        for seconds in (4..=28).step_by(4) {
            coalescer.note(at(seconds));
        }
        assert_eq!(coalescer.ready_at(), Some(at(30)));
        coalescer.reset();
        assert_eq!(coalescer.ready_at(), None);
        coalescer.note(at(31));
        assert_eq!(coalescer.ready_at(), Some(at(36)));
    }

    proptest! {
        #[test]
        fn no_change_waits_longer_than_the_longest(
            quiet in any::<Duration>(), longest in any::<Duration>(), changes in prop::collection::vec(0u64..1000, 1..20)
        ) {
            let start = Instant::now();
            let mut changes = changes;
            changes.sort_unstable();
            let mut coalescer = Coalescer::new(quiet, longest);
            changes.iter().for_each(|seconds| coalescer.note(start + Duration::from_secs(*seconds)));
            let ready = coalescer.ready_at().expect("something has changed");
            let (first, last) = (changes[0], changes[changes.len() - 1]);
            prop_assert!(ready <= start + Duration::from_secs(first) + longest.min(LONGEST));
            prop_assert!(ready <= start + Duration::from_secs(last) + quiet.min(LONGEST));
        }
    }
}
