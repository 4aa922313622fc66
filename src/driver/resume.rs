//! What a keeper does first when it takes over from an earlier process: it asks the server what is left.
//!
//! The record knows what was granted; only the server knows whether somebody has revoked it since. Nothing is asked for
//! anew here; what turns out dead is due at once and goes the ordinary way.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{
    asker::AskError,
    holdings::Timed,
    keeper::{Item, Keeper},
    refresh,
};
use crate::{template::Dependency, vault::Kind};

/// Asks for the true rest of the login and of every lease, and plans by the answers. What cannot be learnt now stays
/// planned by the record.
pub(super) async fn learn_rests(keeper: &mut Keeper) {
    let Some(session) = keeper.holdings.session.clone() else { return };
    match keeper.asker.session_rest(&session.value).await {
        Ok(rest) => {
            if let Some(session) = &mut keeper.holdings.session {
                correct(session, rest);
                refresh::schedule_session(&mut keeper.schedule, session, SystemTime::now());
            }
        }
        Err(error) => due_if_dead(keeper, Item::Session, &error),
    }
    let leased: Vec<Dependency> = keeper
        .holdings
        .answers
        .iter()
        .filter(|(_, answer)| answer.lease.is_some())
        .map(|(key, _)| key.clone())
        .collect();
    for dependency in leased {
        learn_lease(keeper, &session.value.token, dependency).await;
    }
}

async fn learn_lease(keeper: &mut Keeper, token: &crate::domain::SecretString, dependency: Dependency) {
    let Some(lease) = keeper.holdings.answers.get(&dependency).and_then(|answer| answer.lease.clone()) else { return };
    match keeper.asker.lease_rest(token, &lease.value.id).await {
        Ok(rest) => {
            if let Some(answer) = keeper.holdings.answers.get_mut(&dependency) {
                if let Some(lease) = &mut answer.lease {
                    correct(lease, rest);
                }
                refresh::schedule_answer(&mut keeper.schedule, &keeper.asker, &dependency, answer);
            }
        }
        Err(error) => due_if_dead(keeper, Item::Answer(dependency), &error),
    }
}

/// A grant without end stays one; of any other the rest counts from now.
fn correct<T>(held: &mut Timed<T>, rest: Duration) {
    if !held.life.is_zero() && !rest.is_zero() {
        held.renewed(rest);
    }
}

fn due_if_dead(keeper: &mut Keeper, item: Item, error: &AskError) {
    if matches!(error.kind(), Some(Kind::TokenDead | Kind::LeaseGone)) {
        keeper.schedule.set(item, Instant::now());
    }
}
