//! What is done about one held thing when it is due.
//!
//! Renew while the server prolongs it, ask anew when it does not, and never read a failed renewal as a reason for a new
//! credential while the old one lives. What is replaced is noted as superseded; the keeper ends it after the action.

use std::time::{Duration, SystemTime};

use rand::Rng;
use tokio::time::Instant;

use super::{
    asker::{AskError, Asker},
    authorities,
    holdings::{Answer, Revocable},
    keeper::{Item, Keeper},
    loss,
    outage::Ending,
    plan::CertificatePlan,
    resume,
    turns::Turn,
};
use crate::{
    domain::{Loss, RelPath},
    lease,
    template::Dependency,
    vault::Kind,
};

/// Answers that must agree before a missing secret is believed to be gone (a standby may lag).
const GONE_ANSWERS: u32 = 3;
/// Wait between two of them: three answers span more than 30 s.
const GONE_PAUSE: Duration = Duration::from_secs(16);
/// Longest wait before something without a sooner deadline is asked for again after a refusal.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Longest wait before a server that is away is asked again for the same; turns keep the node's tasks apart.
const SILENCE_PAUSE: Duration = Duration::from_secs(5);

/// How often something has failed in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    count: u32,
    told: bool,
    silent: bool,
    loss: Option<Loss>,
    agreeing: u32,
}

impl Failure {
    /// Says whether the server did not answer the last time.
    pub(super) fn is_silence(&self) -> bool {
        self.silent
    }

    /// Says whether so many answers in a row say that it is lost that it is to be believed.
    pub(super) fn is_loss(&self) -> bool {
        self.agreeing >= GONE_ANSWERS
    }

    /// Notes that the task's history has it.
    pub(super) fn told(&mut self) {
        self.told = true;
    }

    fn count(&mut self, error: &AskError) {
        self.count = self.count.saturating_add(1);
        self.silent = error.is_silence();
        let loss = error.loss();
        let before = if loss == self.loss { self.agreeing } else { 0 };
        (self.loss, self.agreeing) = (loss, if loss.is_some() { before.saturating_add(1) } else { 0 });
    }
}

/// Refreshes `item` and ends the turn. Returns whether something changed that the files may show.
pub(super) async fn refresh(keeper: &mut Keeper, item: &Item, turn: Turn) -> bool {
    let outcome = match item {
        Item::Session => session(keeper).await,
        Item::Answer(dependency) => answer(keeper, dependency).await,
        Item::Authorities(mount) => authorities::look(keeper, mount).await,
        Item::Certificate(name) => certificate(keeper, name).await,
        Item::Rest(item) => resume::learn(keeper, item).await.map(|()| false),
        Item::Ending(_) | Item::Generations | Item::Publish => Ok(false),
        Item::Retired => keeper.end_retired().await.map(|()| false),
    };
    match outcome {
        Ok(changed) => {
            turn.answered();
            keeper.demands.tried(item, None);
            succeeded(keeper, item) | changed
        }
        Err(error) => {
            match error.is_silence() {
                true => turn.silent(error.retry_after(), &error),
                false => turn.answered(),
            }
            failed(keeper, item, &error);
            keeper.demands.tried(item, Some(&error));
            loss::notice(keeper, item, &error).await
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
                keeper.agenda.session(session);
            }
            Ok(false)
        }
        Err(error) if matches!(error.kind(), Some(Kind::TokenDead | Kind::NotRenewable)) => log_in_anew(keeper).await,
        Err(error) => Err(error),
    }
}

/// Logs in, asks for everything leased under the new token, and notes the old token as superseded.
pub(super) async fn log_in_anew(keeper: &mut Keeper) -> Result<bool, AskError> {
    let session = keeper.asker.login().await?;
    // Until all is there the new token is one that nobody needs: a process that takes over from here would revoke it.
    keeper.holdings.superseded.tokens.push((session.value.accessor.clone(), session.value.token.clone()));
    keeper.save();
    let asked = keeper.asker.ask_each(&session.value.token, keeper.leased()).await;
    keeper.holdings.superseded.tokens.retain(|(_, token)| *token != session.value.token);
    let answers = match asked {
        Ok(answers) => answers,
        Err(error) => {
            // The new token carries what was obtained so far; both end together.
            keeper.asker.abandon(session.value).await;
            return Err(error);
        }
    };
    keeper.agenda.session(&session);
    if let Some(old) = keeper.holdings.session.replace(session) {
        keeper.holdings.superseded.tokens.push((old.value.accessor, old.value.token));
    }
    for (dependency, answer) in answers {
        let item = Item::Answer(dependency.clone());
        succeeded(keeper, &item);
        keeper.hold(dependency, answer);
        // It is as new as anybody who waits in the queue for it could wish.
        keeper.queue.retain(|waiting| *waiting != item);
        keeper.demands.tried(&item, None);
    }
    keeper.save();
    Ok(true)
}

