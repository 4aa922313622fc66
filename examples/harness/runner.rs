//! One allocation of a job's task: its surroundings, its config, and the calls an agent makes for it.

use std::{collections::BTreeMap, fs, io, net::TcpListener, path::Path, sync::Mutex, time::Duration};

use strongbox::plugin::proto::drivers::{
    AllocatedCpuResources, AllocatedMemoryResources, AllocatedTaskResources, DestroyTaskRequest, ExecTaskRequest,
    ExecTaskResponse, ExitResult, InspectTaskRequest, InspectTaskResponse, LinuxResources, PortMapping,
    RecoverTaskRequest, Resources, SignalTaskRequest, StartTaskRequest, StopTaskRequest, TaskConfig, TaskHandle,
    TaskStats, TaskStatsRequest, WaitTaskRequest,
};
use tokio::task::AbortHandle;
use tonic::Status;

use super::{
    agent::Agent,
    allocdir::{AllocDir, TaskDir},
    cty,
    feed::{Feed, Stream},
    fifo::Collector,
    hcl::value::{Node, Value},
    identity::{self, Signer, Subject},
    ids,
    job::{Group, Job, Port, Task},
    report::{Problem, Report},
    spec::{self, Spec},
};

const MEBIBYTE: i64 = 1 << 20;
/// Where an agent begins to give ports away.
const FIRST_PORT: u16 = 20000;

/// Where allocations live and who signs for them.
pub struct Place {
    /// The agent's data directory.
    pub data: std::path::PathBuf,
    /// Signs the tasks' identities.
    pub signer: Signer,
    /// The node's id.
    pub id: String,
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
    _alloc_dir: AllocDir,
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
}

