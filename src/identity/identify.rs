//! A task's names.

use std::collections::BTreeMap;

use super::{
    Settings,
    pattern::Pattern,
    settings::{DNS_MAX, IdentityError, LABEL_MAX, SHORT_LABEL_MAX, role, within},
    values::{Variable, label, path_name},
};
use crate::domain::TaskMeta;

/// Longest SPIFFE id that every implementation must take (SPIFFE-ID, 2.3).
const SPIFFE_MAX: usize = 2048;
/// To this a name is shortened when a whole SPIFFE id is too long.
const SPIFFE_NAME_MAX: usize = 128;
/// Longest common name (X.520).
const COMMON_NAME_MAX: usize = 64;

/// A task's names. They are the same at every start, and no other task has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `spiffe://<trust domain>/…`.
    pub spiffe_id: String,
    /// A name below the trust domain.
    pub dns_name: String,
    /// The DNS name where it is short enough for a subject; a certificate without one has its names as SANs only.
    pub common_name: Option<String>,
    /// The role to log in with.
    pub role: String,
    /// What templates can name: the names above, and `namespace`, `job`, `group`, `task`, `alloc`, `node`, each as it is
    /// written in a path on the server.
    pub names: BTreeMap<String, String>,
    labels: BTreeMap<Variable, String>,
}

impl Settings {
    /// Gives a task its names.
    pub fn identify(&self, meta: &TaskMeta) -> Result<Identity, IdentityError> {
        let patterns = self.patterns()?;
        let spiffe_id = self.spiffe_id(&patterns.spiffe_path, meta)?;
        let dns_name = self.dns(&patterns.dns_name, meta)?;
        let labels = self.labels(meta)?;
        let role = patterns.role.render(|variable| value(&labels, variable))?;
        Ok(Identity {
            names: self.names(meta, &spiffe_id, &dns_name, &role)?,
            common_name: Some(dns_name.clone()).filter(|name| name.len() <= COMMON_NAME_MAX),
            spiffe_id,
            dns_name,
            role,
            labels,
        })
    }

    fn spiffe_id(&self, pattern: &Pattern, meta: &TaskMeta) -> Result<String, IdentityError> {
        let with = |max| {
            let path = pattern.render(|variable| self.label(meta, variable, max));
            path.map(|path| format!("spiffe://{}{path}", self.trust_domain))
        };
        let whole = with(usize::MAX)?;
        if whole.len() <= SPIFFE_MAX { Ok(whole) } else { within("SPIFFE id", with(SPIFFE_NAME_MAX)?, SPIFFE_MAX) }
    }

    fn dns(&self, pattern: &Pattern, meta: &TaskMeta) -> Result<String, IdentityError> {
        let with = |max| pattern.render(|variable| self.label(meta, variable, max));
        let whole = with(LABEL_MAX)?;
        if whole.len() <= DNS_MAX { Ok(whole) } else { within("DNS name", with(SHORT_LABEL_MAX)?, DNS_MAX) }
    }

    fn label(&self, meta: &TaskMeta, variable: Variable, max: usize) -> Result<String, IdentityError> {
        variable.of(meta).map_or_else(|| Ok(self.trust_domain.clone()), |text| label(text, variable, max))
    }

    /// Returns each variable's value for roles. A node that is not known has none.
    fn labels(&self, meta: &TaskMeta) -> Result<BTreeMap<Variable, String>, IdentityError> {
        let known =
            Variable::ALL.into_iter().filter(|variable| *variable != Variable::Node || !meta.node_id.is_empty());
        known.map(|variable| Ok((variable, self.label(meta, variable, LABEL_MAX)?))).collect()
    }

    fn names(
        &self,
        meta: &TaskMeta,
        spiffe_id: &str,
        dns_name: &str,
        role: &str,
    ) -> Result<BTreeMap<String, String>, IdentityError> {
        let whole =
            [("dns_name", dns_name), ("role", role), ("spiffe_id", spiffe_id), ("trust_domain", &self.trust_domain)];
        let mut names: BTreeMap<_, _> =
            whole.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for variable in Variable::ALL {
            let Some(text) = variable.of(meta).filter(|text| !text.is_empty()) else { continue };
            names.insert(variable.name().to_owned(), path_name(text, variable)?);
        }
        Ok(names)
    }
}

impl Identity {
    /// Puts this task's encoded names into a pattern for a role or a mount.
    pub fn expand(&self, pattern: &str) -> Result<String, IdentityError> {
        role("pattern", pattern)?.render(|variable| value(&self.labels, variable))
    }
}

