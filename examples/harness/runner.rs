//! One allocation of a job's task: its surroundings, its config, and the calls an agent makes for it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use strongbox::plugin::proto::drivers::{
    AllocatedCpuResources, AllocatedMemoryResources, AllocatedTaskResources, DestroyTaskRequest, DnsConfig,
    ExecTaskRequest, ExecTaskResponse, ExitResult, InspectTaskRequest, InspectTaskResponse, LinuxResources,
    PortMapping, RecoverTaskRequest, Resources, SignalTaskRequest, StartTaskRequest, StopTaskRequest, TaskConfig,
    TaskHandle, TaskStats, TaskStatsRequest, TaskStatsResponse, WaitTaskRequest,
    network_isolation_spec::NetworkIsolationMode,
};
use tokio::task::AbortHandle;
use tonic::{Status, Streaming};

use super::{
    agent::Agent,
    alloc::{self, Allocation},
    allocdir::TaskDir,
    cty,
    env::{self, NodeFacts, NodeWords},
    feed::{Feed, Stream},
    fifo::Collector,
    identity::{self, Signer, Subject},
    ids,
    job::{self, Group, Job, Task},
    report::{Problem, Report},
    spec::{self, Spec},
};

const MEBIBYTE: i64 = 1 << 20;

/// Where allocations live and who signs for them.
pub struct Place {
    /// The agent's data directory.
    pub data: std::path::PathBuf,
    /// Signs the tasks' identities.
    pub signer: Signer,
    /// The node's id.
    pub id: String,
    /// What was said of the node.
    pub words: NodeWords,
}

impl Place {
    /// Returns what is known of the node.
    pub fn facts(&self, agent: &Agent) -> NodeFacts {
        NodeFacts::of_this_machine(&self.id, agent.attributes(), &self.words)
    }
}

/// A task of an allocation, from its first start to its destruction.
pub struct Run {
    /// The allocation.
    pub alloc: String,
    /// The task's name.
    pub name: String,
    /// Its directories.
    pub dir: TaskDir,
    /// The job's words on stopping.
    pub kill_timeout: Duration,
    /// The job's signal for stopping; empty for the driver's choice.
    pub kill_signal: String,
    config: Mutex<TaskConfig>,
    handle: Mutex<Option<TaskHandle>>,
    allocation: Arc<Allocation>,
    _collectors: Vec<Collector>,
    refreshers: Vec<AbortHandle>,
}

