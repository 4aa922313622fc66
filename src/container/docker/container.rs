//! Containers: make, start, look at, end, remove, list.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::{
    errors::Error as Failure,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::{
        ContainerArchiveInfoOptions, CreateContainerOptions, InspectContainerOptions, KillContainerOptions,
        ListContainersOptions, RemoveContainerOptions, StartContainerOptions, StopContainerOptions,
    },
};
use time::OffsetDateTime;

use crate::{
    container::{
        ContainerId, ContainerSpec, ContainerState, Docker, Error, Restart, Role, RunState, Summary, container_name,
        spec::marked_task,
    },
    domain::{Signal, fail_point},
};

use super::{
    body::body,
    client::{LONG, SHORT, bounded, is_conflict, is_missing, sorted},
    wait::state_of,
};

/// How often a container is asked for whose making was cut off.
const TRIES: u32 = 4;
/// How often one is asked for whose name is taken. A process that was killed may have left a create under way: the engine
/// has its name then and shows no container yet. Together with the pauses that is about seven seconds.
const NAME_TRIES: u32 = 10;
/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a killed process may take to be gone.
const DYING: Duration = Duration::from_secs(10);
/// What the engine may take on top of the grace that a job gives.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// The first dialect in which each network has its own hardware address.
const HARDWARE_ADDRESSES: (u32, u32) = (1, 44);

/// A container to be made.
pub(super) struct Wanted<'a> {
    /// Its name.
    pub(super) name: String,
    /// The reference of its image, for messages.
    pub(super) image: &'a str,
    /// The marks by which a leftover of the same purpose is known.
    pub(super) marks: Vec<(&'static str, String)>,
    /// The request.
    pub(super) body: ContainerCreateBody,
}

/// What became of one try to make a container.
enum Made {
    Done(String),
    NameTaken(String),
    Failed(Error),
}

