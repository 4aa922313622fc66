//! What a line says.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Longest text within a line; a job's names are its author's choice, and a line must stay one.
const TEXT_MAX: usize = 1024;

/// One line, without its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The line's number.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: String,
    /// What it says.
    #[serde(flatten)]
    pub note: Note,
}

/// What happened to a credential, or to the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    #[serde(with = "time")]
    pub at: SystemTime,
    /// What happened.
    pub event: Act,
    /// To what kind of credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Whose it is.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// Where it came from: a path on the server, or `auth/<mount>` of a login.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The role of a login.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Which of the operator's servers; empty for the only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// The server's namespace; empty for the root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vault_namespace: String,
    /// The server's name for the exchange, found again in its own audit log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// The token, or the one with which it was obtained.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accessor: String,
    /// The lease.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lease: String,
    /// The certificate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// The set of files that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When it ends by itself.
    #[serde(with = "time_if_any", default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<SystemTime>,
    /// How it went: `ok`, `refused`, `failed`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// Why, or what else is to be said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Of a line about the file: the installation that writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub installation: String,
    /// Of a line about damage: how many bytes stand before it, or how many lines were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Of a line about damage: the SHA-256 of those bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub damage: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The first line of all.
    Genesis,
    /// The first line of a file that goes on from another.
    Continued,
    /// A crash tore what stands before this line.
    Torn,
    /// What stands before this line was whole once and was changed.
    Damaged,
    /// Lines could not be written and are lost.
    Lost,
    /// The server gave it.
    Obtained,
    /// The task's files show it.
    Delivered,
    /// The server prolonged it.
    Renewed,
    /// The server ended it.
    Revoked,
    /// A rule or the server said no.
    Refused,
    /// The task is over, and all that it held was given back.
    Ended,
    /// A newer version's event.
    #[serde(other)]
    Unknown,
}

/// What kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Signed for a key of the task.
    Certificate,
    /// Anything read from the server, leased or not.
    Secret,
    /// A login.
    Token,
    /// A newer version's kind.
    #[serde(other)]
    Unknown,
}

/// A task, as the orchestrator names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its namespace.
    pub namespace: String,
    /// Its job's id.
    pub job: String,
    /// Its group.
    pub group: String,
    /// Its name.
    pub task: String,
    /// Its allocation.
    pub alloc: String,
    /// The node's id.
    pub node: String,
    /// This start of it.
    pub task_id: String,
    /// Its SPIFFE id.
    pub spiffe_id: String,
}

impl Note {
    /// Says that `event` happens now.
    pub fn new(event: Act) -> Self {
        Self {
            at: SystemTime::now(),
            event,
            kind: None,
            who: None,
            path: String::new(),
            role: String::new(),
            cluster: String::new(),
            vault_namespace: String::new(),
            request_id: String::new(),
            accessor: String::new(),
            lease: String::new(),
            serial: String::new(),
            generation: None,
            expires: None,
            outcome: String::new(),
            reason: String::new(),
            installation: String::new(),
            count: None,
            damage: String::new(),
        }
    }

    /// Cuts what is too long for a line.
    pub(super) fn cut(mut self) -> Self {
        let mut texts = vec![
            &mut self.path,
            &mut self.role,
            &mut self.cluster,
            &mut self.vault_namespace,
            &mut self.request_id,
            &mut self.accessor,
            &mut self.lease,
            &mut self.serial,
            &mut self.reason,
        ];
        if let Some(who) = &mut self.who {
            texts.extend([&mut who.namespace, &mut who.job, &mut who.group, &mut who.task, &mut who.alloc]);
            texts.extend([&mut who.node, &mut who.task_id, &mut who.spiffe_id]);
        }
        for text in texts.into_iter().filter(|text| text.len() > TEXT_MAX) {
            text.truncate(text.floor_char_boundary(TEXT_MAX));
            text.push('…');
        }
        self
    }
}

/// Times as RFC 3339 in UTC, to the millisecond.
pub(super) mod time {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};

    /// Writes a time as it stands in a line.
    pub(in super::super) fn text(time: SystemTime) -> String {
        let time = OffsetDateTime::from(time);
        let whole = time.replace_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000).unwrap_or(time);
        whole.format(&Rfc3339).unwrap_or_default()
    }

    pub(in super::super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        text(*time).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339).map(SystemTime::from).map_err(D::Error::custom)
    }
}

/// Times that may be absent.
mod time_if_any {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super::time")] SystemTime);

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

    /// Returns the moment `second` of the tests.
    pub(in super::super) fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
    }

    /// Returns a line of the task `task` about a lease.
    pub(in super::super) fn about(task: &str, event: Act, second: u64) -> Note {
        let who = Who {
            namespace: "default".to_owned(),
            job: "täsk \"one\"\n".to_owned(),
            task: task.to_owned(),
            task_id: format!("alloc/{task}/1"),
            ..Who::default()
        };
        Note { at: at(second), who: Some(who), kind: Some(Kind::Secret), ..Note::new(event) }
    }

    pub(in super::super) fn note(n: u64) -> Note {
        Note {
            path: "database/creds/x".to_owned(),
            lease: format!("database/creds/x/{n}"),
            accessor: "accessor".to_owned(),
            generation: Some(1),
            expires: Some(at(3600)),
            outcome: "ok".to_owned(),
            ..about("one", Act::Obtained, n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};

    #[test]
    fn a_line_survives_the_file() {
        let entry = Entry { seq: 7, prev: "0".repeat(64), note: note(1) };
        let text = serde_json::to_string(&entry).expect("a line");
        assert!(text.starts_with(r#"{"seq":7,"prev":"0"#) && text.contains(r#""at":"2027-01-15T08:00:01Z""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).expect("and back"), entry);
        let bare = Entry { note: Note { at: at(0), ..Note::new(Act::Lost) }, ..entry };
        let text = serde_json::to_string(&bare).expect("a line");
        assert_eq!(serde_json::from_str::<Entry>(&text).expect("and back"), bare);
    }

    #[test]
    fn a_newer_versions_words_are_tolerated() {
        let text = r#"{"seq":1,"prev":"x","at":"2027-01-15T08:00:01Z","event":"teleported","kind":"ghost","more":[]}"#;
        let entry: Entry = serde_json::from_str(text).expect("a line");
        assert_eq!((entry.note.event, entry.note.kind), (Act::Unknown, Some(Kind::Unknown)));
    }

    #[test]
    fn long_names_are_cut() {
        let cut = Note { path: "ä".repeat(5000), ..note(1) }.cut();
        assert!(cut.path.len() < 1030 && cut.path.ends_with('…'));
    }
}
