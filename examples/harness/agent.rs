//! The agent's way with a driver plugin: three launches, two streams, and a relaunch when the process dies.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use strongbox::plugin::proto::{
    base::{
        ConfigSchemaRequest, NomadConfig, NomadDriverConfig, PluginInfoRequest, PluginInfoResponse, PluginType,
        SetConfigRequest,
    },
    drivers::{
        CapabilitiesRequest, DriverCapabilities, DriverTaskEvent, FingerprintRequest, FingerprintResponse, InitRequest,
        TaskConfigSchemaRequest, TaskEventsRequest, fingerprint_response::HealthState,
    },
    structs::{Attribute, attribute},
};
use tokio::sync::watch;
use tonic::Code;

use super::{
    feed::{Event, Feed},
    hcl::value::Node,
    process::{LaunchError, Process, Program},
    report::{Report, Source},
    spec::{self, Spec, SpecError},
};

/// The API version that agents speak with drivers.
const API: [&str; 2] = ["v0.1.0", "0.1.0"];
/// An agent waits so long for the first fingerprints of its drivers.
const FIRST_FINGERPRINT: Duration = Duration::from_secs(50);

/// The operator's `config` block for the plugin.
#[derive(Clone, Debug)]
pub struct PluginConfig {
    /// The file.
    pub source: Source,
    /// The body.
    pub body: Node,
}

/// A loaded plugin.
pub struct Agent {
    /// What it said about itself.
    pub info: PluginInfoResponse,
    /// How it describes a task's `config`.
    pub task_spec: Spec,
    /// What it can do.
    pub capabilities: DriverCapabilities,
    /// Everything that happens.
    pub feed: Feed,
    /// What is launched; its environment is for tests to change between launches.
    program: Mutex<Program>,
    config: Vec<u8>,
    api: String,
    current: watch::Sender<Arc<Process>>,
    attributes: watch::Sender<BTreeMap<String, String>>,
}

