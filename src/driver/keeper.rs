//! Keeps what a task holds fresh while it lives.
//!
//! Three beats: wait for the next thing that is due, ask the server for it, and when something has changed publish a
//! whole new generation and hand the action to the supervisor. Each step is written to the record on the task's tmpfs
//! before the next one, so that a process that dies in between leaves a state that can be gone on from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    DriverError,
    act::Change,
    asker::Asker,
    files::{self, Outcome, Rendered},
    holdings::{Holdings, Owed},
    record::Record,
    refresh, resume,
};
use crate::{
    domain::{ChangeAction, Generation, Owner, RelPath, TaskEvent, fail_point},
    lease::{Coalescer, Schedule},
    template::Dependency,
    tmpfs::SecretsDir,
};

/// Wait before a set of files that could not be published is tried again.
const PUBLISH_PAUSE: std::time::Duration = std::time::Duration::from_secs(15);

/// Something that must be asked for again in time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Item {
    /// One answer.
    Answer(Dependency),
    /// One certificate.
    Certificate(RelPath),
    /// Old generations that readers have left by now.
    Generations,
    /// A set of files that could not be published.
    Publish,
    /// The login itself.
    Session,
}

/// The task's keeper.
pub(super) struct Keeper {
    pub(super) asker: Asker,
    pub(super) holdings: Holdings,
    pub(super) schedule: Schedule<Item>,
    pub(super) failures: BTreeMap<Item, refresh::Failure>,
    record: Record,
    dir: Arc<SecretsDir>,
    owner: Owner,
    coalescer: Coalescer,
    broken_render: bool,
    taken_over: bool,
}

enum Beat {
    Due(Vec<Item>),
    Leave,
    Settled,
}

impl Keeper {
    /// Takes over what a start or the record gives; schedules everything from its true remaining life.
    pub(super) fn new(asker: Asker, record: Record, dir: Arc<SecretsDir>, owner: Owner) -> Self {
        let timing = &asker.parts.settings.refresh;
        let coalescer = Coalescer::new(timing.quiet, timing.longest);
        let holdings = record.holdings.clone();
        let mut keeper = Self {
            asker,
            holdings,
            schedule: Schedule::default(),
            failures: BTreeMap::new(),
            record,
            dir,
            owner,
            coalescer,
            broken_render: false,
            taken_over: false,
        };
        keeper.schedule_all();
        keeper
    }

    /// As [`Keeper::new`], for a task that an earlier process started.
    pub(super) fn take_over(asker: Asker, record: Record, dir: Arc<SecretsDir>, owner: Owner) -> Self {
        Self { taken_over: true, ..Self::new(asker, record, dir, owner) }
    }

    /// Runs until `leave` fires and returns what is held then.
    pub(super) async fn run(mut self, changes: mpsc::Sender<Change>, leave: CancellationToken) -> Holdings {
        if self.taken_over {
            self.settle_debts(&changes).await;
            resume::learn_rests(&mut self).await;
        }
        loop {
            match self.next_beat(&leave).await {
                Beat::Due(items) => self.refresh_all(items, &leave).await,
                Beat::Settled => self.publish(&changes).await,
                Beat::Leave => return self.holdings,
            }
        }
    }

    async fn next_beat(&mut self, leave: &CancellationToken) -> Beat {
        let due = self.schedule.next();
        let settled = self.coalescer.ready_at();
        let never = Instant::now() + std::time::Duration::from_secs(86_400);
        tokio::select! {
            biased;
            () = leave.cancelled() => Beat::Leave,
            () = tokio::time::sleep_until(settled.unwrap_or(never)), if settled.is_some() => Beat::Settled,
            () = tokio::time::sleep_until(due.unwrap_or(never)) => Beat::Due(self.schedule.due(Instant::now())),
        }
    }

    async fn refresh_all(&mut self, items: Vec<Item>, leave: &CancellationToken) {
        for item in items {
            if leave.is_cancelled() {
                return;
            }
            if item == Item::Generations {
                self.sweep_generations();
            } else if refresh::refresh(self, &item).await {
                self.coalescer.note(Instant::now());
            }
        }
        self.save();
    }

    /// Renders everything and shows the new set when it differs from the visible one.
    async fn publish(&mut self, changes: &mpsc::Sender<Change>) {
        self.coalescer.reset();
        match self.render().await {
            Ok(rendered) => {
                self.broken_render = false;
                self.forget_unused(&rendered.used);
                self.show(rendered, changes).await;
            }
            Err(error) => self.keep_old(&error),
        }
        self.save();
    }

    /// Renders, asking for what a changed template newly needs.
    async fn render(&mut self) -> Result<Rendered, DriverError> {
        let token = self.asker.token(&self.holdings)?;
        for _ in 0..super::acquire::PASSES {
            match files::render(&self.asker.plan, &self.holdings)? {
                Outcome::Whole(rendered) => return Ok(rendered),
                Outcome::Missing(wanted) => {
                    let answers = self.asker.ask_all(&token, wanted).await?;
                    for (dependency, answer) in answers {
                        refresh::schedule_answer(&mut self.schedule, &self.asker, &dependency, &answer);
                        self.holdings.answers.insert(dependency, answer);
                    }
                }
            }
        }
        Err(super::acquire::endless())
    }