/// Why a task could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("make the allocation directory")]
    Dir(#[from] io::Error),
    #[error("sign an identity")]
    Identity(#[from] identity::KeyError),
    #[error("{0}")]
    Config(Report),
    #[error("task {task:?} does not support {mode:?} networking mode")]
    Network { task: String, mode: String },
}

/// Makes everything that stands around the tasks of a job with the plugin's driver; those of a group share an allocation.
pub fn prepare(place: &Place, agent: &Agent, job: &Job) -> Result<Vec<Run>, PrepareError> {
    let mut runs = Vec::new();
    for group in &job.groups {
        let ours: Vec<_> = group.tasks.iter().filter(|task| task.driver == agent.info.name).collect();
        if ours.is_empty() {
            continue;
        }
        joinable(agent, group, ours[0])?;
        let allocation = Arc::new(Allocation::place(&place.data, group)?);
        for task in ours {
            runs.push(Run::prepare(place, agent, &allocation, job, group, task)?);
        }
    }
    Ok(runs)
}

impl Run {
    /// Makes everything that stands around a task before its driver is asked to start it.
    pub fn prepare(
        place: &Place,
        agent: &Agent,
        allocation: &Arc<Allocation>,
        job: &Job,
        group: &Group,
        task: &Task,
    ) -> Result<Self, PrepareError> {
        let alloc = allocation.id.clone();
        let dir = allocation.task(&task.name)?;
        let (mut env, refreshers) = identities(place, job, group, task, &alloc, &dir)?;
        env.extend(env::built_in(job, group, task, &alloc, &allocation.ports));
        let config = decode(&agent.task_spec, job, task, &place.facts(agent), &mut env);
        let config = config.map_err(|problems| PrepareError::Config(Report::errors(&job.source, problems)))?;
        let (paths, collectors) = outputs(allocation, task, &agent.feed)?;
        let config = TaskConfig {
            id: String::new(),
            name: task.name.clone(),
            msgpack_driver_config: config.encode(),
            env: env.into_iter().collect(),
            resources: Some(resources(task, &allocation.ports)),
            user: task.user.clone(),
            alloc_dir: allocation.path.display().to_string(),
            stdout_path: paths[0].clone(),
            stderr_path: paths[1].clone(),
            task_group_name: group.name.clone(),
            job_name: job.name.clone(),
            alloc_id: alloc.clone(),
            dns: group.network.dns.as_ref().map(dns),
            job_id: job.id.clone(),
            namespace: job.namespace.clone(),
            node_name: env::NODE_NAME.to_owned(),
            node_id: place.id.clone(),
            ..TaskConfig::default()
        };
        let run = Self {
            alloc,
            name: task.name.clone(),
            dir,
            kill_timeout: task.kill_timeout,
            kill_signal: task.kill_signal.clone(),
            config: Mutex::new(config),
            handle: Mutex::default(),
            allocation: Arc::clone(allocation),
            _collectors: collectors,
            refreshers,
        };
        run.next_attempt();
        Ok(run)
    }

    /// Gives the next start a task id of its own, as a restart does.
    pub fn next_attempt(&self) {
        let id = format!("{}/{}/{}", self.alloc, self.name, ids::attempt());
        lock(&self.config).id = id;
    }

    /// Returns the allocation with its other tasks.
    pub fn allocation(&self) -> &Allocation {
        &self.allocation
    }

    /// Returns the task id of the current attempt.
    pub fn id(&self) -> String {
        lock(&self.config).id.clone()
    }

    /// Returns what the driver is sent.
    pub fn config(&self) -> TaskConfig {
        lock(&self.config).clone()
    }

    /// Changes what the driver will be sent, as a hostile or odd agent would.
    pub fn change(&self, change: impl FnOnce(&mut TaskConfig)) {
        change(&mut lock(&self.config));
    }

    /// Returns the handle that the driver gave, as an agent keeps it on disk: without the config's bytes.
    pub fn handle(&self) -> Option<TaskHandle> {
        lock(&self.handle).clone()
    }

    /// Asks the driver to start the task.
    pub async fn start(&self, agent: &Agent) -> Result<(), Status> {
        let network = self.allocation.network.join(agent, &self.alloc, &self.name).await?;
        self.change(|config| config.network_isolation_spec = network);
        let request = StartTaskRequest { task: Some(self.config()) };
        let answer = agent.process().driver().start_task(request).await?.into_inner();
        *lock(&self.handle) = answer.handle;
        Ok(())
    }

    /// Asks the driver to take the task up again.
    pub async fn recover(&self, agent: &Agent) -> Result<(), Status> {
        let handle = self.handle().ok_or_else(|| Status::not_found("the task has no handle"))?;
        let request = RecoverTaskRequest { task_id: String::new(), handle: Some(handle) };
        agent.process().driver().recover_task(request).await.map(drop)
    }

    /// Waits for the task's end; the text is the driver's word beside it.
    pub async fn wait(&self, agent: &Agent) -> Result<(ExitResult, String), Status> {
        let request = WaitTaskRequest { task_id: self.id() };
        let answer = agent.process().driver().wait_task(request).await?.into_inner();
        Ok((answer.result.unwrap_or_default(), answer.err))
    }

    /// Ends the task as the job says.
    pub async fn stop(&self, agent: &Agent) -> Result<(), Status> {
        self.stop_within(agent, self.kill_timeout).await
    }

    /// Ends the task within another time.
    pub async fn stop_within(&self, agent: &Agent, timeout: Duration) -> Result<(), Status> {
        let timeout = prost_types::Duration { seconds: timeout.as_secs() as i64, nanos: timeout.subsec_nanos() as i32 };
        let request = StopTaskRequest { task_id: self.id(), timeout: Some(timeout), signal: self.kill_signal.clone() };
        agent.process().driver().stop_task(request).await.map(drop)
    }

    /// Has what is left of the task removed.
    pub async fn destroy(&self, agent: &Agent, force: bool) -> Result<(), Status> {
        let request = DestroyTaskRequest { task_id: self.id(), force };
        agent.process().driver().destroy_task(request).await?;
        self.allocation.network.leave(agent, &self.alloc, &self.name).await
    }

    /// Sends a signal.
    pub async fn signal(&self, agent: &Agent, signal: &str) -> Result<(), Status> {
        let request = SignalTaskRequest { task_id: self.id(), signal: signal.to_owned() };
        agent.process().driver().signal_task(request).await.map(drop)
    }

    /// Runs a command in the task.
    pub async fn exec(&self, agent: &Agent, command: &[&str]) -> Result<ExecTaskResponse, Status> {
        let timeout = Some(prost_types::Duration { seconds: 30, nanos: 0 });
        let command = command.iter().map(|&word| word.to_owned()).collect();
        let request = ExecTaskRequest { task_id: self.id(), command, timeout };
        Ok(agent.process().driver().exec_task(request).await?.into_inner())
    }

    /// Asks what is known of the task.
    pub async fn inspect(&self, agent: &Agent) -> Result<InspectTaskResponse, Status> {
        let request = InspectTaskRequest { task_id: self.id() };
        Ok(agent.process().driver().inspect_task(request).await?.into_inner())
    }

    /// Returns the engine's id of the task's container.
    pub async fn container(&self, agent: &Agent) -> Result<String, Status> {
        let known = self.inspect(agent).await?;
        Ok(known.driver.and_then(|driver| driver.attributes.get("container_id").cloned()).unwrap_or_default())
    }

    /// Has the task sampled each second, for as long as the stream is held.
    pub fn sampling(
        &self,
        agent: &Agent,
    ) -> impl Future<Output = Result<Streaming<TaskStatsResponse>, Status>> + Send + use<> {
        let interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let request = TaskStatsRequest { task_id: self.id(), collection_interval: interval };
        let mut driver = agent.process().driver();
        async move { Ok(driver.task_stats(request).await?.into_inner()) }
    }

    /// Returns the first samples of what the task uses.
    pub async fn stats(&self, agent: &Agent, samples: usize) -> Result<Vec<TaskStats>, Status> {
        let mut stream = self.sampling(agent).await?;
        let mut seen = Vec::new();
        while seen.len() < samples
            && let Some(answer) = stream.message().await?
        {
            seen.extend(answer.stats);
        }
        Ok(seen)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.refreshers.iter().for_each(AbortHandle::abort);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A network of the group's own is refused, as by an agent, where the driver does not say that it can join one. Where it
/// can, nobody here makes one.
fn joinable(agent: &Agent, group: &Group, task: &Task) -> Result<(), PrepareError> {
    let mode = group.network.mode.as_str();
    let can = agent.capabilities.network_isolation_modes().any(|known| known == NetworkIsolationMode::Group);
    if can || matches!(mode, "" | "host") {
        return Ok(());
    }
    Err(PrepareError::Network { task: task.name.clone(), mode: mode.to_owned() })
}

fn dns(dns: &job::Dns) -> DnsConfig {
    DnsConfig { servers: dns.servers.clone(), searches: dns.searches.clone(), options: dns.options.clone() }
}

/// Signs the task's identities, puts them where the job wants them and keeps the files fresh.
fn identities(
    place: &Place,
    job: &Job,
    group: &Group,
    task: &Task,
    alloc: &str,
    dir: &TaskDir,
) -> Result<(BTreeMap<String, String>, Vec<AbortHandle>), PrepareError> {
    let who = Subject {
        region: job.region.clone(),
        namespace: job.namespace.clone(),
        job: job.id.clone(),
        group: group.name.clone(),
        task: task.name.clone(),
        alloc: alloc.to_owned(),
    };
    let (mut env, mut refreshers) = (BTreeMap::new(), Vec::new());
    for wanted in &task.identities {
        let token = place.signer.sign(&who, wanted)?;
        if wanted.env {
            env.insert(identity::env_name(&wanted.name), token.clone());
        }
        if wanted.file {
            let path = dir.secrets.join(identity::file_name(&wanted.name));
            let user = identity::host_uid(&task.user);
            identity::write_token(&path, &token, user)?;
            if let Some(ttl) = wanted.ttl {
                let (signer, who, wanted) = (place.signer.clone(), who.clone(), wanted.clone());
                let refresher = tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(identity::refresh_after(ttl)).await;
                        if let Ok(token) = signer.sign(&who, &wanted) {
                            let _ = identity::write_token(&path, &token, user);
                        }
                    }
                });
                refreshers.push(refresher.abort_handle());
            }
        }
    }
    Ok((env, refreshers))
}

