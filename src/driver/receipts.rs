//! What the audit file is told of one task's credentials.
//!
//! Knows which facts of an answer are names. Never fails and never waits: who must not go on without a line asks the audit
//! file itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{DriverError, holdings::Holdings, parts::Parts};
use crate::{
    audit::{Act, Audit, Kind, Note, Who},
    domain::{Accessor, Generation, LeaseId, RelPath, SecretString, ServerPath, Session, TaskKey, TaskMeta},
    identity::PolicyRefused,
    pki::{IssuedCertificate, ssh::SshCertificate},
    template::Dependency,
    vault::{self, Reply},
};

/// Tokens of a task whose names are kept: the living one, and those that are being replaced.
const TOKENS_MAX: usize = 4;

/// Writes the receipts of one task.
#[derive(Clone)]
pub(super) struct Receipts {
    audit: Arc<Audit>,
    who: Arc<Who>,
    cluster: String,
    vault_namespace: String,
    tokens: Arc<Mutex<Vec<(SecretString, String)>>>,
    shown: Arc<Mutex<Shown>>,
}

/// What the visible files show, so that only what is new in a generation gets a line.
#[derive(Default)]
struct Shown {
    answers: BTreeMap<Dependency, Arc<Value>>,
    certificates: BTreeMap<RelPath, String>,
}

impl Receipts {
    /// Returns the receipts of the task `meta`.
    pub(super) fn of(parts: &Parts, meta: &TaskMeta) -> Self {
        // A task without an identity is refused before it gets anything; the line has its own fields all the same.
        let spiffe_id = parts.settings.identity.identify(meta).map(|identity| identity.spiffe_id).unwrap_or_default();
        let who = Who {
            namespace: meta.namespace.clone(),
            job: meta.job_id.clone(),
            group: meta.group.clone(),
            task: meta.name.clone(),
            alloc: meta.alloc_id.clone(),
            node: meta.node_id.clone(),
            task_id: meta.id.to_string(),
            spiffe_id,
        };
        Self::with(parts, who)
    }

    /// Returns the receipts of a task of which only the key is known.
    pub(super) fn of_unknown(parts: &Parts, key: &TaskKey) -> Self {
        Self::with(parts, Who { task_id: key.to_string(), ..Who::default() })
    }

    /// Returns the same for what comes from another server than the default one.
    pub(super) fn at(mut self, cluster: &str, namespace: &str) -> Self {
        (self.cluster, self.vault_namespace) = (cluster.to_owned(), namespace.to_owned());
        self
    }

    fn with(parts: &Parts, who: Who) -> Self {
        let vault = parts.settings.vault.as_ref();
        Self {
            audit: Arc::clone(&parts.audit),
            who: Arc::new(who),
            cluster: String::new(),
            vault_namespace: vault.and_then(|vault| vault.namespace.clone()).unwrap_or_default(),
            tokens: Arc::default(),
            shown: Arc::default(),
        }
    }

    /// A login gave a token.
    pub(super) fn logged_in(&self, mount: &str, role: &str, session: &Session) {
        self.learn(session);
        let note = self.token(Act::Obtained, session.accessor.as_ref());
        let expires = ends_in(session.duration);
        self.write(Note { path: format!("auth/{mount}"), role: role.to_owned(), expires, ..note });
    }

