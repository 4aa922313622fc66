//! What a task holds: its session, the answers it was given, its certificates.
//!
//! Plain data that is written whole to the record on the task's tmpfs after each change, so that the next process goes on
//! where this one stopped. It does not know how anything is asked for, nor when.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::{keeper::Item, owners::Owners};
use crate::{
    domain::{
        Accessor, ChangeAction, Generation, Lease, LeaseId, Loss, OnLoss, RelPath, SecretString, ServerName, Session,
    },
    pki::{IssuedCertificate, Trust},
    template::Dependency,
    vault::ChildToken,
};

/// Wait after the moment that an answer names for its successor.
const ROTATED: Duration = Duration::from_secs(1);

/// What the names of tokens begin with, where leases have theirs.
const CHILD_TOKEN: &str = "auth/token/create/";

/// Everything a task holds.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Holdings {
    /// The server that all of it is from.
    #[serde(default)]
    pub server: ServerName,
    /// The login under which everything else was obtained.
    pub session: Option<Timed<Session>>,
    /// The server's answers by what was asked. A list, because the record's format knows text keys only.
    #[serde(with = "pairs")]
    pub answers: BTreeMap<Dependency, Answer>,
    /// Blocks whose certificates are revoked at their end, with the engine's mount.
    #[serde(default)]
    pub revocable: BTreeMap<RelPath, String>,
    /// The certificates by the name of their block.
    pub certificates: BTreeMap<RelPath, IssuedCertificate>,
    /// What is trusted of the issuers of each PKI mount.
    #[serde(default)]
    pub trust: BTreeMap<String, Trust>,
    /// The password of the task's key stores, the same for as long as the task lives.
    #[serde(default)]
    pub store_password: Option<SecretString>,
    /// The set of files that the container sees.
    pub generation: Generation,
    /// SHA-256 of each file of that generation, to tell what changed.
    pub fingerprints: BTreeMap<RelPath, String>,
    /// What the container has yet to be told.
    pub owed: Option<Owed>,
    /// Whom single files belong to.
    #[serde(default)]
    pub owners: Owners,
    /// What a newer credential has replaced and what must end once the action is done.
    pub superseded: Superseded,
    /// What the container has let go of, or soon will have.
    #[serde(default)]
    pub retiring: Vec<Retiring>,
    /// What has ended while the server was away and is shown no more.
    #[serde(default)]
    pub lapsed: Subset,
    /// Whether something has changed that waits to be shown.
    #[serde(default)]
    pub unshown: bool,
    /// What somebody wants anew and has not been obtained yet.
    #[serde(default)]
    pub demanded: Subset,
}

/// A value with the time that the server granted it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed<T> {
    /// The value.
    pub value: T,
    /// When it was granted last, by the wall clock, for the next process.
    pub since: SystemTime,
    /// The life granted last; zero means it does not expire.
    pub life: Duration,
    /// The life granted first, against which a shortened renewal is told.
    pub first: Duration,
}

/// One answer of the server.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    /// What templates see: `data`, `lease_id`, `lease_duration`, `renewable`.
    pub value: Arc<Value>,
    /// Its lease, when it has one.
    pub lease: Option<Timed<Lease>>,
    /// When it was read last.
    pub read_at: SystemTime,
    /// How it was lost since, when it was.
    #[serde(default)]
    pub lost: Option<Loss>,
    /// When it is looked at again together with other tasks; this process's own affair.
    #[serde(skip)]
    pub look_at: Option<Instant>,
}

/// An action that a visible generation calls for.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Owed {
    /// The generation that calls for it.
    pub generation: Generation,
    /// What to do; several different signals may be due at once.
    pub actions: Vec<ChangeAction>,
    /// When a restart among them was handed over: from then on the container may stand still because of us.
    #[serde(default)]
    pub restart_since: Option<SystemTime>,
    /// What changed, for the event: names only.
    #[serde(default)]
    pub what: String,
    /// What this generation has replaced, to be ended once the action is done.
    #[serde(default)]
    pub replaced: Superseded,
}