/// Says what is wrong with a task's config, as far as it can be known before anything is made for the task.
pub fn check(spec: &Spec, facts: &NodeFacts, job: &Job, group: &Group, task: &Task) -> Vec<Problem> {
    let in_env = task.identities.iter().filter(|identity| identity.env);
    let mut env: BTreeMap<_, _> = in_env.map(|wanted| (identity::env_name(&wanted.name), String::new())).collect();
    env.extend(env::built_in(job, group, task, &ids::uuid(), &alloc::likely_ports(group)));
    decode(spec, job, task, facts, &mut env).err().unwrap_or_default()
}

/// Adds the task's own variables to `env` and decodes its config, in which all of them may be named.
fn decode(
    spec: &Spec,
    job: &Job,
    task: &Task,
    facts: &NodeFacts,
    env: &mut BTreeMap<String, String>,
) -> Result<cty::Value, Vec<Problem>> {
    let known = env::names(env, facts, job);
    let mut problems = Vec::new();
    for (key, value) in &task.env {
        match spec::interpolate(value, &known) {
            Ok(node) => drop(env.insert(key.clone(), node.value.to_text().unwrap_or_default())),
            Err(problem) => problems.push(problem),
        }
    }
    match spec::decode(spec, &task.config, &env::names(env, facts, job)) {
        Ok(value) if problems.is_empty() => Ok(value),
        Ok(_) => Err(problems),
        Err(more) => Err(problems.into_iter().chain(more).collect()),
    }
}

