//! One read for all tasks of a node that may read the same.
//!
//! Tasks that read one path with the same rights form a group. All of a group look at the same moment: the first asks the
//! server, the others wait for its answer and take it. Each group has a moment of its own, so that paths do not crowd.
//!
//! Nobody is given what its own token might not read. Policies of one name mean other paths for another task where they
//! name its job or allocation, so a task takes part only with a token that has read the very path itself, not long ago.
//! Errors are never passed on: who hears of none asks by itself. Answers of other engines than KV may be made for the one
//! who asks and are never shared, nor is anything with a lease. An answer is held for a tenth of the poll, then wiped.
//!
//! Knows neither the server nor what an answer means.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use rand::Rng;
use tokio::{sync::watch, time::Instant};

use super::agenda;
use crate::{
    domain::{SecretString, Session},
    lease,
    template::Dependency,
    vault::Reply,
};

/// How long, give or take a fifth, a task's own read shows that its token may read a path. A right that one task alone has
/// lost is found by then at the latest; a policy that is changed for all of them is found at the next look.
const PROOF: Duration = Duration::from_secs(3600);
/// How long it is known which engine answers at a path.
const ENGINE: Duration = Duration::from_secs(3600);
/// Which share of the poll an answer is passed on for: the tasks of a node need no more to come to their turns.
const FRESH: u32 = 10;
/// Tokens of a task whose policies are kept: the living one, and those that are being replaced.
const TOKENS_MAX: usize = 4;

/// The groups of a node.
pub(super) struct Shared {
    kv_poll: Duration,
    groups: Mutex<HashMap<Key, Weak<Group>>>,
}

/// Where a task's tokens are from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// The cluster's name, which stands for its addresses.
    pub cluster: String,
    /// The namespace that is read in.
    pub namespace: String,
    /// The auth method's mount.
    pub mount: String,
    /// The role.
    pub role: String,
}

/// What tasks must have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    origin: Origin,
    policies: Vec<String>,
    dependency: Dependency,
}

/// Those who read the same with the same rights.
struct Group {
    fresh: Duration,
    interval: Duration,
    members: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When all of them look.
    look_at: Option<Instant>,
    /// Whether the engine is KV, and until when that is believed.
    engine: Option<(bool, Instant)>,
    news: Option<News>,
    flight: Option<watch::Receiver<()>>,
}

/// An answer that is passed on.
#[derive(Clone)]
struct News {
    at: Instant,
    read_at: SystemTime,
    request_id: String,
    data: SecretString,
}

/// One task's part in the groups.
#[derive(Clone)]
pub(super) struct Seats {
    shared: Arc<Shared>,
    origin: Arc<Origin>,
    own: Arc<Mutex<Own>>,
}

#[derive(Default)]
struct Own {
    policies: Vec<(SecretString, Vec<String>)>,
    seats: BTreeMap<Dependency, Seat>,
}

/// A task's part in one group, which its own read has shown to be due to it.
#[derive(Clone)]
pub(super) struct Seat {
    token: SecretString,
    until: Instant,
    member: Arc<Member>,
}

/// Counts in its group.
struct Member(Arc<Group>);

/// What a task that looks has to do.
pub(super) enum Claim {
    /// Ask by itself and keep what comes to itself.
    Alone,
    /// Ask for all.
    Lead(Flight),
    /// Nothing: this was just answered, at that time.
    Taken(Reply, SystemTime),
}

/// The request that the others wait for. They ask by themselves when it is dropped before it has landed.
pub(super) struct Flight {
    group: Arc<Group>,
    _over: watch::Sender<()>,
}

impl Shared {
    /// Returns no groups yet; secrets without a lease are read every `kv_poll`.
    pub(super) fn new(kv_poll: Duration) -> Arc<Self> {
        Arc::new(Self { kv_poll, groups: Mutex::default() })
    }

    fn group(&self, key: Key) -> Arc<Group> {
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(&key).and_then(Weak::upgrade) {
            return group;
        }
        groups.retain(|_, group| group.strong_count() > 0);
        let interval = agenda::interval(self.kv_poll, &key.dependency);
        let group = Arc::new(Group {
            fresh: self.kv_poll / FRESH,
            interval,
            members: AtomicUsize::default(),
            state: Mutex::default(),
        });
        groups.insert(key, Arc::downgrade(&group));
        group
    }
}

impl Seats {
    /// Returns the part of a task that takes part in nothing yet.
    pub(super) fn new(shared: &Arc<Shared>, origin: Origin) -> Self {
        Self { shared: Arc::clone(shared), origin: Arc::new(origin), own: Arc::default() }
    }

