//! What a start will ask for, checked before the first packet leaves.
//!
//! Turns a task's wishes into identity, role, paths and parsed templates, and holds each of them against the operator's
//! rules. Knows neither server nor engine.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{
        Access, CertificateFormat, CertificateRequest, Craft, RelPath, SecretRequest, SecretString, ServerName,
        ServerPath, TaskMeta, TemplateRequest, Upkeep,
    },
    driver::{
        Class, DriverError,
        asks::Asks,
        files::VARIABLES,
        settings::{PkiSettings, Settings},
    },
    identity::{Identity, PolicyRefused, Rules},
    pki::CertificateSpec,
    template::{Answers, Dependency, Rendered, Template, TemplateError},
};

/// The file that tells the container what it holds; its name is kept for the driver.
pub(super) const MANIFEST: &str = "manifest.json";
/// Most outputs of one task.
const OUTPUTS_MAX: usize = 64;

/// A task's wishes, found allowed.
pub(super) struct Plan {
    /// Who the task is.
    pub meta: TaskMeta,
    /// Its names: SPIFFE id, DNS name, role.
    pub identity: Identity,
    /// The role to log in with.
    pub role: String,
    /// The policies that the task's token is made with, where the node makes it; empty for all that the role gives.
    pub policies: Vec<String>,
    /// The server that is asked.
    pub server: ServerName,
    /// The operator's rules that hold there.
    pub rules: Rules,
    /// Secrets by block, each with what to ask for.
    pub secrets: Vec<(SecretRequest, Dependency)>,
    /// Certificates by block, each with what to ask for.
    pub certificates: Vec<CertificatePlan>,
    /// Templates in order.
    pub templates: Vec<(TemplateRequest, Template)>,
    /// The variables that they may name.
    pub env: BTreeMap<String, SecretString>,
}

/// A certificate to be issued.
#[derive(Clone)]
pub(super) struct CertificatePlan {
    /// The job's block.
    pub request: CertificateRequest,
    /// The PKI engine's mount.
    pub mount: String,
    /// The PKI engine's role.
    pub role: String,
    /// `<mount>/sign/<role>`, or `<mount>/issue/<role>` where the server makes the key.
    pub path: ServerPath,
    /// The names that it shall have.
    pub spec: CertificateSpec,
    /// The life to ask for.
    pub ttl: std::time::Duration,
}

impl Plan {
    /// Checks what `asks` asks for as the task `meta`.
    ///
    /// # Errors
    /// Names the field and the rule, path or line that is at fault; nothing has been sent or created by then.
    pub(super) fn check(settings: &Settings, meta: &TaskMeta, asks: &Asks) -> Result<Self, DriverError> {
        let plan = Self::draft(settings, meta, asks)?;
        plan.templates.iter().try_for_each(|(_, template)| template.check_variables(&plan.env))?;
        match plan.verdicts(settings).into_iter().find_map(|verdict| verdict.outcome.err()) {
            Some(refused) => Err(refused),
            None => Ok(plan),
        }
    }

    /// As [`Plan::check`], before the operator's rules were asked.
    ///
    /// # Errors
    /// The wishes are wrong in themselves.
    pub(super) fn draft(settings: &Settings, meta: &TaskMeta, asks: &Asks) -> Result<Self, DriverError> {
        let identity = settings.identity.identify(meta).map_err(DriverError::from)?;
        let (auth, pki) = match settings.cluster(&asks.server) {
            Ok((_, auth, pki)) => (auth, pki),
            Err(error) if asks.server != ServerName::default() => return Err(error),
            // A task that asks for nothing needs no server.
            Err(_) => (&settings.auth, &settings.pki),
        };
        let expand = |pattern: &String| identity.expand(pattern).map_err(DriverError::from);
        let role = match (&asks.vault_role, &auth.child.role) {
            (Some(role), _) => role.clone(),
            (None, Some(pattern)) => expand(pattern)?,
            (None, None) => identity.role.clone(),
        };
        let plan = Self {
            role,
            policies: auth.child.policies.iter().map(expand).collect::<Result<_, _>>()?,
            server: asks.server.clone(),
            rules: settings.rules_at(meta, &asks.server)?,
            secrets: asks.secrets.iter().map(|secret| (secret.clone(), dependency(secret))).collect(),
            certificates: certificates(pki, &identity, asks)?,
            templates: asks.templates.iter().map(parse).collect::<Result<_, _>>()?,
            env: asks.env.clone(),
            meta: meta.clone(),
            identity,
        };
        plan.check_outputs()?;
        Ok(plan)
    }

