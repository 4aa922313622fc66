//! What is done about one held thing when it is due.
//!
//! Renew while the server prolongs it, ask anew when it does not, and never read a failed renewal as a reason for a new
//! credential while the old one lives. What is replaced is noted as superseded; the keeper ends it after the action.

use std::time::{Duration, SystemTime};

use rand::Rng;
use tokio::time::Instant;

use super::{
    asker::{AskError, Asker},
    holdings::{Answer, Timed},
    keeper::{Item, Keeper},
    plan::CertificatePlan,
};
use crate::{
    domain::{RelPath, Session, TaskEvent},
    lease::{self, Schedule},
    pki::IssuedCertificate,
    template::Dependency,
    vault::Kind,
};

/// Answers that must agree before a missing secret is believed to be gone (a standby may lag).
const GONE_ANSWERS: u32 = 3;
/// Wait between two of them: three answers span more than 30 s.
const GONE_PAUSE: Duration = Duration::from_secs(16);
/// Longest wait before something without a sooner deadline is asked for again after a refusal.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// How often something has failed in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    count: u32,
    told: bool,
}

/// Refreshes `item`. Returns whether something changed that the files may show.
pub(super) async fn refresh(keeper: &mut Keeper, item: &Item) -> bool {
    let outcome = match item {
        Item::Session => session(keeper).await,
        Item::Answer(dependency) => answer(keeper, dependency).await,
        Item::Certificate(name) => certificate(keeper, name).await,
        Item::Generations => Ok(false),
        Item::Publish => Ok(true),
    };
    match outcome {
        Ok(changed) => {
            succeeded(keeper, item);
            changed
        }
        Err(error) => {
            failed(keeper, item, &error);
            false
        }
    }
}

/// Renews the login, or logs in anew when it is dead or near its end.
async fn session(keeper: &mut Keeper) -> Result<bool, AskError> {
    let Some(held) = keeper.holdings.session.clone() else { return Ok(false) };
    if !held.value.renewable {
        return log_in_anew(keeper).await;
    }
    match keeper.asker.renew_session(&held.value).await {
        Ok(granted) => {
            let rest = held.rest(SystemTime::now());
            if lease::needs_replacement(held.first, granted, granted.max(rest)) {
                return log_in_anew(keeper).await;
            }
            if let Some(session) = &mut keeper.holdings.session {
                session.renewed(granted);
                schedule_session(&mut keeper.schedule, session, SystemTime::now());
            }
            Ok(false)
        }
        Err(error) if matches!(error.kind(), Some(Kind::TokenDead | Kind::NotRenewable)) => log_in_anew(keeper).await,
        Err(error) => Err(error),
    }
}

/// Logs in, asks for everything leased under the new token, and notes the old token as superseded.
async fn log_in_anew(keeper: &mut Keeper) -> Result<bool, AskError> {
    let session = keeper.asker.login().await?;
    let leased: Vec<Dependency> = keeper
        .holdings
        .answers
        .iter()
        .filter(|(_, answer)| answer.lease.is_some())
        .map(|(dependency, _)| dependency.clone())
        .collect();
    let answers = match keeper.asker.ask_each(&session.value.token, leased).await {
        Ok(answers) => answers,
        Err(error) => {
            // The new token carries what was obtained so far; both end together.
            keeper.asker.abandon(session.value).await;
            return Err(error);
        }
    };
    schedule_session(&mut keeper.schedule, &session, SystemTime::now());
    if let Some(old) = keeper.holdings.session.replace(session) {
        keeper.holdings.superseded.tokens.push((old.value.accessor, old.value.token));
    }
    for (dependency, answer) in answers {
        schedule_answer(&mut keeper.schedule, &keeper.asker, &dependency, &answer);
        keeper.holdings.answers.insert(dependency, answer);
    }
    keeper.save();
    Ok(true)
}

/// Renews a lease, or asks again.
async fn answer(keeper: &mut Keeper, dependency: &Dependency) -> Result<bool, AskError> {
    let Some(held) = keeper.holdings.answers.get(dependency).cloned() else { return Ok(false) };
    let Some(lease) = &held.lease else { return ask_again(keeper, dependency, &held).await };
    if !lease.value.renewable {
        return ask_again(keeper, dependency, &held).await;
    }
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    match keeper.asker.renew_lease(&token, &lease.value.id).await {
        Ok(granted) if lease::needs_replacement(lease.first, granted, granted) => {
            ask_again(keeper, dependency, &held).await
        }
        Ok(granted) => {
            if let Some(lease) = keeper.holdings.answers.get_mut(dependency).and_then(|answer| answer.lease.as_mut()) {
                lease.renewed(granted);
            }
            if let Some(answer) = keeper.holdings.answers.get(dependency) {
                schedule_answer(&mut keeper.schedule, &keeper.asker, dependency, answer);
            }
            Ok(false)
        }
        Err(error) if matches!(error.kind(), Some(Kind::LeaseGone | Kind::NotFound | Kind::NotRenewable)) => {
            ask_again(keeper, dependency, &held).await
        }
        Err(error) => token_is_dead(keeper, error),
    }
}

