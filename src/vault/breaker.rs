//! Leaves a server alone that does not answer: one back-off for all who would ask it.
//!
//! ```text
//!   answers ──▶ closed ── the third failure in a row ──▶ open: everybody is told to wait
//!                 ▲                                        │ the wait is over
//!                 └── the one that was let through is answered ◀┘ (it fails: a longer wait)
//! ```
//!
//! Pure state over the time that the caller passes. What counts as a failure the client decides.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::Backoff;

/// So many failures in a row are a server that is away; fewer may be one broken connection.
const PATIENCE: u32 = 3;
/// Waits between two attempts to reach a server that is away. The longest is about what people wait for a start after they
/// have mended the server.
const REST: Backoff = Backoff::between(Duration::from_millis(250), Duration::from_secs(8));
/// How long the others wait for the one that was let through, if nothing is heard of it.
const PROBE: Duration = Duration::from_secs(1);

/// The breaker before one server.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// Asks for leave to send; the first after a wait gets it and the others wait on.
    ///
    /// # Errors
    /// The server rests; for so long.
    pub(super) fn ask(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        match state.until {
            Some(until) if until > now => Err(until - now),
            Some(_) => {
                state.until = Some(now + PROBE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Returns how long the server rests yet; nothing when it may be asked for leave.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        self.state().until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Notes that the server has answered.
    pub(super) fn answered(&self) {
        *self.state() = State::default();
    }

    /// Notes that the server was not there; `chance` of 0 to 1 draws the wait.
    pub(super) fn failed(&self, now: Instant, chance: f64) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= PATIENCE {
            state.until = Some(now + REST.wait(state.failures - PATIENCE, chance));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_cost_nobody_anything() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..2 {
            breaker.failed(now, 1.0);
            assert_eq!(breaker.ask(now), Ok(()));
        }
        breaker.failed(now, 1.0);
        assert_eq!(breaker.ask(now), Err(Duration::from_millis(250)));
    }

    #[test]
    fn one_is_let_through_and_the_waits_grow_to_their_cap() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        (0..3).for_each(|_| breaker.failed(now, 1.0));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = breaker.ask(now).expect_err("it rests");
            waits.push(wait.as_millis());
            now += wait;
            assert_eq!(breaker.ask(now), Ok(()), "the first gets through");
            assert!((0..200).all(|_| breaker.ask(now).is_err()), "and nobody else");
            breaker.failed(now, 1.0);
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        breaker.answered();
        assert!((0..200).all(|_| breaker.ask(now).is_ok()));
    }

    #[test]
    fn no_wait_is_nothing() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        (0..3).for_each(|_| breaker.failed(now, 0.0));
        assert!(breaker.ask(now).expect_err("it rests") >= Duration::from_millis(50));
    }

    #[test]
    fn a_lost_probe_blocks_nobody_for_good() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        (0..3).for_each(|_| breaker.failed(now, 0.0));
        let later = now + Duration::from_secs(10);
        assert_eq!(breaker.ask(later), Ok(()));
        assert_eq!(breaker.ask(later + PROBE), Ok(()));
    }
}
