//! Asks the server on a task's behalf: logs in, reads, has certificates issued, ends what is no longer needed.
//!
//! Before each request that makes a credential the journal has the intent, after it the name of what was made. What the
//! answers mean for the task's files is not known here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

mod craft;
mod ending;
mod error;
mod grants;
mod look;
mod renewing;
mod versions;

pub(super) use error::AskError;

use super::{
    Class, DriverError,
    holdings::{Answer, Holdings, Timed},
    issuing::Order,
    keeper::Item,
    parts::Parts,
    plan::{CertificatePlan, Plan},
    receipts::Receipts,
    servers::Server,
    shared::{Origin, Seats},
    turns::Turns,
};
use crate::{
    domain::{Craft, Lease, SecretString, ServerPath, ServerPathError, Session, TaskEvent, TaskKey, fail_point},
    identity::PolicyRefused,
    journal::Step,
    pki::{self, IssuedCertificate},
    template::Dependency,
    vault::{self, Kind, Reply, Vault},
};

/// A start that waits so long for the server says so …
const WAIT_TOLD_FIRST: Duration = Duration::from_secs(3);
/// … and again after as long: a task's history is short.
const WAIT_TOLD_AGAIN: Duration = Duration::from_secs(15);

/// Speaks to the server for one task.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) parts: Arc<Parts>,
    pub(super) plan: Arc<Plan>,
    pub(super) receipts: Receipts,
    pub(super) seats: Seats,
    vault: Arc<dyn Vault>,
    server: Server,
    key: TaskKey,
    secrets_dir: std::path::PathBuf,
    announced: Arc<AtomicBool>,
    warned: Arc<AtomicBool>,
    waiting: Arc<Mutex<Waiting>>,
    true_paths: Arc<versions::TruePaths>,
}

/// How long a start has been waiting.
#[derive(Debug, Default)]
struct Waiting {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Asker {
    /// Returns an asker for the task of `plan`.
    ///
    /// # Errors
    /// The operator has configured no server.
    pub(super) fn new(
        parts: Arc<Parts>,
        plan: Arc<Plan>,
        secrets_dir: std::path::PathBuf,
    ) -> Result<Self, DriverError> {
        let server = parts.server(&plan.server)?;
        let key = plan.meta.id.key();
        let receipts = Receipts::of(&parts, &plan.meta).at(&server.cluster, &server.namespace);
        let vault = Arc::clone(&server.vault);
        let seats = Seats::new(&parts.shared, origin(&server, &plan));
        Ok(Self {
            parts,
            plan,
            receipts,
            seats,
            vault,
            server,
            key,
            secrets_dir,
            announced: Arc::default(),
            warned: Arc::default(),
            waiting: Arc::default(),
            true_paths: Arc::default(),
        })
    }

    /// Returns whose turn it is at the task's server.
    pub(super) fn turns(&self) -> &Arc<Turns> {
        &self.server.turns
    }

    /// Returns the token of the living session.
    pub(super) fn token(&self, holdings: &Holdings) -> Result<SecretString, DriverError> {
        holdings.token().cloned().ok_or_else(|| DriverError::new(Class::Internal, "the task holds no session"))
    }

    /// Logs in with the task's identity.
    ///
    /// Runs apart from the caller: if that one is cut off, the login is finished and its token revoked, not lost.
    pub(super) async fn login(&self) -> Result<Timed<Session>, AskError> {
        let asker = self.clone();
        let (answer, answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let outcome = asker.login_now().await;
            if let Err(Ok(unheard)) = answer.send(outcome) {
                let session: Timed<Session> = unheard;
                asker.abandon(session.value).await;
            }
        });
        answered
            .await
            .map_err(|_| AskError::Driver(DriverError::new(Class::Internal, "the login ended without an answer")))?
    }

