//! Notices that the wall clock was set back.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

/// Clocks are slewed by a twelfth at most (chrony's default); what falls behind faster was set back.
const SLEW: f64 = 0.1;
/// Less than this is the noise of looking at two clocks.
const NOISE_NS: f64 = 500_000.0;
/// A clock of longer steps may give two lines one time.
const STEP_NS: i64 = 250;
/// Enough to see a clock step that goes by the microsecond.
const LOOKS: usize = 256;
/// Longest time between two looks at one clock that have a look at the other between them.
const BRACKET: Duration = Duration::from_micros(200);

/// Both clocks as they stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    wall_ns: i64,
    steady: Instant,
}

impl Clock {
    pub(super) fn now() -> Self {
        read().unwrap_or(Self { wall_ns: wall_ns(), steady: Instant::now() })
    }

    /// Returns, when the wall clock was set back since the last look, up to which time it will show again what it has
    /// shown.
    pub(super) fn was_set_back(&mut self) -> Option<i64> {
        let now = read()?;
        let until = set_back(self, &now);
        *self = now;
        until
    }
}

/// Says whether two lines that an engine takes one after the other always have two times. It needs about a microsecond for
/// one, and so many steps of the clock must fit in there.
pub(super) fn is_fine() -> bool {
    static FINE: LazyLock<bool> = LazyLock::new(|| step_ns().is_some_and(|step| step <= STEP_NS));
    *FINE
}

/// Returns the smallest step in which the wall clock was seen to go.
fn step_ns() -> Option<i64> {
    let looks: Vec<i64> = (0..LOOKS).map(|_| wall_ns()).collect();
    looks.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).min()
}

/// Looks at both clocks at once; `None` when this thread is kept from doing so.
fn read() -> Option<Clock> {
    (0..5).find_map(|_| {
        let steady = Instant::now();
        let wall_ns = wall_ns();
        (steady.elapsed() < BRACKET).then_some(Clock { wall_ns, steady })
    })
}

fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn set_back(before: &Clock, now: &Clock) -> Option<i64> {
    let went = now.steady.duration_since(before.steady).as_nanos();
    let expected = before.wall_ns.saturating_add(i64::try_from(went).unwrap_or(i64::MAX));
    let fell = expected.saturating_sub(now.wall_ns);
    (fell as f64 > NOISE_NS + went as f64 * SLEW).then_some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_was_set_back_is_noticed() {
        let before = Clock { wall_ns: 50_000_000_000, steady: Instant::now() };
        let later = |wall_ms: i64| Clock {
            wall_ns: before.wall_ns + wall_ms * 1_000_000,
            steady: before.steady + Duration::from_secs(10),
        };
        for usual in [10_000, 9_500, 10_500, 3_600_000] {
            assert_eq!(set_back(&before, &later(usual)), None, "{usual}");
        }
        for fallen in [8_000, -1, -3_600_000] {
            assert_eq!(set_back(&before, &later(fallen)), Some(60_000_000_000), "{fallen}");
        }
        assert_eq!(Clock::now().was_set_back(), None);
    }
}
