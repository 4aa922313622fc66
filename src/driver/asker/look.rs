//! Looks for changes of what is no credential, together with the tasks that may read the same.

use std::time::SystemTime;

use super::{AskError, Asker, check_version};
use crate::{
    domain::SecretString,
    driver::{
        holdings::Answer,
        shared::{Claim, Flight},
    },
    template::Dependency,
    vault::Reply,
};

impl Asker {
    /// Reads again what is no credential and of which reading makes none, so that there is nothing to note. What another
    /// task of the same rights has read a moment ago is not asked for twice.
    pub(in crate::driver) async fn look(
        &self,
        token: &SecretString,
        dependency: &Dependency,
    ) -> Result<Answer, AskError> {
        let Some(seat) = self.seats.seat(token, dependency) else { return self.answer(token, dependency).await };
        match seat.claim().await {
            Claim::Alone => self.answer(token, dependency).await,
            Claim::Lead(flight) => self.lead(token, dependency, flight).await,
            Claim::Taken(reply, read_at) => self.take(token, dependency, reply, read_at),
        }
    }

    /// As [`Asker::look`], whatever another task has read.
    pub(in crate::driver) async fn look_alone(
        &self,
        token: &SecretString,
        dependency: &Dependency,
    ) -> Result<Answer, AskError> {
        self.answer(token, dependency).await
    }

    /// Asks, and passes the answer on.
    async fn lead(&self, token: &SecretString, dependency: &Dependency, flight: Flight) -> Result<Answer, AskError> {
        let reply = self.read(token, dependency).await?;
        if is_plain(dependency, &reply) && self.may_be_passed_on(token, dependency, &flight).await {
            flight.land(&reply);
        }
        Ok(self.dated(dependency, Answer::from(reply)))
    }

    /// Says whether others may have the answer too. Other engines make one for the very token that asks, also without a
    /// lease: a cubbyhole, an identity's token, a one-time code.
    async fn may_be_passed_on(&self, token: &SecretString, dependency: &Dependency, flight: &Flight) -> bool {
        if !flight.is_awaited() {
            return false;
        }
        if let Some(is_kv) = flight.is_kv() {
            return is_kv;
        }
        let Ok(mount) = self.vault.kv_version(token, &dependency.path).await else { return false };
        flight.note_engine(mount.is_some());
        mount.is_some()
    }

    /// Takes what another task was answered.
    fn take(
        &self,
        token: &SecretString,
        dependency: &Dependency,
        reply: Reply,
        read_at: SystemTime,
    ) -> Result<Answer, AskError> {
        self.receipts.shared(token, &dependency.path, &reply);
        check_version(dependency, &reply)?;
        self.check_pair(&dependency.path, &reply)?;
        Ok(self.dated(dependency, Answer { read_at, ..Answer::from(reply) }))
    }

    /// Adds when the answer is looked at again.
    pub(super) fn dated(&self, dependency: &Dependency, answer: Answer) -> Answer {
        Answer { look_at: self.seats.look_at(dependency), ..answer }
    }
}

/// Says whether `reply` is one to the plain reading of a path, and lent to nobody.
pub(super) fn is_plain(dependency: &Dependency, reply: &Reply) -> bool {
    let names_a_version_at_most = dependency.query.keys().all(|name| name == "version");
    !dependency.is_write() && names_a_version_at_most && reply.lease.is_none()
}
