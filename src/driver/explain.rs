//! Which rule decides about each request of a task. A start is decided by the same verdicts.

use std::time::Duration;

use super::{
    Asks, DriverError,
    plan::{CertificatePlan, Plan, principals},
    settings::Settings,
};
use crate::{
    domain::{Craft, TaskMeta},
    identity::{PolicyRefused, Rules},
    template::Dependency,
};

/// What the operator's rules say about one request.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The block that makes it.
    pub block: String,
    /// What is asked for.
    pub asks: String,
    /// The number of the rule that allows it, from 1, or why none does.
    pub outcome: Result<usize, PolicyRefused>,
}

/// Returns a verdict for each request that `asks` makes as the task `meta`. Sends nothing. Paths that a template only knows
/// when it runs are not among them; each is decided then.
///
/// # Errors
/// The task would be refused whatever the rules say: its config is wrong, or it has no identity.
pub fn explain(settings: &Settings, meta: &TaskMeta, asks: &Asks) -> Result<Vec<Verdict>, DriverError> {
    Ok(Plan::draft(settings, meta, asks)?.verdicts())
}

impl Plan {
    /// Holds everything that is known to be asked for, in whatever branch of a template, against the operator's rules.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        if self.asks_nothing() {
            return Vec::new();
        }
        let rules = &self.rules;
        let login = Verdict {
            block: "login".to_owned(),
            asks: format!("role {:?}", self.role),
            outcome: rules.check_role(&self.meta, &self.role),
        };
        let secrets = self.secrets.iter().flat_map(|(request, dependency)| {
            self.verdicts_on(rules, format!("secret {:?}", request.output()), dependency)
        });
        let templates = self.templates.iter().flat_map(|(request, template)| {
            let dependencies = template.literal_dependencies().into_iter();
            let block = format!("template {:?}", request.destination);
            dependencies.flat_map(move |dependency| self.verdicts_on(rules, block.clone(), &dependency))
        });
        let certificates = self.certificates.iter().flat_map(|plan| self.verdicts_on_certificate(rules, plan));
        let variables = self.variable_blocks().map(|block| Verdict {
            block,
            asks: "delivery \"env\"".to_owned(),
            outcome: rules.check_delivery(&self.meta, "env"),
        });
        [login].into_iter().chain(secrets).chain(templates).chain(variables).chain(certificates).collect()
    }

    pub(super) fn verdicts_on(&self, rules: &Rules, block: String, dependency: &Dependency) -> Vec<Verdict> {
        let (meta, path) = (&self.meta, &dependency.path);
        let verdict = |asks: String, outcome| Verdict { block: block.clone(), asks, outcome };
        match self.craft_of(dependency) {
            Craft::Asked => vec![verdict(format!("path {:?}", path.as_str()), rules.check_path(meta, path))],
            Craft::SshKey(_) => {
                let life = life_of(dependency);
                let signing = verdict(format!("path {:?}", path.as_str()), rules.check_ssh(meta, path, life));
                let names = principals(dependency)
                    .map(|name| verdict(format!("SSH principal {name:?}"), rules.check_principal(meta, name)));
                [signing].into_iter().chain(names).collect()
            }
            Craft::Token { .. } => vec![verdict("delivery \"token\"".to_owned(), rules.check_delivery(meta, "token"))],
        }
    }

    fn verdicts_on_certificate(&self, rules: &Rules, plan: &CertificatePlan) -> Vec<Verdict> {
        let CertificatePlan { mount, role, ttl, .. } = plan;
        let verdict =
            |asks: String, outcome| Verdict { block: format!("certificate {:?}", plan.request.name), asks, outcome };
        let signing = verdict(
            format!("PKI role \"{mount}/{role}\" for {} s", ttl.as_secs()),
            rules.check_pki(&self.meta, mount, role, *ttl),
        );
        let names = plan.foreign_names(&self.identity).into_iter();
        let names = names.map(|name| verdict(format!("certificate name {name:?}"), rules.check_san(&self.meta, &name)));
        [signing].into_iter().chain(names).collect()
    }
}

/// Returns the life that is asked for with a request, in the driver's own form.
fn life_of(dependency: &Dependency) -> Option<Duration> {
    let seconds = dependency.params.get("ttl")?.strip_suffix('s')?;
    seconds.parse().ok().map(Duration::from_secs)
}
