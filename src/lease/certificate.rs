//! When a certificate is replaced.

use std::time::{Duration, SystemTime};

use super::share;

/// Longest wait for one that should have been replaced already.
const OVERDUE: Duration = Duration::from_secs(60);
/// How soon one that has ended is replaced.
const ENDED: Duration = Duration::from_secs(5);

/// Returns how long from `now` a certificate is replaced: after 60 to 70 % of its real life, which the issuer may
/// have begun in the past and cut short.
///
/// One whose time has come, as after a long outage, is due within a minute and well before its end. A clock that is behind the
/// issuer's does not push the time beyond that share of the life; one that is ahead brings it forward but makes no storm.
pub fn certificate_due(not_before: SystemTime, not_after: SystemTime, now: SystemTime, fraction: f64) -> Duration {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    let from_start = share(life, 0.60, 0.70, fraction);
    let age = now.duration_since(not_before).unwrap_or_default();
    match from_start.checked_sub(age).filter(|left| *left > Duration::ZERO) {
        Some(left) => left,
        None => overdue(not_after.duration_since(now).unwrap_or_default(), fraction),
    }
}

fn overdue(rest: Duration, fraction: f64) -> Duration {
    let within = if rest.is_zero() { ENDED } else { OVERDUE.min(rest / 2) };
    share(within, 0.5, 1.0, fraction).max(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn due(not_before: u64, not_after: u64, now: u64, fraction: f64) -> u64 {
        certificate_due(at(not_before), at(not_after), at(now), fraction).as_secs()
    }

    #[test]
    fn a_certificate_is_replaced_after_60_to_70_percent_of_its_life() {
        assert_eq!(due(1000, 2000, 1000, 0.0), 600);
        assert_eq!(due(1000, 2000, 1000, 1.0), 700);
        assert_eq!(due(1000, 2000, 1100, 0.0), 500, "its time before the answer counts");
    }

    #[test]
    fn one_that_is_overdue_is_replaced_before_its_end() {
        assert_eq!(due(0, 100_000, 90_000, 1.0), 60);
        assert_eq!(due(0, 100, 90, 1.0), 5);
        assert_eq!(due(0, 100, 200, 1.0), 5);
    }

    #[test]
    fn a_clock_that_is_behind_does_not_make_it_late() {
        assert_eq!(due(1600, 3400, 1000, 0.0), 1080);
    }

    proptest! {
        #[test]
        fn the_time_is_never_zero_and_never_past_the_end(
            start in 0..u64::MAX / 4, life in any::<u32>(), age in any::<u32>(), fraction in any::<f64>()
        ) {
            let (not_before, not_after) = (at(start), at(start) + Duration::from_secs(life.into()));
            let now = not_before + Duration::from_secs(age.into());
            let due = certificate_due(not_before, not_after, now, fraction);
            prop_assert!(due > Duration::ZERO);
            if now < not_after {
                prop_assert!(now + due < not_after);
            }
        }

        #[test]
        fn one_just_issued_is_due_between_60_and_70_percent_of_its_life(
            start in 0..u64::MAX / 4, life in 1..=31_536_000_u32, fraction in 0.0..=1.0_f64
        ) {
            let life = Duration::from_secs(life.into());
            let due = certificate_due(at(start), at(start) + life, at(start), fraction);
            prop_assert!(due >= life.mul_f64(0.5999) && due <= life.mul_f64(0.7001), "{due:?} of {life:?}");
        }

        #[test]
        fn dates_in_any_order_are_taken(a in 0..1u64 << 62, b in 0..1u64 << 62, c in 0..1u64 << 62, fraction in any::<f64>()) {
            prop_assert!(certificate_due(at(a), at(b), at(c), fraction) > Duration::ZERO);
        }
    }
}