    /// Says whether anything is asked of the server at all.
    pub(super) fn asks_nothing(&self) -> bool {
        self.secrets.is_empty() && self.certificates.is_empty() && self.templates.is_empty()
    }

    /// Returns the certificate blocks whose certificates are revoked at their end, with the engine's mount.
    pub(super) fn revocable(&self) -> BTreeMap<RelPath, String> {
        let asked = self.certificates.iter().filter(|plan| plan.request.revoke);
        asked.map(|plan| (plan.request.name.clone(), plan.mount.clone())).collect()
    }

    /// Says whether any block's values become variables of the task's process.
    pub(super) fn sets_variables(&self) -> bool {
        self.variable_blocks().next().is_some()
    }

    /// Names the blocks whose values become variables of the task's process.
    pub(super) fn variable_blocks(&self) -> impl Iterator<Item = String> {
        let secrets = self.secrets.iter().filter(|(request, _)| request.env);
        let templates = self.templates.iter().filter(|(request, _)| request.env);
        let secrets = secrets.map(|(request, _)| format!("secret {:?}", request.output()));
        secrets.chain(templates.map(|(request, _)| format!("template {:?}", request.destination)))
    }

    /// Says whether the task starts when the server has nothing there: every block that asks for it does without.
    pub(super) fn is_optional(&self, dependency: &Dependency) -> bool {
        let mut asking = self.secrets.iter().filter(|(_, asked)| asked == dependency).peekable();
        asking.peek().is_some() && asking.all(|(request, _)| request.is_optional())
    }

    /// Returns how the answer to `dependency` comes about.
    pub(super) fn craft_of(&self, dependency: &Dependency) -> Craft {
        let found = self.secrets.iter().find(|(_, asked)| asked == dependency);
        found.map(|(request, _)| request.craft.clone()).unwrap_or_default()
    }

    /// Holds one request against the operator's rules.
    pub(super) fn check_dependency(&self, rules: &Rules, dependency: &Dependency) -> Result<(), PolicyRefused> {
        let rulings = self.rulings_on(rules, dependency);
        rulings.into_iter().find_map(|(_, ruling)| ruling.err()).map_or(Ok(()), Err)
    }

    /// Returns for each block the name that it makes, who may read that, and how it is kept up.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (&RelPath, &Access, &Upkeep)> {
        let secrets = self.secrets.iter().map(|(request, _)| (request.output(), &request.access, &request.upkeep));
        let certificates = self.certificates.iter().map(|plan| &plan.request);
        let certificates = certificates.map(|request| (&request.name, &request.access, &request.upkeep));
        let templates = self.templates.iter().map(|(request, _)| request);
        let templates = templates.map(|request| (&request.destination, &request.access, &request.upkeep));
        secrets.chain(certificates).chain(templates)
    }

    /// Returns what the block that makes `path` says of it.
    pub(super) fn block_of(&self, path: &RelPath) -> Option<(&Access, &Upkeep)> {
        let (_, access, upkeep) = self.blocks().find(|(output, ..)| output.overlaps(path))?;
        Some((access, upkeep))
    }

    /// Returns the users and groups that the job names as owners of files.
    pub(super) fn users(&self) -> BTreeSet<String> {
        self.blocks().filter_map(|(_, access, _)| access.user()).collect()
    }

    /// Renders one of the templates with the `answers` there are.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub(super) fn render(&self, template: &Template, answers: &dyn Answers) -> Result<Rendered, TemplateError> {
        template.render_within(&self.env, answers, &self.identity.names)
    }

    /// Refuses two outputs that would share a name, and names that the driver keeps for itself.
    fn check_outputs(&self) -> Result<(), DriverError> {
        let outputs: Vec<&RelPath> = self.blocks().map(|(output, ..)| output).collect();
        if outputs.len() > OUTPUTS_MAX {
            let text = format!("{} certificate, secret and template blocks; the limit is {OUTPUTS_MAX}", outputs.len());
            return Err(DriverError::new(Class::TaskConfigInvalid, text));
        }
        for (at, output) in outputs.iter().enumerate() {
            if let Some(kept) = [MANIFEST, VARIABLES].iter().find(|kept| output.top().eq_ignore_ascii_case(kept)) {
                return Err(DriverError::new(
                    Class::PathRefused,
                    format!("output {output:?}: the driver writes {kept} itself; choose another name"),
                ));
            }
            if let Some(twin) = outputs[..at].iter().find(|earlier| earlier.overlaps(output)) {
                let text = format!(
                    "outputs {twin:?} and {output:?} would share a name below the secrets directory; rename one"
                );
                return Err(DriverError::new(Class::TaskConfigInvalid, text));
            }
        }
        Ok(())
    }
}

