//! Tells the orchestrator whether tasks can be started here, and what the node offers.
//!
//! ```text
//!   every 3 s: ping ── answers ──▶ known already? ── no, or 30 s old ──▶ ask for everything ──▶ fit? ──▶ healthy
//!                │                                                                            └─▶ unhealthy: what to change
//!                ├─ refused ──▶ undetected before it was ever seen, unhealthy after: what to start
//!                └─ silent for 2 s ──▶ once more at once; the second time it counts
//! ```
//!
//! So the engine's going and coming is told within ten seconds, and one slow answer costs no node its health. The words are
//! stable: a change of them is an event that people see.

mod attributes;
mod engine;
mod policy;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{AttributeValue, DriverError, Fingerprint, Health, parts::Parts, service::SUPERSEDED};
use crate::{container::EngineInfo, vault::Health as VaultHealth};

pub(super) use engine::flaw;

/// How often the engine is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How soon it is looked at again when it was silent.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for a sign of life.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many looks without an answer count.
const MISSES: u32 = 2;
/// After so many looks everything is asked and told again.
const REPEAT: u32 = 10;
/// The secrets server is asked at one look in so many.
const VAULT: u32 = 2;

/// What one look needs to remember for the next.
struct Looker {
    parts: Arc<Parts>,
    /// What the engine last said of itself, while it answers.
    engine: Option<EngineInfo>,
    engine_seen: bool,
    misses: u32,
    vault: &'static str,
    last: Option<Fingerprint>,
    looks: u32,
}

/// How the engine was found.
enum Found {
    /// It is not reached, and why.
    Away(String),
    Here(Box<EngineInfo>),
    /// No answer in time.
    Silent,
}

/// Returns a stream that begins at once, goes on with changes, and never ends.
pub(super) fn stream(parts: Arc<Parts>) -> BoxStream<'static, Fingerprint> {
    let looker = Looker { parts, engine: None, engine_seen: false, misses: 0, vault: "none", last: None, looks: 0 };
    stream::unfold(looker, |mut looker| async move {
        let print = looker.next().await;
        Some((print, looker))
    })
    .boxed()
}

/// Returns the stream of a driver that cannot work at all: one print, then silence.
pub(super) fn unusable(error: &DriverError) -> BoxStream<'static, Fingerprint> {
    let print = Fingerprint { health: Health::Unhealthy, description: error.to_string(), attributes: BTreeMap::new() };
    stream::once(async { print }).chain(stream::pending()).boxed()
}

impl Looker {
    /// Looks until there is something to tell.
    async fn next(&mut self) -> Fingerprint {
        loop {
            if self.last.is_some() {
                tokio::time::sleep(if self.misses > 0 { AGAIN } else { LOOK }).await;
            }
            let print = self.look().await;
            self.looks += 1;
            if self.last.as_ref() != Some(&print) || self.looks >= REPEAT {
                self.looks = 0;
                self.last = Some(print.clone());
                return print;
            }
        }
    }

    async fn look(&mut self) -> Fingerprint {
        let vault = async { if self.looks.is_multiple_of(VAULT) { ask_vault(&self.parts).await } else { self.vault } };
        let (found, vault) = tokio::join!(self.find(), vault);
        self.vault = vault;
        self.misses = if matches!(found, Found::Silent) { self.misses + 1 } else { 0 };
        self.told(found)
    }