fn resources(task: &Task, ports: &[PortMapping]) -> Resources {
    let wanted = &task.resources;
    let most = wanted.memory.max(wanted.memory_max);
    Resources {
        allocated_resources: Some(AllocatedTaskResources {
            cpu: Some(AllocatedCpuResources { cpu_shares: wanted.cpu }),
            memory: Some(AllocatedMemoryResources { memory_mb: wanted.memory, memory_max_mb: wanted.memory_max }),
            networks: Vec::new(),
        }),
        linux_resources: Some(LinuxResources {
            cpu_shares: wanted.cpu,
            memory_limit_bytes: most * MEBIBYTE,
            percent_ticks: 0.1,
            ..LinuxResources::default()
        }),
        ports: ports.to_vec(),
    }
}

/// Makes the pipes for a task's output and begins to read them.
fn outputs(allocation: &Allocation, task: &Task, feed: &Feed) -> io::Result<([String; 2], Vec<Collector>)> {
    if task.logs_disabled {
        return Ok((["/dev/null".to_owned(), "/dev/null".to_owned()], Vec::new()));
    }
    let [stdout, stderr] = allocation.pipes(&task.name)?;
    let shown = |path: &Path| path.display().to_string();
    let paths = [shown(&stdout), shown(&stderr)];
    let collect = |path, stream| Collector::start(path, &task.name, stream, feed.clone());
    Ok((paths, vec![collect(stdout, Stream::Out), collect(stderr, Stream::Err)]))
}

/// Makes the place where allocations live.
pub fn node(data: &Path, signer: Signer) -> io::Result<Place> {
    fs::create_dir_all(data)?;
    Ok(Place { data: data.to_owned(), signer, id: ids::uuid(), words: NodeWords::default() })
}
