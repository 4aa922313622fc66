//! How long to wait before something is tried again.
//!
//! Pure arithmetic; the random part comes from the caller. It does not know what is tried, nor what a failure is.

use std::time::Duration;

/// No wait is shorter: many that fail at once must not come back at once.
const LEAST: Duration = Duration::from_millis(100);

/// Waits that double from `first` up to `cap`, each drawn from its whole range so that many askers spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// Returns waits between the two, which must be in order and no shorter than 100 ms.
    pub const fn between(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// Returns the wait after `failures` earlier failures in a row, for a `chance` of 0 to 1: anything up to first · 2^n, which
    /// is at most the cap, and never nothing.
    pub fn wait(&self, failures: u32, chance: f64) -> Duration {
        let most = self.first.saturating_mul(2_u32.saturating_pow(failures)).min(self.cap);
        let chance = if chance.is_nan() { 0.5 } else { chance.clamp(0.0, 1.0) };
        most.mul_f64(chance).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Backoff = Backoff::between(Duration::from_secs(1), Duration::from_secs(60));

    #[test]
    fn waits_double_up_to_the_cap() {
        let longest = |failures| MINUTE.wait(failures, 1.0).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 7, 31, 32, u32::MAX].map(longest), [1, 2, 4, 32, 60, 60, 60, 60, 60]);
        assert_eq!(MINUTE.wait(9, 0.0), LEAST);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_nothing_and_within_what_its_number_of_failures_allows(failures in any::<u32>(), chance in any::<f64>()) {
            let wait = MINUTE.wait(failures, chance);
            prop_assert!(wait >= LEAST && wait <= MINUTE.wait(failures, 1.0));
        }
    }
}
