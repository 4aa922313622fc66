//! The story of a start.
//!
//! Everything is checked before anything is sent. The intent is in the journal before anything is made. Then two branches
//! run side by side: one logs in, fetches and renders, the other pulls the image and creates the container around the
//! still empty directory. Where they meet the files are published and the container starts. A failure anywhere gives back
//! all that was made, newest first.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{Mutex, watch};

use super::{
    Class, DriverError, acquire,
    asker::Asker,
    asks::Asks,
    cursor::CursorFile,
    difference,
    facade::Started,
    files::{self, Rendered},
    finish,
    handle::Handle,
    holdings::{Holdings, Owed},
    keeper::Keeper,
    keys::{self, Keys},
    launcher,
    loan::Loan,
    masks::Masks,
    network::{self, Joined, NetworkFiles},
    owners::Owners,
    parts::Parts,
    plan::Plan,
    prepare::{self, Prepared},
    pull,
    receipts::Receipts,
    record::Record,
    supervisor::{Charge, Supervisor, Task},
    tasks::Tasks,
};
use crate::{
    container::{Connection, Image, LogPump, Outlet},
    domain::{Generation, Owner, SecretString, TaskKey, TaskSpec, fail_point},
    journal::Step,
    tmpfs::SecretsDir,
};

/// Starts a task. On success the container runs and a supervisor owns it; on failure nothing of the attempt is left.
///
/// # Errors
/// Each step has its own class; the text names the object and what to do.
pub(super) async fn launch(parts: &Arc<Parts>, tasks: &Tasks, spec: TaskSpec) -> Result<(Started, Task), DriverError> {
    let plan = Plan::check(&parts.settings, &spec.meta, &Asks::of(&spec))
        .inspect_err(|error| Receipts::of(parts, &spec.meta).refused_start(error))?;
    let plan = Arc::new(plan);
    prepare::check(parts, &spec)?;
    keys::check(&parts.settings, &plan, &spec)?;
    let joined = network::connect(parts, tasks, &spec).await?;
    let attempt = Attempt::new(parts, plan, spec, joined);
    match attempt.run().await {
        Ok(charge) => attempt.hand_over(charge).await,
        Err(error) => {
            attempt.undo().await;
            Err(error)
        }
    }
}

/// A start that is under way.
struct Attempt {
    parts: Arc<Parts>,
    plan: Arc<Plan>,
    spec: Arc<TaskSpec>,
    key: TaskKey,
    joined: Joined,
    /// Held while a container is being created.
    creating: Arc<Mutex<()>>,
    dir: OnceLock<Arc<SecretsDir>>,
    /// The directory of a login that was borrowed for the pull and could not be ended.
    lent: OnceLock<Arc<SecretsDir>>,
    held: Arc<Mutex<Holdings>>,
    masks: Masks,
    /// The token, once there is one.
    session: watch::Sender<Option<SecretString>>,
}

/// What a successful start leaves for the supervisor.
struct Launched {
    prepared: Prepared,
    keeper: Option<Keeper>,
    pump: LogPump,
}

impl Attempt {
    fn new(parts: &Arc<Parts>, plan: Arc<Plan>, spec: TaskSpec, joined: Joined) -> Self {
        let key = spec.meta.id.key();
        let (creating, dir, lent) = Default::default();
        let held = Arc::new(Mutex::new(Holdings { server: plan.server.clone(), ..Holdings::default() }));
        let (masks, session) = (Masks::new(parts, &spec.meta), watch::Sender::new(None));
        let (parts, spec) = (Arc::clone(parts), Arc::new(spec));
        Self { parts, plan, spec, key, joined, creating, dir, lent, held, masks, session }
    }

    /// The two branches and what comes after they have met.
    async fn run(&self) -> Result<Launched, DriverError> {
        let (ready, made) = watch::channel(false);
        let branches = async { tokio::try_join!(timed(self.secrets_branch(ready)), timed(self.image_branch(made))) };
        let ((delivery, secrets), (prepared, container)) = branches.await?;
        fail_point("joined");
        let (keeper, publish) = timed(self.deliver(delivery, &prepared)).await?;
        fail_point("published");
        let ((), start) = timed(self.start(&prepared)).await?;
        fail_point("started");
        let millis = |time: Duration| time.as_millis() as u64;
        let (secrets_ms, container_ms, publish_ms, start_ms) =
            (millis(secrets), millis(container), millis(publish), millis(start));
        tracing::info!(task_id = %self.spec.meta.id, secrets_ms, container_ms, publish_ms, start_ms, "Task started");
        let pump = self.carry_output(&prepared);
        Ok(Launched { prepared, keeper, pump })
    }

