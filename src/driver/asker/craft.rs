//! Secrets that are not simply asked for: a key that is made here and signed there, a token that is made for the task.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{AskError, Asker};
use crate::{
    domain::{SecretString, SshKeyType, fail_point},
    driver::{Class, DriverError, holdings::Answer, plan::principals},
    pki::ssh::{self, PendingSsh, SshError, SshSpec},
    template::Dependency,
};

impl Asker {
    /// Makes an SSH key, has it signed and checks what came back.
    pub(super) async fn sign_ssh(
        &self,
        token: &SecretString,
        dependency: &Dependency,
        kind: SshKeyType,
    ) -> Result<Answer, AskError> {
        let refused = |error: SshError| {
            let text = format!("SSH certificate from {}: {error}", dependency.path);
            AskError::Driver(DriverError::new(Class::PkiMismatch, text))
        };
        let comment = self.plan.meta.name.clone();
        let pending = make_key(kind, comment).await.map_err(AskError::Driver)?.map_err(refused)?;
        fail_point("before-issue");
        let body = ssh_body(dependency, pending.public_line());
        let reply = self.vault.write(token, &dependency.path, &body).await;
        let reply = reply.map_err(|source| {
            AskError::at(&dependency.path, format!("SSH certificate from {}", dependency.path), source)
        })?;
        fail_point("after-issue");
        self.show_warnings(dependency.path.as_str(), &reply);
        let spec = SshSpec {
            principals: principals(dependency).map(str::to_owned).collect(),
            host: dependency.params.get("cert_type").is_some_and(|kind| kind == "host"),
        };
        let signed = reply.data["signed_key"].as_str().unwrap_or_default();
        let issued = pending.accept(signed, &spec, SystemTime::now()).map_err(refused)?;
        self.receipts.signed(token, &dependency.path, &reply, &issued);
        let end = issued.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let value = json!({
            "data": {
                "key": issued.key.expose(),
                "key.pub": issued.public,
                "key-cert.pub": issued.certificate,
            },
            "expiration": end.as_secs(),
        });
        tracing::info!(task_id = %self.plan.meta.id, path = %dependency.path, serial = issued.serial, "SSH certificate issued");
        Ok(Answer { value: value.into(), ..Answer::absent() })
    }

    /// Has a child of the task's own token made; it dies with that one, whatever becomes of us.
    pub(super) async fn make_token(
        &self,
        token: &SecretString,
        dependency: &Dependency,
        wrap: Option<Duration>,
    ) -> Result<Answer, AskError> {
        let ttl = dependency.params.get("ttl").and_then(|ttl| ttl.trim_end_matches('s').parse().ok());
        let ttl = Duration::from_secs(ttl.unwrap_or_default());
        let mut body = json!({ "ttl": format!("{}s", ttl.as_secs()), "no_default_policy": true, "renewable": true });
        if let Some(policies) = dependency.params.get("policies") {
            body["policies"] = policies.split(',').collect();
        }
        let made = self.vault.create_child(token, &body, wrap).await;
        let child = made.map_err(|source| {
            AskError::vault("make a token for the task; its policy must grant update on auth/token/create", source)
        })?;
        self.receipts.made_token(&dependency.path, child.accessor.as_ref(), ttl);
        Ok(Answer::of_child(&child, ttl, wrap.is_some()))
    }
}

/// Returns what the CA is asked to sign.
fn ssh_body(dependency: &Dependency, public: &str) -> Value {
    let mut body: Value = dependency.params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    if let Some(extensions) = dependency.params.get("extensions") {
        body["extensions"] = serde_json::from_str(extensions).unwrap_or_default();
    }
    body["public_key"] = json!(public);
    body
}

/// Makes a key apart from the other tasks' work: an RSA key takes a good part of a second.
async fn make_key(kind: SshKeyType, comment: String) -> Result<Result<PendingSsh, SshError>, DriverError> {
    let made = tokio::task::spawn_blocking(move || ssh::request(kind, &comment)).await;
    made.map_err(|error| DriverError::new(Class::Internal, format!("make a key: {error}")))
}