    /// Keeps a token's name, so that later lines can say with which token something was obtained.
    pub(super) fn learn(&self, session: &Session) {
        let Some(accessor) = &session.accessor else { return };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(token, _)| *token != session.token);
        tokens.push((session.token.clone(), accessor.to_string()));
        let surplus = tokens.len().saturating_sub(TOKENS_MAX);
        tokens.drain(..surplus);
    }

    /// A read or a write gave an answer.
    pub(super) fn answered(&self, token: &SecretString, path: &ServerPath, reply: &Reply) {
        let lease = reply.lease.as_ref();
        self.write(Note {
            path: path.to_string(),
            request_id: reply.request_id.clone(),
            accessor: self.accessor_of(token),
            lease: lease.map(|lease| lease.id.to_string()).unwrap_or_default(),
            expires: lease.and_then(|lease| ends_in(lease.duration)),
            ..self.note(Act::Obtained, Kind::Secret)
        });
    }

    /// Another task of the same rights has just read the same, and this one was given the answer.
    pub(super) fn shared(&self, token: &SecretString, path: &ServerPath, reply: &Reply) {
        self.write(Note {
            path: path.to_string(),
            request_id: reply.request_id.clone(),
            accessor: self.accessor_of(token),
            reason: "shared with the task whose request this was".to_owned(),
            ..self.note(Act::Obtained, Kind::Secret)
        });
    }

    /// A certificate was signed.
    pub(super) fn issued(&self, token: &SecretString, path: &ServerPath, reply: &Reply, issued: &IssuedCertificate) {
        self.write(Note {
            path: path.to_string(),
            request_id: reply.request_id.clone(),
            accessor: self.accessor_of(token),
            serial: issued.serial.clone(),
            expires: Some(issued.not_after),
            ..self.note(Act::Obtained, Kind::Certificate)
        });
    }

    /// The public half of an SSH key was signed.
    pub(super) fn signed(&self, token: &SecretString, path: &ServerPath, reply: &Reply, issued: &SshCertificate) {
        self.write(Note {
            path: path.to_string(),
            request_id: reply.request_id.clone(),
            accessor: self.accessor_of(token),
            serial: issued.serial.to_string(),
            expires: Some(issued.not_after),
            ..self.note(Act::Obtained, Kind::Certificate)
        });
    }

    /// A token was made for the task itself.
    pub(super) fn made_token(&self, path: &ServerPath, accessor: Option<&Accessor>, life: Duration) {
        let note = self.token(Act::Obtained, accessor);
        self.write(Note { path: path.to_string(), expires: ends_in(life), ..note });
    }

    /// A login or a lease was prolonged for `granted`.
    pub(super) fn renewed_token(&self, session: &Session, granted: Duration) {
        self.learn(session);
        let note = self.token(Act::Renewed, session.accessor.as_ref());
        self.write(Note { expires: ends_in(granted), ..note });
    }

    /// A lease was prolonged for `granted`.
    pub(super) fn renewed_lease(&self, token: &SecretString, lease: &LeaseId, granted: Duration) {
        self.write(Note {
            accessor: self.accessor_of(token),
            path: path_of(lease),
            lease: lease.to_string(),
            expires: ends_in(granted),
            ..self.note(Act::Renewed, Kind::Secret)
        });
    }

    /// A token was ended; `how` says more where that is not all.
    pub(super) fn revoked_token(&self, accessor: Option<&Accessor>, how: &str) {
        self.write(Note { reason: how.to_owned(), ..self.token(Act::Revoked, accessor) });
    }

    /// A lease was ended.
    pub(super) fn revoked_lease(&self, lease: &LeaseId) {
        let note = self.note(Act::Revoked, Kind::Secret);
        self.write(Note { path: path_of(lease), lease: lease.to_string(), ..note });
    }

    /// A certificate was revoked, or the server refused to.
    pub(super) fn revoked_certificate(&self, mount: &str, serial: &str, refused: Option<&vault::Error>) {
        if let Some(error) = refused {
            tracing::warn!(task_id = self.who.task_id, mount, serial, %error, "A certificate could not be revoked; it lives until its time");
        }
        self.write(Note {
            path: mount.to_owned(),
            serial: serial.to_owned(),
            outcome: if refused.is_some() { "failed" } else { "ok" }.to_owned(),
            reason: refused.map(ToString::to_string).unwrap_or_default(),
            ..self.note(Act::Revoked, Kind::Certificate)
        });
    }

    /// The server refused to end something, which lives on until its time.
    pub(super) fn not_revoked(&self, accessor: Option<&Accessor>, lease: Option<&LeaseId>, why: &str) {
        let kind = if lease.is_some() { Kind::Secret } else { Kind::Token };
        self.write(Note {
            accessor: accessor.map(ToString::to_string).unwrap_or_default(),
            lease: lease.map(ToString::to_string).unwrap_or_default(),
            outcome: "failed".to_owned(),
            reason: why.to_owned(),
            ..self.note(Act::Revoked, kind)
        });
    }

    /// Takes up what an earlier process obtained and showed.
    pub(super) fn take_up(&self, held: &Holdings) {
        if let Some(session) = &held.session {
            self.learn(&session.value);
        }
        self.newly_shown(held);
    }

    /// The generation shows what is held.
    pub(super) fn delivered(&self, held: &Holdings, generation: Generation) {
        let accessor = held.session.as_ref().and_then(|session| session.value.accessor.as_ref());
        let accessor = accessor.map(ToString::to_string).unwrap_or_default();
        let note = |kind| Note {
            accessor: accessor.clone(),
            generation: Some(generation.0),
            ..self.note(Act::Delivered, kind)
        };
        let (dependencies, names) = self.newly_shown(held);
        for dependency in dependencies {
            let lease = held.answers.get(&dependency).and_then(|answer| answer.lease.as_ref());
            self.write(Note {
                path: dependency.path.to_string(),
                lease: lease.map(|lease| lease.value.id.to_string()).unwrap_or_default(),
                expires: lease.filter(|lease| !lease.life.is_zero()).map(|lease| lease.since + lease.life),
                ..note(Kind::Secret)
            });
        }
        for (name, certificate) in held.certificates.iter().filter(|(name, _)| names.contains(name)) {
            self.write(Note {
                reason: format!("certificate {name}"),
                serial: certificate.serial.clone(),
                expires: Some(certificate.not_after),
                ..note(Kind::Certificate)
            });
        }
    }

    /// Returns what was not shown before, and takes it as shown from now on.
    fn newly_shown(&self, held: &Holdings) -> (Vec<Dependency>, Vec<RelPath>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = (Vec::new(), Vec::new());
        for (dependency, answer) in &held.answers {
            let old = shown.answers.insert(dependency.clone(), Arc::clone(&answer.value));
            let is_same =
                |old: Arc<Value>| old["data"] == answer.value["data"] && old["lease_id"] == answer.value["lease_id"];
            if !old.is_some_and(is_same) {
                news.0.push(dependency.clone());
            }
        }
        for (name, certificate) in &held.certificates {
            let old = shown.certificates.insert(name.clone(), certificate.serial.clone());
            if old.as_ref() != Some(&certificate.serial) {
                news.1.push(name.clone());
            }
        }
        shown.answers.retain(|dependency, _| held.answers.contains_key(dependency));
        news
    }

    /// The server refused a login.
    pub(super) fn refused_login(&self, mount: &str, role: &str, error: &vault::Error) {
        if is_refusal(error) {
            let note =
                Note { path: format!("auth/{mount}"), role: role.to_owned(), ..self.note(Act::Refused, Kind::Token) };
            self.write(refused(note, error));
        }
    }

    /// The server refused a secret or a certificate.
    pub(super) fn refused_answer(&self, token: &SecretString, path: &ServerPath, error: &vault::Error) {
        if is_refusal(error) {
            let accessor = self.accessor_of(token);
            let note = Note { path: path.to_string(), accessor, ..self.note(Act::Refused, Kind::Secret) };
            self.write(refused(note, error));
        }
    }

    /// No rule of the operator's covers a path that only became known on the way.
    pub(super) fn refused_by_rule(&self, path: &ServerPath, error: &PolicyRefused) {
        let note = Note { path: path.to_string(), ..self.note(Act::Refused, Kind::Secret) };
        self.write(refused(note, error));
    }

    /// A start was refused before anything was sent.
    pub(super) fn refused_start(&self, error: &DriverError) {
        self.write(refused(Note { kind: None, ..self.note(Act::Refused, Kind::Unknown) }, error));
    }

    /// The task is over and all was given back.
    pub(super) fn ended(&self) {
        self.write(Note { kind: None, ..self.note(Act::Ended, Kind::Unknown) });
    }

    fn token(&self, event: Act, accessor: Option<&Accessor>) -> Note {
        let accessor = accessor.map(ToString::to_string).unwrap_or_default();
        Note { accessor, ..self.note(event, Kind::Token) }
    }

    fn note(&self, event: Act, kind: Kind) -> Note {
        Note {
            kind: Some(kind),
            who: Some((*self.who).clone()),
            cluster: self.cluster.clone(),
            vault_namespace: self.vault_namespace.clone(),
            outcome: "ok".to_owned(),
            ..Note::new(event)
        }
    }

    fn accessor_of(&self, token: &SecretString) -> String {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().find(|(known, _)| known == token).map(|(_, accessor)| accessor.clone()).unwrap_or_default()
    }

    fn write(&self, note: Note) {
        self.audit.note(note);
    }
}

fn refused(note: Note, why: &dyn std::fmt::Display) -> Note {
    Note { outcome: "refused".to_owned(), reason: why.to_string(), ..note }
}

/// Says whether an error is the server's no, and not its absence or a thing that is not there.
fn is_refusal(error: &vault::Error) -> bool {
    matches!(error.kind(), vault::Kind::Denied | vault::Kind::Invalid)
}

/// Returns the path that a lease is of: all but the random word at its end.
fn path_of(lease: &LeaseId) -> String {
    lease.0.rsplit_once('/').map(|(path, _)| path.to_owned()).unwrap_or_default()
}

fn ends_in(life: Duration) -> Option<SystemTime> {
    (!life.is_zero()).then(|| SystemTime::now() + life)
}
