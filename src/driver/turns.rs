//! Whose turn it is at a secrets server, for all that can wait: renewals, re-issues, looks for changes.
//!
//! One for each server, shared by every task of the process. What ends first goes first, a bounded number at a time. While
//! the server is silent one request at a time goes through, after a back-off, and shows by its fate whether the others may
//! follow; what the request is about does not matter. Starts do not wait here: they have their own time.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::lease;

/// Longest wait between two requests to a server that is silent: one request each five seconds harms nobody.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// Silences in a row that make an outage: one answer may be lost on the way.
const SILENCES: u32 = 2;

/// The turns at one server.
pub(super) struct Turns {
    most: usize,
    state: Mutex<State>,
    away: watch::Sender<Option<Arc<Away>>>,
}

/// An outage.
#[derive(Clone, Debug)]
pub(super) struct Away {
    /// When the first request went unanswered.
    pub since: SystemTime,
    /// What was seen of it.
    pub error: String,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<(Instant, u64), oneshot::Sender<Turn>>,
    number: u64,
    in_flight: usize,
    silence: Option<Silence>,
    alarm: bool,
}

struct Silence {
    since: SystemTime,
    count: u32,
    probe_at: Instant,
}

/// The right to ask now. Dropping it gives it to the next.
pub(super) struct Turn(Option<Arc<Turns>>);

/// A place in the queue; waiting for it gives the turn, dropping it gives the place up.
pub(super) struct Place {
    turns: Arc<Turns>,
    key: (Instant, u64),
    turn: oneshot::Receiver<Turn>,
}

impl Turns {
    /// Returns turns of which at most `most` are out at a time.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), state: Mutex::default(), away: watch::Sender::new(None) })
    }

    /// Queues for something that ends at `end`.
    pub(super) fn queue(self: &Arc<Self>, end: Instant) -> Place {
        let (sender, turn) = oneshot::channel();
        let key = {
            let mut state = self.state();
            state.number += 1;
            let key = (end, state.number);
            state.waiting.insert(key, sender);
            key
        };
        self.admit();
        Place { turns: Arc::clone(self), key, turn }
    }

    /// Returns news of the server's absence.
    pub(super) fn away(&self) -> watch::Receiver<Option<Arc<Away>>> {
        self.away.subscribe()
    }

    /// Notes that the server has answered somebody, well or not.
    pub(super) fn answered(self: &Arc<Self>) {
        if self.state().silence.take().is_none() {
            return;
        }
        if self.away.send_replace(None).is_some() {
            tracing::info!("The secrets server answers again");
        }
        self.admit();
    }

    /// Notes that the server did not answer, or asked to be left alone for `rest`.
    fn silent(&self, rest: Duration, error: &dyn std::fmt::Display) {
        let mut state = self.state();
        let now = Instant::now();
        let count = state.silence.as_ref().map_or(0, |silence| silence.count);
        // Those that were out together count once.
        let again = state.silence.as_ref().is_none_or(|silence| now >= silence.probe_at);
        let since = state.silence.as_ref().map_or_else(SystemTime::now, |silence| silence.since);
        if again {
            let count = count.saturating_add(1);
            let pause = lease::backoff(count, rand::random()).min(PROBE_PAUSE).max(rest);
            state.silence = Some(Silence { since, count, probe_at: now + pause });
            if count == SILENCES {
                tracing::warn!(%error, "The secrets server is away; what is held stays");
                self.away.send_replace(Some(Arc::new(Away { since, error: error.to_string() })));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives turns to the first in the queue while there are any.
    fn admit(self: &Arc<Self>) {
        loop {
            let Some(first) = self.state().admit(self.most) else { break };
            if let Err(mut unheard) = first.send(Turn(Some(Arc::clone(self)))) {
                unheard.0 = None;
                self.state().in_flight -= 1;
            }
        }
        self.set_alarm();
    }

    /// Has the queue looked at again when the next probe may go.
    fn set_alarm(self: &Arc<Self>) {
        let mut state = self.state();
        let Some(at) = state.silence.as_ref().map(|silence| silence.probe_at) else { return };
        if state.alarm || state.in_flight > 0 || state.waiting.is_empty() {
            return;
        }
        state.alarm = true;
        let turns = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            turns.state().alarm = false;
            turns.admit();
        });
    }
}

