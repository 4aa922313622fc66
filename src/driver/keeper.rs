//! Keeps what a task holds fresh while it lives.
//!
//! Three beats: wait for the next thing that is due, ask the server for it, and when something has changed publish a
//! whole new generation and hand the action to the supervisor. Renewal goes on while the action is carried out; what changes
//! meanwhile waits for its end. Each step is written to the record on the task's tmpfs before the next one, so that a
//! process that dies in between leaves a state that can be gone on from; renewals alone may be missing there for a moment.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    DriverError,
    act::Order,
    agenda::Agenda,
    asker::Asker,
    authorities,
    deed::{Deed, Progress},
    demands::{Ask, Demands},
    holdings::{Answer, Holdings},
    lag::{self, Lag},
    masks::Masks,
    outage::Ending,
    queue::Queue,
    record::Record,
    refresh::{self, Failure},
    resume,
    turns::{Away, Turn},
};
use crate::{
    domain::{LeaseId, Owner, RelPath},
    lease::Coalescer,
    template::Dependency,
    tmpfs::SecretsDir,
};

/// The place in the queue of what has no end, as if it ended so late.
const NO_END: Duration = Duration::from_secs(3600);

/// Something that must be asked for again in time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Item {
    /// One answer.
    Answer(Dependency),
    /// The issuers of one mount.
    Authorities(String),
    /// One certificate.
    Certificate(RelPath),
    /// The end of something, which nears.
    Ending(Box<Item>),
    /// Old generations that readers have left by now.
    Generations,
    /// A set of files that could not be published.
    Publish,
    /// What is left of something that an earlier process obtained.
    Rest(Box<Item>),
    /// What was replaced.
    Retired,
    /// The login itself.
    Session,
}

/// The task's keeper.
pub(super) struct Keeper {
    pub(super) asker: Asker,
    pub(super) holdings: Holdings,
    pub(super) agenda: Agenda,
    pub(super) queue: Queue,
    pub(super) failures: BTreeMap<Item, Failure>,
    pub(super) endings: BTreeMap<Item, Ending>,
    pub(super) away: watch::Receiver<Option<Arc<Away>>>,
    pub(super) told_away: bool,
    pub(super) deed: Deed,
    pub(super) coalescer: Coalescer,
    pub(super) dir: Arc<SecretsDir>,
    pub(super) owner: Owner,
    pub(super) demands: Demands,
    /// Why the newest set is not the visible one.
    pub(super) unpublished: Option<DriverError>,
    /// Why the task must end, when it must.
    pub(super) doom: Option<String>,
    record: Record,
    lag: Lag,
    masks: Masks,
    taken_over: bool,
}

enum Beat {
    Asked(Ask),
    Due(Vec<Item>),
    Leave,
    News,
    Overdue,
    Progress(Progress),
    Settled,
    Turn(Item, Turn),
}

impl Item {
    /// Returns what it is about.
    pub(super) fn subject(&self) -> &Self {
        match self {
            Self::Ending(item) | Self::Rest(item) => item,
            item => item,
        }
    }

    /// Says whether the server must be asked for it.
    fn is_asked_for(&self) -> bool {
        match self {
            Self::Answer(_)
            | Self::Authorities(_)
            | Self::Certificate(_)
            | Self::Rest(_)
            | Self::Retired
            | Self::Session => true,
            Self::Ending(_) | Self::Generations | Self::Publish => false,
        }
    }
}

impl Keeper {
    /// Takes over what a start or the record gives; schedules everything from its true remaining life.
    pub(super) fn new(asker: Asker, record: Record, dir: Arc<SecretsDir>, owner: Owner) -> Self {
        let timing = &asker.parts.settings.refresh;
        let coalescer = Coalescer::new(timing.quiet, timing.longest);
        let holdings = record.holdings.clone();
        let mut agenda = Agenda::new(timing.kv_poll);
        agenda.take(&holdings);
        let (queue, away) = (Queue::new(Arc::clone(asker.turns())), asker.turns().away());
        Self {
            asker,
            holdings,
            agenda,
            queue,
            failures: BTreeMap::new(),
            endings: BTreeMap::new(),
            away,
            told_away: false,
            deed: Deed::default(),
            coalescer,
            dir,
            owner,
            demands: Demands::new(),
            unpublished: None,
            doom: None,
            record,
            lag: Lag::default(),
            masks: Masks::default(),
            taken_over: false,
        }
    }

    /// Has what is held masked in the task's output.
    pub(super) fn with_masks(self, masks: Masks) -> Self {
        Self { masks, ..self }
    }

    /// As [`Keeper::new`], for a task that an earlier process started.
    pub(super) fn take_over(asker: Asker, record: Record, dir: Arc<SecretsDir>, owner: Owner) -> Self {
        asker.receipts.take_up(&record.holdings);
        if let Some(session) = &record.holdings.session {
            asker.seats.learn(&session.value);
        }
        Self { taken_over: true, ..Self::new(asker, record, dir, owner) }
    }