impl Docker {
    /// Makes the container. When an earlier answer was lost, what it made is found by its name and removed.
    pub(super) async fn create_container(&self, spec: &ContainerSpec<'_>) -> Result<ContainerId, Error> {
        self.speaks_of_hardware_addresses(spec).await?;
        let meta = &spec.task.meta;
        let wanted = Wanted {
            name: container_name(meta),
            image: &spec.image.reference,
            marks: vec![
                ("strongbox.task_id", meta.id.as_str().to_owned()),
                ("strongbox.instance", self.instance.clone()),
            ],
            body: body(spec, &self.policy, &self.instance, self.settled(spec)?),
        };
        let id = self.create_marked(wanted).await?;
        if let Err(error) = self.join_networks(&id, &spec.task.container.network).await {
            self.remove_container(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// As [`Docker::create_container`], for whatever of ours.
    pub(super) async fn create_marked(&self, wanted: Wanted<'_>) -> Result<ContainerId, Error> {
        let name = &wanted.name;
        let (mut pause, mut tries, mut name_tries) = (PAUSE.0, 1, 1);
        loop {
            match self.try_create(&wanted).await {
                Made::Done(id) => return parsed(&id),
                Made::NameTaken(why) if name_tries < NAME_TRIES => {
                    name_tries += 1;
                    self.clear_name(&wanted, why).await?;
                }
                Made::NameTaken(why) => return Err(taken(name, why)),
                Made::Failed(Error::EngineUnavailable { .. }) if tries < TRIES => tries += 1,
                Made::Failed(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// An older engine takes the address for the whole container only, where today's description of the API has no place for
    /// it, and passes over the one for the network without a word.
    async fn speaks_of_hardware_addresses(&self, spec: &ContainerSpec<'_>) -> Result<(), Error> {
        if spec.task.container.network.mac_address.is_none() {
            return Ok(());
        }
        self.api().await?;
        match self.dialect().await {
            Some(spoken) if spoken < HARDWARE_ADDRESSES => Err(Error::ConfigInvalid {
                option: "mac_address".into(),
                why: format!(
                    "needs an engine that speaks API {}.{}, Docker 25 or newer; this one speaks {}.{}",
                    HARDWARE_ADDRESSES.0, HARDWARE_ADDRESSES.1, spoken.0, spoken.1
                ),
            }),
            _ => Ok(()),
        }
    }

    async fn try_create(&self, wanted: &Wanted<'_>) -> Made {
        let name = &wanted.name;
        let doing = format!("create container {name}");
        let api = match self.api().await {
            Ok(api) => api,
            Err(error) => return Made::Failed(error),
        };
        let options = CreateContainerOptions { name: Some(name.clone()), ..CreateContainerOptions::default() };
        match tokio::time::timeout(LONG, api.create_container(Some(options), wanted.body.clone())).await {
            Ok(Ok(answer)) => Made::Done(answer.id),
            Ok(Err(failure)) if is_conflict(&failure) => Made::NameTaken(failure.to_string()),
            Ok(Err(failure)) if is_missing(&failure) && !failure.to_string().to_lowercase().contains("such image") => {
                Made::Failed(sorted(&doing, failure))
            }
            Ok(Err(failure)) if is_missing(&failure) => Made::Failed(Error::ImageUnavailable {
                image: wanted.image.to_owned(),
                why: "it was removed from this machine meanwhile".into(),
            }),
            Ok(Err(failure)) => Made::Failed(sorted(&doing, failure)),
            Err(_) => Made::Failed(Error::EngineTimeout { doing, after: LONG }),
        }
    }

    /// Removes a container that has our name and all the marks; anything else is left alone. One that is
    /// still being made is not there yet: the next try finds it.
    async fn clear_name(&self, wanted: &Wanted<'_>, why: String) -> Result<(), Error> {
        let name = &wanted.name;
        let doing = format!("look at container {name}");
        let api = self.api().await?;
        let found =
            match tokio::time::timeout(SHORT, api.inspect_container(name, None::<InspectContainerOptions>)).await {
                Ok(Ok(found)) => found,
                Ok(Err(failure)) if is_missing(&failure) => return Ok(()),
                Ok(Err(failure)) => return Err(sorted(&doing, failure)),
                Err(_) => return Err(Error::EngineTimeout { doing, after: SHORT }),
            };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        if wanted.marks.iter().any(|(label, value)| labels.get(*label) != Some(value)) {
            return Err(taken(name, why));
        }
        self.remove_container(&parsed(&found.id.unwrap_or_default())?).await
    }

    pub(super) async fn start_container(&self, id: &ContainerId) -> Result<(), Error> {
        let doing = format!("start container {id}");
        let request =
            |api: bollard::Docker| async move { api.start_container(id.as_str(), None::<StartContainerOptions>).await };
        self.forget_cgroup(id);
        self.wants.forget(id);
        self.on_container(&doing, LONG, id, request).await
    }

    pub(super) async fn inspect_container(&self, id: &ContainerId) -> Result<Option<ContainerState>, Error> {
        match self.look_at(id).await {
            Ok(found) => Ok(Some(self.stated(id, found))),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns all that the engine tells about a container.
    pub(super) async fn look_at(&self, id: &ContainerId) -> Result<ContainerInspectResponse, Error> {
        let doing = format!("inspect container {id}");
        let request = |api: bollard::Docker| async move {
            api.inspect_container(id.as_str(), None::<InspectContainerOptions>).await
        };
        self.on_container(&doing, SHORT, id, request).await
    }

    fn stated(&self, id: &ContainerId, found: ContainerInspectResponse) -> ContainerState {
        let state = state_of(id, found, self.wants.known(id));
        if let Some(pid) = state.pid.filter(|_| state.alive()) {
            self.wants.watch(id, pid);
        }
        state
    }

    pub(super) async fn has_file(&self, id: &ContainerId, path: &str) -> Result<bool, Error> {
        let doing = format!("look for {path} in container {id}");
        let api = self.api().await?;
        let options = ContainerArchiveInfoOptions { path: path.to_owned() };
        match tokio::time::timeout(SHORT, api.get_container_archive_info(id.as_str(), Some(options))).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(failure)) if is_missing(&failure) => Ok(false),
            Ok(Err(failure)) => Err(sorted(&doing, failure)),
            Err(_) => Err(Error::EngineTimeout { doing, after: SHORT }),
        }
    }

    /// With a signal of the job's the grace is ours to keep, to the millisecond; without one the engine keeps it, in
    /// whole seconds, as only it knows the image's stop signal at no extra cost.
    pub(super) async fn stop_container(
        &self,
        id: &ContainerId,
        signal: Option<Signal>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let stopped = match signal {
            None => self.engine_stop(id, timeout).await,
            Some(signal) => self.signal_and_kill(id, signal, timeout).await,
        };
        match stopped {
            Err(Error::NotFound(_) | Error::NotRunning(_)) => Ok(()),
            other => other,
        }
    }

    async fn engine_stop(&self, id: &ContainerId, timeout: Duration) -> Result<(), Error> {
        let doing = format!("stop container {id}");
        let seconds = i32::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptions { t: Some(seconds), ..StopContainerOptions::default() };
        let request = |api: bollard::Docker| async move { api.stop_container(id.as_str(), Some(options)).await };
        self.on_container(&doing, timeout.saturating_add(STOP_MARGIN), id, request).await
    }

    async fn signal_and_kill(&self, id: &ContainerId, signal: Signal, timeout: Duration) -> Result<(), Error> {
        self.kill_container(id, signal).await?;
        if tokio::time::timeout(timeout, self.wait_for_end(id)).await.is_ok() {
            return Ok(());
        }
        self.kill_container(id, Signal::KILL).await?;
        let gone = tokio::time::timeout(DYING, self.wait_for_end(id)).await;
        gone.map(|_| ()).map_err(|_| Error::EngineTimeout { doing: format!("kill container {id}"), after: DYING })
    }

    pub(super) async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), Error> {
        let doing = format!("send {signal} to container {id}");
        let options = KillContainerOptions { signal: signal.name().to_owned() };
        let request = |api: bollard::Docker| async move { api.kill_container(id.as_str(), Some(options)).await };
        self.on_container(&doing, SHORT, id, request).await
    }

    pub(super) async fn restart_container(
        &self,
        id: &ContainerId,
        signal: Option<Signal>,
        timeout: Duration,
    ) -> Result<Restart, Error> {
        let state = self.inspect_container(id).await?.ok_or_else(|| Error::NotFound(id.to_string()))?;
        if let Some(exit) = state.exit {
            return Ok(Restart::Ended(exit));
        }
        self.stop_container(id, signal, timeout).await?;
        fail_point("restart-stopped");
        self.start_again(id).await?;
        Ok(Restart::Restarted)
    }

    pub(super) async fn remove_container(&self, id: &ContainerId) -> Result<(), Error> {
        let doing = format!("remove container {id}");
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        let request = |api: bollard::Docker| async move { api.remove_container(id.as_str(), Some(options)).await };
        let removed = self.on_container(&doing, SHORT, id, request).await;
        self.forget_cgroup(id);
        self.wants.forget(id);
        match removed {
            Err(Error::NotFound(_)) => Ok(()),
            Err(Error::EngineRefused { why, .. }) if why.contains("already in progress") => Ok(()),
            other => other,
        }
    }

    pub(super) async fn list_containers(&self) -> Result<Vec<Summary>, Error> {
        let ours = format!("strongbox.instance={}", self.instance);
        let filters = HashMap::from([("label".to_owned(), vec![ours])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
        let request = |api: bollard::Docker| async move { api.list_containers(Some(options)).await };
        let found = self.call("list our containers", SHORT, request).await?;
        Ok(found.into_iter().filter_map(summary).collect())
    }

    /// Sends a request about one container; that there is none, or that it does not run, gets an error of its own.
    pub(super) async fn on_container<T, F>(
        &self,
        doing: &str,
        limit: Duration,
        id: &ContainerId,
        request: impl FnOnce(bollard::Docker) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let api = self.api().await?;
        let request = request(api);
        let mut aside = None;
        let watched = async { request.await.inspect_err(|failure| aside = about_container(id, failure)) };
        let answer = bounded(doing, limit, watched).await;
        answer.map_err(|error| aside.unwrap_or(error))
    }
}

fn about_container(id: &ContainerId, failure: &Failure) -> Option<Error> {
    match failure {
        Failure::DockerResponseServerError { status_code: 404, message } if message.contains("o such container") => {
            Some(Error::NotFound(id.to_string()))
        }
        Failure::DockerResponseServerError { message, .. } if message.contains("is not running") => {
            Some(Error::NotRunning(id.to_string()))
        }
        _ => None,
    }
}

fn taken(name: &str, why: String) -> Error {
    Error::EngineRefused { doing: format!("create container {name}"), why, passing: true }
}

fn parsed(id: &str) -> Result<ContainerId, Error> {
    id.parse().map_err(|error: crate::container::IdError| Error::EngineRefused {
        doing: "read a container's id".into(),
        why: error.to_string(),
        passing: true,
    })
}

fn summary(found: ContainerSummary) -> Option<Summary> {
    let labels: BTreeMap<String, String> = found.labels.unwrap_or_default().into_iter().collect();
    let (task_id, task_key) = marked_task(&labels).unzip();
    let state = match found.state {
        Some(ContainerSummaryStateEnum::CREATED) => RunState::Created,
        Some(ContainerSummaryStateEnum::PAUSED) => RunState::Paused,
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::RESTARTING) => RunState::Running,
        _ => RunState::Ended,
    };
    Some(Summary {
        id: found.id?.parse().ok()?,
        name: found.names.unwrap_or_default().into_iter().next()?.trim_start_matches('/').to_owned(),
        task_id,
        task_key,
        role: Role::marked(&labels),
        alloc_id: labels.get("strongbox.alloc_id").cloned(),
        task_name: labels.get("strongbox.task_name").cloned(),
        state,
        created: OffsetDateTime::from_unix_timestamp(found.created?).ok()?,
    })
}
