//! Whether a task that is taken over still has the network that it was started in.

use std::time::Duration;

use super::{Namespace, join::gone, namespace_of};
use crate::{
    container::{ContainerId, ContainerState},
    domain::TaskMeta,
    driver::{DriverError, parts::Parts},
};

/// An agent takes its tasks up one after the other and waits for each; an engine that is away is not waited for …
const PATIENCE: Duration = Duration::from_secs(2);
/// … and one that was silent is not asked for the next tasks either.
const SPARED: Duration = Duration::from_secs(60);

/// Looks whether the task's namespace is the one it was started in and still has its interfaces.
///
/// An engine that is away, a task that has ended, and a namespace that cannot be seen say nothing, and the task is taken up.
///
/// # Errors
/// The task runs without its network. An agent then ends it, has the network made anew and starts it again.
pub(in crate::driver) async fn check(
    parts: &Parts,
    meta: &TaskMeta,
    container: &ContainerId,
    was: &Namespace,
) -> Result<(), DriverError> {
    if parts.engine_silent_since().is_some_and(|since| since.elapsed() < SPARED) {
        return Ok(());
    }
    let asked = tokio::time::timeout(PATIENCE, parts.engine.inspect(container)).await;
    if asked.is_err() {
        parts.note_silent_engine();
    }
    let Ok(Ok(Some(state))) = asked else { return Ok(()) };
    let Some(is) = Some(state).filter(ContainerState::alive).as_ref().and_then(namespace_of) else { return Ok(()) };
    match is.lost(was) {
        None => Ok(()),
        Some(lost) => Err(gone(&meta.alloc_id, &format!("task {} runs without it: {lost}", meta.name))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        container::{Fault, MemoryEngine, Op, fixture},
        driver::Settings,
        journal::Journal,
    };

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_hangs_is_asked_once_for_many_tasks() {
        let (engine, folder) = (MemoryEngine::default(), tempfile::tempdir().expect("a folder"));
        let mut settings = Settings::default();
        settings.journal.state_dir = folder.path().to_owned();
        let journal = Journal::open(&settings.journal).expect("a journal");
        let parts = Parts::new(settings, Arc::new(engine.clone()), None, journal).expect("parts");
        engine.fail_always(Op::Inspect, Fault::Hang);
        let meta = fixture::meta("a/web/1");
        let (container, here) =
            ("abc".parse().expect("an id"), Namespace::of(std::process::id()).expect("this process"));
        for _ in 0..8 {
            check(&parts, &meta, &container, &here).await.expect("an engine that is silent says nothing");
        }
        assert_eq!(engine.calls(Op::Inspect), 1);
    }
}