fn value(labels: &BTreeMap<Variable, String>, variable: Variable) -> Result<String, IdentityError> {
    labels.get(&variable).cloned().ok_or(IdentityError::Empty { field: variable.name() })
}

#[cfg(test)]
pub(super) mod samples {
    use crate::domain::TaskMeta;

    pub(in super::super) fn meta(namespace: &str, job: &str, group: &str, task: &str) -> TaskMeta {
        TaskMeta {
            id: "alloc-1/task/12345678".parse().expect("an id"),
            name: task.to_owned(),
            group: group.to_owned(),
            job_id: job.to_owned(),
            job_name: job.to_owned(),
            namespace: namespace.to_owned(),
            alloc_id: "alloc-1".to_owned(),
            node_id: "node-1".to_owned(),
            node_name: "node".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{samples::meta, *};

    fn identity(namespace: &str, job: &str, group: &str, task: &str) -> Identity {
        Settings::default().identify(&meta(namespace, job, group, task)).expect("an identity")
    }

    #[test]
    fn a_plain_task_has_plain_names() {
        let identity = identity("default", "timeline", "web", "server");
        assert_eq!(identity.spiffe_id, "spiffe://strongbox.internal/ns/default/job/timeline/group/web/task/server");
        assert_eq!(identity.dns_name, "server.web.timeline.default.strongbox.internal");
        assert_eq!(identity.common_name.as_ref(), Some(&identity.dns_name));
        assert_eq!(identity.role, "timeline");
        assert_eq!(identity.names["job"], "timeline");
        assert_eq!(identity.expand("nomad-{namespace}-{job}"), Ok("nomad-default-timeline".to_owned()));
    }

    #[test]
    fn a_childs_slash_stays_in_its_segment() {
        let identity = identity("default", "batch/dispatch-1-a", "g", "t");
        assert!(identity.spiffe_id.contains("/job/batch--2fdispatch-1-a/group/"));
        assert_eq!(identity.dns_name, "t.g.batch--2fdispatch-1-a.default.strongbox.internal");
    }

    #[test]
    fn no_two_tasks_share_a_name() {
        let nasty = [
            "a",
            "A",
            "a-b",
            "b",
            "a.b",
            "a/b",
            "*",
            "..",
            "é",
            "e\u{301}",
            " ",
            "a ",
            "x--2e",
            "xn--a",
            "{job}",
            "web",
            "web-admin",
        ];
        let mut seen = BTreeSet::new();
        for namespace in ["default", "Default", "a"] {
            for job in nasty {
                for (group, task) in nasty.iter().flat_map(|group| nasty.map(|task| (*group, task))) {
                    let identity = identity(namespace, job, group, task);
                    for name in [identity.spiffe_id, identity.dns_name] {
                        assert!(!name.contains(['*', ' ', '{', ',', '\n']), "{name}");
                        assert!(seen.insert(name.to_lowercase()), "{name} twice");
                    }
                }
            }
        }
    }

    #[test]
    fn long_names_fit_every_limit_and_stay_apart() {
        for length in [64, 256, 1024, 65_536] {
            let long = "n".repeat(length);
            let one = identity(&long, &long, &long, &format!("{long}a"));
            let other = identity(&long, &long, &long, &format!("{long}b"));
            assert!(one.spiffe_id.len() <= SPIFFE_MAX && one.dns_name.len() <= DNS_MAX);
            assert!(one.dns_name.split('.').all(|label| label.len() <= LABEL_MAX));
            assert_eq!(one.common_name, None);
            assert!(one.spiffe_id != other.spiffe_id && one.dns_name != other.dns_name);
            assert!(one.role.starts_with("nnn") && one.role.len() <= LABEL_MAX);
        }
    }

    #[test]
    fn an_empty_field_is_refused_by_name() {
        for (meta, field) in [
            (meta("", "j", "g", "t"), "namespace"),
            (meta("n", "", "g", "t"), "job"),
            (meta("n", "j", "", "t"), "group"),
            (meta("n", "j", "g", ""), "task"),
            (TaskMeta { alloc_id: String::new(), ..meta("n", "j", "g", "t") }, "alloc"),
        ] {
            assert_eq!(Settings::default().identify(&meta), Err(IdentityError::Empty { field }));
        }
        let no_node = TaskMeta { node_id: String::new(), ..meta("n", "j", "g", "t") };
        let identity = Settings::default().identify(&no_node).expect("the node is not part of it");
        assert_eq!(identity.expand("{node}"), Err(IdentityError::Empty { field: "node" }));
    }
}
