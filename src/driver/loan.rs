//! The token with which a registry's credential is read before the pull.
//!
//! A task that asks for secrets logs in anyway: the pull waits for that login and nothing else does. One that asks for
//! none borrows a login for as long as the pull takes. Its token is written to a tmpfs like every other, so that a kill in
//! between leaves a record by which the next process revokes it.

use std::sync::{Arc, OnceLock};

use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{Class, DriverError, acquire::until, asker::Asker, asks::Asks, holdings::Holdings, record::Record};
use crate::{
    domain::{SecretString, TaskKey, TaskSpec, fail_point},
    tmpfs::SecretsDir,
};

/// Where a pull gets a token.
pub(super) struct Loan {
    /// Turns true once the intent is on disk: before that nothing may be asked of the server.
    pub(super) noted: watch::Receiver<bool>,
    /// The token of the task's own login, once there is one.
    pub(super) session: watch::Receiver<Option<SecretString>>,
    /// Whether the task logs in by itself.
    pub(super) has_login: bool,
    /// What the start holds so far.
    pub(super) held: Arc<Mutex<Holdings>>,
    /// The directory of a borrowed login, while there is one.
    dir: OnceLock<Arc<SecretsDir>>,
}

impl Loan {
    pub(super) fn new(
        noted: watch::Receiver<bool>,
        session: watch::Receiver<Option<SecretString>>,
        has_login: bool,
        held: Arc<Mutex<Holdings>>,
    ) -> Self {
        Self { noted, session, has_login, held, dir: OnceLock::new() }
    }

    /// Returns a token, waiting for the task's own login or logging in for the pull alone.
    pub(super) async fn token(&self, asker: &Asker, spec: &TaskSpec) -> Result<SecretString, DriverError> {
        if self.has_login {
            let mut session = self.session.clone();
            let token = session.wait_for(Option::is_some).await.ok().and_then(|token| token.clone());
            return token
                .ok_or_else(|| DriverError::new(Class::Internal, "the login that the pull waits for has failed"));
        }
        if let Some(token) = self.held.lock().await.token() {
            return Ok(token.clone());
        }
        self.borrow(asker, spec).await
    }

    async fn borrow(&self, asker: &Asker, spec: &TaskSpec) -> Result<SecretString, DriverError> {
        let mut noted = self.noted.clone();
        noted
            .wait_for(|noted| *noted)
            .await
            .map_err(|_| DriverError::new(Class::Internal, "the intent of the start was not noted"))?;
        let dir = Arc::new(asker.parts.tmpfs.create(&spec.meta.id.key())?);
        self.dir.set(Arc::clone(&dir)).ok();
        asker.parts.audit.ready().await?;
        let deadline = Instant::now() + asker.parts.settings.refresh.secrets_timeout;
        let session = until(asker, deadline, || asker.login()).await?;
        let token = session.value.token.clone();
        let mut held = self.held.lock().await;
        held.session = Some(session);
        let mut record = Record::new(spec.meta.clone(), Asks::default());
        record.holdings = held.clone();
        record.write(&dir)?;
        drop(held);
        fail_point("borrowed");
        Ok(token)
    }

    /// Ends a borrowed login. When the server does not take it, the directory with the record is returned: whoever ends the
    /// task ends the token with it.
    pub(super) async fn give_back(&self, asker: &Asker, key: &TaskKey) -> Option<Arc<SecretsDir>> {
        let dir = self.dir.get()?;
        let session = self.held.lock().await.session.clone();
        if let Some(session) = session
            && !asker.end_session(&session.value).await
        {
            return Some(Arc::clone(dir));
        }
        self.held.lock().await.session = None;
        if let Err(error) = asker.parts.tmpfs.remove(key) {
            tracing::warn!(%key, %error, "The directory of a borrowed login was not removed");
            return Some(Arc::clone(dir));
        }
        None
    }
}
