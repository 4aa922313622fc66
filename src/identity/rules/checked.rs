//! A rule that was read: its texts as globs, and what is wrong with those.

use std::time::Duration;

use super::Rule;
use crate::{
    domain::TaskMeta,
    identity::{glob::Glob, pattern::PatternError, values::Variable},
};

/// What rules can name: everything that tells tasks apart.
const VARIABLES: [Variable; 6] =
    [Variable::Namespace, Variable::Job, Variable::Group, Variable::Task, Variable::Alloc, Variable::Node];
/// Ways of delivery that a rule can name; files need no grant.
const DELIVERIES: [&str; 3] = ["env", "files", "token"];

/// A rule that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) namespace: Glob,
    pub(super) job: Glob,
    pub(super) group: Glob,
    pub(super) task: Glob,
    pub(super) roles: Vec<Glob>,
    pub(super) paths: Vec<Glob>,
    pub(super) pki: Vec<Glob>,
    pub(super) sans: Vec<Glob>,
    pub(super) principals: Vec<Glob>,
    pub(super) deliver: Vec<String>,
    pub(super) any: bool,
    pub(super) max_ttl: Option<Duration>,
    pub(super) clusters: Vec<Glob>,
    pub(super) vault_namespaces: Vec<Glob>,
    /// From 1, in the operator's order.
    pub(super) number: usize,
}

impl Checked {
    pub(super) fn read(rule: &Rule) -> Result<Self, Vec<String>> {
        let mut reader = Reader { any: rule.any, flaws: Vec::new() };
        let subjects =
            [("namespace", &rule.namespace), ("job", &rule.job), ("group", &rule.group), ("task", &rule.task)]
                .map(|(field, text)| reader.subject(field, text));
        let roles = reader.list("roles", &rule.roles, '/');
        let paths = reader.list("paths", &rule.paths, '/');
        let pki = reader.list("pki", &rule.pki, '/');
        let sans = reader.list("sans", &lower(&rule.sans), '.');
        let principals = reader.list("principals", &rule.principals, '/');
        for unknown in rule.deliver.iter().filter(|way| !DELIVERIES.contains(&way.as_str())) {
            reader.flaws.push(format!("deliver {unknown:?} is unknown; give {}", DELIVERIES.join(", ")));
        }
        let deliver = rule.deliver.clone();
        let clusters = reader.list("clusters", &rule.clusters, '/');
        let vault_namespaces = reader.list("vault_namespaces", &rule.vault_namespaces, '/');
        if subjects.iter().all(|glob| glob.as_ref().is_some_and(Glob::is_any)) {
            reader.needs_any("covers every task; name a namespace or a job");
        }
        if let Some(flat) = pki.iter().find(|glob| !glob.as_str().contains('/')) {
            reader.flaws.push(format!("pki {:?} is no \"mount/role\"", flat.as_str()));
        }
        match (subjects, reader.flaws) {
            ([Some(namespace), Some(job), Some(group), Some(task)], flaws) if flaws.is_empty() => Ok(Self {
                namespace,
                job,
                group,
                task,
                roles,
                paths,
                pki,
                sans,
                principals,
                deliver,
                any: rule.any,
                max_ttl: rule.max_ttl,
                clusters,
                vault_namespaces,
                number: 0,
            }),
            (_, flaws) => Err(flaws),
        }
    }

    pub(super) fn is_for(&self, meta: &TaskMeta) -> bool {
        let none = |variable: Variable| Err(variable);
        self.namespace.covers(&meta.namespace, none)
            && self.job.covers(&meta.job_id, none)
            && self.group.covers(&meta.group, none)
            && self.task.covers(&meta.name, none)
    }

    /// Says whether something of that life may be had; a life that is not said is the server's to choose, and may be any.
    pub(super) fn bears(&self, life: Option<Duration>) -> bool {
        self.max_ttl.is_none_or(|most| life.is_some_and(|life| life <= most))
    }
}

/// Reads a rule's globs and gathers what is wrong with them.
struct Reader {
    any: bool,
    flaws: Vec<String>,
}

impl Reader {
    fn subject(&mut self, field: &str, text: &str) -> Option<Glob> {
        let glob = Glob::parse(text, '/', &[]);
        self.keep(field, glob)
    }

    fn list(&mut self, field: &str, texts: &[String], separator: char) -> Vec<Glob> {
        let mut globs = Vec::new();
        for text in texts {
            let Some(glob) = self.keep(field, Glob::parse(text, separator, &VARIABLES)) else { continue };
            if glob.is_any() {
                self.needs_any(&format!("{field} {text:?} covers everything"));
            }
            globs.push(glob);
        }
        globs
    }

    fn keep(&mut self, field: &str, glob: Result<Glob, PatternError>) -> Option<Glob> {
        glob.map_err(|flaw| self.flaws.push(format!("{field}: {flaw}"))).ok()
    }

    fn needs_any(&mut self, flaw: &str) {
        if !self.any {
            self.flaws.push(format!("{flaw}, or say any = true if that is meant"));
        }
    }
}

fn lower(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}
