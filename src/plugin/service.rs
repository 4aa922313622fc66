//! The driver service: each call checks, asks the driver, converts.
//!
//! Calls that begin or end something run to their end whether or not the agent still waits; calls that only wait are
//! dropped with their caller.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{StreamExt, stream::BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    convert::{self, Word},
    exec, guard, metrics, network,
    proto::drivers::{driver_server, *},
    schema, start,
    status::{malformed, status},
    ticks::Ticks,
};
use crate::driver::{DriverError, NetworkRequest, TaskDriver};

/// The shortest interval between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// The service.
#[derive(Clone)]
pub struct Service {
    driver: Arc<dyn TaskDriver>,
    ticks: Ticks,
    ending: CancellationToken,
    watched: Arc<OnceLock<()>>,
}

impl Service {
    /// Returns the service in front of `driver`. Its streams end with `ending`, so that the server need not wait for them.
    pub fn new(driver: Arc<dyn TaskDriver>, ticks: Ticks, ending: CancellationToken) -> Self {
        Self { driver, ticks, ending, watched: Arc::default() }
    }

    /// Opens the page of figures once, if there is to be one.
    fn be_watched(&self) {
        if let Some(listen) = self.driver.metrics()
            && self.watched.set(()).is_ok()
        {
            tokio::spawn(metrics::serve(Arc::clone(&self.driver), listen, self.ending.clone()));
        }
    }

