//! Which rule decides about each request of a task. A start is decided by the same verdicts.

use std::time::Duration;

use super::{
    Asks, Class, DriverError,
    plan::{CertificatePlan, Plan, principals},
    settings::Settings,
};
use crate::{
    domain::{Craft, RegistryAuth, TaskMeta},
    identity::{PolicyRefused, Rules},
    template::Dependency,
};

/// What the rules say: the number of the one that allows, from 1, or why none does.
type Ruling = Result<usize, PolicyRefused>;

/// What the operator says about one request.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The block that makes it.
    pub block: String,
    /// What is asked for.
    pub asks: String,
    /// What allows it, or why nothing does.
    pub outcome: Result<Ground, DriverError>,
}

/// What allows a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The allow rule of this number, from 1.
    Rule(usize),
    /// A setting for the whole node, by its name.
    Setting(&'static str),
}

/// Returns a verdict for each request that `asks` makes as the task `meta`, and for those of its pull with `auth`. Sends
/// nothing. Paths that a template only knows when it runs are not among them; each is decided then.
///
/// # Errors
/// The task would be refused whatever the rules say: its config is wrong, or it has no identity.
pub fn explain(
    settings: &Settings,
    meta: &TaskMeta,
    asks: &Asks,
    auth: Option<&RegistryAuth>,
) -> Result<Vec<Verdict>, DriverError> {
    let plan = Plan::draft(settings, meta, asks)?;
    let mut verdicts = plan.verdicts(settings);
    verdicts.extend(auth.into_iter().flat_map(|auth| plan.verdicts_on_pull(settings, auth)));
    Ok(verdicts)
}

impl Verdict {
    fn by_rule(block: String, asks: String, outcome: Result<usize, PolicyRefused>) -> Self {
        Self { block, asks, outcome: outcome.map(Ground::Rule).map_err(DriverError::from) }
    }

    /// A setting that is off refuses with `why`.
    fn by_setting(block: String, asks: &str, setting: &'static str, is_on: bool, why: &str) -> Self {
        let refused = || DriverError::new(Class::PolicyRefused, why);
        Self { block, asks: asks.to_owned(), outcome: is_on.then_some(Ground::Setting(setting)).ok_or_else(refused) }
    }
}

impl Plan {
    /// Holds everything that is known to be asked for, in whatever branch of a template, against the operator's words.
    pub(super) fn verdicts(&self, settings: &Settings) -> Vec<Verdict> {
        if self.asks_nothing() {
            return Vec::new();
        }
        let rules = &self.rules;
        let secrets = self.secrets.iter().flat_map(|(request, dependency)| {
            self.verdicts_on(rules, format!("secret {:?}", request.output()), dependency)
        });
        let templates = self.templates.iter().flat_map(|(request, template)| {
            let dependencies = template.literal_dependencies().into_iter();
            let block = format!("template {:?}", request.destination);
            dependencies.flat_map(move |dependency| self.verdicts_on(rules, block.clone(), &dependency))
        });
        let certificates = self.certificates.iter().flat_map(|plan| self.verdicts_on_certificate(rules, plan));
        let variables = self.variable_blocks().flat_map(|block| self.verdicts_on_variables(settings, &block));
        let login = [self.verdict_on_login()].into_iter();
        login.chain(secrets).chain(templates).chain(variables).chain(certificates).collect()
    }

    fn verdict_on_login(&self) -> Verdict {
        let asks = format!("role {:?}", self.role);
        Verdict::by_rule("login".to_owned(), asks, self.rules.check_role(&self.meta, &self.role))
    }

    /// Variables are a weaker place than files, so the operator says twice that they are meant: once for the node, and in a
    /// rule for the task.
    fn verdicts_on_variables(&self, settings: &Settings, block: &str) -> [Verdict; 2] {
        let why = "env: values are not delivered as variables unless the operator's delivery.allow_env says so; leave env \
                   out and read the files";
        let asks = "delivery \"env\"";
        let (setting, is_on) = ("delivery.allow_env", settings.delivery.allow_env);
        [
            Verdict::by_setting(block.to_owned(), asks, setting, is_on, why),
            Verdict::by_rule(block.to_owned(), asks.to_owned(), self.rules.check_delivery(&self.meta, "env")),
        ]
    }

    /// Holds the credential that a job names for its registry against the operator's words.
    pub(super) fn verdicts_on_pull(&self, settings: &Settings, auth: &RegistryAuth) -> Vec<Verdict> {
        let block = || "auth".to_owned();
        let mut verdicts = Vec::new();
        if auth.password.is_some() {
            let is_on = settings.images.registry.allow_inline;
            let why = "auth.password is not allowed: registry.allow_inline is off; name a path on the secrets server in auth.vault";
            verdicts.push(Verdict::by_setting(block(), "password in the job", "registry.allow_inline", is_on, why));
        }
        let Some(path) = &auth.vault else { return verdicts };
        if settings.cluster(&self.server).is_err() {
            let why = "auth.vault: the plugin's configuration has no vault block; add one with an address";
            verdicts.push(Verdict::by_setting(block(), "secrets server", "vault.address", false, why));
        }
        // A task that asks for nothing else logs in for its pull alone.
        verdicts.extend(self.asks_nothing().then(|| self.verdict_on_login()));
        let asks = format!("path {:?}", path.as_str());
        verdicts.push(Verdict::by_rule(block(), asks, self.rules.check_path(&self.meta, path)));
        verdicts
    }

    fn verdicts_on(&self, rules: &Rules, block: String, dependency: &Dependency) -> Vec<Verdict> {
        let verdict = |(asks, outcome)| Verdict::by_rule(block.clone(), asks, outcome);
        self.rulings_on(rules, dependency).into_iter().map(verdict).collect()
    }

    /// Returns what one request asks for, each with what the rules say.
    pub(super) fn rulings_on(&self, rules: &Rules, dependency: &Dependency) -> Vec<(String, Ruling)> {
        let (meta, path) = (&self.meta, &dependency.path);
        let verdict = |asks: String, outcome| (asks, outcome);
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
        let block = format!("certificate {:?}", plan.request.name);
        let verdict = |asks: String, outcome| Verdict::by_rule(block.clone(), asks, outcome);
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