    /// Keeps which policies a token has.
    pub(super) fn learn(&self, session: &Session) {
        let mut policies = session.policies.clone();
        policies.sort();
        policies.dedup();
        let mut own = lock(&self.own);
        let known = (session.token.clone(), policies);
        if own.policies.contains(&known) {
            return;
        }
        own.policies.retain(|(token, _)| *token != session.token);
        // Under other policies nothing is shown yet.
        own.seats.retain(|_, seat| seat.token != session.token);
        own.policies.push(known);
        let surplus = own.policies.len().saturating_sub(TOKENS_MAX);
        own.policies.drain(..surplus);
    }

    /// Returns the policies of a token, as far as they are known.
    pub(super) fn policies(&self, token: &SecretString) -> Vec<String> {
        let own = lock(&self.own);
        own.policies.iter().find(|(known, _)| known == token).map(|(_, policies)| policies.clone()).unwrap_or_default()
    }

    /// Notes that the server has let `token` read. Who looks next may take part.
    pub(super) fn prove(&self, token: &SecretString, dependency: &Dependency) {
        let mut own = lock(&self.own);
        let now = Instant::now();
        own.seats.retain(|_, seat| seat.until > now);
        let Some((_, policies)) = own.policies.iter().find(|(known, _)| known == token) else { return };
        let (origin, policies) = ((*self.origin).clone(), policies.clone());
        let group = self.shared.group(Key { origin, policies, dependency: dependency.clone() });
        let before = own.seats.get(dependency).filter(|seat| Arc::ptr_eq(&seat.member.0, &group));
        let member = before.map_or_else(|| Arc::new(Member::new(group)), |seat| Arc::clone(&seat.member));
        let until = now + lease::poll_after(PROOF, rand::rng().random());
        own.seats.insert(dependency.clone(), Seat { token: token.clone(), until, member });
    }

    /// Notes that the server has not.
    pub(super) fn forget(&self, dependency: &Dependency) {
        lock(&self.own).seats.remove(dependency);
    }

    /// Returns the part that `token` may take in reading `dependency`.
    pub(super) fn seat(&self, token: &SecretString, dependency: &Dependency) -> Option<Seat> {
        let own = lock(&self.own);
        let seat = own.seats.get(dependency)?;
        (seat.token == *token && seat.until > Instant::now()).then(|| seat.clone())
    }

    /// Returns when all who read `dependency` with the same rights look again.
    pub(super) fn look_at(&self, dependency: &Dependency) -> Option<Instant> {
        lock(&self.own).seats.get(dependency)?.member.0.look_at()
    }
}

impl Seat {
    /// Returns what is to be done; waits for a request that is under way, once.
    pub(super) async fn claim(&self) -> Claim {
        let group = &self.member.0;
        let mut flight = {
            let mut state = group.state();
            if let Some(news) = state.fresh(group.fresh) {
                return news.claim();
            }
            match &state.flight {
                Some(flight) => flight.clone(),
                None => {
                    let (over, flight) = watch::channel(());
                    state.flight = Some(flight);
                    return Claim::Lead(Flight { group: Arc::clone(group), _over: over });
                }
            }
        };
        // Nothing is sent: the end of the flight is the news.
        flight.changed().await.ok();
        let news = group.state().fresh(group.fresh);
        news.map_or(Claim::Alone, News::claim)
    }
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns the next moment; the first to ask after one has passed sets it for all.
    fn look_at(&self) -> Option<Instant> {
        let mut state = self.state();
        let now = Instant::now();
        if state.is_kv(now) == Some(false) {
            return None;
        }
        let planned = state.look_at.filter(|at| *at > now);
        let at = planned.unwrap_or_else(|| now + lease::poll_after(self.interval, rand::rng().random()));
        state.look_at = Some(at);
        state.look_at
    }
}

impl State {
    fn is_kv(&self, now: Instant) -> Option<bool> {
        self.engine.filter(|(_, until)| *until > now).map(|(is_kv, _)| is_kv)
    }

    fn fresh(&self, age: Duration) -> Option<News> {
        self.news.clone().filter(|news| news.at.elapsed() < age)
    }
}

impl News {
    fn claim(self) -> Claim {
        match serde_json::from_str(self.data.expose()) {
            Ok(data) => {
                let reply = Reply { request_id: self.request_id, data: Arc::new(data), ..Reply::default() };
                Claim::Taken(reply, self.read_at)
            }
            Err(_) => Claim::Alone,
        }
    }
}

