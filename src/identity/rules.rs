//! The operator's rules: which task may ask for what. What none covers is refused.
//!
//! A task's own fields are held against a rule's globs as they are. In what a rule grants, variables stand for the task's names: in
//! paths as a person would write them (plain ones as they are, others encoded), elsewhere encoded, as in the identity.

mod checked;
mod refusal;

use std::{net::IpAddr, time::Duration};

use checked::Checked;
use refusal::Wish;

use super::{
    glob::Glob,
    settings::IdentityError,
    values::{Variable, label, path_name},
};
use crate::domain::{ServerName, ServerPath, TaskMeta};

pub use refusal::PolicyRefused;

/// Longest value of a variable outside paths; the same as in the identity.
const LABEL_MAX: usize = 63;

/// One `allow` block as the operator wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Which namespaces.
    pub namespace: String,
    /// Which jobs' ids; a dispatched or periodic child has its parent's, a slash, and its own.
    pub job: String,
    /// Which groups.
    pub group: String,
    /// Which tasks.
    pub task: String,
    /// Roles to log in with.
    pub roles: Vec<String>,
    /// Paths on the server, whole, as they are asked for.
    pub paths: Vec<String>,
    /// PKI engines and their roles, as `mount/role`.
    pub pki: Vec<String>,
    /// DNS names and addresses for certificates beside the identity's own; `*` stays within a label.
    pub sans: Vec<String>,
    /// Names that an SSH certificate may be for.
    pub principals: Vec<String>,
    /// Ways of delivery beside files, which need no grant: `env`, `token`.
    pub deliver: Vec<String>,
    /// The longest life of certificates, SSH ones too, that this rule grants.
    pub max_ttl: Option<Duration>,
    /// Clusters of secrets servers at which the rule holds; the default one when empty.
    pub clusters: Vec<String>,
    /// The servers' namespaces in which the rule holds; the one that the cluster is configured with when empty.
    pub vault_namespaces: Vec<String>,
    /// Says that globs which cover everything are meant.
    pub any: bool,
}

/// All rules, read and found fit. Without any, nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Checked>,
}

/// A server as a task sees it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The namespace, `root` for the one above all.
    pub namespace: &'a str,
    /// Whether that is the namespace which the operator configured for the cluster.
    pub configured: bool,
}

/// What is wrong with the rules, all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", flaws.join("; "))]
pub struct RulesError {
    /// One sentence for each.
    pub flaws: Vec<String>,
}

