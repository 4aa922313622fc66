//! The journal as the use cases see it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{
    Entry, Error, OpenTask, Quarantine, Result, Settings, Step, check,
    file::LogFile,
    lock::Lock,
    state::State,
    writer::{Request, Writer},
};
use crate::domain::{TaskKey, fail_point};

/// How long an older process has to let go. It looks twice a second, and a slow disk may hold it for a while.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The open journal. Only one process has it; opening it takes it from an older one, so open it only to act.
#[derive(Debug)]
pub struct Journal {
    /// Gone only while the journal is being dropped.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<thread::JoinHandle<()>>,
    state: Arc<Mutex<State>>,
    superseded: watch::Receiver<bool>,
    state_dir: PathBuf,
    instance: u64,
    quarantine: Option<Quarantine>,
    #[cfg(test)]
    syncs: Arc<std::sync::atomic::AtomicUsize>,
}

impl Journal {
    /// Makes or opens the journal. Blocks for up to ten seconds while an older process lets go of it.
    pub fn open(settings: &Settings) -> Result<Self> {
        Self::open_within(settings, LOCK_WAIT)
    }

    /// As [`Journal::open`], with another limit.
    fn open_within(settings: &Settings, wait: Duration) -> Result<Self> {
        let state_dir = settings.state_dir.clone();
        let dir = check::open_state_dir(&state_dir)?;
        let lock = Lock::take(&dir, &state_dir, wait)?;
        let (log, state, quarantine) = LogFile::open(dir, &state_dir)?;
        let (state, instance) = (Arc::new(Mutex::new(state)), lock.number());
        let (superseded_tx, superseded) = watch::channel(false);
        let (requests, received) = mpsc::channel();
        #[cfg(test)]
        let syncs = Arc::default();
        let writer = Writer {
            log,
            lock,
            state: Arc::clone(&state),
            state_dir: state_dir.clone(),
            superseded: superseded_tx,
            #[cfg(test)]
            syncs: Arc::clone(&syncs),
        };
        let writer = Some(writer.start(received)?);
        let requests = Some(requests);
        Ok(Self {
            requests,
            writer,
            state,
            superseded,
            state_dir,
            instance,
            quarantine,
            #[cfg(test)]
            syncs,
        })
    }

    /// Notes that `step` happens now to the task of `key`; when it returns well, the line is on the disk. Several at once
    /// share one sync. A caller that stops waiting may still have its line written.
    pub async fn append(&self, key: &TaskKey, step: Step) -> Result<()> {
        let gone = || Error::NoWriter { path: self.state_dir.clone() };
        let (done, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(Request { entry: Entry::new(key.clone(), step), done }).map_err(|_| gone())?;
        let result = answer.await.map_err(|_| gone())?;
        fail_point("journal-appended");
        result
    }

    /// Notes that `step` has happened, without waiting for the disk: for what an earlier line already announced. Lines keep
    /// their order, and the next [`Journal::append`] says when they cannot be written.
    pub fn note(&self, key: &TaskKey, step: Step) {
        if let Some(requests) = &self.requests {
            let (done, _) = oneshot::channel();
            requests.send(Request { entry: Entry::new(key.clone(), step), done }).ok();
        }
        fail_point("journal-noted");
    }

    /// Notes that nothing of a task is left; its lines go when the file is made short. An unknown task is fine.
    pub async fn close(&self, key: &TaskKey) -> Result<()> {
        match self.task(key) {
            Some(_) => self.append(key, Step::Closed).await,
            None => Ok(()),
        }
    }

    /// Returns the tasks of which something is left, in the order of their keys.
    pub fn open_tasks(&self) -> Vec<OpenTask> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open_tasks()
    }

