//! Gets everything a start needs from the server, trying again while its time lasts.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::Rng;
use tokio::{sync::Mutex, time::Instant};

use super::{
    Class, DriverError,
    asker::{AskError, Asker},
    authorities,
    files::{self, Outcome, Rendered},
    holdings::{Answer, Holdings},
    plan::CertificatePlan,
};
use crate::{
    domain::{RelPath, SecretString, fail_point},
    lease,
    pki::{self, IssuedCertificate},
    template::Dependency,
};

/// Most rounds of rendering and fetching: a template that asks for ever more is refused.
pub(super) const PASSES: usize = 16;

/// Longest wait between two tries of a start that somebody waits for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Logs in, fetches and renders. What is obtained is put into `held` at once, so that a failure can give it back;
/// `record_session` runs the moment the token is there.
///
/// # Errors
/// Names what was asked for and what the server said, after the start's time for secrets has passed or at once where
/// trying again cannot help.
pub(super) async fn acquire(
    asker: &Asker,
    held: &Arc<Mutex<Holdings>>,
    record_session: &(dyn Fn(&Holdings) -> Result<(), DriverError> + Send + Sync),
) -> Result<Rendered, DriverError> {
    let deadline = Instant::now() + asker.parts.settings.refresh.secrets_timeout;
    let session = until(asker, deadline, || asker.login()).await?;
    let token = session.value.token.clone();
    {
        let mut held = held.lock().await;
        held.session = Some(session);
        held.revocable = asker.plan.revocable();
        if asker.plan.certificates.iter().any(CertificatePlan::writes_stores) {
            held.store_password.get_or_insert_with(pki::store_password);
        }
        record_session(&held)?;
    }
    fail_point("logged-in");

    let reads = fetch(asker, &token, first_wanted(asker)?, deadline);
    let issued = issue(asker, &token, deadline);
    let (answers, certificates, trust) = tokio::join!(reads, issued, authorities::learn_all(asker, &token));
    {
        let mut held = held.lock().await;
        held.answers.extend(answers?);
        held.certificates.extend(certificates?);
        held.trust.extend(trust);
    }
    fail_point("fetched");
    render(asker, held, deadline).await
}

/// Returns what the outputs want before anything is known: not what stands in branches that may never run, since asking for
/// that would make credentials that nobody uses.
fn first_wanted(asker: &Asker) -> Result<BTreeSet<Dependency>, DriverError> {
    match files::render(&asker.plan, &Holdings::default())? {
        Outcome::Missing(wanted) => Ok(wanted),
        Outcome::Whole(_) => Ok(BTreeSet::new()),
    }
}

/// Fetches answers side by side. Each is tried again by itself: repeating them all would make credentials twice.
async fn fetch(
    asker: &Asker,
    token: &SecretString,
    wanted: BTreeSet<Dependency>,
    deadline: Instant,
) -> Result<Vec<(Dependency, Answer)>, DriverError> {
    let asked = wanted.into_iter().map(|dependency| async move {
        let answer = until(asker, deadline, || asker.ask_first(token, &dependency)).await?;
        Ok((dependency, answer))
    });
    join_all(asked).await.into_iter().collect()
}

/// Has all certificates issued side by side.
async fn issue(
    asker: &Asker,
    token: &SecretString,
    deadline: Instant,
) -> Result<Vec<(RelPath, IssuedCertificate)>, DriverError> {
    let issued = asker.plan.certificates.iter().map(|plan| async move {
        let issued = until(asker, deadline, || asker.issue_first(token, plan)).await?;
        Ok((plan.request.name.clone(), issued))
    });
    join_all(issued).await.into_iter().collect()
}

/// Renders until nothing is missing; each round may find what the one before made known.
async fn render(asker: &Asker, held: &Arc<Mutex<Holdings>>, deadline: Instant) -> Result<Rendered, DriverError> {
    let mut held = held.lock().await;
    let token = asker.token(&held)?;
    for _ in 0..PASSES {
        match files::render(&asker.plan, &held)? {
            Outcome::Whole(rendered) => return Ok(rendered),
            Outcome::Missing(wanted) => {
                let answers = fetch(asker, &token, wanted, deadline).await?;
                held.answers.extend(answers);
            }
        }
    }
    Err(endless())
}

/// The error for a template that never has enough.
pub(super) fn endless() -> DriverError {
    DriverError::new(
        Class::TemplateLimit,
        format!(
            "templates still asked for more secrets after {PASSES} rounds; fetch fewer things that depend on one another"
        ),
    )
}

/// Tries until it succeeds, cannot succeed, or `deadline` passes.
pub(super) async fn until<T, F, Fut>(asker: &Asker, deadline: Instant, mut attempt: F) -> Result<T, DriverError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AskError>>,
{
    let (mut tries, mut earlier) = (0, None);
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        tries += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let pause = pause(tries, error.retry_after(), left, rand::rng().random());
        let error = error.after(earlier.take());
        let Some(pause) = pause.filter(|_| error.may_pass()) else { return Err(error.into()) };
        tracing::warn!(task_id = %asker.plan.meta.id, %error, tries, "Asking again");
        asker.tell_waiting(&error, pause);
        tokio::time::sleep(pause).await;
        earlier = Some(error);
    }
}

/// Returns how long to wait before the try that follows `tries` failed ones, with `left` of the start's time; nothing when
/// that is over, or the server wants to be left alone (`asked`) for longer. The last try comes when the time ends, not
/// a whole back-off before.
fn pause(tries: u32, asked: Duration, left: Duration, fraction: f64) -> Option<Duration> {
    let worthwhile = !left.is_zero() && asked < left;
    worthwhile.then(|| lease::backoff(tries, fraction).max(asked).min(LONGEST_PAUSE).min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_start_uses_all_of_its_time() {
        assert_eq!(pause(1, Duration::ZERO, millis(700), 1.0), Some(millis(700)), "the back-off would be 2 s");
        assert_eq!(pause(9, millis(6000), millis(60_000), 1.0), Some(LONGEST_PAUSE));
        assert_eq!(pause(1, millis(39), millis(700), 0.0), Some(millis(100)));
        assert_eq!(pause(1, millis(300), millis(700), 0.0), Some(millis(300)), "what the server asked for");
    }

    #[test]
    fn a_start_whose_time_is_over_or_too_short_gives_up() {
        assert_eq!(pause(1, Duration::ZERO, Duration::ZERO, 0.5), None);
        assert_eq!(pause(1, millis(700), millis(700), 0.5), None);
    }
}