/// Why the agent would not start, or would list the driver as missing.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("launch {step} of the plugin")]
    Launch {
        step: &'static str,
        #[source]
        source: LaunchError,
    },
    #[error("{rpc}: {}", .status.message())]
    Rpc { rpc: &'static str, status: Box<tonic::Status> },
    #[error("PluginInfo: {0}")]
    Info(String),
    #[error("{0}")]
    Spec(#[from] SpecError),
    #[error("{0}")]
    Config(Report),
    #[error("the plugin did not end within 2 s after Shutdown in launch {0}")]
    Kill(&'static str),
}

impl Agent {
    /// Loads the plugin with three launches, as at the start of an agent.
    pub async fn load(program: Program, config: &PluginConfig, feed: Feed) -> Result<Self, AgentError> {
        let (info, schema) = first_launch(&program, &feed).await?;
        let api = info.plugin_api_versions.iter().find(|v| API.contains(&v.as_str())).cloned();
        let api =
            api.ok_or_else(|| AgentError::Info(format!("no common API version in {:?}", info.plugin_api_versions)))?;
        let bytes = encode_config(&schema, config)?;
        second_launch(&program, &bytes, &api, &feed).await?;
        let process = launch(&program, "C", &feed).await?;
        set_config(&process, &bytes, &api, true).await?;
        let (task_spec, capabilities) = init(&process).await?;
        let agent = Self {
            info,
            task_spec,
            capabilities,
            feed,
            program: Mutex::new(program),
            config: bytes,
            api,
            current: watch::Sender::new(Arc::new(process)),
            attributes: watch::Sender::new(BTreeMap::new()),
        };
        agent.open_streams();
        Ok(agent)
    }

    /// Returns the living process.
    pub fn process(&self) -> Arc<Process> {
        self.current.borrow().clone()
    }

    /// Starts the binary anew after it died; tasks must be recovered by the caller.
    pub async fn relaunch(&self) -> Result<(), AgentError> {
        let process = launch(&self.program(), "C", &self.feed).await?;
        set_config(&process, &self.config, &self.api, true).await?;
        init(&process).await?;
        self.current.send_replace(Arc::new(process));
        self.open_streams();
        Ok(())
    }

    /// Sets or takes away a variable of the environment that the next launch gives to the plugin.
    pub fn set_env(&self, name: &str, value: Option<&str>) {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        program.env.retain(|(key, _)| key != name);
        program.env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    fn program(&self) -> Program {
        self.program.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until another process than `old` serves.
    pub async fn replaced(&self, old: &Arc<Process>) -> Arc<Process> {
        let mut current = self.current.subscribe();
        // The sender lives in `self`.
        let found = current.wait_for(|p| !Arc::ptr_eq(p, old)).await.map(|p| p.clone());
        found.unwrap_or_else(|_| old.clone())
    }

    /// Waits for the first fingerprint, as an agent does before it takes tasks; and as long as that, then goes on.
    pub async fn fingerprinted(&self) {
        let first = |event: &Event| matches!(event, Event::Fingerprint { .. }).then_some(());
        self.feed.wait_for(FIRST_FINGERPRINT, first).await;
    }

    /// Returns the node attributes that the fingerprints gave.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        self.attributes.borrow().clone()
    }

    /// Waits for a healthy fingerprint; gives the last description otherwise.
    pub async fn healthy(&self, limit: Duration) -> Result<(), String> {
        let mut last = String::from("no fingerprint came");
        let healthy = self.feed.wait_for(limit, |event| match event {
            Event::Fingerprint { health, .. } if health == "healthy" => Some(()),
            Event::Fingerprint { health, description, .. } => {
                last = format!("{health}: {description}");
                None
            }
            _ => None,
        });
        healthy.await.ok_or(last)
    }

    /// Ends the plugin as at an agent's stop; tasks live on.
    pub async fn shutdown(&self) -> bool {
        self.process().shutdown().await
    }

    fn open_streams(&self) {
        tokio::spawn(fingerprints(self.process(), self.feed.clone(), self.attributes.clone()));
        tokio::spawn(task_events(self.process(), self.feed.clone()));
    }
}

fn rpc(rpc: &'static str) -> impl Fn(tonic::Status) -> AgentError {
    move |status| AgentError::Rpc { rpc, status: Box::new(status) }
}

async fn launch(program: &Program, step: &'static str, feed: &Feed) -> Result<Process, AgentError> {
    let process = Process::launch(program, feed).await.map_err(|source| AgentError::Launch { step, source })?;
    feed.note("", format!("launch {step}: pid {}, handshake after {} ms", process.pid(), process.startup.as_millis()));
    Ok(process)
}

async fn first_launch(program: &Program, feed: &Feed) -> Result<(PluginInfoResponse, Option<Spec>), AgentError> {
    let process = launch(program, "A", feed).await?;
    let info = process.base().plugin_info(PluginInfoRequest {}).await.map_err(rpc("PluginInfo"))?.into_inner();
    if info.r#type() != PluginType::Driver || info.name.is_empty() {
        return Err(AgentError::Info(format!("{:?} is not the name of a driver", info.name)));
    }
    let schema = process.base().config_schema(ConfigSchemaRequest {}).await.map_err(rpc("ConfigSchema"))?.into_inner();
    let schema = schema.spec.as_ref().map(Spec::from_wire).transpose()?;
    end(&process, "A").await?;
    Ok((info, schema))
}

async fn second_launch(program: &Program, config: &[u8], api: &str, feed: &Feed) -> Result<(), AgentError> {
    let process = launch(program, "B", feed).await?;
    set_config(&process, config, api, false).await?;
    set_config(&process, config, api, false).await?;
    end(&process, "B").await
}

async fn end(process: &Process, step: &'static str) -> Result<(), AgentError> {
    if process.shutdown().await { Ok(()) } else { Err(AgentError::Kill(step)) }
}

fn encode_config(schema: &Option<Spec>, config: &PluginConfig) -> Result<Vec<u8>, AgentError> {
    let Some(schema) = schema else { return Ok(Vec::new()) };
    let decoded = spec::decode(schema, &config.body, &BTreeMap::new());
    decoded.map(|value| value.encode()).map_err(|problems| AgentError::Config(Report::errors(&config.source, problems)))
}

async fn set_config(process: &Process, config: &[u8], api: &str, last: bool) -> Result<(), AgentError> {
    let driver = NomadDriverConfig { client_min_port: 14000, client_max_port: 14512, topology: None };
    let request = SetConfigRequest {
        msgpack_config: config.to_vec(),
        nomad_config: last.then_some(NomadConfig { driver: Some(driver) }),
        plugin_api_version: api.to_owned(),
    };
    process.base().set_config(request).await.map(drop).map_err(rpc("SetConfig"))
}

async fn init(process: &Process) -> Result<(Spec, DriverCapabilities), AgentError> {
    let mut driver = process.driver();
    match driver.init(InitRequest {}).await {
        Err(status) if status.code() != Code::Unimplemented => return Err(rpc("Init")(status)),
        _ => {}
    }
    let schema =
        driver.task_config_schema(TaskConfigSchemaRequest {}).await.map_err(rpc("TaskConfigSchema"))?.into_inner();
    let schema = schema.spec.ok_or_else(|| AgentError::Info("TaskConfigSchema gave a nil spec".into()))?;
    let capabilities = driver.capabilities(CapabilitiesRequest {}).await.map_err(rpc("Capabilities"))?.into_inner();
    Ok((Spec::from_wire(&schema)?, capabilities.capabilities.unwrap_or_default()))
}

async fn fingerprints(process: Arc<Process>, feed: Feed, attributes: watch::Sender<BTreeMap<String, String>>) {
    let end = match process.driver().fingerprint(FingerprintRequest {}).await {
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Ok(Some(message)) => fingerprint(message, &feed, &attributes),
                    Ok(None) => break "it ended".to_owned(),
                    Err(status) => break status.message().to_owned(),
                }
            }
        }
        Err(status) => status.message().to_owned(),
    };
    stream_ended(&process, &feed, "Fingerprint", &end).await;
}

