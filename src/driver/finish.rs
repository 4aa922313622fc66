//! Gives back what a task held: token and leases, container, directory. The same code for a failed start, an end and a
//! leftover; each step may be run twice and may find nothing.

use std::time::{Duration, SystemTime};

use super::{DriverError, holdings::Holdings, parts::Parts, record::Record};
use crate::{
    domain::{Accessor, SecretString, TaskKey, TaskMeta, fail_point},
    journal::Step,
    tmpfs::SecretsDir,
};

/// Tries within one call; the sweeper goes on after that.
const TRIES: u32 = 3;
/// Wait between two of them.
const PAUSE: Duration = Duration::from_millis(300);

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
    if let Some(holdings) = &holdings {
        revoke(parts, &key, holdings).await?;
    }
    fail_point("after-revoke");
    parts.journal.append(&key, Step::Revoked).await?;
    parts.tmpfs.remove(&key)?;
    fail_point("wiped");
    parts.journal.close(&key).await?;
    Ok(())
}

/// Revokes every token of `holdings`; their leases die with them.
async fn revoke(parts: &Parts, key: &TaskKey, holdings: &Holdings) -> Result<(), DriverError> {
    let session = holdings.session.as_ref();
    let living = session.map(|held| (held.value.accessor.clone(), held.value.token.clone(), held.since + held.life));
    let replaced = holdings
        .superseded
        .tokens
        .iter()
        .map(|(accessor, token)| (accessor.clone(), token.clone(), SystemTime::now() + Duration::from_secs(3600)));
    for (accessor, token, end) in living.into_iter().chain(replaced) {
        revoke_token(parts, key, accessor, &token, end).await?;
    }
    Ok(())
}

async fn revoke_token(
    parts: &Parts,
    key: &TaskKey,
    accessor: Option<Accessor>,
    token: &SecretString,
    end: SystemTime,
) -> Result<(), DriverError> {
    let Some(vault) = &parts.vault else { return Ok(()) };
    let mut tries = 0;
    loop {
        match vault.revoke_self(token).await {
            Ok(()) => {
                tracing::info!(%key, accessor = accessor.map(|accessor| accessor.to_string()), "Token revoked");
                return Ok(());
            }
            // A token whose granted time has passed is dead, whatever the server can tell us now.
            Err(_) if end < SystemTime::now() => return Ok(()),
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