    fn carry_output(&self, prepared: &Prepared) -> LogPump {
        let keep = Some(CursorFile::of(&self.parts, &self.key).keeper());
        let redactions = self.masks.redactions();
        let outlet = Outlet { paths: self.spec.logs.clone(), keep, redactions, ..Outlet::default() };
        LogPump::spawn(Arc::clone(&self.parts.engine), prepared.container.clone(), outlet)
    }

    /// Publishes what was fetched, when anything was.
    async fn deliver(
        &self,
        delivery: Option<(Asker, Rendered)>,
        prepared: &Prepared,
    ) -> Result<Option<Keeper>, DriverError> {
        match delivery {
            Some((asker, rendered)) => self.publish(asker, rendered, prepared).await.map(Some),
            None => Ok(None),
        }
    }

    /// Starts the container. The note and the start are under way together: whichever a crash leaves alone, the sweeper
    /// undoes it.
    async fn start(&self, prepared: &Prepared) -> Result<(), DriverError> {
        let noted = self.parts.journal.append(&self.key, Step::Started);
        let (started, noted) = tokio::join!(self.parts.engine.start(&prepared.container), noted);
        started?;
        Ok(noted?)
    }

    /// Notes the intent and mounts the directory, lets the other branch know, then fetches and renders; `None` for a task
    /// that asks for nothing.
    async fn secrets_branch(&self, ready: watch::Sender<bool>) -> Result<Option<(Asker, Rendered)>, DriverError> {
        let intent = self.parts.journal.append(&self.key, Step::Intent { meta: Box::new(self.spec.meta.clone()) });
        if self.plan.asks_nothing() {
            intent.await?;
            fail_point("intent");
            ready.send_replace(true);
            return Ok(None);
        }
        self.parts.audit.ready().await?;
        let asker = Asker::new(Arc::clone(&self.parts), Arc::clone(&self.plan), self.spec.secrets_dir())?;
        // One flush of the disk carries both notes. Nothing is asked of the server before it is done; what the container
        // branch makes meanwhile bears our marks and is found by them if the machine dies with the notes unwritten.
        let (noted, announced, mounted) = tokio::join!(intent, asker.announce_login(), self.mount(ready));
        noted?;
        announced?;
        mounted?;
        fail_point("intent");
        let rendered = acquire::acquire(&asker, &self.held, &|held| self.record_session(held)).await?;
        Ok(Some((asker, rendered)))
    }

    async fn mount(&self, ready: watch::Sender<bool>) -> Result<(), DriverError> {
        self.dir.set(Arc::new(self.parts.tmpfs.create(&self.key)?)).ok();
        fail_point("mounted");
        ready.send_replace(true);
        Ok(())
    }

    /// Gets the image, and once the intent is noted and the directory there, creates the container around it.
    async fn image_branch(&self, mut made: watch::Receiver<bool>) -> Result<Prepared, DriverError> {
        let image = self.image(&made).await?;
        fail_point("image-ready");
        // Without the other branch's word nothing is created; that branch then has the error to report.
        made.wait_for(|made| *made)
            .await
            .map_err(|_| DriverError::new(Class::Internal, "the task's directory was not made"))?;
        match self.create(&image).await {
            // Somebody removed it between the look and the creation; a second time it is told.
            Err(error) if error.class() == Class::ImageUnavailable => self.create(&self.image(&made).await?).await,
            outcome => outcome,
        }
    }

    async fn create(&self, image: &Image) -> Result<Prepared, DriverError> {
        let spec = match self.plan.sets_variables() {
            true => Arc::new(launcher::before(&self.parts.settings.journal.state_dir, &self.spec, image)?),
            false => Arc::clone(&self.spec),
        };
        let dir = self.dir.get().map(AsRef::as_ref);
        let mut prepared = prepare::create(&self.parts, &spec, image, dir, self.connection()?, &self.creating).await?;
        for user in self.plan.users() {
            let owner = self.parts.engine.resolve_user(&prepared.container, image, Some(&user)).await?;
            prepared.owners.insert(user, owner);
        }
        Ok(prepared)
    }

    /// Writes the files that the container's network needs, and says what it is connected to.
    fn connection(&self) -> Result<Connection, DriverError> {
        let files = NetworkFiles::of(&self.parts, &self.key).write(&self.joined.files)?;
        Ok(Connection { join: self.joined.container.clone(), files })
    }

