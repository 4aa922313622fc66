//! How long to wait before asking again, and a loop that does.
//!
//! [`Backoff`] is pure arithmetic; the random part comes from the caller. Only [`until`] sleeps.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{Error, Kind};

/// Shortest wait, so that no loop spins.
const LEAST: Duration = Duration::from_millis(50);

/// Waits that double from `first` up to `cap`, each drawn from its whole range so that many askers spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// For a start that somebody waits for: a server that has come back is noticed within a few seconds.
    pub const START: Self = Self { first: Duration::from_millis(500), cap: Duration::from_secs(4) };
    /// For work in the background.
    pub const STEADY: Self = Self { first: Duration::from_secs(1), cap: Duration::from_secs(60) };

    /// Returns waits between the two, which must be in order and no shorter than 50 ms.
    pub(super) const fn between(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// Returns waits between the two; a `cap` below `first` is raised to it, and neither is shorter than 50 ms.
    pub fn new(first: Duration, cap: Duration) -> Self {
        let first = first.max(LEAST);
        Self { first, cap: cap.max(first) }
    }

    /// Returns the longest wait after `failures` failures in a row, counted from 0.
    pub fn bound(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// Returns the wait for a `chance` of 0 to 1: full jitter, never nothing, and on top of what the server asked for.
    pub fn wait(&self, failures: u32, chance: f64, retry_after: Option<Duration>) -> Duration {
        let drawn = self.bound(failures).mul_f64(chance.clamp(0.0, 1.0)).max(LEAST);
        retry_after.map_or(drawn, |asked| asked.saturating_add(drawn.min(self.first)))
    }

    /// Returns the wait with a chance of its own.
    pub fn draw(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        self.wait(failures, rand::random(), retry_after)
    }
}

/// Asks until an answer comes, an error that waiting cannot mend, or `deadline`; then the last error is returned.
///
/// An attempt that is under way at the deadline is given up, so that its outcome is unknown: what must not be done twice
/// or lost has to be noted before.
pub async fn until<T, F>(deadline: Instant, backoff: Backoff, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut last = None;
    for failures in 0.. {
        let error = match timeout_at(deadline, attempt()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if !error.is_transient() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => return Err(last.unwrap_or_else(out_of_time)),
        };
        let wait = backoff.draw(failures, error.retry_after());
        if Instant::now() + wait >= deadline {
            return Err(error);
        }
        last = Some(error);
        sleep(wait).await;
    }
    Err(last.unwrap_or_else(out_of_time))
}

fn out_of_time() -> Error {
    Error::new(Kind::Unavailable, "ask the server", "no answer within the time for it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let bounds: Vec<u64> = (0..8).map(|n| Backoff::STEADY.bound(n).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(Backoff::STEADY.bound(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn a_wait_is_never_nothing_and_never_above_its_bound() {
        for failures in 0..40 {
            assert_eq!(Backoff::STEADY.wait(failures, 0.0, None), LEAST);
            assert_eq!(Backoff::STEADY.wait(failures, 1.0, None), Backoff::STEADY.bound(failures));
        }
    }

    #[test]
    fn what_the_server_asked_for_is_waited_at_least() {
        let asked = Duration::from_secs(7);
        assert!(Backoff::START.wait(0, 0.0, Some(asked)) > asked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_error_is_asked_again_until_it_has_passed() {
        let mut left = 5;
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer = until(deadline, Backoff::START, || {
            left -= 1;
            std::future::ready(if left > 0 { Err(Error::new(Kind::Sealed, "read", "")) } else { Ok(42) })
        });
        assert_eq!(answer.await.expect("an answer"), 42);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_error_is_not_asked_again() {
        let mut asked = 0;
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer: Result<(), _> = until(deadline, Backoff::START, || {
            asked += 1;
            std::future::ready(Err(Error::new(Kind::Denied, "read", "")))
        })
        .await;
        assert_eq!((answer.expect_err("denied").kind(), asked), (Kind::Denied, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_asking_with_the_last_error() {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(60);
        let answer: Result<(), _> =
            until(deadline, Backoff::START, || std::future::ready(Err(Error::new(Kind::Sealed, "read", "")))).await;
        assert_eq!(answer.expect_err("sealed").kind(), Kind::Sealed);
        assert!(Instant::now() <= deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_an_attempt_that_hangs() {
        let deadline = Instant::now() + Duration::from_secs(5);
        let answer: Result<(), _> = until(deadline, Backoff::START, std::future::pending).await;
        assert_eq!(answer.expect_err("late").kind(), Kind::Unavailable);
    }
}
