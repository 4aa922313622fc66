//! When a lease or a login is renewed, and when it is replaced instead.

use std::time::Duration;

use super::share;

/// Shortest time between two requests for one credential.
const FLOOR: Duration = Duration::from_secs(5);
/// A renewal after this share of the life is late.
const LATE: f64 = 0.85;
/// How soon something that is over is looked at: soon, but not all at once after a long outage.
const OVER: Duration = Duration::from_secs(1);
/// A rest below the largest of these calls for a replacement, so that there is time for retries.
const REST_SHARE: f64 = 0.15;
const REST: Duration = Duration::from_secs(30);
/// Below this first life the rest above would be most of it; a quarter is left instead.
const SHORT_LIFE: Duration = Duration::from_secs(120);

/// Returns how long after it was granted a life of `granted` is renewed: after 60 to 70 %, not sooner than five seconds,
/// and never after 85 %. Something that is over is due within a second.
pub fn renew_after(granted: Duration, fraction: f64) -> Duration {
    if granted.is_zero() {
        return share(OVER, 0.2, 1.0, fraction);
    }
    let latest = share(granted, LATE, LATE, 0.0).max(Duration::from_nanos(1));
    share(granted, 0.60, 0.70, fraction).max(FLOOR).min(latest)
}

/// Says whether a renewal has brought too little: less than half of the `first` life was `granted`, or the `rest` leaves no time.
/// The server's limit is near then, and a new credential is asked for while the old one lives.
pub fn needs_replacement(first: Duration, granted: Duration, rest: Duration) -> bool {
    let least = if first < SHORT_LIFE { first / 4 } else { first.mul_f64(REST_SHARE).max(REST) };
    granted < first / 2 || rest < least
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_hour_is_renewed_after_36_to_42_minutes() {
        assert_eq!(renew_after(seconds(3600), 0.0), seconds(36 * 60));
        assert_eq!(renew_after(seconds(3600), 1.0), seconds(42 * 60));
    }

    #[test]
    fn short_lives_keep_the_floor_and_very_short_ones_scale() {
        assert_eq!(renew_after(seconds(7), 0.0), seconds(5));
        assert_eq!(renew_after(seconds(4), 0.0), Duration::from_millis(3400));
        assert!(renew_after(seconds(0), 0.0) > Duration::ZERO);
    }

    #[test]
    fn a_shortened_renewal_is_replaced() {
        assert!(needs_replacement(seconds(3600), seconds(1799), seconds(1799)));
        assert!(!needs_replacement(seconds(3600), seconds(1800), seconds(1800)));
        assert!(needs_replacement(seconds(3600), seconds(3600), seconds(539)));
        assert!(!needs_replacement(seconds(3600), seconds(3600), seconds(540)));
        assert!(needs_replacement(seconds(150), seconds(150), seconds(29)));
        assert!(needs_replacement(seconds(60), seconds(60), seconds(14)));
        assert!(!needs_replacement(seconds(60), seconds(60), seconds(15)));
        assert!(!needs_replacement(seconds(0), seconds(0), seconds(0)), "what does not expire is not replaced");
    }

    proptest! {
        #[test]
        fn a_renewal_is_within_the_life(granted in any::<Duration>(), fraction in any::<f64>()) {
            let after = renew_after(granted, fraction);
            prop_assert!(after > Duration::ZERO);
            prop_assert!(after < granted || granted <= Duration::from_nanos(1));
            if granted >= seconds(6) {
                prop_assert!(after >= FLOOR);
            }
        }

        #[test]
        fn a_renewal_comes_at_60_to_70_percent_unless_a_bound_says_otherwise(
            granted in 1..=31_536_000_u32, fraction in 0.0..=1.0_f64
        ) {
            let granted = seconds(granted.into());
            let after = renew_after(granted, fraction);
            let (least, most) = (granted.mul_f64(0.5999), granted.mul_f64(0.7001));
            prop_assert!(after >= least.min(FLOOR) && after <= most.max(FLOOR).min(granted.mul_f64(0.8501)), "{after:?}");
            if least >= FLOOR {
                prop_assert!(after >= least && after <= most, "{after:?} of {granted:?}");
            }
        }

        #[test]
        fn no_life_overflows(first in any::<Duration>(), granted in any::<Duration>(), rest in any::<Duration>()) {
            needs_replacement(first, granted, rest);
        }
    }
}
