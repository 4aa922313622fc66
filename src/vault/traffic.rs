//! How much is asked of one cluster: so many requests at the same time, so many a second, and none while it wants a pause.
//!
//! All tasks of the node share it, since a server counts by the client's address. The pace is pure arithmetic over the
//! time that the caller passes; only [`Traffic::enter`] waits. Which server is spoken to is not known here.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep, timeout},
};

/// Longest wait for a turn; whoever would wait longer is told so and comes back.
const PATIENCE: Duration = Duration::from_secs(60);

/// The gate before a cluster.
pub(super) struct Traffic {
    in_flight: Semaphore,
    pace: Mutex<Pace>,
}

/// When the next request may be sent: a bucket that holds one second's worth, seen as the time at which it is full again.
#[derive(Debug)]
struct Pace {
    /// Between two requests in the long run.
    interval: Duration,
    /// How far the bucket's time may be ahead: the burst.
    slack: Duration,
    full_at: Option<Instant>,
}

impl Traffic {
    /// Returns a gate for `in_flight` requests at the same time and `rate` a second.
    pub(super) fn new(in_flight: usize, rate: u32) -> Self {
        Self { in_flight: Semaphore::new(in_flight), pace: Mutex::new(Pace::new(rate)) }
    }

    /// Waits for a turn, which ends when the permit is dropped.
    ///
    /// # Errors
    /// Too many wait already; the time after which to come back.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>, Duration> {
        let turn = timeout(PATIENCE, self.in_flight.acquire()).await.map_err(|_| PATIENCE)?;
        let turn = turn.expect("the semaphore is never closed");
        let wait = self.pace.lock().unwrap_or_else(PoisonError::into_inner).reserve(Instant::now())?;
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(turn)
    }

    /// Sends nothing for `pause`, because the server asked for it; what waits then goes one by one.
    pub(super) fn pause(&self, pause: Duration) {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).rest_until(Instant::now() + pause);
    }
}

impl Pace {
    fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { interval, slack: Duration::from_secs(1).saturating_sub(interval), full_at: None }
    }

    /// Takes the next free slot and returns how long it is until then.
    ///
    /// # Errors
    /// The slot is further away than anybody waits; it is not taken.
    fn reserve(&mut self, now: Instant) -> Result<Duration, Duration> {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let wait = (full_at - now).saturating_sub(self.slack);
        if wait > PATIENCE {
            return Err(wait);
        }
        self.full_at = Some(full_at + self.interval);
        Ok(wait)
    }

    fn rest_until(&mut self, end: Instant) {
        let full_at = end + self.slack;
        self.full_at = Some(self.full_at.map_or(full_at, |at| at.max(full_at)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_burst_of_one_second_goes_at_once_and_then_the_pace_is_kept() {
        let (mut pace, now) = (Pace::new(10), Instant::now());
        let waits: Vec<u128> = (0..14).map(|_| pace.reserve(now).expect("soon").as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 300, 400]);
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.reserve(later), Ok(Duration::ZERO));
    }

    #[test]
    fn over_any_second_no_more_than_two_bursts_and_in_the_long_run_the_rate() {
        let (mut pace, start) = (Pace::new(50), Instant::now());
        let mut sent: Vec<Instant> = Vec::new();
        for _ in 0..1000 {
            let wait = pace.reserve(start).expect("soon");
            sent.push(start + wait);
        }
        let last = *sent.last().expect("many");
        assert!(last - start >= Duration::from_secs(18), "{:?}", last - start);
        for begin in &sent {
            let within = sent.iter().filter(|at| **at >= *begin && **at < *begin + Duration::from_secs(1)).count();
            assert!(within <= 100, "{within}");
        }
    }

    #[test]
    fn after_a_pause_there_is_no_burst() {
        let (mut pace, now) = (Pace::new(10), Instant::now());
        pace.rest_until(now + Duration::from_secs(7));
        let waits: Vec<u128> = (0..3).map(|_| pace.reserve(now).expect("soon").as_millis()).collect();
        assert_eq!(waits, [7000, 7100, 7200]);
    }

    #[test]
    fn a_slot_too_far_away_is_refused_and_not_taken() {
        let (mut pace, now) = (Pace::new(10), Instant::now());
        pace.rest_until(now + Duration::from_secs(61));
        assert!(pace.reserve(now).is_err());
        assert_eq!(pace.reserve(now + Duration::from_secs(61)), Ok(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn two_thousand_wait_their_turn_and_the_rate_is_kept() {
        let traffic = Arc::new(Traffic::new(16, 50));
        let start = Instant::now();
        let asking: Vec<_> = (0..2000)
            .map(|_| {
                let traffic = Arc::clone(&traffic);
                tokio::spawn(async move { traffic.enter().await.map(|_| Instant::now()) })
            })
            .collect();
        let mut sent = Vec::new();
        for one in asking {
            sent.push(one.await.expect("no panic").expect("a turn"));
        }
        sent.sort();
        assert!(sent[1999] - start >= Duration::from_secs(38), "{:?}", sent[1999] - start);
        assert!(sent.windows(101).all(|some| some[100] - some[0] >= Duration::from_millis(990)));
    }
}
