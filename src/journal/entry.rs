//! One line of the journal.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Accessor, ExitResult, LeaseId, TaskKey, TaskMeta};

/// What a line begins with; the checksum follows.
const HEAD: &str = r#"{"sum":""#;
/// What stands between the checksum and the entry.
const NECK: &str = r#"","entry":"#;
/// Hexadecimal digits of the checksum: enough against flipped bits, which is all it is for.
const SUM_LENGTH: usize = 16;

/// Something that was begun or is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose.
    pub key: TaskKey,
    /// When it was noted, to the second.
    #[serde(with = "seconds")]
    pub at: SystemTime,
    /// What.
    #[serde(flatten)]
    pub step: Step,
}

/// What was begun or is over, in the order of a task's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A start begins; nothing has been asked for yet.
    Intent {
        /// Who the task is.
        meta: Box<TaskMeta>,
    },
    /// The task's directory is there.
    Mounted,
    /// The server is about to be asked for a credential; until the answer is noted there may be one without a name.
    Asking {
        /// For what: a role, a path.
        what: String,
    },
    /// The task has a token; an earlier one is superseded and still to be revoked.
    LoggedIn {
        /// The token's name; a batch token has none and dies by its deadline.
        accessor: Option<Accessor>,
        /// The cluster that it is of, empty for the default one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        cluster: String,
        /// The server's namespace, empty for the root.
        namespace: String,
        /// When it ends by itself, if it does.
        #[serde(with = "seconds_if_any", default)]
        deadline: Option<SystemTime>,
    },
    /// The task has a lease, or an earlier one has a new deadline.
    Leased {
        /// Which lease.
        lease_id: LeaseId,
        /// The cluster that it is of, empty for the default one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        cluster: String,
        /// The server's namespace, empty for the root.
        namespace: String,
        /// When it ends by itself, if it does.
        #[serde(with = "seconds_if_any", default)]
        deadline: Option<SystemTime>,
    },
    /// The task has a certificate.
    Issued {
        /// The cluster that it is of, empty for the default one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        cluster: String,
        /// The server's namespace, empty for the root.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        namespace: String,
        /// The engine's mount.
        mount: String,
        /// Its serial number.
        serial: String,
        /// When it ends by itself.
        #[serde(with = "seconds")]
        not_after: SystemTime,
    },
    /// The task has a container.
    Container {
        /// The engine's id for it.
        id: String,
    },
    /// The container was started.
    Started,
    /// The container has ended.
    Ended {
        /// How, when it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<ExitResult>,
    },
    /// All that the task holds is being revoked.
    Revoking,
    /// One superseded or current token is dead.
    TokenRevoked {
        /// Which.
        accessor: Accessor,
    },
    /// One lease is dead.
    LeaseRevoked {
        /// Which.
        lease_id: LeaseId,
    },
    /// One certificate is revoked, or needs no revocation.
    CertificateRevoked {
        /// The engine's mount.
        mount: String,
        /// Its serial number.
        serial: String,
    },
    /// All that the task held is dead.
    Revoked,
    /// Nothing of the task is left.
    Closed,
    /// A newer version's step; its line is kept as it is.
    #[serde(other)]
    Unknown,
}

impl Entry {
    /// Notes that `step` happens now.
    pub fn new(key: TaskKey, step: Step) -> Self {
        Self { key, at: SystemTime::now(), step }
    }

    /// Returns the line for the file, with its end.
    pub(super) fn to_line(&self) -> String {
        let entry = serde_json::to_string(self).expect("ids, names and times serialise");
        format!("{HEAD}{}{NECK}{entry}}}\n", checksum(&entry))
    }

    /// Reads a line without its end; damaged ones are none.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let (sum, rest) = line.strip_prefix(HEAD)?.split_at_checked(SUM_LENGTH)?;
        let entry = rest.strip_prefix(NECK)?.strip_suffix('}')?;
        if sum != checksum(entry) {
            return None;
        }
        serde_json::from_str(entry).ok().filter(|entry: &Self| TaskKey::from_name(entry.key.as_str()).is_some())
    }
}

fn checksum(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..SUM_LENGTH / 2])
}

/// Times as whole seconds since 1970.
mod seconds {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let seconds = Duration::from_secs(u64::deserialize(deserializer)?);
        UNIX_EPOCH.checked_add(seconds).ok_or_else(|| D::Error::custom("a time beyond all clocks"))
    }
}

/// Times that may be absent.
mod seconds_if_any {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super::seconds")] SystemTime);

    pub(super) fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Wrapped).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
    }
}

#[cfg(test)]
pub(super) mod samples {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::domain::TaskId;

    /// Returns the key of the n-th task of a test.
    pub(in super::super) fn key(n: u32) -> TaskKey {
        id(n).key()
    }

