//! A container's state and its end.
//!
//! A wait whose stream breaks says nothing about the container: it is looked at, and waited for anew while it lives.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use bollard::{
    errors::Error as Failure,
    models::{ContainerInspectResponse, ContainerState as EngineState, ContainerStateStatusEnum, NetworkSettings},
    query_parameters::WaitContainerOptions,
};
use futures_util::StreamExt;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    container::{ContainerId, ContainerState, Docker, Error, RunState, types::removed_outside},
    domain::ExitResult,
};

/// How often a container is looked at while its wait is silent: a stream can be half open for ever.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// First and longest pause between two tries to reach the engine.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How a process ends that the kernel takes away for want of memory.
const KILLED: i32 = 9;
/// How often, and after which pause each, such an end is looked at again for its reason. On a machine with nothing to
/// spare the reason has been seen to come after the end.
const REASON_LOOKS: u32 = 3;
const REASON_PAUSE: Duration = Duration::from_millis(100);

/// What one wait brought.
enum Heard {
    /// The container's process ended with this code.
    End(i32),
    /// Nothing for a whole heartbeat.
    Silence,
    /// The stream broke, or the engine is away.
    Lost,
}

impl Docker {
    /// Returns the container's end, whatever happens to the engine meanwhile.
    pub(super) async fn wait_for_end(&self, id: &ContainerId) -> ExitResult {
        let mut pause = BACK_OFF.0;
        let mut away = false;
        if !self.wants.watched(id) {
            // Looking at it begins the watch over its memory.
            self.inspect_container(id).await.ok();
        }
        loop {
            let heard = self.listen(id).await;
            match (self.inspect_container(id).await, heard) {
                (Ok(None), Heard::End(code)) => {
                    return ended(code, false, Some("container was removed outside".into()));
                }
                (Ok(None), _) => return removed_outside(),
                (Ok(Some(state)), heard) => match (state.exit, heard) {
                    (Some(exit), _) if away => return engine_was_away(exit),
                    (Some(exit), _) => return self.with_reason(id, exit).await,
                    // It was started again at once: what was heard is the end that was waited for.
                    (None, Heard::End(code)) if state.state == RunState::Running => return ended(code, false, None),
                    (None, Heard::Silence) => pause = BACK_OFF.0,
                    (None, _) => pause = rest(pause).await,
                },
                (Err(error), _) => {
                    away |= matches!(error, Error::EngineUnavailable { .. });
                    pause = rest(pause).await;
                }
            }
        }
    }

    /// The engine hears of an end and of its reason on two ways, and may hear of the end first.
    async fn with_reason(&self, id: &ContainerId, exit: ExitResult) -> ExitResult {
        for _ in 0..REASON_LOOKS {
            if exit.signal != KILLED || exit.oom_killed {
                break;
            }
            tokio::time::sleep(REASON_PAUSE).await;
            match self.inspect_container(id).await.map(|found| found.and_then(|state| state.exit)) {
                Ok(Some(later)) if later.oom_killed => return later,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        exit
    }

    async fn listen(&self, id: &ContainerId) -> Heard {
        let Ok(api) = self.api().await else { return Heard::Lost };
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        let mut answers = api.wait_container(id.as_str(), Some(options));
        match tokio::time::timeout(HEARTBEAT, answers.next()).await {
            Err(_) => Heard::Silence,
            Ok(Some(Ok(answer))) => Heard::End(clamped(answer.status_code)),
            Ok(Some(Err(Failure::DockerContainerWaitError { code, .. }))) => Heard::End(clamped(code)),
            Ok(Some(Err(_)) | None) => Heard::Lost,
        }
    }
}

/// Sleeps and returns the next pause.
async fn rest(pause: Duration) -> Duration {
    tokio::time::sleep(pause).await;
    (pause * 2).min(BACK_OFF.1)
}

fn clamped(code: i64) -> i32 {
    i32::try_from(code).unwrap_or(i32::MAX)
}

/// The engine tells a code and no signal; 128 + n is how both it and shells write that signal n ended a process.
fn ended(exit_code: i32, oom_killed: bool, message: Option<String>) -> ExitResult {
    let signal = if (129..=128 + 31).contains(&exit_code) { exit_code - 128 } else { 0 };
    ExitResult { exit_code, signal, oom_killed, message }
}

fn engine_was_away(exit: ExitResult) -> ExitResult {
    let note = "the container engine was away when it ended, and may have been restarted".to_owned();
    ExitResult { message: Some(exit.message.unwrap_or(note)), ..exit }
}

/// Reads what the engine says about a container. `starved`: the kernel was seen to kill something in it for want of
/// memory, which the engine misses when it was not the first process.
pub(super) fn state_of(id: &ContainerId, found: ContainerInspectResponse, starved: bool) -> ContainerState {
    let state = found.state.unwrap_or_default();
    let run = run_state(&state);
    let settings = found.network_settings.unwrap_or_default();
    let sandbox = settings.sandbox_key.clone().filter(|path| !path.is_empty()).map(PathBuf::from);
    let mode = found.host_config.and_then(|host| host.network_mode).unwrap_or_default();
    let Address { network, ip, ip6 } = address(settings, &mode);
    let config = found.config.unwrap_or_default();
    ContainerState {
        id: id.clone(),
        state: run,
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        exit: (run == RunState::Ended).then(|| exit_of(&state, starved)),
        started_at: moment(state.started_at.as_deref()),
        finished_at: moment(state.finished_at.as_deref()),
        ip,
        ip6,
        network,
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        image: found.image.unwrap_or_default(),
        sandbox,
        hostname: config.hostname.unwrap_or_default(),
    }
}

fn run_state(state: &EngineState) -> RunState {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => RunState::Created,
        Some(ContainerStateStatusEnum::PAUSED) => RunState::Paused,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::RESTARTING) => RunState::Running,
        _ => RunState::Ended,
    }
}

