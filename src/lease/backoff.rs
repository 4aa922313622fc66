//! How long to wait before asking again.

use std::time::Duration;

use super::share;

/// The wait after the first failure, doubled with each further one up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// No wait is shorter: many that fail at once must not come back at once.
const SHORTEST: Duration = Duration::from_millis(100);

/// Returns the wait after `failures` earlier failures: anything up to 1 s · 2^n, which is at most a minute, and never nothing.
pub fn backoff(failures: u32, fraction: f64) -> Duration {
    let most = FIRST.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST);
    share(most, 0.0, 1.0, fraction).max(SHORTEST)
}

/// Returns the wait between two looks at something without a life of its own: `interval` give or take a fifth.
pub fn poll_after(interval: Duration, fraction: f64) -> Duration {
    share(interval, 0.8, 1.2, fraction).max(SHORTEST)
}

/// Returns a wait up to `most`, but not over `longest`, for something that many do at once after a restart.
pub fn spread(most: Duration, longest: Duration, fraction: f64) -> Duration {
    share(most.min(longest), 0.0, 1.0, fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let longest = |failures| backoff(failures, 1.0).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 7, 31, 32, u32::MAX].map(longest), [1, 2, 4, 32, 60, 60, 60, 60, 60]);
        assert_eq!(backoff(9, 0.0), SHORTEST);
    }

    #[test]
    fn looks_spread_by_a_fifth() {
        let minute = Duration::from_secs(60);
        assert_eq!((poll_after(minute, 0.0).as_secs(), poll_after(minute, 1.0).as_secs()), (48, 72));
    }

    proptest! {
        #[test]
        fn no_wait_is_zero_or_over_its_cap(failures in any::<u32>(), interval in any::<Duration>(), fraction in any::<f64>()) {
            let wait = backoff(failures, fraction);
            prop_assert!(wait >= SHORTEST && wait <= LONGEST);
            prop_assert!(poll_after(interval, fraction) >= SHORTEST);
        }
    }
}
