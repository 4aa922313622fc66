//! The node's own login: got once, kept alive, shared by all tasks, and used for nothing but making tokens for them.
//!
//! ```text
//!   secret id · certificate · token file ──▶ log in ──▶ held ── ⅔ of its life ──▶ renew ──▶ held
//!                  ▲                                      │ dead, not renewable, the file has changed
//!                  └──────────────────────────────────────┘
//! ```
//!
//! One lock makes all of this single flight: whoever comes while somebody logs in waits for that login. A server that is away
//! costs nothing while the held token lives. The token never leaves this module but to the server. What tasks are, it does
//! not know.

mod credential;
mod store;

use std::{
    sync::{Arc, Mutex as Plain, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{Class, DriverError, asker::AskError, parts::Parts};
use crate::{
    domain::{SecretString, Session},
    lease,
    vault::{self, Kind, Vault},
};

pub(super) use credential::Credential;
pub(super) use store::Store;

/// How often a token file is looked at, and a login that failed is tried again at the latest.
const LOOK: Duration = Duration::from_secs(30);
/// Shortest pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The node's login at one cluster.
pub(super) struct NodeLogin {
    vault: Arc<dyn Vault>,
    mount: String,
    credential: Credential,
    state: Mutex<State>,
    /// What an operator must look into, told in the fingerprint until a login succeeds.
    alarm: Plain<Option<String>>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    refusals: u32,
    /// Until then the last refusal is everybody's answer.
    refused: Option<(Instant, DriverError)>,
}

/// A living token of the node.
struct Held {
    token: SecretString,
    since: Instant,
    /// Zero: it does not expire.
    life: Duration,
    renewable: bool,
    /// Of the file it came from, when it came from one.
    stamp: Option<String>,
}

impl NodeLogin {
    pub(super) fn new(vault: Arc<dyn Vault>, mount: &str, credential: Credential) -> Self {
        Self { vault, mount: mount.to_owned(), credential, state: Mutex::default(), alarm: Plain::default() }
    }

    /// Says in a few words with what the node logs in.
    pub(super) fn describe(&self) -> &'static str {
        self.credential.describe()
    }

    /// Says which file of the credential is not there yet, or is not as it must be.
    pub(super) fn flaw(&self) -> Option<String> {
        self.credential.flaw()
    }

    /// Returns what an operator must look into.
    pub(super) fn alarm(&self) -> Option<String> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a living token of the node, renewed or got anew when that is due.
    pub(super) async fn token(&self) -> Result<SecretString, AskError> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(held) = state.held.as_ref().filter(|held| held.is_fresh(now) && !self.credential.has_changed(held))
        {
            return Ok(held.token.clone());
        }
        if let Some((until, error)) = state.refused.as_ref().filter(|(until, _)| *until > now) {
            tracing::debug!(left = ?(*until - now), "The node's login was refused lately and is not tried again yet");
            return Err(AskError::Driver(error.clone()));
        }
        if let Some(token) = self.renew(&mut state).await {
            return Ok(token);
        }
        match self.log_in().await {
            Ok(held) => {
                tracing::info!(mount = self.mount, life = ?held.life, "The node has logged in");
                let token = held.token.clone();
                *state = State { held: Some(held), ..State::default() };
                *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(token)
            }
            Err(error) => self.refused(&mut state, error),
        }
    }

    /// Makes a token with token role `role`; `vault` is the server as the task sees it.
    ///
    /// # Errors
    /// Beside what the server says: the role makes tokens that end with the node's login.
    pub(super) async fn mint(&self, vault: &dyn Vault, role: &str, terms: &Value) -> Result<Session, AskError> {
        let mut token = self.token().await?;
        let mut made = vault.create_token(&token, role, terms).await;
        if made.as_ref().is_err_and(|error| error.kind() == Kind::TokenDead) {
            self.forget(&token).await;
            token = self.token().await?;
            made = vault.create_token(&token, role, terms).await;
        }
        let minted = made.map_err(|source| not_minted(role, source))?;
        if minted.orphan {
            return Ok(minted.session);
        }
        vault.revoke_self(&minted.session.token).await.ok();
        let text = format!(
            "token role {role:?} makes tokens that end with the node's login; set orphan = true at auth/token/roles/{role}"
        );
        Err(AskError::Driver(DriverError::new(Class::AuthRefused { node: true }, text)))
    }

    /// Lets go of a token that the server does not know any more, unless somebody has got another one meanwhile.
    async fn forget(&self, token: &SecretString) {
        let mut state = self.state.lock().await;
        state.held.take_if(|held| held.token == *token);
    }

    /// Prolongs what is held; nothing when it has to be got anew.
    async fn renew(&self, state: &mut State) -> Option<SecretString> {
        let held = state.held.as_mut()?;
        if !held.renewable || !held.lives(Instant::now()) || self.credential.has_changed(held) {
            return None;
        }
        match self.vault.renew_token(&held.token).await {
            // One that came to its greatest life is replaced while it still lives.
            Ok(session) if lease::needs_replacement(held.life, session.duration, session.duration) => None,
            Ok(session) => {
                (held.since, held.life) = (Instant::now(), session.duration);
                Some(held.token.clone())
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "The node's token could not be renewed; it is used while it lives");
                Some(held.token.clone())
            }
            Err(error) => {
                tracing::warn!(%error, "The node's token is not renewed any more; the node logs in anew");
                None
            }
        }
    }

    async fn log_in(&self) -> Result<Held, AskError> {
        let outcome = self.credential.log_in(&*self.vault, &self.mount).await;
        if let Err(credential::Refused::Security(text)) = &outcome {
            tracing::error!(mount = self.mount, alarm = text, "SECURITY: the node's credential may be in other hands");
            *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
        }
        outcome.map_err(AskError::from)
    }

    /// Remembers a refusal that waiting does not mend, so that tasks do not repeat it in turn; while the old token lives it is
    /// used on.
    fn refused(&self, state: &mut State, error: AskError) -> Result<SecretString, AskError> {
        if let Some(held) = state.held.as_ref().filter(|held| held.lives(Instant::now())) {
            tracing::warn!(%error, "The node could not log in anew; its token is used while it lives");
            return Ok(held.token.clone());
        }
        if error.is_transient() {
            return Err(error);
        }
        state.refusals = state.refusals.saturating_add(1);
        let pause = lease::backoff(state.refusals, rand::random()).max(PAUSE);
        tracing::error!(%error, ?pause, "The node's login is refused");
        let error = DriverError::from(error);
        let error = DriverError::new(Class::AuthRefused { node: true }, error.message());
        state.refused = Some((Instant::now() + pause, error.clone()));
        Err(AskError::Driver(error))
    }

    /// Returns how long until something is due.
    async fn next_look(&self) -> Duration {
        let state = self.state.lock().await;
        let due = state.held.as_ref().and_then(Held::due).map(|due| due.saturating_duration_since(Instant::now()));
        due.unwrap_or(LOOK).clamp(PAUSE, LOOK)
    }
}