    /// Notes that a login is about to be asked for. The next login then goes without that note, so that a start can have
    /// it written together with its first one.
    pub(super) async fn announce_login(&self) -> Result<(), DriverError> {
        let step = Step::Asking { what: format!("login {}", self.plan.role) };
        self.parts.journal.append(&self.key, step).await?;
        self.announced.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn login_now(&self) -> Result<Timed<Session>, AskError> {
        let role = &self.plan.role;
        if !self.announced.swap(false, Ordering::Relaxed) {
            self.announce_login().await.map_err(AskError::Driver)?;
            self.announced.store(false, Ordering::Relaxed);
        }
        fail_point("before-login");
        let login = &self.server.login;
        let warn = |text| self.tell_once(text);
        let session = login.session(&*self.vault, &self.plan, &self.secrets_dir, &warn).await.inspect_err(|error| {
            if let AskError::Vault { source, .. } = error {
                self.receipts.refused_login(&login.mount, role, source);
            }
        })?;
        fail_point("after-login");
        self.receipts.logged_in(&login.mount, role, &session);
        self.seats.learn(&session);
        self.noted(self.logged_in(&session, session.duration));
        self.server.turns.answered();
        let life = session.duration;
        Ok(Timed::granted(session, life))
    }

    /// Says until when a token lives: should its only copy be lost, this is when it is dead.
    fn logged_in(&self, session: &Session, life: Duration) -> Step {
        let deadline = (!life.is_zero()).then(|| SystemTime::now() + life);
        Step::LoggedIn {
            accessor: session.accessor.clone(),
            cluster: self.server.cluster.clone(),
            namespace: self.namespace(),
            deadline,
        }
    }

    /// Lets the user know that a start waits: after some seconds for the first time, then now and then.
    pub(super) fn tell_waiting(&self, error: &AskError, pause: Duration) {
        {
            let now = Instant::now();
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let since = *waiting.since.get_or_insert(now);
            let due = waiting.told.map_or(since + WAIT_TOLD_FIRST, |told| told + WAIT_TOLD_AGAIN);
            if now < due {
                return;
            }
            waiting.told = Some(now);
        }
        self.tell(format!("The start waits: {error}; next try in {}s", pause.as_secs().max(1)));
    }

    /// As [`Asker::tell`], for what each login would say again.
    fn tell_once(&self, text: String) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            self.tell(text);
        }
    }

    /// Adds to the task's history.
    pub(super) fn tell(&self, text: String) {
        self.parts.tell(TaskEvent::new(&self.plan.meta, text));
    }

    /// As [`Asker::ask`], and a denial says what the token may do. What the task does without may be absent.
    pub(super) async fn ask_first(&self, token: &SecretString, dependency: &Dependency) -> Result<Answer, AskError> {
        let outcome = self.ask(token, dependency).await;
        match self.explain_denial(token, grants::wanted(dependency), outcome).await {
            Err(error) if error.is_loss() && self.plan.is_optional(dependency) => Ok(Answer::absent()),
            other => other,
        }
    }

    /// Asks for one thing that may be, or make, a credential.
    pub(super) async fn ask(&self, token: &SecretString, dependency: &Dependency) -> Result<Answer, AskError> {
        self.note(Step::Asking { what: dependency.path.to_string() }).await?;
        self.answer(token, dependency).await
    }

    async fn answer(&self, token: &SecretString, dependency: &Dependency) -> Result<Answer, AskError> {
        self.plan
            .check_dependency(&self.plan.rules, dependency)
            .map_err(|refused| self.refused_by_rule(&dependency.path, refused))?;
        match self.plan.craft_of(dependency) {
            Craft::Asked => {}
            Craft::SshKey(kind) => return self.sign_ssh(token, dependency, kind).await,
            Craft::Token { wrap } => return self.make_token(token, dependency, wrap).await,
        }
        let reply = self.read(token, dependency).await?;
        Ok(self.dated(dependency, Answer::from(reply)))
    }

    /// Asks for it with the task's own token, which shows whether that one may.
    async fn read(&self, token: &SecretString, dependency: &Dependency) -> Result<Reply, AskError> {
        let outcome = self.read_now(token, dependency).await;
        match &outcome {
            Ok(reply) if look::is_plain(dependency, reply) => self.seats.prove(token, dependency),
            Err(error) if error.is_transient() => {}
            _ => self.seats.forget(dependency),
        }
        outcome
    }

    async fn read_now(&self, token: &SecretString, dependency: &Dependency) -> Result<Reply, AskError> {
        let path = &dependency.path;
        fail_point("before-read");
        let (asked, reply) = self.request_found(token, dependency).await?;
        let reply = match reply {
            // A list of nothing is an answer, as consul-template's users know it.
            Err(error) if dependency.is_list() && error.kind() == Kind::NotFound => Ok(nothing_listed()),
            reply => reply,
        };
        let reply = reply.map_err(|source| {
            self.receipts.refused_answer(token, &asked, &source);
            AskError::at(&asked, format!("read {asked}"), source)
        })?;
        fail_point("after-read");
        self.receipts.answered(token, path, &reply);
        check_version(dependency, &reply)?;
        if let Some(lease) = &reply.lease {
            let deadline = Some(SystemTime::now() + lease.duration);
            self.noted(Step::Leased {
                lease_id: lease.id.clone(),
                cluster: self.server.cluster.clone(),
                namespace: self.namespace(),
                deadline,
            });
        }
        self.show_warnings(path.as_str(), &reply);
        self.check_pair(path, &reply)?;
        Ok(reply)
    }

    /// No rule covers a path that only became known on the way.
    fn refused_by_rule(&self, path: &ServerPath, refused: PolicyRefused) -> AskError {
        self.receipts.refused_by_rule(path, &refused);
        AskError::Driver(refused.into())
    }

    /// Holds a key and a certificate that came together against each other, and notes the certificate.
    fn check_pair(&self, path: &ServerPath, reply: &Reply) -> Result<(), AskError> {
        let data = &*reply.data;
        let mount = path.as_str().split_once("/issue/").map_or_else(|| path.mount(), |(mount, _)| mount);
        if let (Some(serial), Some(seconds), true) =
            (data["serial_number"].as_str(), data["expiration"].as_u64(), data["private_key"].is_string())
        {
            let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            self.noted(Step::Issued {
                cluster: self.server.cluster.clone(),
                namespace: self.namespace(),
                mount: mount.to_owned(),
                serial: serial.to_owned(),
                not_after,
            });
        }
        pki::check_pair(data, SystemTime::now())
            .map_err(|source| AskError::Pki { what: format!("certificate from {path}"), source })
    }

    async fn request(
        &self,
        token: &SecretString,
        dependency: &Dependency,
        path: &ServerPath,
    ) -> Result<Reply, vault::Error> {
        if dependency.is_write() {
            let body =
                Value::Object(dependency.params.iter().map(|(key, value)| (key.clone(), json!(value))).collect());
            return self.vault.write(token, path, &body).await;
        }
        self.vault.read(token, path, &dependency.query).await
    }

    /// Asks for several things side by side.
    pub(super) async fn ask_each(
        &self,
        token: &SecretString,
        wanted: impl IntoIterator<Item = Dependency>,
    ) -> Result<Vec<(Dependency, Answer)>, AskError> {
        let asked = wanted
            .into_iter()
            .map(|dependency| async move { Ok((dependency.clone(), self.ask_first(token, &dependency).await?)) });
        // All are awaited, so that no request is cut off when another fails.
        futures_util::future::join_all(asked).await.into_iter().collect()
    }

    /// Asks for several things side by side, for callers that do not look into the error.
    pub(super) async fn ask_all(
        &self,
        token: &SecretString,
        wanted: BTreeSet<Dependency>,
    ) -> Result<Vec<(Dependency, Answer)>, DriverError> {
        self.ask_each(token, wanted).await.map_err(DriverError::from)
    }

    /// As [`Asker::issue`], and a denial says what the token may do.
    pub(super) async fn issue_first(
        &self,
        token: &SecretString,
        plan: &CertificatePlan,
    ) -> Result<IssuedCertificate, AskError> {
        let outcome = self.issue(token, plan).await;
        self.explain_denial(token, grants::UPDATE, outcome).await
    }

    /// Has a certificate issued, for a key made here unless the job leaves that to the server, and checks what came back.
    pub(super) async fn issue(
        &self,
        token: &SecretString,
        plan: &CertificatePlan,
    ) -> Result<IssuedCertificate, AskError> {
        let what = || format!("certificate {:?} from {}", plan.request.name, plan.path);
        let (order, noted) =
            tokio::join!(Order::prepare(plan), self.note(Step::Asking { what: plan.path.to_string() }));
        noted?;
        let order = order.map_err(AskError::Driver)?.map_err(|source| AskError::Pki { what: what(), source })?;
        fail_point("before-issue");
        let body = order.body(plan);
        let reply = self.vault.write(token, &plan.path, &body).await.map_err(|source| {
            self.receipts.refused_answer(token, &plan.path, &source);
            AskError::at(&plan.path, what(), source)
        })?;
        fail_point("after-issue");
        let issued = order.accept(&reply.data).map_err(|source| AskError::Pki { what: what(), source })?;
        self.receipts.issued(token, &plan.path, &reply, &issued);
        self.noted(Step::Issued {
            cluster: self.server.cluster.clone(),
            namespace: self.namespace(),
            mount: plan.mount.clone(),
            serial: issued.serial.clone(),
            not_after: issued.not_after,
        });
        self.show_warnings(plan.path.as_str(), &reply);
        Ok(issued)
    }

    /// Reads what the server tells everybody; `None` when nothing is there. With `list` the names below the path.
    pub(super) async fn read_public(
        &self,
        token: &SecretString,
        path: &str,
        list: bool,
    ) -> Result<Option<Arc<Value>>, AskError> {
        let refused = |source: ServerPathError| DriverError::new(Class::PathRefused, source.to_string());
        let parsed: ServerPath = path.parse().map_err(|source| AskError::Driver(refused(source)))?;
        let query = if list { BTreeMap::from([("list".to_owned(), "true".to_owned())]) } else { BTreeMap::new() };
        match self.vault.read(token, &parsed, &query).await {
            Ok(reply) => Ok(Some(reply.data)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(source) => Err(AskError::vault(format!("read {path}"), source)),
        }
    }

    /// Names an item for an event.
    pub(super) fn describe(&self, item: &Item) -> String {
        match item {
            Item::Answer(dependency) => format!("Secret {}", dependency.path),
            Item::Authorities(mount) => format!("The issuers of {mount}"),
            Item::Certificate(name) => format!("Certificate {name}"),
            Item::Ending(item) | Item::Rest(item) => self.describe(item),
            Item::Generations => "Old generations".to_owned(),
            Item::Publish => "The set of files".to_owned(),
            Item::Retired => "Replaced credentials".to_owned(),
            Item::Session => format!("The login with role {}", self.plan.role),
        }
    }

    /// Notes what an earlier note announced, without waiting for the disk: the task's record has the credential itself.
    fn noted(&self, step: Step) {
        self.parts.journal.note(&self.key, step);
    }

    /// Returns the server's namespace, kept beside each name, which means nothing without it.
    fn namespace(&self) -> String {
        self.server.namespace.clone()
    }

    async fn note(&self, step: Step) -> Result<(), AskError> {
        self.parts.journal.append(&self.key, step).await.map_err(|error| AskError::Driver(error.into()))
    }

    fn show_warnings(&self, path: &str, reply: &Reply) {
        for warning in &reply.warnings {
            tracing::warn!(task_id = %self.plan.meta.id, path, warning, "The server warns");
        }
    }
}

