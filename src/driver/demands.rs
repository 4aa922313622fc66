//! What somebody asks of a running task's secrets out of turn: everything anew, or a look at what can be read.
//!
//! A demand puts what it is about at the head of the task's queue, so that turns, losses and outages are what they always
//! are. Nothing is shown before all of it was tried once, so that one demand is one generation; then those who wait are
//! answered. What has not been obtained by then stays demanded, also for the next process.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Class, DriverError,
    asker::AskError,
    authorities,
    keeper::{Item, Keeper},
    outage,
};
use crate::{
    domain::{Demand, Generation, TaskId},
    vault::Kind,
};

/// Longest time that somebody waits for an answer; agents set no limit of their own.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Longest time that other changes wait for what a demand has not tried yet.
const GATHER: Duration = Duration::from_secs(30);
/// Demands that may wait to be heard; more wait outside.
const WAITING: usize = 4;

/// A demand, and where its answer goes.
pub(super) struct Ask {
    demand: Demand,
    answer: oneshot::Sender<Result<(), DriverError>>,
}

/// The way to a task's keeper.
#[derive(Clone)]
pub(super) struct Bell(mpsc::Sender<Ask>);

/// What a keeper was asked for.
pub(super) struct Demands {
    bell: Bell,
    asks: mpsc::Receiver<Ask>,
    going: Option<Going>,
    /// The generation that showed what was rotated last.
    shown: Option<Generation>,
}

/// Demands that are being met together.
struct Going {
    demand: Demand,
    begun: Instant,
    /// What was not tried yet.
    untried: BTreeSet<Item>,
    trouble: Vec<DriverError>,
    waiters: Vec<oneshot::Sender<Result<(), DriverError>>>,
}

impl Bell {
    /// Asks, and waits a bounded time for what is known at once.
    ///
    /// # Errors
    /// Something could not be had yet; the keeper goes on trying. Or there is nothing to be had at all.
    pub(super) async fn ring(&self, id: &TaskId, demand: Demand) -> Result<(), DriverError> {
        let (answer, answered) = oneshot::channel();
        let gone = || DriverError::new(Class::NotRunning, format!("task {id} has ended"));
        let asked = async {
            self.0.send(Ask { demand, answer }).await.map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        };
        tokio::time::timeout(ANSWER_WAIT, asked).await.unwrap_or_else(|_| {
            let text = format!(
                "{demand} of task {id} is not done after {ANSWER_WAIT:?}; the driver goes on, and the task's events \
                 tell what comes of it"
            );
            Err(DriverError::new(Class::BackendUnavailable, text))
        })
    }
}

impl Demands {
    /// Begins with none.
    pub(super) fn new() -> Self {
        let (sender, asks) = mpsc::channel(WAITING);
        Self { bell: Bell(sender), asks, going: None, shown: None }
    }

    /// Waits for the next demand. May be dropped and asked again.
    pub(super) async fn next(&mut self) -> Ask {
        match self.asks.recv().await {
            Some(ask) => ask,
            // Never so: one way to here is our own.
            None => std::future::pending().await,
        }
    }

    /// Says whether changes wait until a demand has tried everything.
    pub(super) fn gathers(&self) -> bool {
        self.going.as_ref().is_some_and(|going| !going.untried.is_empty() && going.begun.elapsed() < GATHER)
    }

    /// Says whether somebody waits for `item` now.
    pub(super) fn waits_for(&self, item: &Item) -> bool {
        self.going.as_ref().is_some_and(|going| going.untried.contains(item))
    }

    /// Notes that `item` was asked for, and what came of it. A token that is dead is replaced first: its word is not the last.
    pub(super) fn tried(&mut self, item: &Item, trouble: Option<&AskError>) {
        let Some(going) = &mut self.going else { return };
        let is_dead_token = trouble.is_some_and(|error| error.kind() == Some(Kind::TokenDead));
        if !is_dead_token && going.untried.remove(item) {
            going.trouble.extend(trouble.map(DriverError::from));
        }
    }

    /// Drops what is used no more.
    pub(super) fn retain(&mut self, used: impl Fn(&Item) -> bool) {
        if let Some(going) = &mut self.going {
            going.untried.retain(used);
        }
    }
}

impl Going {
    fn begin(demand: Demand) -> Self {
        let (untried, trouble, waiters) = Default::default();
        Self { demand, begun: Instant::now(), untried, trouble, waiters }
    }

    fn answer(&mut self, outcome: &Result<(), DriverError>) {
        for waiter in self.waiters.drain(..) {
            // Who has gone does not want to know.
            waiter.send(outcome.clone()).ok();
        }
    }

    /// Returns what is known once everything was tried.
    fn outcome(&self) -> Result<(), DriverError> {
        let Some(first) = self.trouble.first() else { return Ok(()) };
        let all: Vec<&str> = self.trouble.iter().map(DriverError::message).collect();
        let text = format!("{}; what is held stays, and the driver goes on trying", all.join("; "));
        Err(DriverError::new(first.class(), text))
    }
}

impl Keeper {
    /// Returns the way to this keeper.
    pub(super) fn bell(&self) -> Bell {
        self.demands.bell.clone()
    }

