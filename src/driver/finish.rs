//! Gives back what a task held: token and leases, container, directory. The same code for a failed start, an end and a
//! leftover; each step may be run twice and may find nothing.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Class, DriverError, holdings::Holdings, network::NetworkFiles, parts::Parts, receipts::Receipts, record::Record,
    revocation,
};
use crate::{
    domain::{Accessor, SecretString, TaskKey, TaskMeta, fail_point},
    journal::{HeldToken, Step},
    tmpfs::SecretsDir,
    vault::Vault,
};

/// Tries within one call; the sweeper goes on after that.
const TRIES: u32 = 3;
/// Wait between two of them.
const PAUSE: Duration = Duration::from_millis(300);
/// The journal keeps whole seconds, and the server's clock may go a little behind.
const ROUNDED: Duration = Duration::from_secs(2);

/// Revokes what the task held and wipes its directory.
///
/// When the server cannot be reached the files are wiped all the same, and the record with the token stays on the tmpfs
/// until the sweeper has revoked it or it has died by its time.
///
/// # Errors
/// The server did not take the revocation; the journal keeps the task open.
pub(super) async fn give_back(
    parts: &Parts,
    meta: &TaskMeta,
    holdings: Option<Holdings>,
    dir: Option<&SecretsDir>,
) -> Result<(), DriverError> {
    let key = meta.id.key();
    let holdings = match (holdings, dir) {
        (Some(holdings), _) => Some(holdings),
        (None, Some(dir)) => Record::read(dir).ok().flatten().map(|record| record.holdings),
        (None, None) => None,
    };
    if let Some(dir) = dir {
        dir.wipe_files()?;
    }
    fail_point("before-revoke");
    let mut receipts = Receipts::of(parts, meta);
    if let Some(server) = holdings.as_ref().and_then(|holdings| parts.server(&holdings.server).ok()) {
        receipts = receipts.at(&server.cluster, &server.namespace);
    }
    let ended = match &holdings {
        Some(holdings) => revoke(parts, &key, &receipts, holdings).await?,
        None => Vec::new(),
    };
    await_lost(parts, &key, &receipts, &ended).await?;
    fail_point("after-revoke");
    parts.journal.append(&key, Step::Revoked).await?;
    receipts.ended();
    parts.tmpfs.remove(&key)?;
    NetworkFiles::of(parts, &key).remove();
    fail_point("wiped");
    parts.journal.close(&key).await?;
    Ok(())
}

/// Lets a task go only when no token that the journal has is alive, beside those that have been `ended`.
///
/// A token is needed to revoke it, and the only copy is on the task's tmpfs: after a reboot it is gone. Such a token ends
/// by its own time, for nobody renews it any more; until then the task stays open.
///
/// # Errors
/// One lives, until the time that is told.
pub(super) async fn await_lost(
    parts: &Parts,
    key: &TaskKey,
    receipts: &Receipts,
    ended: &[Option<Accessor>],
) -> Result<(), DriverError> {
    if lost(parts, key, ended).is_empty() {
        return Ok(());
    }
    // What was noted without waiting is known after this.
    parts.journal.append(key, Step::Revoking).await?;
    let now = SystemTime::now();
    let mut over = Vec::new();
    for token in lost(parts, key, ended) {
        match token.deadline.map(|deadline| deadline + ROUNDED) {
            Some(deadline) if deadline > now => return Err(still_alive(&token, deadline, now)),
            deadline => over.push((token, deadline.is_some())),
        }
    }
    for (token, has_ended) in over {
        if has_ended {
            receipts.revoked_token(token.accessor.as_ref(), "expired: the only copy was lost with the task's tmpfs");
            continue;
        }
        let why = "it never expires and its only copy was lost with the task's tmpfs; revoke it by its accessor";
        receipts.not_revoked(token.accessor.as_ref(), None, why);
        tracing::error!(%key, accessor = token.accessor.map(|accessor| accessor.0), "A token could not be revoked: {why}");
    }
    Ok(())
}

fn lost(parts: &Parts, key: &TaskKey, ended: &[Option<Accessor>]) -> Vec<HeldToken> {
    let Some(open) = parts.journal.task(key) else { return Vec::new() };
    let mut tokens: Vec<_> = open.old_accessors.into_iter().chain(open.accessor).collect();
    tokens.retain(|token| !ended.contains(&token.accessor));
    tokens
}