/// Renews a lease, or asks again.
async fn answer(keeper: &mut Keeper, dependency: &Dependency) -> Result<bool, AskError> {
    let Some(held) = keeper.holdings.answers.get(dependency).cloned() else { return Ok(false) };
    if keeper.holdings.demanded.answers.contains(dependency) {
        return demanded(keeper, dependency, &held).await;
    }
    let Some(lease) = &held.lease else { return ask_again(keeper, dependency, &held).await };
    if !lease.value.renewable {
        return ask_again(keeper, dependency, &held).await;
    }
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    match keeper.asker.renew(&token, &lease.value.id, &held).await {
        Ok(granted) if lease::needs_replacement(lease.first, granted, granted) => {
            ask_again(keeper, dependency, &held).await
        }
        Ok(granted) => {
            prolong(keeper, dependency, granted);
            Ok(false)
        }
        Err(error) if matches!(error.kind(), Some(Kind::LeaseGone | Kind::NotFound | Kind::NotRenewable)) => {
            ask_again(keeper, dependency, &held).await
        }
        Err(error) => token_is_dead(keeper, error),
    }
}

/// Notes that the lease of an answer was renewed.
fn prolong(keeper: &mut Keeper, dependency: &Dependency, granted: Duration) {
    let Some(answer) = keeper.holdings.answers.get_mut(dependency) else { return };
    if let Some(lease) = &mut answer.lease {
        lease.renewed(granted);
    }
    keeper.agenda.answer(dependency, answer);
}

/// Asks anew for what is still good, because somebody wants that. While it fails, what is held is kept alive.
async fn demanded(keeper: &mut Keeper, dependency: &Dependency, held: &Answer) -> Result<bool, AskError> {
    let error = match ask_again(keeper, dependency, held).await {
        Ok(changed) => return Ok(changed),
        Err(error) => error,
    };
    if let Some(lease) = held.lease.as_ref().filter(|lease| lease.value.renewable && !error.is_silence()) {
        let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
        if let Ok(granted) = keeper.asker.renew(&token, &lease.value.id, held).await {
            prolong(keeper, dependency, granted);
        }
    }
    Err(error)
}

/// Asks for the same thing once more; a leased one is a new credential, an unleased one may be unchanged.
async fn ask_again(keeper: &mut Keeper, dependency: &Dependency, held: &Answer) -> Result<bool, AskError> {
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    let is_static =
        held.lease.is_none() && held.lost.is_none() && held.expiration().is_none() && !dependency.is_write();
    let asked = match is_static {
        // What another task was answered a moment ago may be older than the wish.
        true if keeper.demands.waits_for(&Item::Answer(dependency.clone())) => {
            keeper.asker.look_alone(&token, dependency).await
        }
        true => keeper.asker.look(&token, dependency).await,
        false => keeper.asker.ask(&token, dependency).await,
    };
    let fresh = match asked {
        Ok(fresh) => fresh,
        Err(error) if error.is_loss() && held.is_absent() => {
            keeper.holdings.demanded.answers.remove(dependency);
            keeper.agenda.answer(dependency, held);
            return Ok(false);
        }
        Err(error) => return token_is_dead(keeper, error),
    };
    keeper.holdings.superseded.add(held);
    let changed = fresh.value["data"] != held.value["data"] || held.lost.is_some();
    keeper.hold(dependency.clone(), fresh);
    Ok(changed)
}

/// Has the login looked after first when its token has died; the failed thing is tried again afterwards.
fn token_is_dead(keeper: &mut Keeper, error: AskError) -> Result<bool, AskError> {
    if error.kind() == Some(Kind::TokenDead) {
        keeper.agenda.set(Item::Session, Instant::now());
    }
    Err(error)
}

