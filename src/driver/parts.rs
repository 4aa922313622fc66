//! The parts that the use cases are made of, built once when the process learns that it is the long-lived one.

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use tokio::sync::broadcast;

use super::{Class, DriverError, login::Login, settings::Settings};
use crate::{
    container::{Docker, Engine},
    domain::TaskEvent,
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
    /// Whether the engine has been seen to share our mounts.
    pub(super) mounts_shared: AtomicBool,
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
        let engine: Arc<dyn Engine> = Arc::new(Docker::new(settings.container.clone(), instance));
        let vault = match &settings.vault {
            Some(vault) => Some(Arc::new(vault::Client::new(vault.clone())?) as Arc<dyn Vault>),
            None => None,
        };
        Self::new(settings, engine, vault, journal)
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
        let login = vault.is_some().then(|| Login::new(&settings.auth)).transpose()?.map(Arc::new);
        let tmpfs = Tmpfs::new(settings.tmpfs.clone());
        let (events, _) = broadcast::channel(EVENTS);
        Ok(Self { settings, engine, vault, login, tmpfs, journal, mounts_shared: AtomicBool::new(false), events })
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
