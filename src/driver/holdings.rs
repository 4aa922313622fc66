//! What a task holds: its session, the answers it was given, its certificates.
//!
//! Plain data that is written whole to the record on the task's tmpfs after each change, so that the next process goes on
//! where this one stopped. It does not know how anything is asked for, nor when.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    domain::{Accessor, ChangeAction, Generation, Lease, LeaseId, RelPath, SecretString, Session},
    pki::IssuedCertificate,
    template::Dependency,
};

/// Everything a task holds.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Holdings {
    /// The login under which everything else was obtained.
    pub session: Option<Timed<Session>>,
    /// The server's answers by what was asked. A list, because the record's format knows text keys only.
    #[serde(with = "pairs")]
    pub answers: BTreeMap<Dependency, Answer>,
    /// The certificates by the name of their block.
    pub certificates: BTreeMap<RelPath, IssuedCertificate>,
    /// The set of files that the container sees.
    pub generation: Generation,
    /// SHA-256 of each file of that generation, to tell what changed.
    pub fingerprints: BTreeMap<RelPath, String>,
    /// What the container has yet to be told.
    pub owed: Option<Owed>,
    /// What a newer credential has replaced and what must end once the action is done.
    pub superseded: Superseded,
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
}

/// An action that a visible generation calls for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    /// The generation that calls for it.
    pub generation: Generation,
    /// What to do; several different signals may be due at once.
    pub actions: Vec<ChangeAction>,
    /// When a restart among them was handed over: from then on the container may stand still because of us.
    #[serde(default)]
    pub restart_since: Option<SystemTime>,
}

/// Credentials that were replaced.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Superseded {
    /// Leases under the living session.
    pub leases: Vec<LeaseId>,
    /// Tokens, whose leases die with them.
    pub tokens: Vec<(Option<Accessor>, SecretString)>,
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

    /// Returns when the first of the held things ends, for the manifest; `None` when nothing does.
    pub fn earliest_end(&self) -> Option<SystemTime> {
        let leases =
            self.answers.values().filter_map(|answer| answer.lease.as_ref()).map(|held| held.since + held.life);
        let certificates = self.certificates.values().map(|certificate| certificate.not_after);
        leases.chain(certificates).min()
    }
}

impl Answer {
    /// Returns the end that the answer itself names, as an issued certificate does (`expiration`, seconds since 1970).
    pub fn expiration(&self) -> Option<SystemTime> {
        let seconds = self.value["data"]["expiration"].as_u64()?;
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
