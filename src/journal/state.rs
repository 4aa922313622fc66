//! What the lines come to, task by task.

use std::{collections::BTreeMap, time::SystemTime};

use super::{Entry, Step};
use crate::domain::{Accessor, ExitResult, LeaseId, TaskId, TaskKey, TaskMeta};

/// A token that a task holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldToken {
    /// The token's name; a batch token has none and dies by its deadline.
    pub accessor: Option<Accessor>,
    /// The cluster that it is of, empty for the default one.
    pub cluster: String,
    /// The server's namespace, empty for the root.
    pub namespace: String,
    /// When it ends by itself, if it does.
    pub deadline: Option<SystemTime>,
}

/// A lease that a task holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// Which lease.
    pub lease_id: LeaseId,
    /// The cluster that it is of, empty for the default one.
    pub cluster: String,
    /// The server's namespace, empty for the root.
    pub namespace: String,
    /// When it ends by itself, if it does.
    pub deadline: Option<SystemTime>,
}

/// A certificate that a task holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCertificate {
    /// The cluster that it is of, empty for the default one.
    pub cluster: String,
    /// The server's namespace, empty for the root.
    pub namespace: String,
    /// The engine's mount.
    pub mount: String,
    /// Its serial number.
    pub serial: String,
    /// When it ends by itself.
    pub not_after: SystemTime,
}

/// A task of which something is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTask {
    /// Whose it is.
    pub key: TaskKey,
    /// Who the task is; unknown when its first line was damaged.
    pub meta: Option<TaskMeta>,
    /// When the first line that is left was noted.
    pub since: SystemTime,
    /// Whether a directory was mounted.
    pub mounted: bool,
    /// What the server was asked for last, when no answer was noted.
    pub asking: Option<String>,
    /// The token in use.
    pub accessor: Option<HeldToken>,
    /// Tokens that were superseded and are not known to be dead.
    pub old_accessors: Vec<HeldToken>,
    /// Leases that are not known to be dead.
    pub leases: Vec<HeldLease>,
    /// Certificates that are not known to be revoked.
    pub certificates: Vec<HeldCertificate>,
    /// The container's id.
    pub container: Option<String>,
    /// Whether the container was started.
    pub started: bool,
    /// When the container ended.
    pub ended: Option<SystemTime>,
    /// How the container ended, when it is known.
    pub exit: Option<ExitResult>,
    /// Whether revocation was begun and is not known to be complete.
    pub revoke_pending: bool,
}

/// All tasks of which something is left.
#[derive(Debug, Default)]
pub(super) struct State {
    tasks: BTreeMap<TaskKey, Kept>,
}

/// A task and the lines about it that we cannot read but a newer version can.
#[derive(Debug)]
struct Kept {
    task: OpenTask,
    unknown: Vec<String>,
}

impl State {
    /// Takes an entry in; `line` is the text it came from or goes to.
    pub(super) fn apply(&mut self, entry: Entry, line: &str) {
        if entry.step == Step::Closed {
            self.tasks.remove(&entry.key);
            return;
        }
        let new = || Kept { task: OpenTask::new(entry.key.clone(), entry.at), unknown: Vec::new() };
        let kept = self.tasks.entry(entry.key.clone()).or_insert_with(new);
        match entry.step {
            Step::Unknown => kept.unknown.push(line.to_owned()),
            step => kept.task.apply(step, entry.at),
        }
    }

    /// Returns the open tasks in the order of their keys.
    pub(super) fn open_tasks(&self) -> Vec<OpenTask> {
        self.tasks.values().map(|kept| kept.task.clone()).collect()
    }

    /// Returns one task, when it is open.
    pub(super) fn task(&self, key: &TaskKey) -> Option<OpenTask> {
        self.tasks.get(key).map(|kept| kept.task.clone())
    }

    /// Returns the fewest lines that come to the same.
    pub(super) fn to_lines(&self) -> Vec<String> {
        let of = |kept: &Kept| {
            let known = kept.task.to_entries().iter().map(Entry::to_line).collect::<Vec<_>>();
            known.into_iter().chain(kept.unknown.iter().cloned()).collect::<Vec<_>>()
        };
        self.tasks.values().flat_map(of).collect()
    }
}