    pub(in super::super) fn id(n: u32) -> TaskId {
        format!("alloc/task/{n:08}").parse().expect("an id")
    }

    pub(in super::super) fn entry(n: u32, step: Step) -> Entry {
        Entry { key: key(n), at: UNIX_EPOCH + Duration::from_secs(1_800_000_000), step }
    }

    pub(in super::super) fn meta(n: u32) -> TaskMeta {
        TaskMeta {
            id: id(n),
            name: "täsk \"one\"\n".to_owned(),
            group: "group".to_owned(),
            job_id: "job/periodic-1".to_owned(),
            job_name: "job".to_owned(),
            namespace: "default".to_owned(),
            alloc_id: "alloc".to_owned(),
            node_id: "node".to_owned(),
            node_name: "node-1".to_owned(),
        }
    }

    /// Returns every step once, in a task's order.
    pub(in super::super) fn life(n: u32) -> Vec<Entry> {
        let deadline = Some(UNIX_EPOCH + Duration::from_secs(1_800_003_600));
        let (accessor, lease_id) = (Accessor(format!("accessor-{n}")), LeaseId(format!("database/creds/x/{n}")));
        let (mount, serial) = ("pki".to_owned(), format!("0a:{n}"));
        let (cluster, namespace) = ("eu".to_owned(), "team/a".to_owned());
        [
            Step::Intent { meta: Box::new(meta(n)) },
            Step::Mounted,
            Step::LoggedIn {
                accessor: Some(accessor.clone()),
                cluster: cluster.clone(),
                namespace: namespace.clone(),
                deadline,
            },
            Step::Leased {
                lease_id: lease_id.clone(),
                cluster: cluster.clone(),
                namespace: namespace.clone(),
                deadline: None,
            },
            Step::Issued { cluster, namespace, mount: mount.clone(), serial: serial.clone(), not_after: UNIX_EPOCH },
            Step::Container { id: "c0ffee".to_owned() },
            Step::Started,
            Step::Ended { exit: Some(ExitResult { exit_code: 3, ..ExitResult::default() }) },
            Step::Revoking,
            Step::LeaseRevoked { lease_id },
            Step::CertificateRevoked { mount, serial },
            Step::TokenRevoked { accessor },
            Step::Revoked,
            Step::Closed,
        ]
        .map(|step| entry(n, step))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};

    #[test]
    fn every_step_survives_the_disk() {
        for entry in life(1) {
            let line = entry.to_line();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
            assert_eq!(Entry::from_line(line.trim_end().as_bytes()), Some(entry));
        }
    }

    #[test]
    fn a_newer_versions_step_and_fields_are_tolerated() {
        let line = |entry: &str| format!("{HEAD}{}{NECK}{entry}}}", checksum(entry));
        let key = key(1);
        let newer = line(&format!(r#"{{"key":"{key}","at":1,"step":"teleported","where":{{"x":1}},"more":[]}}"#));
        assert_eq!(Entry::from_line(newer.as_bytes()).map(|entry| entry.step), Some(Step::Unknown));
        let wider = line(&format!(r#"{{"key":"{key}","at":1,"step":"started","speed":9}}"#));
        assert_eq!(Entry::from_line(wider.as_bytes()).map(|entry| entry.step), Some(Step::Started));
    }

    #[test]
    fn an_older_versions_credential_is_of_the_default_cluster() {
        let line = |entry: &str| format!("{HEAD}{}{NECK}{entry}}}", checksum(entry));
        let key = key(1);
        let old = line(&format!(r#"{{"key":"{key}","at":1,"step":"leased","lease_id":"l","namespace":""}}"#));
        let step = Entry::from_line(old.as_bytes()).map(|entry| entry.step);
        assert!(matches!(step, Some(Step::Leased { cluster, .. }) if cluster.is_empty()));
        let old = line(&format!(r#"{{"key":"{key}","at":1,"step":"issued","mount":"m","serial":"s","not_after":9}}"#));
        assert!(matches!(Entry::from_line(old.as_bytes()).map(|entry| entry.step), Some(Step::Issued { .. })));
    }

    #[test]
    fn no_flipped_bit_passes() {
        for entry in life(1) {
            let line = entry.to_line();
            let good = line.trim_end().as_bytes();
            for at in 0..good.len() * 8 {
                let mut bad = good.to_owned();
                bad[at / 8] ^= 1 << (at % 8);
                assert_eq!(Entry::from_line(&bad), None, "bit {at} of {line}");
            }
        }
    }

    #[test]
    fn a_key_that_is_a_path_is_damage() {
        let entry = r#"{"key":"../../etc","at":1,"step":"started"}"#;
        assert_eq!(Entry::from_line(format!("{HEAD}{}{NECK}{entry}}}", checksum(entry)).as_bytes()), None);
    }
}
