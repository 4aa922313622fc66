//! Gets everything a start needs from the server, trying again while its time lasts.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::Rng;
use tokio::{sync::Mutex, time::Instant};

use super::{
    Class, DriverError,
    asker::{AskError, Asker},
    files::{self, Outcome, Rendered},
    holdings::{Answer, Holdings},
};
use crate::{
    domain::{RelPath, SecretString, fail_point},
    lease,
    pki::IssuedCertificate,
    template::Dependency,
};

/// Most rounds of rendering and fetching: a template that asks for ever more is refused.
pub(super) const PASSES: usize = 16;

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
    let session = until(deadline, || asker.login()).await?;
    let token = session.value.token.clone();
    {
        let mut held = held.lock().await;
        held.session = Some(session);
        record_session(&held)?;
    }
    fail_point("logged-in");

    let reads = fetch(asker, &token, first_wanted(asker)?, deadline);
    let (answers, certificates) = tokio::join!(reads, issue(asker, &token, deadline));
    {
        let mut held = held.lock().await;
        held.answers.extend(answers?);
        held.certificates.extend(certificates?);
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
        let answer = until(deadline, || asker.ask(token, &dependency)).await?;
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
        let issued = until(deadline, || asker.issue(token, plan)).await?;
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
async fn until<T, F, Fut>(deadline: Instant, mut attempt: F) -> Result<T, DriverError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AskError>>,
{
    let mut tries = 0;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        tries += 1;
        let pause = lease::backoff(tries, rand::rng().random()).max(error.retry_after()).min(Duration::from_secs(5));
        if !error.may_pass() || Instant::now() + pause > deadline {
            return Err(error.into());
        }
        tracing::warn!(%error, tries, "Asking again");
        tokio::time::sleep(pause).await;
    }
}
