//! How a task gets its token: with the JWT that Nomad signed for it, with one that the node signs from its metadata, or
//! with one that the node's own login makes for it. A start does not know which of them it is.

use std::{path::Path, sync::Arc, time::SystemTime};

use serde_json::{Map, Value, json};

use super::{
    Class, DriverError,
    asker::AskError,
    node::{Credential, NodeLogin, Store},
    plan::Plan,
    settings::{AuthMethod, AuthSettings, ChildSettings},
};
use crate::{
    domain::{Session, TaskMeta},
    vault::{self, NodeKey, TokenTerms, Vault, WorkloadIdentity},
};

/// How tasks log in at one cluster.
pub struct Login {
    /// Where tasks' tokens come from: an auth method's mount, without `auth/`.
    pub mount: String,
    source: Source,
}

enum Source {
    Child { node: Arc<NodeLogin>, terms: ChildSettings },
    Node { key: Box<NodeKey>, terms: TokenTerms },
    Workload { identity: String },
}

impl Login {
    /// Builds the way in that the operator chose; `store` keeps what can be had only once. Sends nothing.
    ///
    /// # Errors
    /// The node key cannot be read, or others may read it too.
    pub(super) fn new(settings: &AuthSettings, vault: &Arc<dyn Vault>, store: Store) -> Result<Self, DriverError> {
        let child = |credential| {
            let node = Arc::new(NodeLogin::new(Arc::clone(vault), &settings.mount, credential));
            Ok(Self { mount: "token".to_owned(), source: Source::Child { node, terms: settings.child.clone() } })
        };
        let source = match settings.method.clone() {
            AuthMethod::AppRole { role_id, file, wrapped: false } => {
                return child(Credential::AppRole { role_id, file });
            }
            AuthMethod::AppRole { role_id, file, wrapped: true } => {
                return child(Credential::Wrapped { role_id, file, store });
            }
            AuthMethod::Cert { role, files } => return child(Credential::Certificate { role, files }),
            AuthMethod::Token { file } => return child(Credential::Token { file }),
            AuthMethod::Driver { key_file, issuer, audience } => {
                let key = NodeKey::load(&key_file)
                    .map_err(|error| DriverError::new(Class::ConfigInvalid, format!("auth.key_file: {error}")))?;
                Source::Node { key: Box::new(key), terms: TokenTerms { issuer, audience, ..TokenTerms::default() } }
            }
            AuthMethod::Nomad { identity } => Source::Workload { identity },
        };
        Ok(Self { mount: settings.mount.clone(), source })
    }

    /// Says in a few words with what tasks log in.
    pub fn describe(&self) -> String {
        match &self.source {
            Source::Child { node, .. } => node.describe().to_owned(),
            Source::Node { key, .. } => format!("with JWTs signed by the node's key {}", key.id()),
            Source::Workload { identity } => format!("with the job's identity {identity:?}"),
        }
    }

    /// Returns the node's own login, when tasks' tokens come from one.
    pub(super) fn of_node(&self) -> Option<Arc<NodeLogin>> {
        match &self.source {
            Source::Child { node, .. } => Some(Arc::clone(node)),
            Source::Node { .. } | Source::Workload { .. } => None,
        }
    }

    /// Gets a token for the task of `plan`, whose secrets directory is `secrets_dir`; `warn` is told what the job's author
    /// should know of its identity.
    ///
    /// # Errors
    /// The job has no identity file, it is another task's or has expired; or the server says no or nothing.
    pub(super) async fn session(
        &self,
        vault: &dyn Vault,
        plan: &Plan,
        secrets_dir: &Path,
        warn: &(dyn Fn(String) + Sync),
    ) -> Result<Session, AskError> {
        let jwt = match &self.source {
            Source::Child { node, terms } => return node.mint(vault, &plan.role, &child_terms(plan, terms)).await,
            Source::Node { key, terms } => key
                .sign(&plan.meta, &plan.identity.spiffe_id, terms, SystemTime::now())
                .map_err(|error| refused(error.to_string()))?,
            Source::Workload { identity } => {
                let signed = workload(secrets_dir, identity, &plan.meta).await?;
                if signed.expires.is_none() {
                    warn(endless(identity));
                }
                signed.jwt
            }
        };
        let what = || format!("log in with role {:?} at auth/{}", plan.role, self.mount);
        vault.login_jwt(&self.mount, &plan.role, &jwt).await.map_err(|source| AskError::upkeep(what(), source))
    }
}

async fn workload(secrets_dir: &Path, identity: &str, meta: &TaskMeta) -> Result<WorkloadIdentity, AskError> {
    let read = vault::read_identity(&vault::identity_file(secrets_dir, identity), meta).await;
    read.map_err(|error| refused(error.to_string()))
}

/// What is said of an identity without end: Nomad signs it once, and servers take what does not end for two to four minutes
/// after it was signed.
fn endless(identity: &str) -> String {
    format!(
        "The identity {identity:?} never ends and is not signed anew, so that no second login can be expected: servers take it \
         only for minutes after it was signed. Write ttl = \"1h\" into the job's identity block; until then all depends on the \
         renewal of this one login's token (token_period in the role)"
    )
}

fn refused(text: String) -> AskError {
    AskError::Driver(DriverError::new(Class::IdentityRefused, text))
}

/// Returns what a task's token is made with: who it is for, in words that the server's audit log shows, and its terms.
fn child_terms(plan: &Plan, settings: &ChildSettings) -> Value {
    let meta = &plan.meta;
    let mut terms = Map::new();
    let mut set = |name: &str, value: Value| drop(terms.insert(name.to_owned(), value));
    set("display_name", json!(format!("strongbox-{}-{}", meta.job_id, meta.name)));
    set(
        "meta",
        json!({
            "nomad_namespace": meta.namespace,
            "nomad_job_id": meta.job_id,
            "nomad_group": meta.group,
            "nomad_task": meta.name,
            "nomad_allocation_id": meta.alloc_id,
            "node_id": meta.node_id,
            "spiffe_id": plan.identity.spiffe_id,
        }),
    );
    if !plan.policies.is_empty() {
        set("policies", json!(plan.policies));
    }
    for (name, span) in [("ttl", settings.ttl), ("explicit_max_ttl", settings.explicit_max_ttl)] {
        if let Some(span) = span {
            set(name, json!(format!("{}s", span.as_secs())));
        }
    }
    Value::Object(terms)
}