    async fn show(&mut self, rendered: Rendered, changes: &mpsc::Sender<Change>) {
        let prints = files::fingerprints(&rendered.files);
        if prints == self.holdings.fingerprints {
            self.end_superseded().await;
            return;
        }
        let actions = files::actions(&self.asker.plan, &self.holdings.fingerprints, &prints);
        let what = changed_names(&self.holdings.fingerprints, &prints);
        let generation = self.next_generation();
        let mut set = rendered.files;
        files::add_manifest(&mut set, generation, &self.holdings, &prints);

        self.holdings.owed = Some(Owed { generation, actions, restart_since: None });
        self.save();
        fail_point("before-flip");
        if let Err(error) = self.dir.publish(&set, self.owner, generation) {
            self.holdings.owed = None;
            self.keep_old(&error.into());
            return;
        }
        fail_point("after-flip");
        self.holdings.generation = generation;
        self.holdings.fingerprints = prints;
        self.save();
        self.schedule.set(Item::Generations, Instant::now() + super::GENERATION_LINGER);
        self.act(what, changes).await;
    }

    /// Hands the owed action to the supervisor, waits until it is done, and only then ends what was replaced.
    async fn act(&mut self, what: String, changes: &mpsc::Sender<Change>) {
        self.note_restart();
        let Some(owed) = self.holdings.owed.clone() else { return };
        let (done, seen) = oneshot::channel();
        let change = Change { generation: owed.generation, actions: owed.actions, what, done };
        if changes.send(change).await.is_err() || seen.await.is_err() {
            return;
        }
        self.holdings.owed = None;
        self.save();
        self.end_superseded().await;
        self.save();
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

    /// Carries out what the previous process published but did not act on, and shows what it fetched but did not publish.
    async fn settle_debts(&mut self, changes: &mpsc::Sender<Change>) {
        let visible = self.dir.current();
        match &self.holdings.owed {
            Some(owed) if Some(owed.generation) == visible => {
                self.holdings.generation = owed.generation;
                self.refresh_fingerprints();
                self.act("secrets".to_owned(), changes).await;
            }
            Some(_) => {
                self.holdings.owed = None;
                self.refresh_fingerprints();
                self.coalescer.note(Instant::now());
            }
            None => {}
        }
    }

    /// Takes the fingerprints from the files that the container really sees.
    fn refresh_fingerprints(&mut self) {
        match self.dir.read_current() {
            Ok(mut set) => {
                set.files.retain(|path, _| path.as_str() != super::plan::MANIFEST);
                self.holdings.fingerprints = files::fingerprints(&set);
            }
            Err(error) => {
                tracing::warn!(task_id = %self.asker.plan.meta.id, %error, "The visible files could not be read back")
            }
        }
    }

    fn next_generation(&self) -> Generation {
        self.dir.current().unwrap_or_default().max(self.holdings.generation).next()
    }

    async fn end_superseded(&mut self) {
        let superseded = std::mem::take(&mut self.holdings.superseded);
        self.asker.end_superseded(&self.holdings, superseded).await;
    }

    /// Drops answers that no output uses any more; their leases end with the session.
    fn forget_unused(&mut self, used: &BTreeSet<Dependency>) {
        self.holdings.answers.retain(|dependency, _| used.contains(dependency));
        let schedule = &mut self.schedule;
        let gone: Vec<Item> =
            schedule.keys().filter(|item| matches!(item, Item::Answer(d) if !used.contains(d))).cloned().collect();
        for item in gone {
            schedule.remove(&item);
        }
    }

    fn keep_old(&mut self, error: &DriverError) {
        self.schedule.set(Item::Publish, Instant::now() + PUBLISH_PAUSE);
        let meta = &self.asker.plan.meta;
        tracing::warn!(task_id = %meta.id, %error, "The new set of files was not published; the old one stays");
        if !self.broken_render {
            self.broken_render = true;
            self.asker
                .parts
                .tell(TaskEvent::new(meta, format!("New secrets not published, the old files stay: {error}")));
        }
    }

    fn sweep_generations(&mut self) {
        if let Err(error) = self.dir.sweep_generations() {
            tracing::warn!(task_id = %self.asker.plan.meta.id, %error, "Old generations were not removed");
        }
    }

    /// Writes the record; a failure is loud, because the next process would know less than this one.
    pub(super) fn save(&mut self) {
        self.record.holdings = self.holdings.clone();
        if let Err(error) = self.record.write(&self.dir) {
            tracing::error!(task_id = %self.asker.plan.meta.id, %error, "The record on the task's tmpfs was not written");
        }
    }

    fn schedule_all(&mut self) {
        let now = SystemTime::now();
        if let Some(session) = &self.holdings.session {
            refresh::schedule_session(&mut self.schedule, session, now);
        }
        for (dependency, answer) in &self.holdings.answers {
            refresh::schedule_answer(&mut self.schedule, &self.asker, dependency, answer);
        }
        for (name, certificate) in &self.holdings.certificates {
            refresh::schedule_certificate(&mut self.schedule, name, certificate, now);
        }
    }
}

/// Lists the top names under which something changed, for an event.
fn changed_names(old: &BTreeMap<RelPath, String>, new: &BTreeMap<RelPath, String>) -> String {
    let paths = old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path));
    let names: BTreeSet<&str> = paths.map(RelPath::top).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