impl Held {
    fn due(&self) -> Option<Instant> {
        (!self.life.is_zero()).then(|| self.since + self.life * 2 / 3)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.due().is_none_or(|due| now < due)
    }

    fn lives(&self, now: Instant) -> bool {
        self.life.is_zero() || now < self.since + self.life
    }
}

/// Keeps all logins of the node alive, until a newer process does.
pub(super) async fn run(parts: Arc<Parts>) {
    let logins: Vec<_> = parts.node_logins().collect();
    let keep = |login: Arc<NodeLogin>| async {
        let login = login;
        loop {
            if let Err(error) = login.token().await {
                tracing::debug!(%error, "The node has no token yet");
            }
            tokio::time::sleep(login.next_look().await).await;
        }
    };
    let all = futures_util::future::join_all(logins.into_iter().map(keep));
    tokio::select! {
        () = parts.journal.superseded() => {}
        _ = all => {}
    }
}

fn not_minted(role: &str, source: vault::Error) -> AskError {
    let what = format!("make the task's token with token role {role:?}");
    match source.kind() {
        Kind::Denied | Kind::Invalid | Kind::TokenDead => {
            AskError::Driver(DriverError::new(Class::AuthRefused { node: true }, format!("{what}: {source}")))
        }
        _ => AskError::upkeep(what, source),
    }
}

#[cfg(test)]
mod tests;