impl OpenTask {
    fn new(key: TaskKey, since: SystemTime) -> Self {
        Self {
            key,
            meta: None,
            since,
            mounted: false,
            asking: None,
            accessor: None,
            old_accessors: Vec::new(),
            leases: Vec::new(),
            certificates: Vec::new(),
            container: None,
            started: false,
            ended: None,
            exit: None,
            revoke_pending: false,
        }
    }

    /// Returns the start attempt, when it is known.
    pub fn task_id(&self) -> Option<&TaskId> {
        self.meta.as_ref().map(|meta| &meta.id)
    }

    /// Says whether the server still has something of the task.
    pub fn holds_credentials(&self) -> bool {
        self.accessor.is_some()
            || !(self.old_accessors.is_empty() && self.leases.is_empty() && self.certificates.is_empty())
    }

    fn apply(&mut self, step: Step, at: SystemTime) {
        match step {
            Step::Intent { meta } => self.meta = Some(*meta),
            Step::Mounted => self.mounted = true,
            Step::Asking { what } => self.asking = Some(what),
            Step::LoggedIn { accessor, cluster, namespace, deadline } => {
                self.log_in(HeldToken { accessor, cluster, namespace, deadline })
            }
            Step::Leased { lease_id, cluster, namespace, deadline } => {
                self.lease(HeldLease { lease_id, cluster, namespace, deadline })
            }
            Step::Issued { cluster, namespace, mount, serial, not_after } => {
                self.issue(HeldCertificate { cluster, namespace, mount, serial, not_after })
            }
            Step::Container { id } => self.container = Some(id),
            Step::Started => self.started = true,
            Step::Ended { exit } => (self.ended, self.exit) = (Some(at), exit),
            Step::Revoking => self.revoke_pending = true,
            Step::TokenRevoked { accessor } => {
                let accessor = Some(accessor);
                self.accessor.take_if(|token| token.accessor == accessor);
                self.old_accessors.retain(|token| token.accessor != accessor);
            }
            Step::LeaseRevoked { lease_id } => self.leases.retain(|lease| lease.lease_id != lease_id),
            Step::CertificateRevoked { mount, serial } => {
                self.certificates.retain(|one| (&one.mount, &one.serial) != (&mount, &serial));
            }
            Step::Revoked => self.all_revoked(),
            // Both are handled before a task is looked up.
            Step::Closed | Step::Unknown => {}
        }
    }

    /// A renewal only moves the deadline; another token supersedes the one in use.
    fn log_in(&mut self, token: HeldToken) {
        self.asking = None;
        let before = self.accessor.replace(token.clone()).filter(|before| before.accessor != token.accessor);
        self.old_accessors.retain(|old| old.accessor != token.accessor);
        self.old_accessors.extend(before);
    }

    fn lease(&mut self, lease: HeldLease) {
        self.asking = None;
        self.leases.retain(|old| old.lease_id != lease.lease_id);
        self.leases.push(lease);
    }

    fn issue(&mut self, certificate: HeldCertificate) {
        self.asking = None;
        self.certificates.retain(|old| (&old.mount, &old.serial) != (&certificate.mount, &certificate.serial));
        self.certificates.push(certificate);
    }

    fn all_revoked(&mut self) {
        (self.accessor, self.revoke_pending) = (None, false);
        self.old_accessors.clear();
        self.leases.clear();
        self.certificates.clear();
    }