/// Has a new certificate issued for a new key.
async fn certificate(keeper: &mut Keeper, name: &RelPath) -> Result<bool, AskError> {
    let Some(plan) = find_certificate(&keeper.asker, name) else { return Ok(false) };
    let (roots_changed, wait) = authorities::wait_before(keeper, &plan.mount, name).await;
    if let Some(wait) = wait {
        keeper.agenda.set_in(Item::Certificate(name.clone()), wait);
        if keeper.holdings.demanded.certificates.contains(name) {
            let text =
                format!("Certificate {name} is replaced in {}s, when its new root is known to all", wait.as_secs());
            keeper.asker.tell(text);
        }
        return Ok(roots_changed);
    }
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    let issued = match keeper.asker.issue(&token, &plan).await {
        Ok(issued) => issued,
        Err(error) => return token_is_dead(keeper, error),
    };
    keeper.agenda.certificate(name, &issued);
    keeper.holdings.demanded.certificates.remove(name);
    if let Some(replaced) = keeper.holdings.certificates.insert(name.clone(), issued) {
        keeper.holdings.trust.entry(plan.mount.clone()).or_default().keep(&replaced);
        if keeper.holdings.revocable.contains_key(name) {
            let revocable = Revocable { mount: plan.mount, certificate: replaced };
            keeper.holdings.superseded.certificates.push(revocable);
        }
    }
    Ok(true)
}

fn find_certificate(asker: &Asker, name: &RelPath) -> Option<CertificatePlan> {
    asker.plan.certificates.iter().find(|plan| plan.request.name == *name).cloned()
}

/// Forgets the trouble with `item`. Returns whether files come back that had gone with it.
fn succeeded(keeper: &mut Keeper, item: &Item) -> bool {
    let failed = keeper.failures.remove(item).is_some_and(|failure| failure.told);
    let ended = keeper.endings.remove(item).is_some_and(Ending::has_ended);
    if failed || ended {
        keeper.asker.tell(format!("{} is fresh again", keeper.asker.describe(item)));
    }
    keeper.holdings.lapsed.remove(item)
}

/// Plans the next try, and says so once per trouble; an absent server is told of for all together.
fn failed(keeper: &mut Keeper, item: &Item, error: &AskError) {
    let failure = keeper.failures.entry(item.clone()).or_default();
    failure.count(error);
    let (mut pause, patience) = pause(failure.count, error);
    if error.loss().is_some() && matches!(item, Item::Answer(_)) {
        let poll = keeper.asker.parts.settings.refresh.kv_poll;
        pause = if failure.is_loss() { poll } else { GONE_PAUSE.min(poll) };
    }
    // What is wanted anew is renewed by its tries.
    if let (true, Some(end)) = (keeper.holdings.demanded.contains(item), keeper.agenda.end_of(item)) {
        pause = pause.min(end.life / 2);
    }
    // What is lost has an event of its own, once that is certain.
    let is_loss = error.loss().is_some() && matches!(item, Item::Answer(_));
    let is_loud = !failure.told && failure.count >= patience && is_credential(item) && !is_loss;
    failure.told |= is_loud;
    keeper.agenda.set_in(item.clone(), pause);
    let (what, tries) = (keeper.asker.describe(item), keeper.failures.get(item).map_or(0, |failure| failure.count));
    tracing::warn!(task_id = %keeper.asker.plan.meta.id, item = %what, tries, %error, "Refreshing failed; what is held stays");
    if is_loud {
        keeper.asker.tell(format!("{what} could not be refreshed, what is held stays: {error}"));
    }
}

/// Returns how long to wait after `tries` failures, and how many of this kind are borne in silence.
fn pause(tries: u32, error: &AskError) -> (Duration, u32) {
    match error.kind() {
        Some(Kind::Deleted | Kind::NotFound) => (GONE_PAUSE, u32::MAX),
        Some(_) if error.is_silence() => {
            (lease::backoff(tries, fraction()).min(SILENCE_PAUSE).max(error.retry_after()), u32::MAX)
        }
        // The login is looked after next, and most often that mends it.
        Some(Kind::TokenDead) => (lease::backoff(tries, fraction()), 2),
        Some(_) if error.is_transient() => (lease::backoff(tries, fraction()).max(error.retry_after()), 1),
        _ => (REFUSED_PAUSE.mul_f64(0.5 + fraction() / 2.0), 1),
    }
}

fn is_credential(item: &Item) -> bool {
    matches!(item, Item::Answer(_) | Item::Certificate(_) | Item::Session)
}

fn fraction() -> f64 {
    rand::rng().random()
}
