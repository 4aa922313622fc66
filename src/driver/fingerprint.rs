//! Tells the orchestrator whether tasks can be started here, and what the node offers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{AttributeValue, DriverError, Fingerprint, Health, parts::Parts, service::SUPERSEDED};
use crate::{container::EngineInfo, vault::Health as VaultHealth};

/// How often the engine is looked at: its going and coming is seen within ten seconds.
const LOOK: Duration = Duration::from_secs(5);
/// Longest wait for an answer before the engine counts as away.
const PATIENCE: Duration = Duration::from_secs(4);
/// A fingerprint that has not changed is repeated after so many looks.
const REPEAT: u32 = 6;

/// What one look needs to remember for the next.
struct Looker {
    parts: Arc<Parts>,
    engine_seen: bool,
    last: Option<Fingerprint>,
    looks: u32,
}

/// Returns a stream that begins at once, goes on with changes, and never ends.
pub(super) fn stream(parts: Arc<Parts>) -> BoxStream<'static, Fingerprint> {
    let looker = Looker { parts, engine_seen: false, last: None, looks: 0 };
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
                tokio::time::sleep(LOOK).await;
            }
            self.looks += 1;
            let print = self.look().await;
            if self.last.as_ref() != Some(&print) || self.looks >= REPEAT {
                self.looks = 0;
                self.last = Some(print.clone());
                return print;
            }
        }
    }

    async fn look(&mut self) -> Fingerprint {
        let (engine, vault) = tokio::join!(tokio::time::timeout(PATIENCE, self.parts.engine.info()), self.vault());
        let mut attributes = BTreeMap::new();
        attributes
            .insert("driver.strongbox.version".to_owned(), AttributeValue::Text(env!("CARGO_PKG_VERSION").to_owned()));
        attributes.insert("driver.strongbox.vault".to_owned(), AttributeValue::Text(vault.to_owned()));
        let why = match engine {
            Ok(Ok(info)) => {
                self.engine_seen = true;
                describe_engine(&mut attributes, &info);
                return self.judge(attributes);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        tracing::debug!(why, "The engine was not reached");
        let socket = self.parts.settings.container.socket.display();
        let description = format!("container engine at {socket} cannot be reached; start it or set engine.socket");
        let health = if self.engine_seen { Health::Unhealthy } else { Health::Undetected };
        Fingerprint { health, description, attributes }
    }

    /// The engine is there; is the rest?
    fn judge(&self, attributes: BTreeMap<String, AttributeValue>) -> Fingerprint {
        if self.parts.journal.is_superseded() {
            return Fingerprint { health: Health::Unhealthy, description: SUPERSEDED.to_owned(), attributes };
        }
        if self.parts.vault.is_none() {
            let description = "no vault address; add a vault block to the plugin's configuration".to_owned();
            return Fingerprint { health: Health::Unhealthy, description, attributes };
        }
        Fingerprint { health: Health::Healthy, description: "Healthy".to_owned(), attributes }
    }

    /// Says in one stable word how the secrets server is. Its trouble does not make the driver unhealthy: running tasks
    /// go on, and a start that meets it is tried again by the job's own policy.
    async fn vault(&self) -> &'static str {
        let Some(vault) = &self.parts.vault else { return "none" };
        match tokio::time::timeout(PATIENCE, vault.health()).await {
            Ok(Ok(VaultHealth { initialized: false, .. })) => "uninitialized",
            Ok(Ok(VaultHealth { sealed: true, .. })) => "sealed",
            Ok(Ok(_)) => "reachable",
            Ok(Err(_)) | Err(_) => "unreachable",
        }
    }
}

fn describe_engine(attributes: &mut BTreeMap<String, AttributeValue>, info: &EngineInfo) {
    let text = |value: &str| AttributeValue::Text(value.to_owned());
    let pairs = [
        ("engine", text(&info.version)),
        ("engine.api", text(&info.api_version)),
        ("cgroup", text(&info.cgroup_version)),
        ("cgroup_driver", text(&info.cgroup_driver)),
        ("storage", text(&info.storage_driver)),
        ("runtimes", text(&info.runtimes.join(","))),
        ("security", text(&info.security_options.join(","))),
        ("live_restore", AttributeValue::Flag(info.live_restore)),
    ];
    attributes.extend(pairs.map(|(name, value)| (format!("driver.strongbox.{name}"), value)));
}
