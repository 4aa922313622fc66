//! Which images tasks use, and when an unused one goes.
//!
//! Promises: the counts are on disk and survive a kill of the plugin; a name that the driver did not bring stays unless the
//! operator says otherwise; an image that a start is about to use is not taken away under it.
//!
//! Does not know how an image is got, nor what a container is made of.

mod collector;
mod file;
mod ledger;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

pub(super) use collector::run;

use super::settings::{Collect, CollectSettings};
use crate::{
    container::{Arrival, Image, ImageRef},
    domain::TaskKey,
};
use file::LedgerFile;
use ledger::{Entry, Ledger};

/// The images that tasks use.
pub(super) struct Images {
    settings: CollectSettings,
    file: LedgerFile,
    state: Arc<Mutex<State>>,
    freed: Arc<Notify>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    ledger: Ledger,
    /// Names that a start is about to use, with how many do.
    reserved: HashMap<String, usize>,
    /// Names that are being taken away.
    removing: HashSet<String>,
}

/// The promise that a name's image stays for now.
pub(super) struct Reservation {
    name: String,
    state: Arc<Mutex<State>>,
}

/// An image that is being taken away; nobody can reserve its names meanwhile.
struct Claim {
    entry: Entry,
    state: Arc<Mutex<State>>,
    freed: Arc<Notify>,
}

impl Images {
    /// Reads what an earlier process has left.
    pub(super) fn open(settings: CollectSettings, state_dir: &Path) -> Self {
        let file = LedgerFile::below(state_dir);
        let state = State { ledger: file.read(), ..State::default() };
        let (freed, changed) = (Arc::default(), Notify::new());
        Self { settings, file, state: Arc::new(Mutex::new(state)), freed, changed }
    }

    /// Makes sure that `reference` stays while the reservation is held, waiting for a removal that is under way.
    pub(super) async fn reserve(&self, reference: &ImageRef) -> Reservation {
        let name = reference.to_string();
        loop {
            let freed = self.freed.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            {
                let mut state = lock(&self.state);
                if !state.removing.contains(&name) {
                    *state.reserved.entry(name.clone()).or_default() += 1;
                    return Reservation { name, state: Arc::clone(&self.state) };
                }
            }
            freed.await;
        }
    }

    /// Notes that `reference`, which means the image `before` now, is about to be brought.
    pub(super) fn announce(&self, reference: &ImageRef, before: Option<String>) {
        self.change(|ledger| ledger.announce(&reference.to_string(), before, SystemTime::now()));
    }

    /// Notes that `user` runs `image`.
    pub(super) fn take(&self, user: &TaskKey, reference: &ImageRef, image: &Image) {
        let came = image.arrival != Arrival::Present;
        self.change(|ledger| ledger.take(user, &reference.to_string(), &image.id, came));
    }

    /// Notes that `user` needs no image any more; one that needed none is fine.
    pub(super) fn release(&self, user: &TaskKey) {
        self.change_if(|ledger| ledger.release(user, SystemTime::now()));
    }

    /// Forgets users that are not among the living.
    pub(super) fn reconcile(&self, alive: &HashSet<TaskKey>) {
        self.change_if(|ledger| ledger.reconcile(alive, SystemTime::now()));
    }

    fn settled(&self, name: &str, found: Option<&str>) {
        self.change(|ledger| ledger.settle(name, found, SystemTime::now()));
    }

    fn postpone(&self, id: &str) {
        self.change(|ledger| ledger.postpone(id, self.settings.delay, SystemTime::now()));
    }

    fn forget(&self, id: &str) {
        self.change(|ledger| {
            // It may have been taken again between the removal and this note.
            if ledger.images.get(id).is_some_and(|entry| entry.users.is_empty()) {
                ledger.images.remove(id);
            }
        });
    }

    /// Returns the images to take away now; forgets those that shall stay and are of no interest.
    fn due(&self) -> Vec<String> {
        let due = lock(&self.state).ledger.due(self.settings.delay, SystemTime::now());
        let (go, stay): (Vec<_>, Vec<_>) = due.into_iter().partition(|id| self.goes(id));
        if !stay.is_empty() {
            self.change(|ledger| stay.iter().for_each(|id| ledger.spare(id)));
        }
        go
    }

    fn goes(&self, id: &str) -> bool {
        let state = lock(&self.state);
        let Some(entry) = state.ledger.images.get(id) else { return false };
        let kept = entry.brought.iter().chain(&entry.asked).any(|name| self.settings.keeps(name));
        let ours = !entry.brought.is_empty() || !entry.repositories.is_empty();
        !kept
            && match self.settings.collect {
                Collect::Any => true,
                Collect::Nothing => false,
                Collect::Pulled => ours,
            }
    }

    /// Returns names whose bringing was cut off some time ago and that no start waits for.
    fn overdue(&self) -> Vec<String> {
        let state = lock(&self.state);
        let overdue = state.ledger.overdue(self.settings.delay, SystemTime::now());
        overdue.into_iter().filter(|name| !state.reserved.contains_key(name)).collect()
    }

    fn until_due(&self) -> Option<Duration> {
        lock(&self.state).ledger.next(self.settings.delay, SystemTime::now())
    }