    /// Answers with a stream that survives a panic in what makes it or in what it is made of.
    async fn stream<T: Send + 'static>(
        &self,
        rpc: &'static str,
        make: impl FnOnce() -> Result<BoxStream<'static, T>, Status>,
    ) -> Answer<Items<T>> {
        let items = guard::attend(rpc, async { make() }).await?;
        let ended = self.ending.clone().cancelled_owned();
        Ok(Response::new(guard::attend_stream(rpc, items).take_until(ended).boxed()))
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Items<T> = BoxStream<'static, Result<T, Status>>;

fn refuse(error: DriverError) -> Status {
    status(&error)
}

#[tonic::async_trait]
impl driver_server::Driver for Service {
    type FingerprintStream = Items<FingerprintResponse>;
    type TaskStatsStream = Items<TaskStatsResponse>;
    type TaskEventsStream = Items<DriverTaskEvent>;
    type ExecTaskStreamingStream = Items<ExecTaskStreamingResponse>;

    async fn init(&self, _: Request<InitRequest>) -> Answer<InitResponse> {
        Ok(Response::new(InitResponse {}))
    }

    async fn task_config_schema(&self, _: Request<TaskConfigSchemaRequest>) -> Answer<TaskConfigSchemaResponse> {
        Ok(Response::new(TaskConfigSchemaResponse { spec: Some(schema::task_config()) }))
    }

    async fn capabilities(&self, _: Request<CapabilitiesRequest>) -> Answer<CapabilitiesResponse> {
        Ok(Response::new(CapabilitiesResponse { capabilities: Some(capabilities(self.driver.collects_output())) }))
    }

    async fn fingerprint(&self, _: Request<FingerprintRequest>) -> Answer<Self::FingerprintStream> {
        // The first fingerprint is asked of the process that lives on, and of no other.
        self.be_watched();
        self.stream("Fingerprint", || Ok(self.driver.fingerprints().map(convert::fingerprint).boxed())).await
    }

    async fn recover_task(&self, request: Request<RecoverTaskRequest>) -> Answer<RecoverTaskResponse> {
        let handle = request.into_inner().handle.ok_or_else(|| malformed("handle is missing"))?;
        convert::check_handle(&handle)?;
        let task = handle.config.ok_or_else(|| malformed("handle.config is missing"))?;
        let (meta, logs) = (convert::meta(&task)?, convert::logs(&task));
        let driver = Arc::clone(&self.driver);
        guard::complete("RecoverTask", async move {
            driver.recover(&meta, logs, &handle.driver_state).await.map_err(refuse)?;
            Ok(Response::new(RecoverTaskResponse {}))
        })
        .await
    }

    async fn start_task(&self, request: Request<StartTaskRequest>) -> Answer<StartTaskResponse> {
        let task = request.into_inner().task.ok_or_else(|| malformed("task is missing"))?;
        start::start(Arc::clone(&self.driver), task).await.map(Response::new)
    }

    async fn wait_task(&self, request: Request<WaitTaskRequest>) -> Answer<WaitTaskResponse> {
        let id = convert::task_id(&request.get_ref().task_id)?;
        guard::attend("WaitTask", async {
            let exit = self.driver.wait(&id).await.map_err(refuse)?;
            let err = exit.message.clone().unwrap_or_default();
            Ok(Response::new(WaitTaskResponse { result: Some(convert::exit(&exit)), err }))
        })
        .await
    }

    async fn stop_task(&self, request: Request<StopTaskRequest>) -> Answer<StopTaskResponse> {
        let StopTaskRequest { task_id, timeout, signal } = request.into_inner();
        let (id, timeout) = (convert::task_id(&task_id)?, convert::duration(timeout, "timeout")?);
        let signal = (!signal.is_empty()).then(|| convert::signal(&signal)).transpose()?;
        let driver = Arc::clone(&self.driver);
        guard::complete("StopTask", async move {
            driver.stop(&id, timeout, signal).await.map_err(refuse)?;
            Ok(Response::new(StopTaskResponse {}))
        })
        .await
    }

    async fn destroy_task(&self, request: Request<DestroyTaskRequest>) -> Answer<DestroyTaskResponse> {
        let DestroyTaskRequest { task_id, force } = request.into_inner();
        let id = convert::task_id(&task_id)?;
        let driver = Arc::clone(&self.driver);
        guard::complete("DestroyTask", async move {
            driver.destroy(&id, force).await.map_err(refuse)?;
            Ok(Response::new(DestroyTaskResponse {}))
        })
        .await
    }

    async fn inspect_task(&self, request: Request<InspectTaskRequest>) -> Answer<InspectTaskResponse> {
        let id = convert::task_id(&request.get_ref().task_id)?;
        guard::attend("InspectTask", async {
            let known = self.driver.inspect(&id).await.map_err(refuse)?;
            let attributes = known.attributes.clone().into_iter().collect();
            Ok(Response::new(InspectTaskResponse {
                task: Some(convert::task_status(&known)),
                driver: Some(TaskDriverStatus { attributes }),
                network_override: None,
            }))
        })
        .await
    }

    async fn task_stats(&self, request: Request<TaskStatsRequest>) -> Answer<Self::TaskStatsStream> {
        let TaskStatsRequest { task_id, collection_interval } = request.into_inner();
        let id = convert::task_id(&task_id)?;
        let interval = convert::duration(collection_interval, "collection_interval")?.max(INTERVAL);
        let ticks = self.ticks.clone();
        self.stream("TaskStats", || {
            let samples = self.driver.stats(&id, interval).map_err(refuse)?;
            let reply =
                move |usage| TaskStatsResponse { stats: Some(convert::usage(&id, &usage, ticks.per_percent())) };
            Ok(samples.map(reply).boxed())
        })
        .await
    }

    async fn task_events(&self, _: Request<TaskEventsRequest>) -> Answer<Self::TaskEventsStream> {
        self.stream("TaskEvents", || Ok(self.driver.events().map(convert::event).boxed())).await
    }

    async fn shutdown(&self, _: Request<ShutdownRequest>) -> Answer<ShutdownResponse> {
        guard::attend("Shutdown", async {
            self.driver.shutdown().await;
            Ok(Response::new(ShutdownResponse {}))
        })
        .await
    }

    async fn signal_task(&self, request: Request<SignalTaskRequest>) -> Answer<SignalTaskResponse> {
        let SignalTaskRequest { task_id, signal } = request.into_inner();
        let (id, word) = (convert::task_id(&task_id)?, convert::word(&signal)?);
        guard::attend("SignalTask", async {
            match word {
                Word::Demand(demand) => self.driver.demand(&id, demand).await.map_err(refuse)?,
                Word::Signal(signal) => self.driver.signal(&id, signal).await.map_err(refuse)?,
            }
            Ok(Response::new(SignalTaskResponse {}))
        })
        .await
    }

    async fn exec_task(&self, request: Request<ExecTaskRequest>) -> Answer<ExecTaskResponse> {
        let ExecTaskRequest { task_id, command, timeout } = request.into_inner();
        let (id, timeout) = (convert::task_id(&task_id)?, convert::duration(timeout, "timeout")?);
        if command.first().is_none_or(String::is_empty) {
            return Err(malformed("command is empty"));
        }
        guard::attend("ExecTask", async {
            let output = self.driver.exec(&id, command, timeout).await.map_err(refuse)?;
            let result = Some(ExitResult { exit_code: output.exit_code, ..ExitResult::default() });
            Ok(Response::new(ExecTaskResponse { stdout: output.stdout, stderr: output.stderr, result }))
        })
        .await
    }

    async fn exec_task_streaming(
        &self,
        request: Request<Streaming<ExecTaskStreamingRequest>>,
    ) -> Answer<Self::ExecTaskStreamingStream> {
        let mut requests = request.into_inner();
        guard::attend("ExecTaskStreaming", async {
            let (id, request) = exec::setup(&mut requests).await?;
            let tty = request.tty;
            let session = self.driver.exec_stream(&id, request).await.map_err(refuse)?;
            let answers = guard::attend_stream("ExecTaskStreaming", exec::carry(session, requests, tty));
            let ended = self.ending.clone().cancelled_owned();
            Ok(Response::new(answers.map(|answer| answer.and_then(|answer| answer)).take_until(ended).boxed()))
        })
        .await
    }

    async fn create_network(&self, request: Request<CreateNetworkRequest>) -> Answer<CreateNetworkResponse> {
        let CreateNetworkRequest { alloc_id, hostname } = request.into_inner();
        let wanted = NetworkRequest { alloc_id, hostname: Some(hostname).filter(|name| !name.is_empty()) };
        let driver = Arc::clone(&self.driver);
        guard::complete("CreateNetwork", async move {
            let made = driver.create_network(wanted).await.map_err(refuse)?;
            Ok(Response::new(network::made(&made)))
        })
        .await
    }

    async fn destroy_network(&self, request: Request<DestroyNetworkRequest>) -> Answer<DestroyNetworkResponse> {
        let alloc_id = request.into_inner().alloc_id;
        let driver = Arc::clone(&self.driver);
        guard::complete("DestroyNetwork", async move {
            driver.destroy_network(&alloc_id).await.map_err(refuse)?;
            Ok(Response::new(DestroyNetworkResponse {}))
        })
        .await
    }
}

/// Says what the driver can do. It makes groups' networks itself, since the engine joins a container's network and no path's.
fn capabilities(collects_output: bool) -> DriverCapabilities {
    use driver_capabilities::{FsIsolation, MountConfigs};
    use network_isolation_spec::NetworkIsolationMode as Mode;
    DriverCapabilities {
        send_signals: true,
        exec: true,
        fs_isolation: FsIsolation::Image as i32,
        network_isolation_modes: vec![Mode::Host as i32, Mode::Group as i32, Mode::Task as i32],
        must_create_network: true,
        mount_configs: MountConfigs::AnyMounts as i32,
        disable_log_collection: !collects_output,
        dynamic_workload_users: false,
    }
}
