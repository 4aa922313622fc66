//! How far the record may lag behind what a task holds.
//!
//! What is new is written at once. A renewal changes a time alone: should it be missing in the record, the next process takes
//! the lease for a little older than it is, and asks the server anyway. So renewals that come close together are written
//! together.

use std::time::Duration;

use tokio::time::Instant;

/// Longest time for which a renewal may be missing in the record.
const LONGEST: Duration = Duration::from_secs(1);
/// No renewal is missing for more than this part of the life that it granted.
const PART: u32 = 20;

/// When the record must be written at the latest, where something is missing in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag(Option<Instant>);

/// Returns how long the renewal of a lease for `life` may be missing in the record.
pub(super) fn bearable(life: Duration) -> Duration {
    (life / PART).min(LONGEST)
}

impl Lag {
    /// Notes that something is missing which is to be written within `wait`.
    pub(super) fn begin(&mut self, wait: Duration) {
        let at = Instant::now() + wait;
        self.0 = Some(self.0.map_or(at, |known| known.min(at)));
    }

    /// Returns when the record must be written; `None` where nothing is missing in it.
    pub(super) fn end(self) -> Option<Instant> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_first_says_when_all_is_written() {
        let (mut lag, begin) = (Lag::default(), Instant::now());
        assert_eq!(lag.end(), None);
        lag.begin(LONGEST);
        lag.begin(LONGEST / 4);
        tokio::time::advance(LONGEST / 8).await;
        lag.begin(LONGEST);
        assert_eq!(lag.end(), Some(begin + LONGEST / 4));
    }

    #[test]
    fn a_short_life_bears_little() {
        for (life, wait) in [(3600, 1000), (20, 1000), (10, 500), (1, 50), (0, 0)] {
            assert_eq!(bearable(Duration::from_secs(life)), Duration::from_millis(wait), "{life} s");
        }
    }
}
