//! The parts that the use cases are made of, built once when the process learns that it is the long-lived one.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Instant,
};

use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;

use super::{
    Class, DriverError, figures::Tally, images::Images, login::Login, node::Store, servers::Server, settings::Settings,
    shared::Shared, turns::Turns,
};
use crate::{
    audit::Audit,
    container::{Docker, Engine},
    domain::{ServerName, TaskEvent},
    journal::Journal,
    tmpfs::Tmpfs,
    vault::{self, Vault},
};

/// Events that a slow reader may fall behind before the oldest are dropped.
const EVENTS: usize = 1024;

/// Everything a use case needs.
pub struct Parts {
    /// The operator's configuration.
    pub settings: Settings,
    /// The container engine.
    pub engine: Arc<dyn Engine>,
    /// The secrets server; absent when none is configured.
    pub vault: Option<Arc<dyn Vault>>,
    /// How tasks log in there.
    pub login: Option<Arc<Login>>,
    /// The tasks' directories in RAM.
    pub tmpfs: Tmpfs,
    /// What must be undone.
    pub journal: Journal,
    /// Who was given what.
    pub audit: Arc<Audit>,
    /// Whose turn it is at the secrets server.
    pub(super) turns: Arc<Turns>,
    /// What tasks read together.
    pub(super) shared: Arc<Shared>,
    /// Further clusters of secrets servers, by name.
    pub(super) clusters: BTreeMap<String, Server>,
    /// Whether the engine has been seen to share our mounts.
    pub(super) mounts_shared: AtomicBool,
    /// Commands that are being ended, since nobody attends them any more.
    pub(super) leaving: TaskTracker,
    /// When the engine last gave no answer to a recovery.
    engine_silent: Mutex<Option<Instant>>,
    /// Allocations whose network this process was asked for.
    pub(super) networks: Mutex<HashSet<String>>,
    /// Which images tasks use.
    pub(super) images: Images,
    /// What was done, for whoever watches.
    pub(super) tally: Tally,
    events: broadcast::Sender<TaskEvent>,
}

impl Parts {
    /// Builds the real parts from `settings`: opens the journal, takes its lock. Sends nothing.
    ///
    /// # Errors
    /// The state directory cannot be used, a named file cannot be read, or a setting is wrong in itself.
    pub async fn real(settings: Settings) -> Result<Self, DriverError> {
        let journal = open_journal(&settings).await?;
        let instance = instance(&settings.journal.state_dir)?;
        tracing::info!(state_dir = %settings.journal.state_dir.display(), instance, "State directory opened");
        let docker = Docker::new(settings.container.clone(), instance).with_pulls(&settings.images.pull);
        let engine: Arc<dyn Engine> = Arc::new(docker);
        let vault = match &settings.vault {
            Some(vault) => Some(Arc::new(vault::Client::new(vault.clone())?) as Arc<dyn Vault>),
            None => None,
        };
        let further = settings.clusters.iter().map(|(name, cluster)| {
            let client = vault::Client::new(cluster.vault.clone())?;
            Ok((name.clone(), Arc::new(client) as Arc<dyn Vault>))
        });
        let further = further.collect::<Result<Vec<_>, DriverError>>()?;
        let parts = Self::new(settings, engine, vault, journal)?.with_clusters(further)?;
        // Finds and closes what a crash tore; whether anything may start without the file is asked at each start.
        parts.audit.settle().await.ok();
        Ok(parts)
    }

