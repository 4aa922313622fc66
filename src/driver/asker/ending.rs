//! Ends what a task needs no more: what newer credentials have replaced, and logins that nobody will use.

use super::{AskError, Asker};
use crate::{
    domain::{Accessor, LeaseId, SecretString, Session},
    driver::{
        holdings::{Holdings, Revocable, Superseded},
        revocation,
    },
    journal::Step,
    vault,
};

impl Asker {
    /// Ends what newer credentials have replaced.
    ///
    /// # Errors
    /// The server is away; what it did not take comes back. What it refuses to end is let go: it dies by its own time, at
    /// the latest with the task's session.
    pub(in crate::driver) async fn end_superseded(
        &self,
        holdings: &Holdings,
        superseded: Superseded,
    ) -> Result<(), (AskError, Superseded)> {
        let mut left = Superseded::default();
        let leases = self.end_leases(holdings, superseded.leases, &mut left).await;
        let certificates = self.end_certificates(holdings, superseded.certificates, &mut left).await;
        let tokens = self.end_tokens(superseded.tokens, &mut left).await;
        match tokens.or(certificates).or(leases) {
            None => Ok(()),
            Some(error) => Err((AskError::vault("revoke what was replaced", error), left)),
        }
    }

    async fn end_leases(
        &self,
        holdings: &Holdings,
        leases: Vec<LeaseId>,
        left: &mut Superseded,
    ) -> Option<vault::Error> {
        let token = holdings.token()?;
        let mut trouble = None;
        for lease in leases {
            match self.vault.revoke_lease(token, &lease).await {
                Ok(()) => {
                    self.receipts.revoked_lease(&lease);
                    self.noted(Step::LeaseRevoked { lease_id: lease });
                }
                Err(error) if error.is_transient() => {
                    trouble = Some(error);
                    left.leases.push(lease);
                }
                Err(error) => {
                    self.receipts.not_revoked(None, Some(&lease), &error.to_string());
                    tracing::info!(task_id = %self.plan.meta.id, %lease, %error, "A replaced lease stays until its session ends")
                }
            }
        }
        trouble
    }

    async fn end_certificates(
        &self,
        holdings: &Holdings,
        certificates: Vec<Revocable>,
        left: &mut Superseded,
    ) -> Option<vault::Error> {
        let token = holdings.token()?;
        let mut trouble = None;
        for one in certificates {
            let serial = one.certificate.serial.clone();
            match revocation::revoke(&*self.vault, token, &one).await {
                Err(error) if error.is_transient() => {
                    trouble = Some(error);
                    left.certificates.push(one);
                }
                outcome => {
                    self.receipts.revoked_certificate(&one.mount, &serial, outcome.as_ref().err());
                    self.noted(Step::CertificateRevoked { mount: one.mount, serial });
                }
            }
        }
        trouble
    }

    async fn end_tokens(
        &self,
        tokens: Vec<(Option<Accessor>, SecretString)>,
        left: &mut Superseded,
    ) -> Option<vault::Error> {
        let mut trouble = None;
        for (accessor, token) in tokens {
            if accessor.is_none() {
                // A batch token: nothing on the server to end, and it dies by its time.
                continue;
            }
            match (self.vault.revoke_self(&token).await, accessor) {
                (Ok(()), accessor) => self.ended_token(accessor.as_ref()),
                (Err(error), accessor) if error.is_transient() => {
                    trouble = Some(error);
                    left.tokens.push((accessor, token));
                }
                (Err(error), accessor) => {
                    self.receipts.not_revoked(accessor.as_ref(), None, &error.to_string());
                    let accessor = accessor.map(|accessor| accessor.to_string()).unwrap_or_default();
                    tracing::warn!(task_id = %self.plan.meta.id, accessor, %error, "A replaced token could not be revoked and dies by its time");
                }
            }
        }
        trouble
    }

    /// Ends a session that has served its purpose. Says whether the server took it.
    pub(in crate::driver) async fn end_session(&self, session: &Session) -> bool {
        let outcome = self.vault.revoke_self(&session.token).await;
        match &outcome {
            Ok(()) => self.ended_token(session.accessor.as_ref()),
            Err(error) => {
                tracing::warn!(task_id = %self.plan.meta.id, %error, "A token that is not needed any more stays until the task ends");
            }
        }
        outcome.is_ok()
    }

    /// Gives a session back that nobody will use.
    pub(in crate::driver) async fn abandon(&self, session: Session) {
        match self.vault.revoke_self(&session.token).await {
            Ok(()) => self.ended_token(session.accessor.as_ref()),
            Err(error) => {
                self.receipts.not_revoked(session.accessor.as_ref(), None, &error.to_string());
                tracing::warn!(task_id = %self.plan.meta.id, %error, "An unused token could not be revoked and dies by its time");
            }
        }
    }

    /// Writes down that a token is dead.
    fn ended_token(&self, accessor: Option<&Accessor>) {
        self.receipts.revoked_token(accessor, "");
        if let Some(accessor) = accessor {
            self.noted(Step::TokenRevoked { accessor: accessor.clone() });
        }
    }
}