impl Member {
    fn new(group: Arc<Group>) -> Self {
        group.members.fetch_add(1, Ordering::Relaxed);
        Self(group)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.members.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Flight {
    /// Says whether there is anybody else.
    pub(super) fn is_awaited(&self) -> bool {
        self.group.members.load(Ordering::Relaxed) > 1
    }

    /// Says whether the engine is KV, when that is known.
    pub(super) fn is_kv(&self) -> Option<bool> {
        self.group.state().is_kv(Instant::now())
    }

    /// Notes whether the engine is KV.
    pub(super) fn note_engine(&self, is_kv: bool) {
        self.group.state().engine = Some((is_kv, Instant::now() + ENGINE));
    }

    /// Passes an answer on: to those who wait, and for a short time to those who come.
    pub(super) fn land(self, reply: &Reply) {
        let Ok(data) = serde_json::to_string(&*reply.data) else { return };
        let at = Instant::now();
        let (request_id, data) = (reply.request_id.clone(), SecretString::new(data));
        self.group.state().news = Some(News { at, read_at: SystemTime::now(), request_id, data });
        let (group, fresh) = (Arc::downgrade(&self.group), self.group.fresh);
        tokio::spawn(async move {
            tokio::time::sleep(fresh).await;
            if let Some(group) = group.upgrade() {
                let mut state = group.state();
                state.news = state.news.take().filter(|news| news.at > at);
            }
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Before those who wait hear of it: who comes now leads, and who waited asks by itself.
        self.group.state().flight = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const FRESH_FOR: Duration = Duration::from_secs(6);

    fn origin() -> Origin {
        let [cluster, namespace, mount, role] = ["", "team", "jwt", "shop"].map(str::to_owned);
        Origin { cluster, namespace, mount, role }
    }

    fn session(token: &str, policies: &[&str]) -> Session {
        let (token, policies) = (SecretString::new(token), policies.iter().map(|name| (*name).to_owned()).collect());
        Session { token, accessor: None, duration: MINUTE, renewable: true, policies }
    }

    fn path(path: &str) -> Dependency {
        Dependency::read(path.parse().expect("a path"))
    }

    fn reply(word: &str) -> Reply {
        Reply { request_id: "r".into(), data: json!({ "word": word }).into(), ..Reply::default() }
    }

    /// A task whose token has read `kv/a`.
    struct Task {
        seats: Seats,
        token: SecretString,
    }

    impl Task {
        fn new(shared: &Arc<Shared>, token: &str) -> Self {
            Self::of(shared, token, origin(), &["default", "shop"])
        }

        fn of(shared: &Arc<Shared>, token: &str, origin: Origin, policies: &[&str]) -> Self {
            let task = Self { seats: Seats::new(shared, origin), token: SecretString::new(token) };
            task.seats.learn(&session(token, policies));
            task.seats.prove(&task.token, &path("kv/a"));
            task
        }

        fn seat(&self) -> Option<Seat> {
            self.seats.seat(&self.token, &path("kv/a"))
        }

        async fn claim(&self) -> Claim {
            self.seat().expect("a seat").claim().await
        }

        async fn lead(&self) -> Flight {
            match self.claim().await {
                Claim::Lead(flight) => flight,
                Claim::Alone | Claim::Taken(..) => panic!("nobody asks"),
            }
        }

        async fn taken(&self) -> Option<String> {
            match self.claim().await {
                Claim::Taken(reply, _) => reply.data["word"].as_str().map(str::to_owned),
                Claim::Alone | Claim::Lead(_) => None,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_and_those_who_come_meanwhile_or_just_after_take_its_answer() {
        let shared = Shared::new(MINUTE);
        let tasks: Vec<Task> = (0..200).map(|number| Task::new(&shared, &format!("t{number}"))).collect();
        let flight = tasks[0].lead().await;
        assert!(flight.is_awaited());
        let waiting = futures_util::future::join_all(tasks[1..199].iter().map(Task::taken));
        let landing = async {
            tokio::time::sleep(MINUTE).await;
            flight.land(&reply("new"));
        };
        let (taken, ()) = tokio::join!(waiting, landing);
        assert!(taken.iter().all(|word| word.as_deref() == Some("new")));
        assert_eq!(tasks[199].taken().await.as_deref(), Some("new"), "it comes a moment later");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_a_request_that_failed_asks_by_itself_and_the_next_asks_for_all() {
        let shared = Shared::new(MINUTE);
        let tasks: Vec<Task> = (0..4).map(|number| Task::new(&shared, &format!("t{number}"))).collect();
        let flight = tasks[0].lead().await;
        let mut waiting = Box::pin(futures_util::future::join_all(tasks[1..3].iter().map(Task::claim)));
        assert!((&mut waiting).now_or_never().is_none(), "they wait");
        drop(flight);
        let claims = waiting.await;
        assert!(claims.iter().all(|claim| matches!(claim, Claim::Alone)));
        tasks[3].lead().await.land(&reply("new"));
        assert_eq!(tasks[1].taken().await.as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_wiped_after_a_tenth_of_the_poll() {
        let shared = Shared::new(MINUTE);
        let (one, two) = (Task::new(&shared, "one"), Task::new(&shared, "two"));
        one.lead().await.land(&reply("first"));
        let group = Arc::clone(&one.seat().expect("a seat").member.0);
        tokio::time::sleep(FRESH_FOR / 2).await;
        assert!(group.state().news.is_some());
        tokio::time::sleep(FRESH_FOR).await;
        assert!(group.state().news.is_none());
        two.lead().await.land(&reply("second"));
        assert_eq!(one.taken().await.as_deref(), Some("second"));
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_differs_in_where_or_by_which_right_is_read_is_not_shared() {
        let shared = Shared::new(MINUTE);
        Task::new(&shared, "one").lead().await.land(&reply("of one"));
        let other = |change: fn(&mut Origin)| {
            let mut origin = origin();
            change(&mut origin);
            Task::of(&shared, "two", origin, &["default", "shop"])
        };
        for stranger in [
            other(|origin| origin.cluster = "second".into()),
            other(|origin| origin.namespace = String::new()),
            other(|origin| origin.mount = "jwt2".into()),
            other(|origin| origin.role = "other".into()),
            Task::of(&shared, "two", origin(), &["default", "shop", "more"]),
            Task::of(&shared, "two", origin(), &["default"]),
        ] {
            drop(stranger.lead().await);
        }
        let same = Task::of(&shared, "two", origin(), &["shop", "default", "shop"]);
        let pinned = Dependency::query(path("kv/a").path, BTreeMap::from([("version".into(), "1".into())]));
        same.seats.prove(&same.token, &pinned);
        let of_version = same.seats.seat(&same.token, &pinned).expect("a seat");
        assert!(matches!(of_version.claim().await, Claim::Lead(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_token_that_has_read_the_path_itself_takes_part() {
        let shared = Shared::new(MINUTE);
        let (one, two) = (Task::new(&shared, "one"), Task::new(&shared, "two"));
        assert!(two.seats.seat(&two.token, &path("kv/b")).is_none(), "another path");
        let fresh = SecretString::new("new login");
        two.seats.learn(&session("new login", &["default", "shop"]));
        assert!(two.seats.seat(&fresh, &path("kv/a")).is_none(), "another token");
        let unknown = SecretString::new("of unknown rights");
        two.seats.prove(&unknown, &path("kv/a"));
        assert!(two.seats.seat(&unknown, &path("kv/a")).is_none());
        two.seats.forget(&path("kv/a"));
        assert!(two.seat().is_none(), "one that was refused");
        two.seats.prove(&two.token, &path("kv/a"));
        two.seats.learn(&session("two", &["default"]));
        assert!(two.seat().is_none(), "one whose policies have changed");
        assert!(one.seat().is_some());
        tokio::time::sleep(PROOF * 6 / 5).await;
        assert!(one.seat().is_none(), "one that has read long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_a_group_look_at_one_moment() {
        let shared = Shared::new(MINUTE);
        let early = Task::new(&shared, "early");
        let first = early.seats.look_at(&path("kv/a")).expect("a moment");
        tokio::time::sleep(MINUTE / 2).await;
        let late = Task::new(&shared, "late");
        assert_eq!(late.seats.look_at(&path("kv/a")), Some(first), "who comes later joins");
        tokio::time::sleep_until(first).await;
        let next = early.seats.look_at(&path("kv/a")).expect("a moment");
        assert!(next >= first + MINUTE * 4 / 5 && next <= first + MINUTE * 6 / 5);
        assert_eq!(late.seats.look_at(&path("kv/a")), Some(next));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_kv_engine_answers_is_looked_at_by_each_in_its_own_time() {
        let shared = Shared::new(MINUTE);
        let (one, two) = (Task::new(&shared, "one"), Task::new(&shared, "two"));
        let flight = one.lead().await;
        flight.note_engine(false);
        drop(flight);
        assert_eq!(two.seats.look_at(&path("kv/a")), None);
        assert_eq!(two.lead().await.is_kv(), Some(false));
        tokio::time::sleep(ENGINE).await;
        // Its own right is shown for about as long, a fifth more or less.
        two.seats.prove(&two.token, &path("kv/a"));
        assert_eq!(two.lead().await.is_kv(), None, "another engine may be there by now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_over_leaves_nothing() {
        let shared = Shared::new(MINUTE);
        let (one, two) = (Task::new(&shared, "one"), Task::new(&shared, "two"));
        assert!(one.lead().await.is_awaited());
        drop(one);
        assert!(!two.lead().await.is_awaited());
        drop(two);
        assert!(lock(&shared.groups).values().all(|group| group.strong_count() == 0));
    }
}