    /// Begins what is asked for, or joins it to what is going on.
    pub(super) fn take_demand(&mut self, ask: Ask) {
        let Ask { demand, answer } = ask;
        let is_rotating = self.demands.going.as_ref().is_some_and(|going| going.demand == Demand::Rotate);
        if demand == Demand::Rotate && !is_rotating && self.is_told_of_rotation() {
            answer.send(Ok(())).ok();
            return;
        }
        let items = self.items_of(demand);
        if items.is_empty() {
            answer.send(Err(self.nothing_for(demand))).ok();
            return;
        }
        if self.demands.going.as_ref().is_none_or(|going| going.demand < demand) {
            self.tell_demand(demand);
        }
        let going = self.demands.going.get_or_insert_with(|| Going::begin(demand));
        going.demand = going.demand.max(demand);
        going.waiters.push(answer);
        for item in items {
            let anew = demand == Demand::Rotate && !self.is_read(&item);
            // What a rotation gets anew it gets once; what is only read may have changed since it was.
            if anew && is_rotating {
                continue;
            }
            if anew {
                self.holdings.demanded.insert(&item);
            }
            self.want(item);
        }
        self.save();
    }

    /// Puts `item` at the head of the queue.
    fn want(&mut self, item: Item) {
        self.queue.push(item.clone(), Instant::now());
        if let Some(going) = &mut self.demands.going {
            going.untried.insert(item);
        }
    }

    /// Takes up what was demanded of an earlier process.
    pub(super) fn take_up_demands(&mut self) {
        for item in self.holdings.demanded.items() {
            self.agenda.set(item, Instant::now());
        }
    }

    /// Says whether the container is yet to be told of what was rotated last.
    fn is_told_of_rotation(&self) -> bool {
        let owed = self.holdings.owed.as_ref().map(|owed| owed.generation);
        owed.is_some() && owed == self.demands.shown && !self.deed.is_idle()
    }

    fn is_read(&self, item: &Item) -> bool {
        match item {
            Item::Answer(dependency) => {
                self.holdings.answers.get(dependency).is_some_and(|answer| answer.is_read(dependency))
            }
            item => matches!(item, Item::Authorities(_)),
        }
    }

    /// Returns what `demand` is about. Certificates look at their issuers themselves.
    fn items_of(&self, demand: Demand) -> Vec<Item> {
        let answers = self.holdings.answers.keys().cloned().map(Item::Answer);
        let more: Vec<Item> = match demand {
            Demand::Rotate => self.holdings.certificates.keys().cloned().map(Item::Certificate).collect(),
            Demand::Render => {
                let mounts = authorities::mounts(&self.asker.parts.settings, &self.asker.plan);
                mounts.into_iter().map(Item::Authorities).collect()
            }
        };
        answers.chain(more).filter(|item| demand == Demand::Rotate || self.is_read(item)).collect()
    }

    fn nothing_for(&self, demand: Demand) -> DriverError {
        let id = &self.asker.plan.meta.id;
        let text = match demand {
            Demand::Rotate => format!("task {id} holds nothing of a secrets server, so there is nothing to get anew"),
            Demand::Render => format!(
                "task {id} holds nothing that can be read again without a new credential being made; {} makes them",
                Demand::Rotate
            ),
        };
        DriverError::new(Class::TaskConfigInvalid, text)
    }

    fn tell_demand(&self, demand: Demand) {
        let what = match demand {
            Demand::Rotate => "everything is got anew",
            Demand::Render => "what can be read is read now",
        };
        self.asker.tell(format!("{demand} was asked for: {what}"));
    }

    /// Answers those who wait, once what they wait for is known, and shows it.
    pub(super) async fn meet_demands(&mut self) {
        let Some(going) = &mut self.demands.going else { return };
        if !going.untried.is_empty() {
            if let Some(away) = self.away.borrow().as_ref() {
                let since = outage::moment(away.since);
                let text = format!(
                    "the secrets server does not answer since {since}: {}; what is held stays, and the driver goes on \
                     trying",
                    away.error
                );
                going.answer(&Err(DriverError::new(Class::BackendUnavailable, text)));
            }
            return;
        }
        let outcome = going.outcome();
        if !self.deed.is_idle() {
            // The container is being told of another change; this one is shown after it.
            going.answer(&outcome);
            return;
        }
        let Some(going) = self.demands.going.take() else { return };
        self.show_demanded(going, outcome).await;
    }

    async fn show_demanded(&mut self, mut going: Going, outcome: Result<(), DriverError>) {
        let before = self.holdings.generation;
        if self.coalescer.ready_at().is_some() || self.unpublished.is_some() {
            self.publish().await;
        }
        let outcome = match &self.unpublished {
            Some(error) => outcome.and(Err(error.clone())),
            None => outcome,
        };
        let is_shown = self.holdings.generation != before;
        if is_shown && going.demand == Demand::Rotate {
            self.demands.shown = Some(self.holdings.generation);
        }
        let is_done = outcome.is_ok() && self.holdings.demanded.is_empty();
        if is_done && !is_shown {
            self.asker.tell(format!("{}: nothing has changed", going.demand));
        }
        going.answer(&outcome);
    }
}