impl Run {
    /// Makes everything that stands around a task before its driver is asked to start it.
    pub fn prepare(node: &Place, agent: &Agent, job: &Job, group: &Group, task: &Task) -> Result<Self, PrepareError> {
        let alloc = ids::uuid();
        let mut alloc_dir = AllocDir::create(&node.data, &alloc)?;
        let dir = alloc_dir.task(&task.name)?;
        let ports = ports(group)?;
        let (mut env, refreshers) = identities(node, job, group, task, &alloc, &dir)?;
        env.extend(environment(job, group, task, &alloc, &ports));
        let config = decode(&agent.task_spec, job, task, &node.id, &mut env);
        let config = config.map_err(|problems| PrepareError::Config(Report::errors(&job.source, problems)))?;
        let (paths, collectors) = outputs(&alloc_dir, task, &agent.feed)?;
        let config = TaskConfig {
            id: String::new(),
            name: task.name.clone(),
            msgpack_driver_config: config.encode(),
            env: env.into_iter().collect(),
            resources: Some(resources(task, &ports)),
            user: task.user.clone(),
            alloc_dir: alloc_dir.path.display().to_string(),
            stdout_path: paths[0].clone(),
            stderr_path: paths[1].clone(),
            task_group_name: group.name.clone(),
            job_name: job.name.clone(),
            alloc_id: alloc.clone(),
            job_id: job.id.clone(),
            namespace: job.namespace.clone(),
            node_name: "harness".to_owned(),
            node_id: node.id.clone(),
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
            _alloc_dir: alloc_dir,
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
        agent.process().driver().destroy_task(request).await.map(drop)
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

    /// Returns the first samples of what the task uses.
    pub async fn stats(&self, agent: &Agent, samples: usize) -> Result<Vec<TaskStats>, Status> {
        let interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let request = TaskStatsRequest { task_id: self.id(), collection_interval: interval };
        let mut stream = agent.process().driver().task_stats(request).await?.into_inner();
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

/// Chooses the group's ports: fixed ones as they are, the others free on the loopback address.
fn ports(group: &Group) -> io::Result<Vec<PortMapping>> {
    let port = |port: &Port| {
        let value = match port.fixed {
            Some(fixed) => fixed,
            None => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        };
        Ok(mapping(port, value))
    };
    group.network.ports.iter().map(port).collect()
}

fn mapping(port: &Port, value: u16) -> PortMapping {
    let to = i32::from(port.to.unwrap_or_default());
    PortMapping { label: port.label.clone(), value: i32::from(value), to, host_ip: "127.0.0.1".to_owned() }
}

/// Signs the task's identities, puts them where the job wants them and keeps the files fresh.
fn identities(
    node: &Place,
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
        let token = node.signer.sign(&who, wanted)?;
        if wanted.env {
            env.insert(identity::env_name(&wanted.name), token.clone());
        }
        if wanted.file {
            let path = dir.secrets.join(identity::file_name(&wanted.name));
            let user = identity::host_uid(&task.user);
            identity::write_token(&path, &token, user)?;
            if let Some(ttl) = wanted.ttl {
                let (signer, who, wanted) = (node.signer.clone(), who.clone(), wanted.clone());
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
pub fn check(spec: &Spec, job: &Job, group: &Group, task: &Task) -> Vec<Problem> {
    let ports: Vec<_> =
        group.network.ports.iter().map(|port| mapping(port, port.fixed.unwrap_or(FIRST_PORT))).collect();
    let in_env = task.identities.iter().filter(|identity| identity.env);
    let mut env: BTreeMap<_, _> = in_env.map(|wanted| (identity::env_name(&wanted.name), String::new())).collect();
    env.extend(environment(job, group, task, &ids::uuid(), &ports));
    decode(spec, job, task, &ids::uuid(), &mut env).err().unwrap_or_default()
}

/// Adds the task's own variables to `env` and decodes its config, in which all of them may be named.
fn decode(
    spec: &Spec,
    job: &Job,
    task: &Task,
    node: &str,
    env: &mut BTreeMap<String, String>,
) -> Result<cty::Value, Vec<Problem>> {
    let known = names(env, node, job);
    let mut problems = Vec::new();
    for (key, value) in &task.env {
        match spec::interpolate(value, &known) {
            Ok(node) => drop(env.insert(key.clone(), node.value.to_text().unwrap_or_default())),
            Err(problem) => problems.push(problem),
        }
    }
    match spec::decode(spec, &task.config, &names(env, node, job)) {
        Ok(value) if problems.is_empty() => Ok(value),
        Ok(_) => Err(problems),
        Err(more) => Err(problems.into_iter().chain(more).collect()),
    }
}

/// Returns the variables that an agent gives to every task.
fn environment(job: &Job, group: &Group, task: &Task, alloc: &str, ports: &[PortMapping]) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("NOMAD_ALLOC_DIR", "/alloc".to_owned()),
        ("NOMAD_TASK_DIR", "/local".to_owned()),
        ("NOMAD_SECRETS_DIR", "/secrets".to_owned()),
        ("NOMAD_ALLOC_ID", alloc.to_owned()),
        ("NOMAD_SHORT_ALLOC_ID", alloc[..8].to_owned()),
        ("NOMAD_ALLOC_NAME", format!("{}.{}[0]", job.id, group.name)),
        ("NOMAD_ALLOC_INDEX", "0".to_owned()),
        ("NOMAD_TASK_NAME", task.name.clone()),
        ("NOMAD_GROUP_NAME", group.name.clone()),
        ("NOMAD_JOB_ID", job.id.clone()),
        ("NOMAD_JOB_NAME", job.name.clone()),
        ("NOMAD_DC", job.datacenter.clone()),
        ("NOMAD_REGION", job.region.clone()),
        ("NOMAD_NAMESPACE", job.namespace.clone()),
        ("NOMAD_CPU_LIMIT", task.resources.cpu.to_string()),
        ("NOMAD_MEMORY_LIMIT", task.resources.memory.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for meta in [&job.meta, &group.meta, &task.meta] {
        env.extend(meta.iter().map(|(key, value)| (format!("NOMAD_META_{key}"), value.clone())));
    }
    for port in ports {
        let inside = if port.to > 0 { port.to } else { port.value };
        env.insert(format!("NOMAD_PORT_{}", port.label), inside.to_string());
        env.insert(format!("NOMAD_HOST_PORT_{}", port.label), port.value.to_string());
        env.insert(format!("NOMAD_IP_{}", port.label), port.host_ip.clone());
        env.insert(format!("NOMAD_ADDR_{}", port.label), format!("{}:{}", port.host_ip, port.value));
    }
    env
}

/// Returns what the strings of a config may refer to: each variable by its name, all of them by `env`, and the node.
fn names(env: &BTreeMap<String, String>, node: &str, job: &Job) -> BTreeMap<String, Node> {
    let here = 0..0;
    let text = |value: &str| Value::from(value);
    let mut names: BTreeMap<String, Node> =
        env.iter().map(|(key, value)| (key.clone(), Node::new(text(value), here.clone()))).collect();
    let all = Value::map(env.iter().map(|(key, value)| (key.clone(), text(value))), &here);
    names.insert("env".to_owned(), Node::new(all, here.clone()));
    let unique = Value::map([("id", text(node)), ("name", text("harness"))], &here);
    let about = [
        ("unique", unique),
        ("class", text("")),
        ("datacenter", text(&job.datacenter)),
        ("region", text(&job.region)),
        ("pool", text("default")),
    ];
    names.insert("node".to_owned(), Node::new(Value::map(about, &here), here.clone()));
    let meta = Value::map(job.meta.iter().map(|(key, value)| (key.clone(), text(value))), &here);
    names.insert("meta".to_owned(), Node::new(meta, here));
    names
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
fn outputs(dir: &AllocDir, task: &Task, feed: &Feed) -> io::Result<([String; 2], Vec<Collector>)> {
    if task.logs_disabled {
        return Ok((["/dev/null".to_owned(), "/dev/null".to_owned()], Vec::new()));
    }
    let [stdout, stderr] = dir.pipes(&task.name)?;
    let shown = |path: &Path| path.display().to_string();
    let paths = [shown(&stdout), shown(&stderr)];
    let collect = |path, stream| Collector::start(path, &task.name, stream, feed.clone());
    Ok((paths, vec![collect(stdout, Stream::Out), collect(stderr, Stream::Err)]))
}

/// Makes the place where allocations live.
pub fn node(data: &Path, signer: Signer) -> io::Result<Place> {
    fs::create_dir_all(data)?;
    Ok(Place { data: data.to_owned(), signer, id: ids::uuid() })
}
