//! Prolongs what a task holds, and asks how long it lives yet.

use std::time::Duration;

use super::{AskError, Asker};
use crate::{
    domain::{LeaseId, SecretString, Session},
    driver::holdings::Answer,
    vault::{self, Kind},
};

impl Asker {
    /// Prolongs the login; returns the life granted.
    pub(in crate::driver) async fn renew_session(&self, session: &Session) -> Result<Duration, AskError> {
        let renewed = self.vault.renew_token(&session.token).await;
        // An identity's policies are those of now, not those of the login.
        let granted = renewed.inspect(|session| self.seats.learn(session)).map(|session| session.duration);
        let granted = granted.inspect(|granted| {
            self.receipts.renewed_token(session, *granted);
            self.noted(self.logged_in(session, *granted));
        });
        granted.map_err(|source| AskError::upkeep("renew the task's token", source))
    }

    /// Prolongs what an answer was lent; returns the life granted.
    pub(in crate::driver) async fn renew(
        &self,
        token: &SecretString,
        lease: &LeaseId,
        held: &Answer,
    ) -> Result<Duration, AskError> {
        if let Some((_, child)) = held.child_token() {
            let what = "renew the token for the task";
            return match self.vault.renew_token(&child).await {
                Ok(session) => Ok(session.duration),
                // The task may end its token as it likes; the login it was made with lives on.
                Err(error) if error.kind() == Kind::TokenDead => Err(AskError::upkeep(
                    what,
                    vault::Error::new(Kind::LeaseGone, what, "it was revoked or has expired"),
                )),
                Err(error) => Err(AskError::upkeep(what, error)),
            };
        }
        self.renew_lease(token, lease).await
    }

    async fn renew_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<Duration, AskError> {
        let renewed = self.vault.renew_lease(token, lease).await;
        let granted = renewed.map(|lease| lease.duration);
        granted
            .inspect(|granted| self.receipts.renewed_lease(token, lease, *granted))
            .map_err(|source| AskError::upkeep(format!("renew lease {lease}"), source))
    }

    /// Asks what is left of the login.
    pub(in crate::driver) async fn session_rest(&self, session: &Session) -> Result<Duration, AskError> {
        let info = self.vault.lookup_token(&session.token).await;
        info.map(|info| info.ttl).map_err(|source| AskError::vault("look up the task's token", source))
    }

    /// Asks what is left of what an answer was lent.
    pub(in crate::driver) async fn lease_rest(
        &self,
        token: &SecretString,
        lease: &LeaseId,
        held: &Answer,
    ) -> Result<Duration, AskError> {
        if let Some((_, child)) = held.child_token() {
            let info = self.vault.lookup_token(&child).await;
            return info
                .map(|info| info.ttl)
                .map_err(|source| AskError::vault("look up the token for the task", source));
        }
        let info = self.vault.lookup_lease(token, lease).await;
        info.map(|info| info.ttl).map_err(|source| AskError::vault(format!("look up lease {lease}"), source))
    }
}
