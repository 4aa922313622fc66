//! A task's names.

use std::collections::BTreeMap;

use super::{
    pattern::{Pattern, PatternError},
    values::{Variable, label, path_name},
};
use crate::domain::TaskMeta;

/// Longest SPIFFE id that every implementation must take (SPIFFE-ID, 2.3).
const SPIFFE_MAX: usize = 2048;
/// To this a name is shortened when a whole SPIFFE id is too long.
const SPIFFE_NAME_MAX: usize = 128;
/// Longest DNS name and label (RFC 1035).
const DNS_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// To this a name is shortened when a whole DNS name is too long.
const SHORT_LABEL_MAX: usize = 40;
/// Longest common name (X.520).
const COMMON_NAME_MAX: usize = 64;

/// How names are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Under whose authority names are given, a DNS name.
    pub trust_domain: String,
    /// The path of the SPIFFE id.
    pub spiffe_path: String,
    /// The DNS name.
    pub dns_name: String,
    /// The role to log in with.
    pub role: String,
}

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

/// Why a task has no names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The orchestrator sent nothing for a field.
    #[error("task has no {field}; an identity needs namespace, job, group, task and alloc")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A pattern is wrong.
    #[error("{setting}: {source}")]
    Pattern {
        /// Whose.
        setting: &'static str,
        /// What is wrong.
        source: PatternError,
    },
    /// A name is too long even with shortened parts.
    #[error("{what} would have {length} characters, {max} are allowed; shorten its pattern")]
    TooLong {
        /// Which name.
        what: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// The trust domain is no DNS name.
    #[error("trust_domain {text:?} {why}; give a lower-case DNS name such as \"strongbox.internal\"")]
    TrustDomain {
        /// What was given.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trust_domain: "strongbox.internal".to_owned(),
            spiffe_path: "/ns/{namespace}/job/{job}/group/{group}/task/{task}".to_owned(),
            dns_name: "{task}.{group}.{job}.{namespace}.{trust_domain}".to_owned(),
            role: "{job}".to_owned(),
        }
    }
}

/// The settings' patterns, read and found fit.
struct Patterns {
    spiffe_path: Pattern,
    dns_name: Pattern,
    role: Pattern,
}

impl Settings {
    /// Returns all that is wrong with the settings, for the moment when they are loaded.
    pub fn flaws(&self) -> Vec<IdentityError> {
        let checks = [
            self.check_trust_domain().err(),
            self.spiffe_path().err(),
            self.dns_name().err(),
            role("role", &self.role).err(),
        ];
        checks.into_iter().flatten().collect()
    }

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

    fn patterns(&self) -> Result<Patterns, IdentityError> {
        self.check_trust_domain()?;
        let (spiffe_path, dns_name) = (self.spiffe_path()?, self.dns_name()?);
        Ok(Patterns { spiffe_path, dns_name, role: role("role", &self.role)? })
    }

    fn check_trust_domain(&self) -> Result<(), IdentityError> {
        let text = &self.trust_domain;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |label: &str| {
            (1..=LABEL_MAX).contains(&label.len())
                && label.chars().all(good)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.split('.').all(label) {
            true => Ok(()),
            false => Err(IdentityError::TrustDomain { text: text.clone(), why: "is no DNS name" }),
        }
    }

    fn spiffe_path(&self) -> Result<Pattern, IdentityError> {
        let check = || {
            let pattern: Pattern = self.spiffe_path.parse()?;
            pattern.check_identifying('/')?;
            pattern.check_literals(|c| c.is_ascii_alphanumeric() || "/._-".contains(c), "SPIFFE id")?;
            let text = pattern.as_str();
            match text.strip_prefix('/') {
                None => Err(pattern.flaw("does not begin with \"/\"")),
                Some(path) if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) => {
                    Err(pattern.flaw("has an empty, \".\" or \"..\" segment"))
                }
                Some(_) => Ok(pattern),
            }
        };
        check().map_err(|source| IdentityError::Pattern { setting: "spiffe_path", source })
    }

    fn dns_name(&self) -> Result<Pattern, IdentityError> {
        let check = || {
            let pattern: Pattern = self.dns_name.parse()?;
            pattern.check_identifying('.')?;
            pattern.check_literals(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c), "DNS name")?;
            let bad = |label: &str| {
                label.is_empty() || label.starts_with('-') || label.ends_with('-') || label.len() > LABEL_MAX
            };
            match pattern.as_str().split('.').any(bad) {
                true => Err(pattern.flaw("has an empty or malformed label")),
                false => Ok(pattern),
            }
        };
        let pattern = check().map_err(|source| IdentityError::Pattern { setting: "dns_name", source })?;
        // With all names at their shortest the whole must fit, so that no task is refused later for its long names.
        let longest = pattern.render(|variable| {
            Ok(if variable == Variable::TrustDomain { self.trust_domain.clone() } else { "x".repeat(SHORT_LABEL_MAX) })
        })?;
        within("DNS name", longest, DNS_MAX).map(|_| pattern)
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

/// Reads a pattern for a role.
fn role(setting: &'static str, text: &str) -> Result<Pattern, IdentityError> {
    let check = || {
        let pattern: Pattern = text.parse()?;
        pattern.check_literals(|c| c.is_ascii_alphanumeric() || "._-".contains(c), "role")?;
        if text.is_empty() { Err(pattern.flaw("is empty")) } else { Ok(pattern) }
    };
    check().map_err(|source| IdentityError::Pattern { setting, source })
}

fn value(labels: &BTreeMap<Variable, String>, variable: Variable) -> Result<String, IdentityError> {
    labels.get(&variable).cloned().ok_or(IdentityError::Empty { field: variable.name() })
}

fn within(what: &'static str, text: String, max: usize) -> Result<String, IdentityError> {
    match text.len() {
        length if length > max => Err(IdentityError::TooLong { what, length, max }),
        _ => Ok(text),
    }
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

    #[test]
    fn all_flaws_are_told_together() {
        let settings = Settings {
            trust_domain: "Strongbox".to_owned(),
            spiffe_path: "ns/{namespace}/{job}/{group}/{task}".to_owned(),
            dns_name: "{task}.{group}.{job}.{trust_domain}".to_owned(),
            role: "{jop}".to_owned(),
        };
        let flaws: Vec<String> = settings.flaws().iter().map(ToString::to_string).collect();
        assert_eq!(flaws.len(), 4, "{flaws:?}");
        for (flaw, part) in flaws.iter().zip(["trust_domain", "begin with \"/\"", "{namespace}", "{jop}"]) {
            assert!(flaw.contains(part), "{flaw}");
        }
        assert_eq!(Settings::default().flaws(), []);
        let long = Settings { trust_domain: ["a".repeat(60).as_str(); 2].join("."), ..Settings::default() };
        assert!(matches!(long.flaws()[..], [IdentityError::TooLong { .. }]));
    }
}