/// Makes sure that a version that was asked for is the one that came: other engines do not know versions and give what they have.
fn check_version(dependency: &Dependency, reply: &Reply) -> Result<(), AskError> {
    let Some(wanted) = dependency.query.get("version") else { return Ok(()) };
    if dependency.query.len() > 1 || reply.kv_version().is_some_and(|version| version.to_string() == *wanted) {
        return Ok(());
    }
    let text = format!(
        "secret {}: version {wanted} was asked for and not given; only KV version 2 has versions",
        dependency.path
    );
    Err(AskError::Driver(DriverError::new(Class::TaskConfigInvalid, text)))
}

fn origin(server: &Server, plan: &Plan) -> Origin {
    Origin {
        cluster: server.cluster.clone(),
        namespace: server.namespace.clone(),
        mount: server.login.mount.clone(),
        role: plan.role.clone(),
    }
}

fn nothing_listed() -> Reply {
    Reply { data: Arc::new(json!({ "keys": [] })), ..Reply::default() }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let lease = reply.lease;
        let value = json!({
            "data": &*reply.data,
            "lease_id": lease.as_ref().map(|lease| lease.id.0.as_str()).unwrap_or_default(),
            "lease_duration": lease.as_ref().map_or(0, |lease| lease.duration.as_secs()),
            "renewable": lease.as_ref().is_some_and(|lease| lease.renewable),
        });
        let timed = lease.map(|lease: Lease| {
            let life = lease.duration;
            Timed::granted(lease, life)
        });
        Self { value: Arc::new(value), lease: timed, ..Self::absent() }
    }
}
