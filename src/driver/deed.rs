//! The keeper's debts to the container and to the server after a change: the splay, the action, the end of what was replaced.
//!
//! Everything owed is in the record before it is begun, and stays there until it is done, so that a process that dies in
//! between leaves what the next one needs: an action is carried out at least once and at most twice, and what was replaced
//! ends only after it.

use std::{
    mem,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    act::{Change, Order},
    asker::AskError,
    holdings::{Owed, Retiring, Superseded},
    keeper::{Item, Keeper},
};
use crate::domain::{ChangeAction, Generation};

/// What is being done about the visible generation.
#[derive(Debug, Default)]
pub(super) enum Deed {
    /// The supervisor is telling the container.
    Acting(oneshot::Receiver<()>),
    /// Nothing.
    #[default]
    Idle,
    /// The splay passes.
    Waiting(Instant),
}

/// How a deed has gone on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The container has been told.
    Done,
    /// The supervisor has given up, as the container has ended or is about to.
    Lost,
    /// The splay has passed.
    Ripe,
}

impl Deed {
    /// Says whether the next generation may become visible.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Waits for the next step; may be dropped and asked again.
    pub(super) async fn progress(&mut self) -> Progress {
        match self {
            Self::Acting(done) => done.await.map_or(Progress::Lost, |()| Progress::Done),
            Self::Idle => std::future::pending().await,
            Self::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                Progress::Ripe
            }
        }
    }
}

impl Keeper {
    /// Goes on with what is owed to the container.
    pub(super) async fn go_on(&mut self, progress: Progress, orders: &mpsc::Sender<Order>) {
        self.deed = Deed::Idle;
        match progress {
            Progress::Done => {
                let owed = self.holdings.owed.take();
                self.retire(owed.map(|owed| owed.replaced).unwrap_or_default());
                self.save();
            }
            Progress::Lost => {}
            Progress::Ripe => self.act(orders).await,
        }
    }

    /// Hands the owed action to the supervisor.
    async fn act(&mut self, orders: &mpsc::Sender<Order>) {
        self.note_restart();
        let Some(owed) = self.holdings.owed.clone() else { return };
        let (done, seen) = oneshot::channel();
        let change = Change { generation: owed.generation, actions: owed.actions, what: owed.what, done };
        if orders.send(Order::Act(change)).await.is_ok() {
            self.deed = Deed::Acting(seen);
        }
    }

    /// Writes down that a restart begins, so that the next process can tell its half from the task's own end.
    fn note_restart(&mut self) {
        if let Some(owed) = self.holdings.owed.as_mut().filter(|owed| owed.actions.contains(&ChangeAction::Restart)) {
            owed.restart_since.get_or_insert(SystemTime::now());
            self.save();
        }
    }

    /// Returns since when a restart is owed that the previous process had begun.
    pub(super) fn restart_since(&self) -> Option<SystemTime> {
        let owed = self.holdings.owed.as_ref().filter(|owed| Some(owed.generation) == self.dir.current())?;
        owed.restart_since
    }

    /// Takes up what a start or the previous process has left: the action of a visible generation is due, and what was
    /// fetched for one that never became visible is shown.
    pub(super) fn take_up_debts(&mut self) {
        match self.holdings.owed.take() {
            Some(mut owed) if Some(owed.generation) == self.dir.current() => {
                // A record of an older release does not say what changed.
                if owed.what.is_empty() && owed.generation > Generation(1) {
                    owed.what = "secrets".to_owned();
                }
                self.holdings.generation = owed.generation;
                self.holdings.owed = Some(owed);
                self.refresh_fingerprints();
                self.deed = Deed::Waiting(Instant::now());
            }
            Some(owed) => {
                self.holdings.superseded.join(owed.replaced);
                self.refresh_fingerprints();
                self.coalescer.note(Instant::now());
            }
            None => {}
        }
        if self.holdings.unshown {
            self.coalescer.note(Instant::now());
        }
        self.schedule_retirement();
    }

    /// Owes the container an action for the generation that is about to become visible.
    pub(super) fn owe(&mut self, owed: Owed) {
        let unfinished = self.holdings.owed.replace(owed).map(|owed| owed.replaced).unwrap_or_default();
        if let Some(owed) = &mut self.holdings.owed {
            owed.replaced.join(mem::take(&mut self.holdings.superseded));
            owed.replaced.join(unfinished);
        }
    }

    /// Owes nothing after all, since the generation did not become visible.
    pub(super) fn owe_nothing(&mut self) {
        if let Some(owed) = self.holdings.owed.take() {
            self.holdings.superseded.join(owed.replaced);
        }
    }

    /// Has what was replaced ended, once the container has had its time to let go of it.
    pub(super) fn retire(&mut self, replaced: Superseded) {
        if replaced.is_empty() {
            return;
        }
        let at = SystemTime::now() + self.asker.parts.settings.refresh.revoke_after;
        self.holdings.retiring.push(Retiring { at, replaced });
        self.schedule_retirement();
    }

    /// Plans the next end of something replaced. Not later than the overlap from now, whatever became of the clock.
    fn schedule_retirement(&mut self) {
        let Some(at) = self.holdings.retiring.iter().map(|retiring| retiring.at).min() else { return };
        let overlap = self.asker.parts.settings.refresh.revoke_after;
        let wait = at.duration_since(SystemTime::now()).unwrap_or_default().min(overlap);
        self.agenda.set_in(Item::Retired, wait);
    }

    /// Ends what is due to end.
    ///
    /// # Errors
    /// The server is away; what it did not take is kept for the next try.
    pub(super) async fn end_retired(&mut self) -> Result<(), AskError> {
        // Timers are a little early by the wall clock now and then.
        let now = SystemTime::now() + Duration::from_millis(20);
        let mut replaced = Superseded::default();
        for retiring in mem::take(&mut self.holdings.retiring) {
            match retiring.at <= now {
                true => replaced.join(retiring.replaced),
                false => self.holdings.retiring.push(retiring),
            }
        }
        let outcome = self.asker.end_superseded(&self.holdings, replaced).await;
        self.schedule_retirement();
        let Err((error, left)) = outcome else { return Ok(()) };
        self.holdings.retiring.push(Retiring { at: now, replaced: left });
        Err(error)
    }
}