    /// Looks for the engine; what it says of itself is asked when nothing is known, and now and then.
    async fn find(&self) -> Found {
        let asked = async {
            self.parts.engine.ping().await?;
            match self.engine.clone().filter(|_| self.looks > 0) {
                Some(known) => Ok(known),
                None => self.parts.engine.info().await,
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(info)) => Found::Here(Box::new(info)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "The engine was not reached");
                Found::Away(engine::away(&self.parts.settings.container.socket, &error))
            }
            Err(_) => Found::Silent,
        }
    }

    fn told(&mut self, found: Found) -> Fingerprint {
        let mut attributes = attributes::own(self.vault);
        attributes.extend(policy::attributes(&self.parts.settings.container));
        attributes.extend(policy::images(&self.parts.settings.images));
        attributes.extend(policy::delivery(&self.parts.settings.delivery));
        let away = match (found, self.engine.take()) {
            (Found::Here(info), _) => {
                self.engine = Some(*info);
                None
            }
            (Found::Silent, Some(known)) if self.misses < MISSES => {
                self.engine = Some(known);
                None
            }
            (Found::Silent, _) => Some(engine::silent(&self.parts.settings.container.socket)),
            (Found::Away(why), _) => Some(why),
        };
        self.engine_seen |= self.engine.is_some();
        attributes.extend(self.engine.iter().flat_map(attributes::engine));
        let flaw = away.or_else(|| self.engine.as_ref().and_then(flaw)).or_else(|| self.own_flaw());
        let health = match &flaw {
            None => Health::Healthy,
            Some(_) if self.engine_seen => Health::Unhealthy,
            Some(_) => Health::Undetected,
        };
        Fingerprint { health, description: flaw.unwrap_or_else(|| "Healthy".to_owned()), attributes }
    }

    /// The engine is there; is the rest?
    fn own_flaw(&self) -> Option<String> {
        if self.parts.journal.is_superseded() {
            return Some(SUPERSEDED.to_owned());
        }
        let address = || "no vault address; add a vault block to the plugin's configuration".to_owned();
        self.parts.vault.is_none().then(address).or_else(|| self.parts.node_logins().find_map(|login| login.alarm()))
    }
}

/// Says in one stable word how the secrets server is. Its trouble does not make the driver unhealthy: running tasks
/// go on, and a start that meets it is tried again by the job's own policy.
async fn ask_vault(parts: &Parts) -> &'static str {
    let Some(vault) = &parts.vault else { return "none" };
    match tokio::time::timeout(PATIENCE, vault.health()).await {
        Ok(Ok(VaultHealth { initialized: false, .. })) => "uninitialized",
        Ok(Ok(VaultHealth { sealed: true, .. })) => "sealed",
        Ok(Ok(_)) => "reachable",
        Ok(Err(_)) | Err(_) => "unreachable",
    }
}

/// Shorthand for an attribute's value.
fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::Text(value.into())
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{
        container::{Fault, MemoryEngine, Op},
        driver::Settings,
        journal::Journal,
        vault::Memory,
    };

    fn stream_over(engine: &MemoryEngine, folder: &tempfile::TempDir) -> BoxStream<'static, Fingerprint> {
        let mut settings = Settings::default();
        settings.journal.state_dir = folder.path().to_owned();
        let journal = Journal::open(&settings.journal).expect("a journal");
        let vault = Some(Arc::<Memory>::default() as Arc<dyn crate::vault::Vault>);
        stream(Arc::new(Parts::new(settings, Arc::new(engine.clone()), vault, journal).expect("parts")))
    }

    /// Returns how long it took until that health was told.
    async fn until(prints: &mut BoxStream<'static, Fingerprint>, health: Health) -> Duration {
        let begin = Instant::now();
        while prints.next().await.expect("it never ends").health != health {}
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_engines_going_and_coming_is_told_within_ten_seconds() {
        let (engine, folder) = (MemoryEngine::default(), tempfile::tempdir().expect("a folder"));
        let mut prints = stream_over(&engine, &folder);
        assert_eq!(until(&mut prints, Health::Healthy).await, Duration::ZERO, "the first comes at once");
        for fault in [Fault::Unavailable, Fault::Hang] {
            engine.fail_always(Op::Ping, fault);
            assert!(until(&mut prints, Health::Unhealthy).await <= Duration::from_secs(10), "{fault:?}");
            engine.heal();
            assert!(until(&mut prints, Health::Healthy).await <= Duration::from_secs(10), "after {fault:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_answer_costs_no_health() {
        let (engine, folder) = (MemoryEngine::default(), tempfile::tempdir().expect("a folder"));
        let mut prints = stream_over(&engine, &folder);
        until(&mut prints, Health::Healthy).await;
        engine.fail_always(Op::Ping, Fault::Hang);
        let pings = engine.calls(Op::Ping);
        let watcher = tokio::spawn(async move { prints.next().await.map(|print| print.health) });
        engine.until(|engine| engine.calls(Op::Ping) > pings + 1).await;
        engine.heal();
        assert_eq!(watcher.await.expect("joined"), Some(Health::Healthy));
    }
}
