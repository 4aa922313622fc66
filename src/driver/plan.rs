//! What a start will ask for, checked before the first packet leaves.
//!
//! Turns a task's wishes into identity, role, paths and parsed templates, and holds each of them against the operator's
//! rules. Knows neither server nor engine.

use std::collections::BTreeSet;

use crate::{
    domain::{CertificateRequest, RelPath, SecretRequest, ServerPath, TaskMeta, TemplateRequest},
    driver::{Class, DriverError, asks::Asks, settings::Settings},
    identity::Identity,
    pki::CertificateSpec,
    template::{Dependency, Template},
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
    /// Secrets by block, each with what to ask for.
    pub secrets: Vec<(SecretRequest, Dependency)>,
    /// Certificates by block, each with what to ask for.
    pub certificates: Vec<CertificatePlan>,
    /// Templates in order.
    pub templates: Vec<(TemplateRequest, Template)>,
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
    /// `<mount>/sign/<role>`.
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
        let identity = settings.identity.identify(meta).map_err(DriverError::from)?;
        let plan = Self {
            role: asks.vault_role.clone().unwrap_or_else(|| identity.role.clone()),
            secrets: asks
                .secrets
                .iter()
                .map(|secret| (secret.clone(), Dependency::read(secret.path.clone())))
                .collect(),
            certificates: certificates(settings, &identity, asks)?,
            templates: asks.templates.iter().map(parse).collect::<Result<_, _>>()?,
            meta: meta.clone(),
            identity,
        };
        plan.check_outputs()?;
        plan.check_rules(settings)?;
        Ok(plan)
    }

    /// Says whether anything is asked of the server at all.
    pub(super) fn asks_nothing(&self) -> bool {
        self.secrets.is_empty() && self.certificates.is_empty() && self.templates.is_empty()
    }

    /// Returns all that is known to be asked for, in whatever branch, before any template was rendered.
    pub(super) fn first_dependencies(&self) -> BTreeSet<Dependency> {
        let secrets = self.secrets.iter().map(|(_, dependency)| dependency.clone());
        let literals = self.templates.iter().flat_map(|(_, template)| template.literal_dependencies());
        secrets.chain(literals).collect()
    }

    /// Refuses two outputs that would share a name, and names that the driver keeps for itself.
    fn check_outputs(&self) -> Result<(), DriverError> {
        let secrets = self.secrets.iter().map(|(request, _)| &request.name);
        let certificates = self.certificates.iter().map(|plan| &plan.request.name);
        let templates = self.templates.iter().map(|(request, _)| &request.destination);
        let outputs: Vec<&RelPath> = secrets.chain(certificates).chain(templates).collect();
        if outputs.len() > OUTPUTS_MAX {
            let text = format!("{} certificate, secret and template blocks; the limit is {OUTPUTS_MAX}", outputs.len());
            return Err(DriverError::new(Class::TaskConfigInvalid, text));
        }
        for (at, output) in outputs.iter().enumerate() {
            if output.top().eq_ignore_ascii_case(MANIFEST) {
                return Err(DriverError::new(
                    Class::PathRefused,
                    format!("output {output:?}: the driver writes {MANIFEST} itself; choose another name"),
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

    /// Holds role, paths and certificate names against the operator's rules.
    fn check_rules(&self, settings: &Settings) -> Result<(), DriverError> {
        if self.asks_nothing() {
            return Ok(());
        }
        let rules = &settings.rules;
        rules.check_role(&self.meta, &self.role)?;
        for dependency in self.first_dependencies() {
            rules.check_path(&self.meta, &dependency.path)?;
        }
        for certificate in &self.certificates {
            rules.check_pki(&self.meta, &certificate.mount, &certificate.role)?;
            for name in certificate.foreign_names(&self.identity) {
                rules.check_san(&self.meta, &name)?;
            }
        }
        Ok(())
    }
}

impl CertificatePlan {
    /// Returns the names asked for beside the identity's own.
    fn foreign_names(&self, identity: &Identity) -> Vec<String> {
        let asked =
            self.request.common_name.iter().chain(&self.request.dns_sans).filter(|name| **name != identity.dns_name);
        asked.cloned().chain(self.request.ip_sans.iter().map(ToString::to_string)).collect()
    }
}

/// Completes each certificate block from identity and settings.
fn certificates(settings: &Settings, identity: &Identity, asks: &Asks) -> Result<Vec<CertificatePlan>, DriverError> {
    asks.certificates.iter().map(|request| certificate(settings, identity, request)).collect()
}

fn certificate(
    settings: &Settings,
    identity: &Identity,
    request: &CertificateRequest,
) -> Result<CertificatePlan, DriverError> {
    let mount = request.mount.as_ref().map_or_else(|| settings.pki.mount.clone(), |mount| mount.as_str().to_owned());
    let role = match &request.role {
        Some(role) => role.clone(),
        None => identity.expand(&settings.pki.role).map_err(DriverError::from)?,
    };
    let path = format!("{mount}/sign/{role}")
        .parse()
        .map_err(|source| DriverError::new(Class::PathRefused, format!("certificate {:?}: {source}", request.name)))?;
    let mut dns = vec![identity.dns_name.clone()];
    dns.extend(request.common_name.iter().chain(&request.dns_sans).filter(|name| **name != identity.dns_name).cloned());
    dns.dedup();
    let ttl = request.ttl.unwrap_or(settings.pki.ttl);
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

fn parse(request: &TemplateRequest) -> Result<(TemplateRequest, Template), DriverError> {
    Ok((request.clone(), Template::parse(request)?))
}