    /// Returns the entries that come to this task.
    fn to_entries(&self) -> Vec<Entry> {
        let intent = self.meta.clone().map(|meta| Step::Intent { meta: Box::new(meta) });
        let tokens = self.old_accessors.iter().chain(&self.accessor).map(|token| Step::LoggedIn {
            accessor: token.accessor.clone(),
            cluster: token.cluster.clone(),
            namespace: token.namespace.clone(),
            deadline: token.deadline,
        });
        let leases = self.leases.iter().map(|lease| Step::Leased {
            lease_id: lease.lease_id.clone(),
            cluster: lease.cluster.clone(),
            namespace: lease.namespace.clone(),
            deadline: lease.deadline,
        });
        let certificates = self.certificates.iter().map(|one| Step::Issued {
            cluster: one.cluster.clone(),
            namespace: one.namespace.clone(),
            mount: one.mount.clone(),
            serial: one.serial.clone(),
            not_after: one.not_after,
        });
        let mut steps: Vec<Step> = intent.into_iter().collect();
        steps.extend(self.mounted.then_some(Step::Mounted));
        steps.extend(tokens);
        steps.extend(leases);
        steps.extend(certificates);
        steps.extend(self.asking.clone().map(|what| Step::Asking { what }));
        steps.extend(self.container.clone().map(|id| Step::Container { id }));
        steps.extend(self.started.then_some(Step::Started));
        steps.extend(self.revoke_pending.then_some(Step::Revoking));
        let mut entries: Vec<Entry> = steps.into_iter().map(|step| self.at(self.since, step)).collect();
        entries.extend(self.ended.map(|at| self.at(at, Step::Ended { exit: self.exit.clone() })));
        entries
    }

    fn at(&self, at: SystemTime, step: Step) -> Entry {
        Entry { key: self.key.clone(), at, step }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::entry::samples::{id, key, life},
        *,
    };

    fn fold(entries: &[Entry]) -> State {
        let mut state = State::default();
        entries.iter().for_each(|entry| state.apply(entry.clone(), &entry.to_line()));
        state
    }

    #[test]
    fn a_life_is_open_until_it_is_closed() {
        let life = life(1);
        for length in 1..life.len() {
            let task = fold(&life[..length]).task(&key(1)).expect("an open task");
            assert_eq!(task.task_id(), Some(&id(1)));
            assert_eq!(task.container.is_some(), length >= 6, "after {length}");
            assert_eq!(task.holds_credentials(), (3..=11).contains(&length), "after {length}");
            assert_eq!(task.revoke_pending, (9..=12).contains(&length), "after {length}");
        }
        assert_eq!(fold(&life).open_tasks(), []);
    }

    #[test]
    fn the_fewest_lines_come_to_the_same_at_every_step() {
        let life = life(1);
        for length in 0..=life.len() {
            let state = fold(&life[..length]);
            let lines = state.to_lines();
            let entries: Vec<_> =
                lines.iter().filter_map(|line| Entry::from_line(line.trim_end().as_bytes())).collect();
            assert_eq!(entries.len(), lines.len());
            assert_eq!(fold(&entries).open_tasks(), state.open_tasks(), "after {length}");
        }
    }

    #[test]
    fn a_question_is_open_until_its_answer_is_noted() {
        let mut task = OpenTask::new(key(1), SystemTime::UNIX_EPOCH);
        let what = "login web".to_owned();
        task.apply(Step::Asking { what: what.clone() }, SystemTime::UNIX_EPOCH);
        assert_eq!(task.asking.as_ref(), Some(&what));
        assert!(task.to_entries().iter().any(|entry| entry.step == Step::Asking { what: what.clone() }));
        let login = Step::LoggedIn { accessor: None, cluster: String::new(), namespace: String::new(), deadline: None };
        task.apply(login, SystemTime::UNIX_EPOCH);
        assert_eq!(task.asking, None);
        assert!(task.holds_credentials());
    }

    #[test]
    fn a_superseded_token_is_kept_until_it_is_dead() {
        let login = |name: &str| Step::LoggedIn {
            accessor: Some(Accessor(name.to_owned())),
            cluster: String::new(),
            namespace: String::new(),
            deadline: None,
        };
        let mut task = OpenTask::new(key(1), SystemTime::UNIX_EPOCH);
        for name in ["a", "a", "b"] {
            task.apply(login(name), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(task.accessor.as_ref().and_then(|token| token.accessor.clone()), Some(Accessor("b".to_owned())));
        assert_eq!(task.old_accessors.len(), 1);
        task.apply(Step::TokenRevoked { accessor: Accessor("a".to_owned()) }, SystemTime::UNIX_EPOCH);
        assert!(task.old_accessors.is_empty() && task.accessor.is_some());
    }
}
