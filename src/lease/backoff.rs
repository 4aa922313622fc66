//! How long to wait before asking again.

use std::time::Duration;

use super::share;
use crate::domain::Backoff;

/// Waits for work in the background.
const STEADY: Backoff = Backoff::between(Duration::from_secs(1), Duration::from_secs(60));
/// No look is followed sooner by the next.
const SHORTEST: Duration = Duration::from_millis(100);

/// Returns the wait after `failures` earlier failures: anything up to 1 s · 2^n, which is at most a minute, and never nothing.
pub fn backoff(failures: u32, fraction: f64) -> Duration {
    STEADY.wait(failures, fraction)
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
    fn looks_spread_by_a_fifth() {
        let minute = Duration::from_secs(60);
        assert_eq!((poll_after(minute, 0.0).as_secs(), poll_after(minute, 1.0).as_secs()), (48, 72));
    }

    proptest! {
        #[test]
        fn no_look_follows_at_once(interval in any::<Duration>(), fraction in any::<f64>()) {
            prop_assert!(poll_after(interval, fraction) >= SHORTEST);
        }

        #[test]
        fn a_look_is_within_a_fifth_of_its_interval(interval in 1..=86_400_u64, fraction in 0.0..=1.0_f64) {
            let interval = Duration::from_secs(interval);
            let after = poll_after(interval, fraction);
            prop_assert!(after >= interval.mul_f64(0.7999) && after <= interval.mul_f64(1.2001), "{after:?}");
        }

        #[test]
        fn what_spreads_stays_within_both_bounds(most in any::<Duration>(), longest in 0..=3600_u64, fraction in any::<f64>()) {
            let longest = Duration::from_secs(longest);
            prop_assert!(spread(most, longest, fraction) <= most.min(longest));
        }
    }
}