impl State {
    /// Takes out the first in the queue when somebody may ask now.
    fn admit(&mut self, most: usize) -> Option<oneshot::Sender<Turn>> {
        let room = match &self.silence {
            Some(silence) => self.in_flight == 0 && Instant::now() >= silence.probe_at,
            None => self.in_flight < most,
        };
        let (_, first) = room.then(|| self.waiting.pop_first()).flatten()?;
        self.in_flight += 1;
        Some(first)
    }
}

impl Turn {
    /// Ends the turn with an answer.
    pub(super) fn answered(self) {
        if let Some(turns) = &self.0 {
            turns.answered();
        }
    }

    /// Ends the turn without one.
    pub(super) fn silent(self, rest: Duration, error: &dyn std::fmt::Display) {
        if let Some(turns) = &self.0 {
            turns.silent(rest, error);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.state().in_flight -= 1;
            turns.admit();
        }
    }
}

impl Place {
    /// Returns until when what it is for is good.
    pub(super) fn end(&self) -> Instant {
        self.key.0
    }
}

impl Future for Place {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        let turn = ready!(Pin::new(&mut self.turn).poll(context));
        // The sender leaves the queue only with a turn.
        Poll::Ready(turn.unwrap_or(Turn(None)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.state().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    fn is_ready(place: &mut Place) -> Option<Turn> {
        place.turn.try_recv().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_first_goes_first_and_no_more_than_so_many() {
        let turns = Turns::new(1);
        let held = turns.queue(at(9)).await;
        let (mut late, mut soon) = (turns.queue(at(60)), turns.queue(at(30)));
        assert!(is_ready(&mut soon).is_none());
        held.answered();
        let turn = is_ready(&mut soon).expect("the turn");
        assert!(is_ready(&mut late).is_none());
        drop(turn);
        assert!(is_ready(&mut late).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_up_holds_nobody_up() {
        let turns = Turns::new(1);
        let held = turns.queue(at(9)).await;
        drop(turns.queue(at(10)));
        let mut next = turns.queue(at(11));
        held.answered();
        drop(is_ready(&mut next).expect("the turn"));
        // One that was given a turn and never took it.
        drop(turns.queue(at(12)));
        assert!(is_ready(&mut turns.queue(at(13))).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_asked_once_at_a_time_until_it_answers() {
        let turns = Turns::new(8);
        let mut away = turns.away();
        let begin = Instant::now();
        let mut asked = 0;
        turns.queue(at(1)).await.silent(Duration::ZERO, &"no answer");
        let places: Vec<Place> = (0..100).map(|n| turns.queue(at(100 - n))).collect();
        while begin.elapsed() < Duration::from_secs(600) {
            let turn = turns.queue(begin).await;
            assert_eq!(turns.state().in_flight, 1);
            asked += 1;
            turn.silent(Duration::ZERO, &"no answer");
        }
        assert!(away.borrow_and_update().is_some());
        assert!((100..400).contains(&asked), "{asked} in ten minutes");
        turns.queue(begin).await.answered();
        assert!(away.borrow_and_update().is_none());
        assert_eq!(turns.state().in_flight, 8);
        let mut taken = 0;
        for mut place in places.into_iter().rev() {
            drop(is_ready(&mut place).expect("the earliest end first"));
            taken += 1;
        }
        assert_eq!((taken, turns.state().in_flight), (100, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_for_rest_gets_it() {
        let turns = Turns::new(8);
        turns.queue(at(1)).await.silent(Duration::from_secs(40), &"too many requests");
        let begin = Instant::now();
        turns.queue(at(1)).await.answered();
        assert!(begin.elapsed() >= Duration::from_secs(40));
    }
}