/// Credentials that nothing needs any more, and when they are to end.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Retiring {
    /// When, by the wall clock, for the next process.
    pub at: SystemTime,
    /// Which.
    pub replaced: Superseded,
}

/// Some of what is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subset {
    /// Answers.
    pub answers: BTreeSet<Dependency>,
    /// Certificates.
    pub certificates: BTreeSet<RelPath>,
}

/// Credentials that were replaced.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Superseded {
    /// Leases under the living session.
    pub leases: Vec<LeaseId>,
    /// Tokens, whose leases die with them.
    pub tokens: Vec<(Option<Accessor>, SecretString)>,
    /// Certificates that are to be revoked.
    #[serde(default)]
    pub certificates: Vec<Revocable>,
}

/// A certificate and what proves that it may be revoked.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Revocable {
    /// The engine's mount.
    pub mount: String,
    /// The certificate, with its key.
    pub certificate: IssuedCertificate,
}

impl Subset {
    /// Adds `item`. Says whether it is new.
    pub fn insert(&mut self, item: &Item) -> bool {
        match item {
            Item::Answer(dependency) => self.answers.insert(dependency.clone()),
            Item::Certificate(name) => self.certificates.insert(name.clone()),
            _ => false,
        }
    }

    /// Says whether `item` is one of them.
    pub fn contains(&self, item: &Item) -> bool {
        match item {
            Item::Answer(dependency) => self.answers.contains(dependency),
            Item::Certificate(name) => self.certificates.contains(name),
            _ => false,
        }
    }

    /// Says whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.certificates.is_empty()
    }

    /// Returns all of them.
    pub fn items(&self) -> Vec<Item> {
        let answers = self.answers.iter().cloned().map(Item::Answer);
        answers.chain(self.certificates.iter().cloned().map(Item::Certificate)).collect()
    }

    /// Takes `item` out. Says whether it was there.
    pub fn remove(&mut self, item: &Item) -> bool {
        match item {
            Item::Answer(dependency) => self.answers.remove(dependency),
            Item::Certificate(name) => self.certificates.remove(name),
            _ => false,
        }
    }
}

impl Superseded {
    /// Adds what `answer` was lent: another answer has taken its place.
    pub fn add(&mut self, answer: &Answer) {
        match (answer.child_token(), &answer.lease) {
            (Some((accessor, token)), _) => self.tokens.push((Some(accessor), token)),
            (None, Some(lease)) if !answer.is_wrapped() => self.leases.push(lease.value.id.clone()),
            (None, _) => {}
        }
    }

    /// Says whether nothing was replaced.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty() && self.tokens.is_empty() && self.certificates.is_empty()
    }

    /// Takes in what `other` has.
    pub fn join(&mut self, other: Self) {
        self.leases.extend(other.leases);
        self.tokens.extend(other.tokens);
        self.certificates.extend(other.certificates);
    }
}

impl<T> Timed<T> {
    /// Takes `value` as granted now for `life`.
    pub fn granted(value: T, life: Duration) -> Self {
        Self { value, since: SystemTime::now(), life, first: life }
    }

    /// Returns how much of the granted life is left by the wall clock; nothing when it has passed.
    pub fn rest(&self, now: SystemTime) -> Duration {
        let gone = now.duration_since(self.since).unwrap_or_default();
        self.life.saturating_sub(gone)
    }

    /// Notes a renewal that granted `life` from now.
    pub fn renewed(&mut self, life: Duration) {
        self.since = SystemTime::now();
        self.life = life;
    }
}

impl Holdings {
    /// Returns the token of the living session.
    pub fn token(&self) -> Option<&SecretString> {
        self.session.as_ref().map(|held| &held.value.token)
    }

    /// Returns every token that was replaced and not ended yet.
    pub fn replaced_tokens(&self) -> impl Iterator<Item = &(Option<Accessor>, SecretString)> {
        self.replaced().flat_map(|replaced| &replaced.tokens)
    }

    /// Returns everything that was replaced and not ended yet.
    pub fn replaced(&self) -> impl Iterator<Item = &Superseded> {
        let owed = self.owed.iter().map(|owed| &owed.replaced);
        let retiring = self.retiring.iter().map(|retiring| &retiring.replaced);
        owed.chain(retiring).chain([&self.superseded])
    }