/// Asks for the same thing once more; a leased one is a new credential, an unleased one may be unchanged.
async fn ask_again(keeper: &mut Keeper, dependency: &Dependency, held: &Answer) -> Result<bool, AskError> {
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    let is_static = held.lease.is_none() && held.expiration().is_none() && !dependency.is_write();
    let asked = match is_static {
        true => keeper.asker.look(&token, dependency).await,
        false => keeper.asker.ask(&token, dependency).await,
    };
    let fresh = match asked {
        Ok(fresh) => fresh,
        Err(error) => return token_is_dead(keeper, error),
    };
    schedule_answer(&mut keeper.schedule, &keeper.asker, dependency, &fresh);
    if let Some(lease) = &held.lease {
        keeper.holdings.superseded.leases.push(lease.value.id.clone());
    }
    let changed = fresh.value["data"] != held.value["data"];
    keeper.holdings.answers.insert(dependency.clone(), fresh);
    Ok(changed)
}

/// Has the login looked after first when its token has died; the failed thing is tried again afterwards.
fn token_is_dead(keeper: &mut Keeper, error: AskError) -> Result<bool, AskError> {
    if error.kind() == Some(Kind::TokenDead) {
        keeper.schedule.set(Item::Session, Instant::now());
    }
    Err(error)
}

/// Has a new certificate issued for a new key.
async fn certificate(keeper: &mut Keeper, name: &RelPath) -> Result<bool, AskError> {
    let Some(plan) = find_certificate(&keeper.asker, name) else { return Ok(false) };
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    let issued = match keeper.asker.issue(&token, &plan).await {
        Ok(issued) => issued,
        Err(error) => return token_is_dead(keeper, error),
    };
    schedule_certificate(&mut keeper.schedule, name, &issued, SystemTime::now());
    keeper.holdings.certificates.insert(name.clone(), issued);
    Ok(true)
}

fn find_certificate(asker: &Asker, name: &RelPath) -> Option<CertificatePlan> {
    asker.plan.certificates.iter().find(|plan| plan.request.name == *name).cloned()
}

fn succeeded(keeper: &mut Keeper, item: &Item) {
    if keeper.failures.remove(item).is_some_and(|failure| failure.told) {
        keeper
            .asker
            .parts
            .tell(TaskEvent::new(&keeper.asker.plan.meta, format!("{} is fresh again", keeper.asker.describe(item))));
    }
}

/// Schedules the next try, and says so once per trouble.
fn failed(keeper: &mut Keeper, item: &Item, error: &AskError) {
    let failure = keeper.failures.entry(item.clone()).or_default();
    failure.count = failure.count.saturating_add(1);
    let gone = matches!(error.kind(), Some(Kind::Deleted | Kind::NotFound));
    let pause = match error.kind() {
        Some(_) if gone => GONE_PAUSE,
        Some(kind) if error.is_transient() || kind == Kind::TokenDead => {
            lease::backoff(failure.count, fraction()).max(error.retry_after())
        }
        _ => REFUSED_PAUSE.mul_f64(0.5 + fraction() / 2.0),
    };
    keeper.schedule.set(item.clone(), Instant::now() + pause);
    let patience = match error.kind() {
        Some(_) if gone => GONE_ANSWERS,
        // The login is looked after next, and most often that mends it.
        Some(Kind::TokenDead) => 2,
        _ => 1,
    };
    let loud = !failure.told && failure.count >= patience;
    let what = keeper.asker.describe(item);
    tracing::warn!(task_id = %keeper.asker.plan.meta.id, item = %what, tries = failure.count, %error, "Refreshing failed; what is held stays");
    if loud {
        failure.told = true;
        let text = format!("{what} could not be refreshed, what is held stays: {error}");
        keeper.asker.parts.tell(TaskEvent::new(&keeper.asker.plan.meta, text));
    }
}

/// Plans the renewal of a login that may have been granted by an earlier process.
pub(super) fn schedule_session(schedule: &mut Schedule<Item>, session: &Timed<Session>, now: SystemTime) {
    if session.life > Duration::ZERO {
        let rest = session.rest(now);
        schedule.set(Item::Session, Instant::now() + lease::renew_after(rest, fraction()));
    }
}

/// Plans the renewal of a lease, or the next look at an answer that has none.
pub(super) fn schedule_answer(schedule: &mut Schedule<Item>, asker: &Asker, dependency: &Dependency, answer: &Answer) {
    let now = SystemTime::now();
    let after = match (&answer.lease, answer.expiration()) {
        (Some(lease), _) => lease::renew_after(lease.rest(now), fraction()),
        (None, Some(end)) => lease::certificate_due(answer.read_at, end, now, fraction()),
        (None, None) if dependency.is_write() => return,
        (None, None) => lease::poll_after(asker.parts.settings.refresh.kv_poll, fraction()),
    };
    schedule.set(Item::Answer(dependency.clone()), Instant::now() + after);
}

/// Plans the re-issue of a certificate from its own dates.
pub(super) fn schedule_certificate(
    schedule: &mut Schedule<Item>,
    name: &RelPath,
    certificate: &IssuedCertificate,
    now: SystemTime,
) {
    let after = lease::certificate_due(certificate.not_before, certificate.not_after, now, fraction());
    schedule.set(Item::Certificate(name.clone()), Instant::now() + after);
}

fn fraction() -> f64 {
    rand::rng().random()
}