    /// Runs until `leave` fires and returns what is held then.
    pub(super) async fn run(mut self, orders: mpsc::Sender<Order>, leave: CancellationToken) -> Holdings {
        authorities::schedule_all(&mut self);
        self.take_up_debts();
        if self.taken_over {
            resume::plan(&mut self);
            self.take_up_demands();
        }
        loop {
            match self.next_beat(&leave).await {
                Beat::Asked(ask) => self.take_demand(ask),
                Beat::Due(items) => self.attend(items, &orders),
                Beat::Leave => return self.holdings,
                Beat::News => {}
                Beat::Overdue => self.save(),
                Beat::Progress(progress) => self.go_on(progress, &orders).await,
                Beat::Settled => self.publish().await,
                Beat::Turn(item, turn) => self.refresh(item, turn).await,
            }
            self.follow_outage();
            self.meet_demands().await;
            self.meet_doom(&orders);
        }
    }

    async fn next_beat(&mut self, leave: &CancellationToken) -> Beat {
        let due = self.agenda.next();
        // One change at a time is carried out; the next set waits for it, and gathers what comes meanwhile.
        let settled = self.coalescer.ready_at().filter(|_| self.deed.is_idle() && !self.demands.gathers());
        let (never, lag) = (Instant::now() + Duration::from_secs(86_400), self.lag.end());
        tokio::select! {
            biased;
            () = leave.cancelled() => Beat::Leave,
            ask = self.demands.next() => Beat::Asked(ask),
            progress = self.deed.progress() => Beat::Progress(progress),
            () = tokio::time::sleep_until(settled.unwrap_or(never)), if settled.is_some() => Beat::Settled,
            () = tokio::time::sleep_until(lag.unwrap_or(never)), if lag.is_some() => Beat::Overdue,
            () = tokio::time::sleep_until(due.unwrap_or(never)) => Beat::Due(self.agenda.due()),
            Ok(()) = self.away.changed() => Beat::News,
            (item, turn) = self.queue.turn() => Beat::Turn(item, turn),
        }
    }

    /// Does what needs no server, and queues for the rest.
    fn attend(&mut self, items: Vec<Item>, orders: &mpsc::Sender<Order>) {
        let mut ends = Vec::new();
        for item in items {
            match item {
                item if item.is_asked_for() => {
                    let end = self.end_of(item.subject()).map_or_else(|| Instant::now() + NO_END, |end| end.at);
                    self.queue.push(item, end);
                }
                Item::Ending(item) => ends.push(*item),
                Item::Generations => self.sweep_generations(),
                _ => self.coalescer.note(Instant::now()),
            }
        }
        self.look_at_ends(ends, orders);
    }

    /// Asks for one thing. The record is written once nothing more is due, or at once when it has something new; a lease that
    /// was only renewed can wait.
    async fn refresh(&mut self, item: Item, turn: Turn) {
        let before = self.lease_of(&item).map(|(lease, _)| lease.clone());
        let changed = refresh::refresh(self, &item, turn).await;
        if changed {
            self.coalescer.note(Instant::now());
        }
        match self.lease_of(&item).filter(|(lease, _)| !changed && before.as_ref() == Some(lease)) {
            Some((_, life)) => self.lag.begin(lag::bearable(life)),
            None if changed || self.queue.is_empty() => self.save(),
            None => {}
        }
    }

    /// Returns what an answer was lent, and for how long.
    fn lease_of(&self, item: &Item) -> Option<(&LeaseId, Duration)> {
        let Item::Answer(dependency) = item.subject() else { return None };
        let lease = self.holdings.answers.get(dependency)?.lease.as_ref()?;
        Some((&lease.value.id, lease.life))
    }

    /// Takes an answer in place of what was held.
    pub(super) fn hold(&mut self, dependency: Dependency, answer: Answer) {
        self.agenda.answer(&dependency, &answer);
        self.holdings.demanded.answers.remove(&dependency);
        self.holdings.answers.insert(dependency, answer);
    }

    /// Returns what has a lease.
    pub(super) fn leased(&self) -> Vec<Dependency> {
        let leased = self.holdings.answers.iter().filter(|(_, answer)| answer.lease.is_some());
        leased.map(|(dependency, _)| dependency.clone()).collect()
    }

    /// Says whether the task's files lack something of what is held.
    pub(super) fn has_unshown(&self) -> bool {
        self.coalescer.ready_at().is_some() || self.unpublished.is_some()
    }

    /// Writes the record; a failure is loud, because the next process would know less than this one.
    pub(super) fn save(&mut self) {
        self.lag = Lag::default();
        self.holdings.unshown = self.coalescer.ready_at().is_some();
        if let Some(values) = self.record.hold(&self.holdings) {
            // Before anything of it is shown to the task.
            self.masks.mask_values(values, &self.record.former);
        }
        if let Err(error) = self.record.write(&self.dir) {
            tracing::error!(task_id = %self.asker.plan.meta.id, %error, "The record on the task's tmpfs was not written");
        }
    }
}