    /// Returns the hardest of what `policy` says about those of `dependencies` that are lost.
    pub fn on_loss<'d>(
        &self,
        dependencies: impl IntoIterator<Item = &'d Dependency>,
        policy: impl Fn(Loss) -> OnLoss,
    ) -> OnLoss {
        let lost = dependencies.into_iter().filter_map(|dependency| self.answers.get(dependency)?.lost);
        lost.map(policy).max().unwrap_or(OnLoss::Keep)
    }

    /// Returns when the first of the held things ends, for the manifest; `None` when nothing does.
    pub fn earliest_end(&self) -> Option<SystemTime> {
        let leases =
            self.answers.values().filter_map(|answer| answer.lease.as_ref()).map(|held| held.since + held.life);
        let certificates = self.certificates.values().map(|certificate| certificate.not_after);
        leases.chain(certificates).min()
    }
}

impl Answer {
    /// Returns the answer for something that is not there and that the task does without.
    pub fn absent() -> Self {
        Self { value: Arc::new(Value::Null), lease: None, read_at: SystemTime::now(), lost: None, look_at: None }
    }

    /// Says whether there never was anything.
    pub fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// Says whether asking for it again only reads what is there: nothing is made by it, and so nothing need end.
    pub fn is_read(&self, dependency: &Dependency) -> bool {
        // What is lost has no lease any more; its value still says that it had one.
        let was_lent = self.lease.is_some() || self.value["lease_id"].as_str().is_some_and(|id| !id.is_empty());
        !was_lent && self.expiration().is_none() && !dependency.is_write()
    }

    /// Returns when the answer itself says that another one will be there: a password that the server rotates by itself, or a
    /// version with an end.
    pub fn next_value(&self) -> Option<SystemTime> {
        let data = &self.value["data"];
        if let Some(left) = data["ttl"].as_u64().filter(|_| data.get("last_vault_rotation").is_some()) {
            // Until the very end the server still gives the old one.
            return self.read_at.checked_add(Duration::from_secs(left) + ROTATED);
        }
        let end = data["metadata"]["deletion_time"].as_str().filter(|time| !time.is_empty())?;
        let end = OffsetDateTime::parse(end, &Rfc3339).ok().map(SystemTime::from)?;
        end.checked_add(ROTATED).filter(|end| *end > self.read_at)
    }

    /// Returns the answer that holds a token which was made for the task; it is renewed by itself, and revoked by itself.
    pub fn of_child(child: &ChildToken, ttl: Duration, is_wrapped: bool) -> Self {
        let accessor = child.accessor.as_ref().map(|accessor| accessor.0.as_str()).unwrap_or_default();
        let id = LeaseId(format!("{CHILD_TOKEN}{accessor}"));
        let life = if is_wrapped { ttl } else { child.duration };
        let lease = Lease { id, duration: life, renewable: child.renewable };
        let value = json!({ "data": { "token": child.token.expose() }, "wrapped": is_wrapped });
        let lease = (!life.is_zero()).then(|| Timed::granted(lease, life));
        Self { lease, value: Arc::new(value), ..Self::absent() }
    }

    /// Returns the token that was made for the task with its name, when the answer is one that only the task can use up.
    pub fn child_token(&self) -> Option<(Accessor, SecretString)> {
        let accessor = self.lease.as_ref()?.value.id.0.strip_prefix(CHILD_TOKEN)?;
        let token = self.value["data"]["token"].as_str().filter(|_| !self.is_wrapped())?;
        Some((Accessor(accessor.to_owned()), SecretString::new(token)))
    }

    fn is_wrapped(&self) -> bool {
        self.value["wrapped"] == true
    }

    /// Returns the end that the answer itself names, as an issued certificate does (`expiration`, seconds since 1970).
    pub fn expiration(&self) -> Option<SystemTime> {
        let seconds = self.value["data"]["expiration"].as_u64().or(self.value["expiration"].as_u64())?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }
}

/// A map whose keys are no text, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