    /// Puts together given parts.
    ///
    /// # Errors
    /// As [`Parts::real`].
    pub fn new(
        settings: Settings,
        engine: Arc<dyn Engine>,
        vault: Option<Arc<dyn Vault>>,
        journal: Journal,
    ) -> Result<Self, DriverError> {
        // Without a server nobody logs in, and no key need be there.
        let store = || Store::below(&settings.tmpfs.runtime_dir, ServerName::DEFAULT);
        let login = vault.as_ref().map(|vault| Login::new(&settings.auth, vault, store())).transpose()?.map(Arc::new);
        // The other half is for starts, which somebody waits for.
        let turns = Turns::new(settings.vault.as_ref().map_or(8, |vault| vault.max_in_flight / 2));
        let shared = Shared::new(settings.refresh.kv_poll);
        let tmpfs = Tmpfs::new(settings.tmpfs.clone());
        let state_dir = &settings.journal.state_dir;
        let installation = fs::read_to_string(state_dir.join("installation")).unwrap_or_default();
        let audit = Arc::new(Audit::start(&settings.audit, state_dir.join("audit.log"), installation.trim())?);
        let (events, _) = broadcast::channel(EVENTS);
        let (mounts_shared, leaving, engine_silent, networks) = Default::default();
        let images = Images::open(settings.images.collect.clone(), &settings.journal.state_dir);
        Ok(Self {
            settings,
            engine,
            vault,
            login,
            tmpfs,
            journal,
            audit,
            turns,
            shared,
            clusters: BTreeMap::new(),
            mounts_shared,
            leaving,
            engine_silent,
            networks,
            images,
            tally: Tally::default(),
            events,
        })
    }

    /// Adds clients of the further clusters that the settings name.
    ///
    /// # Errors
    /// One is not in the settings, or a file of its login cannot be read.
    pub fn with_clusters(
        mut self,
        clusters: impl IntoIterator<Item = (String, Arc<dyn Vault>)>,
    ) -> Result<Self, DriverError> {
        for (name, vault) in clusters {
            let server = ServerName { cluster: Some(name.clone()), namespace: None };
            let server = Server::new(&self.settings, &server, vault)?;
            self.clusters.insert(name, server);
        }
        Ok(self)
    }

    /// Says since when the engine is known to have been silent.
    pub(super) fn engine_silent_since(&self) -> Option<Instant> {
        *self.engine_silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the engine gave no answer.
    pub(super) fn note_silent_engine(&self) {
        *self.engine_silent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Tells whoever listens what happened to a task; never blocks.
    pub fn tell(&self, event: TaskEvent) {
        tracing::info!(task_id = event.task_id, task = event.task_name, message = event.message, "Task event");
        // Nobody listening is no fault: the agent may be away.
        self.events.send(event).ok();
    }

    /// Returns a reader of the events from now on.
    pub fn events(&self) -> broadcast::Receiver<TaskEvent> {
        self.events.subscribe()
    }
}

/// Opens the journal and says loudly what was found damaged.
async fn open_journal(settings: &Settings) -> Result<Journal, DriverError> {
    let settings = settings.journal.clone();
    let opened = tokio::task::spawn_blocking(move || Journal::open(&settings)).await;
    let journal = opened.map_err(|error| DriverError::new(Class::Internal, format!("open the journal: {error}")))??;
    if let Some(quarantine) = journal.quarantine() {
        tracing::error!(?quarantine, "The journal was damaged; its unreadable lines were set aside");
    }
    Ok(journal)
}

/// Returns this installation's own mark, made once and kept in the state directory, by which its containers are known.
fn instance(state_dir: &Path) -> Result<String, DriverError> {
    let path = state_dir.join("installation");
    let failed =
        |error: std::io::Error| DriverError::new(Class::StateUnavailable, format!("file {}: {error}", path.display()));
    if let Ok(text) = fs::read_to_string(&path)
        && text.len() == 32
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Ok(text);
    }
    let fresh = hex::encode(rand::random::<[u8; 16]>());
    let mut file = tempfile::NamedTempFile::new_in(state_dir).map_err(failed)?;
    std::io::Write::write_all(&mut file, fresh.as_bytes()).map_err(failed)?;
    // A mark that a power cut took away would leave containers that nobody knows.
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_installations_mark_stays_and_the_newest_process_takes_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::default();
        settings.journal.state_dir = folder.path().join("state");
        let first = open_journal(&settings).await.expect("a journal");
        let mark = instance(&settings.journal.state_dir).expect("a mark");
        let second = open_journal(&settings).await.expect("the journal is handed over");
        assert!(first.is_superseded() && !second.is_superseded());
        assert_eq!(instance(&settings.journal.state_dir).expect("a mark"), mark);
    }
}