impl CertificatePlan {
    /// Says whether its files need a password.
    pub(super) fn writes_stores(&self) -> bool {
        self.request.formats.iter().any(|format| *format != CertificateFormat::Pem)
    }

    /// Returns the names asked for beside the identity's own.
    pub(super) fn foreign_names(&self, identity: &Identity) -> Vec<String> {
        let asked =
            self.request.common_name.iter().chain(&self.request.dns_sans).filter(|name| **name != identity.dns_name);
        asked.cloned().chain(self.request.ip_sans.iter().map(ToString::to_string)).collect()
    }
}

/// Completes each certificate block from identity and settings.
fn certificates(pki: &PkiSettings, identity: &Identity, asks: &Asks) -> Result<Vec<CertificatePlan>, DriverError> {
    asks.certificates.iter().map(|request| certificate(pki, identity, request)).collect()
}

fn certificate(
    pki: &PkiSettings,
    identity: &Identity,
    request: &CertificateRequest,
) -> Result<CertificatePlan, DriverError> {
    let mount = request.mount.as_ref().map_or_else(|| pki.mount.clone(), |mount| mount.as_str().to_owned());
    let role = match &request.role {
        Some(role) => role.clone(),
        None => identity.expand(&pki.role).map_err(DriverError::from)?,
    };
    let verb = if request.issue { "issue" } else { "sign" };
    let path = format!("{mount}/{verb}/{role}")
        .parse()
        .map_err(|source| DriverError::new(Class::PathRefused, format!("certificate {:?}: {source}", request.name)))?;
    let mut dns = vec![identity.dns_name.clone()];
    dns.extend(request.common_name.iter().chain(&request.dns_sans).filter(|name| **name != identity.dns_name).cloned());
    dns.dedup();
    let ttl = request.ttl.unwrap_or(pki.ttl);
    let spec = CertificateSpec {
        common_name: request.common_name.clone().or_else(|| identity.common_name.clone()),
        dns,
        ips: request.ip_sans.clone(),
        uri: Some(identity.spiffe_id.clone()),
        key_type: request.key_type,
        ttl: Some(ttl),
    };
    Ok(CertificatePlan { ttl, request: request.clone(), mount, role, path, spec })
}

/// Returns whom an SSH certificate is asked for.
pub(super) fn principals(dependency: &Dependency) -> impl Iterator<Item = &str> {
    dependency.params.get("valid_principals").into_iter().flat_map(|names| names.split(','))
}

/// Returns what a secret block asks of the server.
fn dependency(secret: &SecretRequest) -> Dependency {
    let (path, params) = (secret.path.clone(), secret.params.clone());
    if secret.craft != Craft::Asked {
        // Each block has a key or token of its own.
        let block = [("block".to_owned(), secret.name.to_string())].into();
        return Dependency { query: block, ..Dependency::write(path, params) };
    }
    match (secret.write, secret.version) {
        (true, _) => Dependency::write(path, params),
        (false, Some(version)) => Dependency::query(path, [("version".to_owned(), version.to_string())].into()),
        (false, None) => Dependency::query(path, params),
    }
}

fn parse(request: &TemplateRequest) -> Result<(TemplateRequest, Template), DriverError> {
    Ok((request.clone(), Template::parse(request)?))
}