fn exit_of(state: &EngineState, starved: bool) -> ExitResult {
    let code = clamped(state.exit_code.unwrap_or_default());
    let message = state.error.clone().filter(|error| !error.is_empty()).map(|error| super::client::sentence(&error));
    ended(code, starved || state.oom_killed.unwrap_or_default(), message)
}

/// Year 1 means never.
fn moment(text: Option<&str>) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text?, &Rfc3339).ok().filter(|at| at.year() > 1)
}

/// Where a container is reached.
#[derive(Debug, Default, PartialEq)]
struct Address {
    network: Option<String>,
    ip: Option<IpAddr>,
    ip6: Option<IpAddr>,
}

/// Takes the network that the container was made in; where that has no address, the first that has one.
fn address(settings: NetworkSettings, mode: &str) -> Address {
    let read = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let mut found: Vec<Address> = settings
        .networks
        .unwrap_or_default()
        .into_iter()
        .map(|(name, network)| Address {
            ip: read(network.ip_address),
            ip6: read(network.global_ipv6_address),
            network: Some(name),
        })
        .collect();
    let first = if mode == "default" { "bridge" } else { mode };
    found.sort_by_key(|at| (at.ip.is_none(), at.network.as_deref() != Some(first), at.network.clone()));
    found.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine_state(status: ContainerStateStatusEnum, code: i64) -> EngineState {
        EngineState { status: Some(status), exit_code: Some(code), ..EngineState::default() }
    }

    #[test]
    fn a_code_above_128_tells_the_signal() {
        assert_eq!(ended(137, false, None).signal, 9);
        assert_eq!((ended(255, false, None).signal, ended(3, false, None).signal), (0, 0));
    }

    #[test]
    fn a_container_that_was_never_started_has_not_ended() {
        let found = |state| ContainerInspectResponse { state: Some(state), ..ContainerInspectResponse::default() };
        let id: ContainerId = "abc".parse().expect("good");
        let created = state_of(&id, found(engine_state(ContainerStateStatusEnum::CREATED, 0)), false);
        assert!(created.exit.is_none() && !created.alive());
        let ended = state_of(&id, found(engine_state(ContainerStateStatusEnum::EXITED, 3)), true);
        assert_eq!(ended.exit.map(|exit| (exit.exit_code, exit.oom_killed)), Some((3, true)));
    }

    #[test]
    fn a_container_is_reached_on_the_network_it_was_made_in() {
        let at = |ip: &str, ip6: &str| bollard::models::EndpointSettings {
            ip_address: Some(ip.into()),
            global_ipv6_address: Some(ip6.into()),
            ..Default::default()
        };
        let networks = [("another", at("10.1.0.2", "")), ("shop", at("10.2.0.2", "fd00::2"))];
        let networks = networks.map(|(name, at)| (name.to_owned(), at)).into();
        let settings = NetworkSettings { networks: Some(networks), ..NetworkSettings::default() };
        let found = address(settings, "shop");
        assert_eq!(found.network.as_deref(), Some("shop"));
        assert_eq!((found.ip, found.ip6), ("10.2.0.2".parse().ok(), "fd00::2".parse().ok()));
        assert_eq!(address(NetworkSettings::default(), "none"), Address::default());
    }

    #[test]
    fn year_one_means_never() {
        assert_eq!(moment(Some("0001-01-01T00:00:00Z")), None);
        assert!(moment(Some("2026-11-24T08:32:41.678946787Z")).is_some());
    }
}