fn still_alive(token: &HeldToken, deadline: SystemTime, now: SystemTime) -> DriverError {
    let name = token.accessor.as_ref().map_or("without a name", |accessor| &accessor.0);
    let rest = deadline.duration_since(now).unwrap_or_default().as_secs();
    let text = format!(
        "the task's token {name} cannot be revoked, since its only copy was lost with the task's tmpfs; it ends by itself \
         in {rest} s at the latest"
    );
    DriverError::new(Class::StateUnavailable, text)
}

/// Revokes every token of `holdings`, with which their leases die; returns the tokens' names.
async fn revoke(
    parts: &Parts,
    key: &TaskKey,
    receipts: &Receipts,
    holdings: &Holdings,
) -> Result<Vec<Option<Accessor>>, DriverError> {
    revoke_certificates(parts, receipts, holdings).await?;
    let mut ended = Vec::new();
    let vault = parts.server(&holdings.server).ok().map(|server| server.vault);
    let session = holdings.session.as_ref();
    let living = session.map(|held| (held.value.accessor.clone(), held.value.token.clone(), held.since + held.life));
    let replaced = holdings
        .replaced_tokens()
        .map(|(accessor, token)| (accessor.clone(), token.clone(), SystemTime::now() + Duration::from_secs(3600)));
    for (accessor, token, end) in living.into_iter().chain(replaced) {
        let how = match (&vault, &accessor) {
            (None, _) => "no server is configured any more",
            // A batch token: nothing is kept of it that could be ended, but for its leases.
            (Some(vault), None) => end_leases(vault, &token, holdings).await,
            (Some(vault), Some(_)) => revoke_token(&**vault, key, accessor.clone(), &token, end).await?,
        };
        receipts.revoked_token(accessor.as_ref(), how);
        ended.push(accessor);
    }
    Ok(ended)
}

/// Revokes the certificates of which the job wants that, while the token that may do it lives.
///
/// # Errors
/// The server is away, and the token has time left.
async fn revoke_certificates(parts: &Parts, receipts: &Receipts, holdings: &Holdings) -> Result<(), DriverError> {
    let (Ok(server), Some(session)) = (parts.server(&holdings.server), &holdings.session) else { return Ok(()) };
    let vault = server.vault;
    for one in holdings.revocable_certificates() {
        let outcome = revocation::revoke(&*vault, &session.value.token, &one).await;
        match outcome {
            Err(error) if error.is_transient() && session.since + session.life > SystemTime::now() => {
                return Err(DriverError::from_vault("revoke the task's certificates", &error));
            }
            outcome => receipts.revoked_certificate(&one.mount, &one.certificate.serial, outcome.as_ref().err()),
        }
    }
    Ok(())
}

/// Ends the leases of a token that cannot be ended itself, as far as it may; they end with it at the latest.
async fn end_leases(vault: &Arc<dyn Vault>, token: &SecretString, holdings: &Holdings) -> &'static str {
    for lease in holdings.answers.values().filter_map(|answer| answer.lease.as_ref()) {
        if let Err(error) = vault.revoke_lease(token, &lease.value.id).await {
            tracing::info!(lease = %lease.value.id, %error, "A lease of a batch token ends with it");
        }
    }
    "a batch token: it ends by itself"
}

/// Returns what else is to be said of the revocation.
async fn revoke_token(
    vault: &dyn Vault,
    key: &TaskKey,
    accessor: Option<Accessor>,
    token: &SecretString,
    end: SystemTime,
) -> Result<&'static str, DriverError> {
    let mut tries = 0;
    loop {
        match vault.revoke_self(token).await {
            Ok(()) => {
                tracing::info!(%key, accessor = accessor.map(|accessor| accessor.to_string()), "Token revoked");
                return Ok("");
            }
            // A token whose granted time has passed is dead, whatever the server can tell us now.
            Err(_) if end < SystemTime::now() => return Ok("expired: the server did not answer in time"),
            Err(error) => {
                tries += 1;
                if tries >= TRIES || !error.is_transient() {
                    return Err(DriverError::from_vault("revoke the task's token", &error));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