    /// Returns when something has become idle.
    async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Claims an image for removal; `None` when somebody is about to use it, or does.
    fn claim(&self, id: &str) -> Option<Claim> {
        let mut state = lock(&self.state);
        let entry = state.ledger.images.get(id).filter(|entry| entry.users.is_empty())?.clone();
        let names: Vec<String> = entry.brought.union(&entry.asked).cloned().collect();
        if names.iter().any(|name| state.reserved.contains_key(name)) {
            return None;
        }
        state.removing.extend(names);
        drop(state);
        Some(Claim { entry, state: Arc::clone(&self.state), freed: Arc::clone(&self.freed) })
    }

    fn change(&self, change: impl FnOnce(&mut Ledger)) {
        self.change_if(|ledger| {
            change(ledger);
            true
        });
    }

    /// Changes the ledger and writes it down before anybody else sees it.
    fn change_if(&self, change: impl FnOnce(&mut Ledger) -> bool) {
        let mut state = lock(&self.state);
        if change(&mut state.ledger) {
            self.file.write(&state.ledger);
            self.changed.notify_one();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(count) = state.reserved.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                state.reserved.remove(&self.name);
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        for name in self.entry.brought.union(&self.entry.asked) {
            state.removing.remove(name);
        }
        drop(state);
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        container::{Anonymous, Engine, ImageWish, MemoryEngine, Pull},
        domain::TaskId,
    };

    struct Bench {
        engine: MemoryEngine,
        dir: tempfile::TempDir,
        settings: CollectSettings,
    }

    impl Bench {
        fn new(collect: Collect) -> Self {
            let settings = CollectSettings { collect, delay: Duration::ZERO, ..CollectSettings::default() };
            Self { engine: MemoryEngine::default(), dir: tempfile::tempdir().expect("a directory"), settings }
        }

        /// What a process sees that has just begun.
        fn open(&self) -> Images {
            Images::open(self.settings.clone(), self.dir.path())
        }

        /// Goes the way of a start, up to the container.
        async fn start(&self, images: &Images, user: &TaskKey, name: &str) {
            let reference: ImageRef = name.parse().expect("a reference");
            let _reservation = images.reserve(&reference).await;
            let before = self.engine.look_at_image(name).await.expect("looked").map(|found| found.id);
            let wish = ImageWish::new(reference.clone(), Pull::Missing);
            if before.is_none() {
                images.announce(&reference, before);
            }
            let image = self.engine.ensure_image(&wish, &Anonymous, &|_| ()).await.expect("pulled");
            images.take(user, &reference, &image);
        }
    }

    fn user(text: &str) -> TaskKey {
        text.parse::<TaskId>().expect("an id").key()
    }

    #[tokio::test]
    async fn counts_survive_the_process() {
        let bench = Bench::new(Collect::Pulled);
        let (one, two) = (user("a/b/1"), user("a/b/2"));
        let first = bench.open();
        bench.start(&first, &one, "app:1").await;
        bench.start(&first, &two, "app:1").await;
        drop(first);
        let second = bench.open();
        second.release(&one);
        second.collect(&bench.engine).await;
        assert_eq!(bench.engine.images(), ["app:1"]);
        second.release(&two);
        drop(second);
        bench.open().collect(&bench.engine).await;
        assert!(bench.engine.images().is_empty());
    }

    #[tokio::test]
    async fn what_somebody_else_brought_stays_unless_all_may_go() {
        for (collect, left) in [(Collect::Pulled, 1), (Collect::Nothing, 1), (Collect::Any, 0)] {
            let bench = Bench::new(collect);
            bench.engine.put_image(&"app:1".parse().expect("a reference"));
            let images = bench.open();
            bench.start(&images, &user("a/b/1"), "app:1").await;
            images.release(&user("a/b/1"));
            images.collect(&bench.engine).await;
            assert_eq!(bench.engine.images().len(), left, "{collect:?}");
        }
    }

    #[tokio::test]
    async fn a_kept_name_stays() {
        let mut bench = Bench::new(Collect::Any);
        bench.settings.keep = vec!["app:*".to_owned()];
        let images = bench.open();
        for name in ["app:1", "other:1"] {
            bench.start(&images, &user("a/b/1"), name).await;
        }
        images.release(&user("a/b/1"));
        images.collect(&bench.engine).await;
        assert_eq!(bench.engine.images(), ["app:1"]);
    }

    #[tokio::test]
    async fn a_reserved_image_is_not_taken_and_one_that_is_being_taken_is_waited_for() {
        let bench = Bench::new(Collect::Pulled);
        let images = bench.open();
        bench.start(&images, &user("a/b/1"), "app:1").await;
        images.release(&user("a/b/1"));
        let reference: ImageRef = "app:1".parse().expect("a reference");
        let reservation = images.reserve(&reference).await;
        images.collect(&bench.engine).await;
        assert_eq!(bench.engine.images(), ["app:1"]);
        drop(reservation);
        let id = images.due().remove(0);
        let claim = images.claim(&id).expect("nobody uses it");
        let waiting = images.reserve(&reference);
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(claim);
        let _reservation = waiting.await;
    }

    #[tokio::test]
    async fn a_pull_that_nobody_saw_end_is_collected() {
        let bench = Bench::new(Collect::Pulled);
        let images = bench.open();
        let reference: ImageRef = "app:1".parse().expect("a reference");
        images.announce(&reference, None);
        bench.engine.put_image(&reference);
        drop(images);
        let next = bench.open();
        next.collect(&bench.engine).await;
        next.collect(&bench.engine).await;
        assert!(bench.engine.images().is_empty());
    }
}