    /// Returns one task, when something of it is left.
    pub fn task(&self, key: &TaskKey) -> Option<OpenTask> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).task(key)
    }

    /// Returns what was found damaged and set aside, of which the operator wants to hear.
    pub fn quarantine(&self) -> Option<&Quarantine> {
        self.quarantine.as_ref()
    }

    /// Returns this process's number; a newer process has a larger one.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Says whether a newer process has taken over. Whoever is superseded sends no request and no signal any more.
    pub fn is_superseded(&self) -> bool {
        *self.superseded.borrow()
    }

    /// Returns when a newer process has taken over, which is noticed within a second.
    pub async fn superseded(&self) {
        // The thread ends without a word only when the journal is dropped.
        if self.superseded.clone().wait_for(|superseded| *superseded).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Lets the thread finish what it was given, then releases the lock.
impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            writer.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        path::Path,
        sync::atomic::Ordering,
    };

    use super::{
        super::entry::samples::{key, life},
        *,
    };

    /// A directory on a disk: `/tmp` is in RAM on some machines.
    fn home() -> tempfile::TempDir {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        fs::create_dir_all(&target).expect("a target directory");
        tempfile::tempdir_in(target).expect("a directory")
    }

    fn settings(home: &tempfile::TempDir) -> Settings {
        Settings { state_dir: home.path().join("state/strongbox") }
    }

    fn open(home: &tempfile::TempDir) -> Journal {
        Journal::open(&settings(home)).expect("the journal opens")
    }

    /// Notes the first `count` steps of the n-th task's life.
    async fn live(journal: &Journal, n: u32, count: usize) {
        for entry in life(n).into_iter().take(count) {
            journal.append(&entry.key, entry.step).await.expect("noted");
        }
    }

    fn lines(home: &tempfile::TempDir) -> usize {
        fs::read_to_string(settings(home).state_dir.join("journal.jsonl")).expect("the file").lines().count()
    }

    fn put(home: &tempfile::TempDir, bytes: &[u8]) {
        fs::create_dir_all(settings(home).state_dir).expect("a directory");
        fs::set_permissions(settings(home).state_dir, fs::Permissions::from_mode(0o700)).expect("a mode");
        fs::write(settings(home).state_dir.join("journal.jsonl"), bytes).expect("a file");
    }

    #[tokio::test]
    async fn the_next_process_finds_what_is_open() {
        let home = home();
        let journal = open(&home);
        for n in 1..=3 {
            live(&journal, n, 8).await;
        }
        journal.close(&key(2)).await.expect("noted");
        journal.close(&key(9)).await.expect("an unknown task is fine");
        let (before, first) = (journal.open_tasks(), journal.instance());
        drop(journal);
        assert_eq!(lines(&home), 25);

        let opened = open(&home);
        assert_eq!(opened.quarantine(), None);
        assert_eq!(opened.open_tasks(), before);
        assert_eq!(opened.task(&key(2)), None);
        assert!(opened.instance() > first);
        assert_eq!(lines(&home), 16, "only the open ones are left");
    }

    #[tokio::test]
    async fn files_are_for_their_owner_only() {
        let home = home();
        let journal = open(&home);
        live(&journal, 1, 1).await;
        let dir = settings(&home).state_dir;
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        assert_eq!((mode(&dir), mode(&dir.join("journal.jsonl"))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_damaged_file_is_set_aside_and_what_is_whole_is_kept() {
        let home = home();
        let good = life(1)[0].to_line();
        let bad = format!("{good}garbage\n{}", &life(2)[0].to_line()[..40]);
        put(&home, bad.as_bytes());
        let opened = open(&home);
        let quarantine = opened.quarantine().expect("damage is told").clone();
        assert_eq!(quarantine.lines, 2);
        assert_eq!(fs::read_to_string(&quarantine.path).expect("the damaged file"), bad);
        assert!(quarantine.path.to_string_lossy().contains("journal.jsonl.bad-"));
        live(&opened, 3, 1).await;
        drop(opened);
        let again = open(&home);
        assert_eq!(again.quarantine(), None);
        assert_eq!(again.open_tasks().len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_file_is_set_aside() {
        let home = home();
        put(&home, b"");
        fs::remove_file(settings(&home).state_dir.join("journal.jsonl")).expect("gone");
        fs::create_dir(settings(&home).state_dir.join("journal.jsonl")).expect("a directory");
        let opened = open(&home);
        assert!(opened.quarantine().is_some());
        live(&opened, 1, 1).await;
        drop(opened);

        fs::remove_file(settings(&home).state_dir.join("journal.jsonl")).expect("gone");
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").expect("a file");
        symlink(&elsewhere, settings(&home).state_dir.join("journal.jsonl")).expect("a link");
        let opened = open(&home);
        assert!(opened.quarantine().is_some());
        live(&opened, 1, 1).await;
        assert_eq!(fs::read_to_string(elsewhere).expect("the file"), "untouched");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn appends_at_once_share_syncs() {
        let home = home();
        let journal = open(&home);
        let keys: Vec<_> = (0..400).map(key).collect();
        let appends = keys.iter().map(|key| journal.append(key, Step::Started));
        for result in futures_util::future::join_all(appends).await {
            result.expect("noted");
        }
        let syncs = journal.syncs.load(Ordering::SeqCst);
        assert!(syncs < 200, "{syncs} syncs for 400 lines");
        drop(journal);
        assert_eq!(open(&home).open_tasks().len(), 400);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_newer_process_takes_over() {
        let home = home();
        let old = open(&home);
        live(&old, 1, 1).await;
        assert!(!old.is_superseded());
        let new = open(&home);
        old.superseded().await;
        assert!(old.is_superseded());
        assert!(matches!(old.append(&key(2), Step::Started).await, Err(Error::Superseded { .. })));
        live(&new, 3, 1).await;
        assert_eq!(new.open_tasks().len(), 2);
        drop((old, new));
        assert_eq!(open(&home).open_tasks().len(), 2);
    }

    #[test]
    fn a_holder_that_does_not_let_go_is_named() {
        let home = home();
        put(&home, b"");
        let held = fs::File::create(settings(&home).state_dir.join("lock")).expect("a lock");
        held.lock().expect("held");
        let refused = Journal::open_within(&settings(&home), Duration::from_millis(50));
        assert!(matches!(refused, Err(Error::Held { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_file_that_grows_is_made_short_in_use() {
        let home = home();
        let journal = open(&home);
        live(&journal, 1, 1).await;
        let renewed = |n: usize| {
            let Step::Leased { lease_id, cluster, namespace, .. } = life(1)[3].step.clone() else { panic!("a lease") };
            let deadline = Some(std::time::UNIX_EPOCH + Duration::from_secs(n as u64));
            Step::Leased { lease_id, cluster, namespace, deadline }
        };
        let key = key(1);
        for batch in 0..20 {
            let appends = (0..500).map(|n| journal.append(&key, renewed(batch * 500 + n)));
            futures_util::future::join_all(appends).await.into_iter().for_each(|result| result.expect("noted"));
        }
        assert!(lines(&home) < 10_000, "{} lines", lines(&home));
        let before = journal.open_tasks();
        drop(journal);
        assert_eq!(open(&home).open_tasks(), before);
        assert_eq!(before[0].leases[0].deadline, Some(std::time::UNIX_EPOCH + Duration::from_secs(9999)));
    }

    #[test]
    fn an_unfit_state_directory_is_refused() {
        let home = home();
        let refused = |path: &Path| match Journal::open(&Settings { state_dir: path.to_owned() }) {
            Err(error @ Error::UnsafeDirectory { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(refused(Path::new("/dev/shm")).contains("RAM"));
        assert!(refused(Path::new("state")).contains("absolute"));
        symlink(home.path(), home.path().join("link")).expect("a link");
        assert!(refused(&home.path().join("link")).contains("link"));
        fs::create_dir(home.path().join("open")).expect("a directory");
        fs::set_permissions(home.path().join("open"), fs::Permissions::from_mode(0o777)).expect("a mode");
        assert!(refused(&home.path().join("open")).contains("0777"));
    }
}
