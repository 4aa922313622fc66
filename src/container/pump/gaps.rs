//! Notices where an engine may have left output out.
//!
//! A reader that is more than a whole file behind is taken to the newest file, and what lies between is passed over though
//! it is still there. Seen from outside: the times jump, and another file was begun since, or where that cannot be seen, the
//! reader was behind. The same is seen of a task that paused while its output was read late, or that a busy machine did not
//! let run; then the second look is for nothing, and for a while only longer jumps call for one.

use std::time::{Duration, Instant, SystemTime};

/// A reader that is less behind than this has hardly missed a file; for where files cannot be seen.
const BEHIND: Duration = Duration::from_millis(100);
/// A jump that calls for a second look: in less an engine does not fill a file, not even of one mebibyte, at three hundred
/// megabytes a second.
const JUMP: Duration = Duration::from_millis(3);
/// How many looks for nothing in a row are borne.
const VAIN: u32 = 6;
/// How long a look for nothing is remembered, at least, and as a multiple of what it cost.
const MEMORY: (Duration, u32) = (Duration::from_secs(60), 20);

#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Time of the newest piece.
    newest_ns: i64,
    /// How far behind the reader was when it came.
    behind: Duration,
    look: Option<Look>,
    /// How many looks in a row were for nothing.
    vain: u32,
    /// Until when only longer jumps than this count.
    bar: Option<(Instant, Duration)>,
}

/// A second look that is under way.
#[derive(Debug)]
struct Look {
    began: Instant,
    jump: Duration,
    /// Time of the piece behind what may be missing.
    beyond_ns: i64,
}

impl Gaps {
    /// Says whether something may have been left out before a piece of that time, which has not been passed on.
    ///
    /// `turned`: when the engine was last seen to begin another file, where that can be seen.
    pub(super) fn is_before(&mut self, at_ns: i64, now: Instant, wall: SystemTime, turned: Option<SystemTime>) -> bool {
        match self.look.take() {
            // Nothing was between.
            Some(look) if at_ns >= look.beyond_ns => {
                self.vain += 1;
                if self.vain >= VAIN {
                    let memory = MEMORY.0.max((now - look.began) * MEMORY.1);
                    self.bar = Some((now + memory, look.jump * 2));
                }
            }
            Some(_) => self.vain = 0,
            None => {
                let jump = Duration::from_nanos(u64::try_from(at_ns - self.newest_ns).unwrap_or_default());
                let late = turned.map_or(self.behind >= BEHIND, |turned| turned >= moment(self.newest_ns));
                if self.newest_ns > 0 && late && jump >= self.bar(now) {
                    self.look = Some(Look { began: now, jump, beyond_ns: at_ns });
                    return true;
                }
            }
        }
        self.newest_ns = self.newest_ns.max(at_ns);
        self.behind = wall.duration_since(moment(at_ns)).unwrap_or_default();
        false
    }

    fn bar(&self, now: Instant) -> Duration {
        self.bar.filter(|(until, _)| now < *until).map_or(JUMP, |(_, jump)| jump)
    }
}

fn moment(at_ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(at_ns).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: i64 = 1_000_000;

    fn at(ms: i64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms as u64)
    }

    #[test]
    fn a_jump_while_the_reader_is_behind_is_looked_at_once_more() {
        let (mut gaps, now) = (Gaps::default(), Instant::now());
        assert!(!gaps.is_before(1_000 * MILLI, now, at(3_000), None));
        assert!(gaps.is_before(1_500 * MILLI, now, at(3_000), None));
        assert!(!gaps.is_before(1_001 * MILLI, now, at(3_000), None), "found");
        assert!(gaps.is_before(1_500 * MILLI, now, at(3_000), None), "and what came then may not be all");
    }

    #[test]
    fn looks_for_nothing_are_borne_a_few_times_and_then_not_soon_repeated() {
        let (mut gaps, now) = (Gaps::default(), Instant::now());
        let later = |ms| now + Duration::from_millis(ms);
        let mut ms = 1_000;
        gaps.is_before(ms * MILLI, now, at(9_000), None);
        for _ in 0..VAIN {
            ms += 500;
            assert!(gaps.is_before(ms * MILLI, now, at(9_000), None));
            assert!(!gaps.is_before(ms * MILLI, later(100), at(9_000), None));
        }
        assert!(!gaps.is_before((ms + 500) * MILLI, later(200), at(9_000), None));
        assert!(gaps.is_before((ms + 1_600) * MILLI, later(300), at(9_000), None), "a longer jump");
        assert!(!gaps.is_before((ms + 501) * MILLI, later(400), at(9_000), None), "and something was there");
        assert!(gaps.is_before((ms + 1_600) * MILLI, later(99_000), at(9_000), None), "long after");
    }

    #[test]
    fn what_was_found_makes_up_for_looks_for_nothing() {
        let (mut gaps, now) = (Gaps::default(), Instant::now());
        let mut ms = 1_000;
        gaps.is_before(ms * MILLI, now, at(90_000), None);
        for round in 0..4 * VAIN {
            ms += 20;
            assert!(gaps.is_before(ms * MILLI, now, at(90_000), None), "{round}");
            let found = round % 2 == 0;
            assert!(!gaps.is_before((ms - if found { 10 } else { 0 }) * MILLI, now, at(90_000), None));
            gaps.newest_ns = ms * MILLI;
        }
    }

    #[test]
    fn a_jump_across_a_turn_is_looked_at_though_the_reader_was_in_time() {
        let (mut gaps, now) = (Gaps::default(), Instant::now());
        let turned = |ms| Some(at(ms));
        assert!(!gaps.is_before(1_000 * MILLI, now, at(1_001), turned(900)));
        assert!(!gaps.is_before(1_500 * MILLI, now, at(1_501), turned(900)), "the same file all the time");
        assert!(!gaps.is_before(1_502 * MILLI, now, at(1_503), turned(1_501)), "no time to fill a file");
        assert!(gaps.is_before(1_600 * MILLI, now, at(1_601), turned(1_590)));
        assert!(!gaps.is_before(1_510 * MILLI, now, at(1_601), turned(1_590)), "found");
    }

    #[test]
    fn pauses_of_a_task_that_is_read_in_time_are_none() {
        let (mut gaps, now) = (Gaps::default(), Instant::now());
        for second in 1..10 {
            assert!(!gaps.is_before(second * 1_000 * MILLI, now, at(second * 1_000 + 5), None));
        }
    }
}
