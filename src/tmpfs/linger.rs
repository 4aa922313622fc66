//! Which superseded generations may go.

use std::time::{Duration, Instant};

use crate::domain::Generation;

/// How long a program that resolved `..data` once has to finish reading; reading a set takes milliseconds.
const LINGER: Duration = Duration::from_secs(10);
/// Bounds the space that superseded generations take. Changes are coalesced over seconds, so more than this
/// within the linger are rare.
const KEEP: usize = 3;

/// A generation that is no longer shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superseded {
    /// Which one.
    pub(super) generation: Generation,
    /// Since when.
    pub(super) since: Instant,
}

/// Returns what to drop of `superseded`, which is ordered from the oldest to the newest.
pub(super) fn to_drop(superseded: &[Superseded], now: Instant) -> Vec<Generation> {
    let beyond = superseded.len().saturating_sub(KEEP);
    let over = |(at, one): &(usize, &Superseded)| *at < beyond || now.duration_since(one.since) >= LINGER;
    superseded.iter().enumerate().filter(over).map(|(_, one)| one.generation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superseded(ages: &[u64], now: Instant) -> Vec<Superseded> {
        let of = |(n, age): (usize, &u64)| Superseded {
            generation: Generation(n as u64 + 1),
            since: now - Duration::from_secs(*age),
        };
        ages.iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_superseded_generation_lingers() {
        let now = Instant::now() + Duration::from_secs(100);
        assert_eq!(to_drop(&superseded(&[9, 5, 0], now), now), []);
        assert_eq!(to_drop(&superseded(&[11, 10, 9], now), now), [Generation(1), Generation(2)]);
    }

    #[test]
    fn no_more_than_three_linger() {
        let now = Instant::now() + Duration::from_secs(100);
        assert_eq!(to_drop(&superseded(&[4, 3, 2, 1, 0], now), now), [Generation(1), Generation(2)]);
    }

    #[test]
    fn a_clock_that_lags_drops_nothing() {
        let now = Instant::now();
        let later = Superseded { generation: Generation(1), since: now + Duration::from_secs(5) };
        assert_eq!(to_drop(&[later], now), []);
    }
}