    /// Gets the image; a login that was borrowed for it ends with the pull.
    async fn image(&self, noted: &watch::Receiver<bool>) -> Result<Image, DriverError> {
        let held = Arc::clone(&self.held);
        let loan = Loan::new(noted.clone(), self.session.subscribe(), !self.plan.asks_nothing(), held);
        let keys = Keys::new(&self.parts, &self.plan, &self.spec, &loan);
        let image = pull::image(&self.parts, &self.spec, &keys).await?;
        if let Ok(asker) = keys.asker()
            && let Some(dir) = loan.give_back(&asker, &self.key).await
        {
            self.lent.set(dir).ok();
        }
        Ok(image)
    }

    /// Shows the first generation to the container that is about to start.
    async fn publish(&self, asker: Asker, rendered: Rendered, prepared: &Prepared) -> Result<Keeper, DriverError> {
        let dir =
            self.dir.get().ok_or_else(|| DriverError::new(Class::Internal, "no directory for the task's secrets"))?;
        let owner: Owner = prepared.owner;
        let generation = Generation(1);
        let mut held = self.held.lock().await;
        held.fingerprints = files::fingerprints(&rendered.files);
        held.answers.retain(|dependency, _| rendered.used.contains(dependency));
        held.generation = generation;
        held.owed = first_debt(&self.plan, generation);
        held.owners = Owners::new(owner, prepared.owners.clone());
        let mut set = rendered.files;
        files::give_owners(&mut set, &self.plan, &held.owners);
        files::add_manifest(&mut set, generation, &held, &held.fingerprints);
        let mut record = Record::new(self.spec.meta.clone(), Asks::of(&self.spec));
        record.owner = Some(owner);
        record.holdings = held.clone();
        self.masks.mask(&record);
        record.write(dir)?;
        asker.receipts.delivered(&held, generation);
        self.parts.audit.require().await?;
        dir.publish(&set, owner, generation)?;
        Ok(Keeper::new(asker, record, Arc::clone(dir), owner).with_masks(self.masks.clone()))
    }

    /// Writes the token down the moment it is there, so that a crash from here on cannot lose it, and lets the pull know.
    fn record_session(&self, held: &Holdings) -> Result<(), DriverError> {
        let Some(dir) = self.dir.get() else { return Ok(()) };
        let mut record = Record::new(self.spec.meta.clone(), Asks::of(&self.spec));
        record.holdings = held.clone();
        record.write(dir)?;
        self.session.send_replace(held.token().cloned());
        Ok(())
    }

    /// Hands the running task to its supervisor and makes the handle.
    async fn hand_over(self, launched: Launched) -> Result<(Started, Task), DriverError> {
        let started_at = SystemTime::now();
        let handle = Handle::new(&self.spec, &launched.prepared.container, started_at, &self.joined);
        let network = prepare::network(&self.parts, &self.spec, &self.joined, &launched.prepared.container).await;
        let charge = Charge {
            meta: self.spec.meta.clone(),
            container: launched.prepared.container,
            started_at,
            pump: launched.pump,
            keeper: launched.keeper,
            dir: self.dir.get().or(self.lent.get()).cloned(),
            restart_since: None,
        };
        let task = Supervisor::spawn(Arc::clone(&self.parts), charge);
        Ok((Started { state: handle.to_bytes(), network }, task))
    }

    /// Gives back everything: container first, then token and leases, then the directory.
    async fn undo(&self) {
        // The other branch may have been cut off while the engine was still at work.
        drop(self.creating.lock().await);
        if let Err(error) = prepare::remove(&self.parts, &self.key).await {
            tracing::warn!(task_id = %self.spec.meta.id, %error, "The container of a failed start was not removed; the sweeper will");
        }
        let holdings = self.held.lock().await.clone();
        if let Err(error) =
            finish::give_back(&self.parts, &self.spec.meta, Some(holdings), self.dir.get().map(AsRef::as_ref)).await
        {
            tracing::warn!(task_id = %self.spec.meta.id, %error, "Not everything of a failed start was given back; the sweeper will");
        }
    }
}

/// Returns what the container is owed once it runs: the scripts that shall run at first, when there are any.
fn first_debt(plan: &Plan, generation: Generation) -> Option<Owed> {
    let actions = difference::first_runs(plan);
    (!actions.is_empty()).then(|| Owed { generation, actions, ..Owed::default() })
}

/// Says beside a step's fruit how long it took, for the one log line that tells where a start's time went.
async fn timed<T>(step: impl Future<Output = Result<T, DriverError>>) -> Result<(T, Duration), DriverError> {
    let begin = Instant::now();
    let fruit = step.await?;
    Ok((fruit, begin.elapsed()))
}
