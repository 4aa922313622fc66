//! What a keeper does first when it takes over from an earlier process: it asks the server what is left.
//!
//! The record knows what was granted; only the server knows whether somebody has revoked it since. Nothing is asked for
//! anew here; what turns out dead is due at once and goes the ordinary way. The questions of a node's tasks spread, so that a
//! restart of the plugin is no storm: what ends soon is asked first.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{
    asker::AskError,
    holdings::Timed,
    keeper::{Item, Keeper},
};
use crate::{lease, template::Dependency, vault::Kind};

/// Longest time over which the questions spread.
const SPREAD: Duration = Duration::from_secs(30);

/// Plans to ask for the true rest of the login and of every lease. Until then they are planned by the record.
pub(super) fn plan(keeper: &mut Keeper) {
    let now = SystemTime::now();
    let leases = keeper.holdings.answers.iter().filter_map(|(dependency, answer)| {
        let lease = answer.lease.as_ref()?;
        Some((Item::Answer(dependency.clone()), lease.rest(now)))
    });
    let session = keeper.holdings.session.iter().map(|session| (Item::Session, session.rest(now)));
    for (item, rest) in session.chain(leases).collect::<Vec<_>>() {
        let wait = lease::spread(rest / 10, SPREAD, rand::random());
        keeper.agenda.set_in(Item::Rest(Box::new(item)), wait);
    }
}

/// Asks for the rest of `item` and plans by the answer. What cannot be learnt now stays planned by the record.
pub(super) async fn learn(keeper: &mut Keeper, item: &Item) -> Result<(), AskError> {
    let outcome = match item {
        Item::Answer(dependency) => learn_lease(keeper, dependency).await,
        _ => learn_session(keeper).await,
    };
    match outcome {
        Err(error) if matches!(error.kind(), Some(Kind::TokenDead | Kind::LeaseGone)) => {
            keeper.agenda.set(item.clone(), Instant::now());
            Ok(())
        }
        // A policy may not grant the look; only silence is worth another try.
        Err(error) if !error.is_silence() => Ok(()),
        outcome => outcome,
    }
}

async fn learn_session(keeper: &mut Keeper) -> Result<(), AskError> {
    let Some(session) = &keeper.holdings.session else { return Ok(()) };
    let rest = keeper.asker.session_rest(&session.value).await?;
    if let Some(session) = &mut keeper.holdings.session {
        correct(session, rest);
        keeper.agenda.session(session);
    }
    Ok(())
}

async fn learn_lease(keeper: &mut Keeper, dependency: &Dependency) -> Result<(), AskError> {
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    let Some(held) = keeper.holdings.answers.get(dependency).cloned() else { return Ok(()) };
    let Some(lease) = &held.lease else { return Ok(()) };
    let rest = keeper.asker.lease_rest(&token, &lease.value.id, &held).await?;
    if let Some(answer) = keeper.holdings.answers.get_mut(dependency) {
        if let Some(lease) = &mut answer.lease {
            correct(lease, rest);
        }
        keeper.agenda.answer(dependency, answer);
    }
    Ok(())
}

/// A grant without end stays one; of any other the rest counts from now.
fn correct<T>(held: &mut Timed<T>, rest: Duration) {
    if !held.life.is_zero() && !rest.is_zero() {
        held.renewed(rest);
    }
}