impl Rules {
    /// Reads the rules; all mistakes are told together.
    pub fn load(rules: &[Rule]) -> Result<Self, RulesError> {
        let mut flaws = Vec::new();
        let mut checked = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            match Checked::read(rule) {
                Ok(rule) => checked.push(Checked { number: at + 1, ..rule }),
                Err(of_this) => flaws.extend(of_this.into_iter().map(|flaw| format!("allow rule {}: {flaw}", at + 1))),
            }
        }
        if flaws.is_empty() { Ok(Self { rules: checked }) } else { Err(RulesError { flaws }) }
    }

    /// Returns how many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Says whether nothing at all is allowed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the numbers, from 1, of the rules that say `any`, which deserve a warning.
    pub fn wide(&self) -> impl Iterator<Item = usize> {
        self.rules.iter().filter(|rule| rule.any).map(|rule| rule.number)
    }

    /// Returns the rules that hold at a server as one task sees it; the others grant nothing there.
    ///
    /// # Errors
    /// There is a rule for the task, but none holds at that server.
    pub fn at(&self, meta: &TaskMeta, place: &Place<'_>) -> Result<Self, PolicyRefused> {
        let rules: Vec<Checked> = self.rules.iter().filter(|rule| rule.holds_at(meta, place)).cloned().collect();
        let is_default = place.cluster == ServerName::DEFAULT && place.configured;
        let mut of_task = self.rules.iter().filter(|rule| rule.is_for(meta));
        let nearest = of_task.next().map(|rule| (rule.number, rule));
        if is_default || rules.iter().any(|rule| rule.is_for(meta)) {
            return Ok(Self { rules });
        }
        let in_cluster = |rule: &Checked| rule.is_for(meta) && rule.covers_cluster(meta, place);
        let wish = match self.rules.iter().any(in_cluster) {
            true => Wish { what: "vault_namespace", list: "vault_namespaces", which: place.namespace },
            false => Wish { what: "vault_cluster", list: "clusters", which: place.cluster },
        };
        Err(wish.refused(meta, nearest))
    }

    /// Says whether a task may log in with `role`. As the others below, returns the number, from 1, of the rule that allows it.
    pub fn check_role(&self, meta: &TaskMeta, role: &str) -> Result<usize, PolicyRefused> {
        let granted = |rule: &Checked| covered(&rule.roles, role, meta, as_label);
        self.check(meta, granted, Wish { what: "role", list: "roles", which: role })
    }

    /// Says whether a task may ask for `path`, which is the whole path that is sent.
    pub fn check_path(&self, meta: &TaskMeta, path: &ServerPath) -> Result<usize, PolicyRefused> {
        let granted = |rule: &Checked| covered(&rule.paths, path.as_str(), meta, as_path_name);
        self.check(meta, granted, Wish { what: "path", list: "paths", which: path.as_str() })
    }

    /// Says whether a task may have a certificate of that life of the engine at `mount` with its role `role`.
    pub fn check_pki(&self, meta: &TaskMeta, mount: &str, role: &str, life: Duration) -> Result<usize, PolicyRefused> {
        let which = format!("{mount}/{role}");
        let granted = |rule: &Checked| covered(&rule.pki, &which, meta, as_label);
        self.check_life(meta, granted, Wish { what: "PKI role", list: "pki", which: &which }, Some(life))
    }

    /// Says whether a task may have an SSH certificate of that life from `path`; without one the server would choose it.
    pub fn check_ssh(
        &self,
        meta: &TaskMeta,
        path: &ServerPath,
        life: Option<Duration>,
    ) -> Result<usize, PolicyRefused> {
        let granted = |rule: &Checked| covered(&rule.paths, path.as_str(), meta, as_path_name);
        self.check_life(meta, granted, Wish { what: "path", list: "paths", which: path.as_str() }, life)
    }

    /// Says whether a task may have `name`, a DNS name or an address, in a certificate. A wildcard is never granted.
    pub fn check_san(&self, meta: &TaskMeta, name: &str) -> Result<usize, PolicyRefused> {
        let lower = name.to_ascii_lowercase();
        let granted = |rule: &Checked| is_name(&lower) && covered(&rule.sans, &lower, meta, as_label);
        self.check(meta, granted, Wish { what: "certificate name", list: "sans", which: name })
    }

    /// Says whether a task may have an SSH certificate for `principal`.
    pub fn check_principal(&self, meta: &TaskMeta, principal: &str) -> Result<usize, PolicyRefused> {
        let granted = |rule: &Checked| covered(&rule.principals, principal, meta, as_path_name);
        self.check(meta, granted, Wish { what: "SSH principal", list: "principals", which: principal })
    }

    /// Says whether a task may be given something in another `way` than as a file: `env` or `token`.
    pub fn check_delivery(&self, meta: &TaskMeta, way: &str) -> Result<usize, PolicyRefused> {
        let granted = |rule: &Checked| rule.deliver.iter().any(|granted| granted == way);
        self.check(meta, granted, Wish { what: "delivery", list: "deliver", which: way })
    }

    fn check(
        &self,
        meta: &TaskMeta,
        granted: impl Fn(&Checked) -> bool,
        wish: Wish<'_>,
    ) -> Result<usize, PolicyRefused> {
        let found = self.of_task(meta).find(|(_, rule)| granted(rule)).map(|(number, _)| number);
        found.ok_or_else(|| wish.refused(meta, self.of_task(meta).next()))
    }

    /// As [`Rules::check`]; the rule that grants it must bear its life.
    fn check_life(
        &self,
        meta: &TaskMeta,
        granted: impl Fn(&Checked) -> bool,
        wish: Wish<'_>,
        life: Option<Duration>,
    ) -> Result<usize, PolicyRefused> {
        let fit = self.check(meta, |rule| granted(rule) && rule.bears(life), wish);
        fit.map_err(|refused| match self.of_task(meta).find(|(_, rule)| granted(rule)) {
            Some(near) => wish.too_long(meta, near, life),
            None => refused,
        })
    }

    /// Returns the rules that are for a task, with their numbers from 1.
    fn of_task(&self, meta: &TaskMeta) -> impl Iterator<Item = (usize, &Checked)> {
        self.rules.iter().filter(|rule| rule.is_for(meta)).map(|rule| (rule.number, rule))
    }
}

impl Checked {
    fn holds_at(&self, meta: &TaskMeta, place: &Place<'_>) -> bool {
        let namespace = match self.vault_namespaces.is_empty() {
            true => place.configured,
            false => covered(&self.vault_namespaces, place.namespace, meta, as_path_name),
        };
        namespace && self.covers_cluster(meta, place)
    }

    fn covers_cluster(&self, meta: &TaskMeta, place: &Place<'_>) -> bool {
        match self.clusters.is_empty() {
            true => place.cluster == ServerName::DEFAULT,
            false => covered(&self.clusters, place.cluster, meta, as_label),
        }
    }
}

/// Says whether one of `globs` covers `text`, with the task's fields as `form` writes them.
fn covered(
    globs: &[Glob],
    text: &str,
    meta: &TaskMeta,
    form: fn(&str, Variable) -> Result<String, IdentityError>,
) -> bool {
    let value = |variable: Variable| form(variable.of(meta).unwrap_or_default(), variable);
    globs.iter().any(|glob| glob.covers(text, value))
}

fn as_label(text: &str, variable: Variable) -> Result<String, IdentityError> {
    label(text, variable, LABEL_MAX)
}

fn as_path_name(text: &str, variable: Variable) -> Result<String, IdentityError> {
    path_name(text, variable)
}

/// Says whether a lower-case text is a DNS name without wildcard, or an address.
fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let dns = text.len() <= 253
        && text.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.chars().all(good));
    dns || text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
