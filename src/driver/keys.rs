//! What a registry is shown for one task: the job's own words, the secrets server, the operator's file and helpers, nothing.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    Class, DriverError, acquire::until, asker::Asker, files, loan::Loan, parts::Parts, plan::Plan, settings::Settings,
};
use crate::{
    container::{self, Credential, ImageRef, Keyring, Source, canonical_host, credential_of, host_of_address},
    domain::{RegistryAuth, ServerPath, TaskEvent, TaskSpec},
    template::Dependency,
};

/// The sources of one task.
pub(super) struct Keys<'a> {
    parts: &'a Arc<Parts>,
    plan: &'a Arc<Plan>,
    spec: &'a TaskSpec,
    loan: &'a Loan,
    /// The driver's own error, whose class the port does not know.
    failure: Mutex<Option<DriverError>>,
}

/// Holds the job's `auth` block against the operator's rules, before anything is sent.
///
/// # Errors
/// A password where none may be written, or a path or role that no rule allows.
pub(super) fn check(settings: &Settings, plan: &Plan, spec: &TaskSpec) -> Result<(), DriverError> {
    let Some(auth) = &spec.container.pull.auth else { return Ok(()) };
    let refused = plan.verdicts_on_pull(settings, auth).into_iter().find_map(|verdict| verdict.outcome.err());
    refused.map_or(Ok(()), Err)
}

impl<'a> Keys<'a> {
    pub(super) fn new(parts: &'a Arc<Parts>, plan: &'a Arc<Plan>, spec: &'a TaskSpec, loan: &'a Loan) -> Self {
        Self { parts, plan, spec, loan, failure: Mutex::default() }
    }

    /// Returns the driver's own error for what the port reported.
    pub(super) fn explain(&self, error: container::Error) -> DriverError {
        let own = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        own.unwrap_or_else(|| error.into())
    }

    /// Returns an asker for this task.
    ///
    /// # Errors
    /// The operator has configured no server.
    pub(super) fn asker(&self) -> Result<Asker, DriverError> {
        Asker::new(Arc::clone(self.parts), Arc::clone(self.plan), self.spec.secrets_dir())
    }

    async fn find(&self, image: &ImageRef) -> Result<Option<Credential>, DriverError> {
        let auth = self.spec.container.pull.auth.as_ref().filter(|auth| self.is_for(auth, image));
        if let Some(found) = auth.and_then(inline) {
            return Ok(Some(found));
        }
        for path in auth.and_then(|auth| auth.vault.as_ref()).into_iter().chain(self.operators_path(image)) {
            match self.on_server(path).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) => self.soften(image, error)?,
            }
        }
        let mut failures = Vec::new();
        let soft = self.spec.container.pull.auth_soft_fail;
        let found = self.parts.settings.images.registry.look_up(image, soft, &mut failures).await;
        for failure in failures {
            self.tell(image, &failure.to_string());
        }
        found.map_err(|error| {
            DriverError::new(Class::ImageUnavailable, format!("image {:?}: {error}", image.to_string()))
        })
    }

    /// A credential goes to the registry that it was written for, and never to that of a fallback.
    fn is_for(&self, auth: &RegistryAuth, image: &ImageRef) -> bool {
        let named = auth.server_address.as_deref().map(host_of_address);
        let first = || self.spec.container.image.parse::<ImageRef>().map(|image| canonical_host(image.registry())).ok();
        named.or_else(first) == Some(canonical_host(image.registry()))
    }

    /// Returns where the operator keeps the registry's credential, if this task may read it there.
    fn operators_path(&self, image: &ImageRef) -> Option<&'a ServerPath> {
        let settings: &'a Settings = &self.parts.settings;
        let path = settings.images.registry.host(image)?.vault.as_ref()?;
        let allowed = self.plan.rules.check_role(&self.plan.meta, &self.plan.role).is_ok()
            && self.plan.rules.check_path(&self.plan.meta, path).is_ok();
        if settings.cluster(&self.plan.server).is_err() || !allowed {
            tracing::info!(task_id = %self.plan.meta.id, image = %image, %path, "No allow rule gives this job the registry's credential");
            return None;
        }
        Some(path)
    }

    async fn on_server(&self, path: &ServerPath) -> Result<Credential, DriverError> {
        let asker = self.asker()?;
        let token = self.loan.token(&asker, self.spec).await?;
        let deadline = Instant::now() + self.parts.settings.refresh.secrets_timeout;
        let dependency = Dependency::read(path.clone());
        let answer = until(&asker, deadline, || asker.ask_first(&token, &dependency)).await?;
        let found = credential_of(&files::fields(&answer.value), Source::Vault(path.to_string()));
        found.map_err(|why| DriverError::new(Class::SecretMissing, format!("read {path}: it {why}")))
    }

    /// Lets a failed source pass where the job says so.
    fn soften(&self, image: &ImageRef, error: DriverError) -> Result<(), DriverError> {
        if !self.spec.container.pull.auth_soft_fail {
            return Err(error);
        }
        self.tell(image, &error.to_string());
        Ok(())
    }

    fn tell(&self, image: &ImageRef, why: &str) {
        tracing::warn!(task_id = %self.plan.meta.id, image = %image, why, "A source of registry credentials failed and is passed over");
        let message = format!("Image {image}: going on without a credential that could not be had: {why}");
        self.parts.tell(TaskEvent::new(&self.plan.meta, message));
    }
}

fn inline(auth: &RegistryAuth) -> Option<Credential> {
    let (user, password) = auth.username.clone().zip(auth.password.clone())?;
    Some(Credential::of_pair(user, password, Source::Task))
}

#[async_trait]
impl Keyring for Keys<'_> {
    /// The first sign that the registry will be asked, so that the name is noted as being brought.
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>, container::Error> {
        let before = self.parts.engine.look_at_image(&image.to_string()).await?;
        self.parts.images.announce(image, before.map(|before| before.id));
        self.find(image).await.map_err(|error| {
            let why = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            container::Error::CredentialUnavailable { image: image.to_string(), why }
        })
    }
}
