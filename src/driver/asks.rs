//! What a job asks of the secrets server, apart from everything that concerns its container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{CertificateRequest, SecretRequest, SecretString, ServerName, TaskSpec, TemplateRequest};

/// A task's wishes as its job wrote them. Kept in the record, so that the next process can plan them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// Another login role than the operator's pattern gives.
    pub vault_role: Option<String>,
    /// Another secrets server than the operator's default one.
    #[serde(default)]
    pub server: ServerName,
    /// Secrets by their block.
    pub secrets: Vec<SecretRequest>,
    /// Certificates by their block.
    pub certificates: Vec<CertificateRequest>,
    /// Templates in order.
    pub templates: Vec<TemplateRequest>,
    /// The variables of the task's process, where a template may name one.
    #[serde(default)]
    pub env: BTreeMap<String, SecretString>,
}

impl Asks {
    /// Takes the wishes out of a task's description.
    pub(super) fn of(spec: &TaskSpec) -> Self {
        Self {
            vault_role: spec.vault_role.clone(),
            server: spec.server.clone(),
            secrets: spec.secrets.clone(),
            certificates: spec.certificates.clone(),
            templates: spec.templates.clone(),
            env: if spec.templates.iter().any(names_variables) { spec.env.clone() } else { BTreeMap::new() },
        }
    }
}

/// Says whether a template may call `env` or its kin; too often does no harm.
fn names_variables(template: &TemplateRequest) -> bool {
    template.source.contains("env") || template.source.contains("Env")
}