/// A stream may end with the process only. The streams of a process that dies end a little before it is seen dead.
async fn stream_ended(process: &Process, feed: &Feed, name: &str, end: &str) {
    if tokio::time::timeout(Duration::from_secs(3), process.dead()).await.is_err() {
        feed.push(Event::Fault(format!("the {name} stream ended under a living plugin: {end}")));
    }
}

fn fingerprint(message: FingerprintResponse, feed: &Feed, attributes: &watch::Sender<BTreeMap<String, String>>) {
    let health = match message.health() {
        HealthState::Undetected => "undetected",
        HealthState::Unhealthy => "unhealthy",
        HealthState::Healthy => "healthy",
    };
    let new: BTreeMap<_, _> = message.attributes.into_iter().map(|(key, value)| (key, text(value))).collect();
    attributes.send_modify(|all| all.extend(new.clone()));
    feed.push(Event::Fingerprint { health: health.into(), description: message.health_description, attributes: new });
}

fn text(attribute: Attribute) -> String {
    let value = match attribute.value {
        Some(attribute::Value::BoolVal(b)) => b.to_string(),
        Some(attribute::Value::FloatVal(f)) => f.to_string(),
        Some(attribute::Value::IntVal(i)) => i.to_string(),
        Some(attribute::Value::StringVal(s)) => s,
        None => String::new(),
    };
    if attribute.unit.is_empty() { value } else { format!("{value} {}", attribute.unit) }
}

async fn task_events(process: Arc<Process>, feed: Feed) {
    let end = match process.driver().task_events(TaskEventsRequest {}).await {
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Ok(Some(event)) => feed.push(told(event)),
                    Ok(None) => break "it ended".to_owned(),
                    Err(status) => break status.message().to_owned(),
                }
            }
        }
        Err(status) => status.message().to_owned(),
    };
    stream_ended(&process, &feed, "TaskEvents", &end).await;
}

fn told(event: DriverTaskEvent) -> Event {
    Event::TaskEvent {
        task: event.task_name,
        task_id: event.task_id,
        message: event.message,
        annotations: event.annotations.into_iter().collect(),
    }
}

impl PluginConfig {
    /// Reads a file with a `plugin` or a bare `config` block.
    pub fn parse(source: Source) -> Result<Self, Report> {
        let body = super::job::parse_config_block(&source, "config")?;
        Ok(Self { source, body })
    }

    /// Reads a file with a task's `config` block.
    pub fn parse_task(source: Source) -> Result<Self, Report> {
        let body = super::job::parse_task_config(&source)?;
        Ok(Self { source, body })
    }

    /// Takes the body of the block as text.
    pub fn from_text(text: &str) -> Result<Self, Report> {
        Self::parse(Source::new("plugin.hcl", text))
    }
}

impl From<Report> for AgentError {
    fn from(report: Report) -> Self {
        Self::Config(report)
    }
}
