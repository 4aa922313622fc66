//! The wire's messages to plain types and back.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tonic::Status;

use super::{
    config::{TaskOptions, task_options},
    network,
    proto::{drivers as wire, structs},
    status::{malformed, status},
};
use crate::{
    domain::{
        Demand, Device, ExitResult, GivenDevices, HostMount, Isolation, LogPaths, Port, Resources, SecretString,
        Signal, TaskEvent, TaskId, TaskMeta, TaskSpec,
    },
    driver::{AttributeValue, Class, DriverError, Fingerprint, Health, NetworkInfo, Started, TaskStatus, Usage},
};

/// Version of the handles that we give out.
const HANDLE_VERSION: i32 = 1;
/// Longest time that is taken as meant; a longer one is cut to it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const MEBIBYTE: i64 = 1 << 20;

/// Reads a task id.
pub(super) fn task_id(text: &str) -> Result<TaskId, Status> {
    text.parse().map_err(|error| malformed(format!("task_id: {error}")))
}

/// Reads a duration; an absent one is nothing.
pub(super) fn duration(wire: Option<prost_types::Duration>, name: &str) -> Result<Duration, Status> {
    let Some(wire) = wire else { return Ok(Duration::ZERO) };
    let seconds = u64::try_from(wire.seconds).ok();
    let nanos = u32::try_from(wire.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(Duration::new(seconds.min(LONGEST.as_secs()), nanos)),
        _ => Err(malformed(format!("{name} is negative or malformed"))),
    }
}

/// Reads a signal's name.
pub(super) fn signal(text: &str) -> Result<Signal, Status> {
    text.parse().map_err(malformed)
}

/// What stands where an agent has a signal's name: it knows no other way to ask a running task for something.
pub(super) enum Word {
    /// Something for us.
    Demand(Demand),
    /// Something for the container.
    Signal(Signal),
}

/// Reads a signal's name, or that of a demand.
pub(super) fn word(text: &str) -> Result<Word, Status> {
    match Demand::named(text) {
        Some(demand) => Ok(Word::Demand(demand)),
        None => signal(text).map(Word::Signal),
    }
}

/// Reads who a task is.
pub(super) fn meta(task: &wire::TaskConfig) -> Result<TaskMeta, Status> {
    for (name, value) in [("id", &task.id), ("name", &task.name), ("alloc_id", &task.alloc_id)] {
        if value.is_empty() {
            return Err(malformed(format!("task.{name} is empty")));
        }
    }
    if task.name.contains('/') || task.name.contains('\0') || task.name == "." || task.name == ".." {
        return Err(malformed(format!("task.name {:?} cannot name a directory", task.name)));
    }
    Ok(TaskMeta {
        id: task_id(&task.id)?,
        name: task.name.clone(),
        group: task.task_group_name.clone(),
        job_id: task.job_id.clone(),
        job_name: task.job_name.clone(),
        namespace: task.namespace.clone(),
        alloc_id: task.alloc_id.clone(),
        node_id: task.node_id.clone(),
        node_name: task.node_name.clone(),
    })
}

/// Reads everything that is needed to start a task.
pub(super) fn task_spec(task: wire::TaskConfig) -> Result<TaskSpec, Status> {
    let meta = meta(&task)?;
    let options = task_options(&task.msgpack_driver_config).map_err(|error| status(&error))?;
    let TaskOptions { container, vault_role, server, secrets, certificates, templates } = options;
    Ok(TaskSpec {
        user: Some(task.user.clone()).filter(|user| !user.is_empty()),
        alloc_dir: PathBuf::from(&task.alloc_dir),
        logs: logs(&task),
        resources: resources(task.resources.as_ref()),
        ports: ports(task.resources.as_ref())?,
        mounts: mounts(&task.mounts),
        devices: devices(&task),
        isolation: isolation(task.network_isolation_spec.as_ref())?,
        dns: network::dns(task.dns.as_ref()),
        env: task.env.into_iter().map(|(name, value)| (name, SecretString::new(value))).collect(),
        meta,
        container,
        vault_role,
        server,
        secrets,
        certificates,
        templates,
    })
}

/// Reads where output goes; none where collection is off.
pub(super) fn logs(task: &wire::TaskConfig) -> Option<LogPaths> {
    let named = |path: &str| !path.is_empty() && Path::new(path) != Path::new("/dev/null");
    let paths = LogPaths { stdout: PathBuf::from(&task.stdout_path), stderr: PathBuf::from(&task.stderr_path) };
    (named(&task.stdout_path) && named(&task.stderr_path)).then_some(paths)
}

fn resources(wire: Option<&wire::Resources>) -> Resources {
    let linux = wire.and_then(|resources| resources.linux_resources.as_ref());
    let allocated = wire.and_then(|resources| resources.allocated_resources.as_ref());
    let memory = allocated.and_then(|allocated| allocated.memory.as_ref());
    let reserved = memory.map_or(0, |memory| memory.memory_mb.saturating_mul(MEBIBYTE));
    // Minus one is the scheduler's word for no limit.
    let most = memory.map_or(0, |memory| memory.memory_max_mb.max(0).saturating_mul(MEBIBYTE));
    let limit = linux.map_or(0, |linux| linux.memory_limit_bytes).max(reserved).max(most);
    // Without a limit what is reserved is all that the engine is told.
    let unlimited = memory.is_some_and(|memory| memory.memory_max_mb == -1);
    let shares = allocated.and_then(|allocated| allocated.cpu.as_ref()).map_or(0, |cpu| cpu.cpu_shares);
    Resources {
        cpu_shares: if shares > 0 { shares } else { linux.map_or(0, |linux| linux.cpu_shares) },
        memory_limit: limit,
        memory_unlimited: unlimited,
        memory_reservation: (reserved > 0 && (unlimited || reserved < limit)).then_some(reserved),
        cpuset: linux.map(|linux| linux.cpuset_cpus.clone()).unwrap_or_default(),
        cpu_share: linux.map_or(0.0, |linux| linux.percent_ticks),
    }
}

fn ports(wire: Option<&wire::Resources>) -> Result<Vec<Port>, Status> {
    let ports = wire.map(|resources| resources.ports.as_slice()).unwrap_or_default();
    ports.iter().map(port).collect()
}

fn port(wire: &wire::PortMapping) -> Result<Port, Status> {
    let number = |value: i32, name: &str| {
        u16::try_from(value).map_err(|_| malformed(format!("port {:?}: {name} {value} is no port number", wire.label)))
    };
    let host = number(wire.value, "value")?;
    let to = if wire.to > 0 { number(wire.to, "to")? } else { host };
    let host_ip: Option<IpAddr> = match wire.host_ip.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| malformed(format!("port {:?}: host_ip is no IP address", wire.label)))?),
    };
    Ok(Port { label: wire.label.clone(), host, to, host_ip })
}

fn mounts(wire: &[wire::Mount]) -> Vec<HostMount> {
    let mount = |mount: &wire::Mount| HostMount {
        source: PathBuf::from(&mount.host_path),
        target: PathBuf::from(&mount.task_path),
        read_only: mount.readonly,
        propagation: mount.propagation_mode.clone(),
    };
    wire.iter().map(mount).collect()
}

/// The variable is how a plugin for NVIDIA's GPUs tells their container runtime which of them the task may see.
fn devices(task: &wire::TaskConfig) -> GivenDevices {
    let node = |device: &wire::Device| Device {
        host_path: device.host_path.clone(),
        container_path: device.task_path.clone(),
        permissions: Some(device.cgroup_permissions.clone())
            .filter(|some| !some.is_empty())
            .unwrap_or("rwm".to_owned()),
    };
    let nodes = task.devices.iter().map(node).collect();
    GivenDevices { nodes, nvidia: task.device_env.contains_key("NVIDIA_VISIBLE_DEVICES") }
}

fn isolation(wire: Option<&wire::NetworkIsolationSpec>) -> Result<Isolation, Status> {
    use wire::network_isolation_spec::NetworkIsolationMode as Mode;
    let Some(spec) = wire else { return Ok(Isolation::None) };
    match (spec.mode(), spec.labels.get(network::CONTAINER_LABEL)) {
        (Mode::Group, Some(container)) => Ok(Isolation::Group(network::group(spec, container))),
        (Mode::Group, None) => Err(unfit("network: the group's network has no container that this driver could join")),
        (Mode::Host, _) => Ok(Isolation::Host),
        (Mode::Task | Mode::None, _) => Ok(Isolation::None),
    }
}

fn unfit(why: &str) -> Status {
    status(&DriverError::new(Class::TaskConfigInvalid, why))
}

/// Makes the handle that the agent keeps. What it keeps is on disk, so the environment, which may hold secrets, is left out.
pub(super) fn handle(mut task: wire::TaskConfig, started: &Started) -> wire::TaskHandle {
    task.env.clear();
    task.device_env.clear();
    task.mounts.clear();
    task.devices.clear();
    task.msgpack_driver_config.clear();
    wire::TaskHandle {
        version: HANDLE_VERSION,
        config: Some(task),
        state: wire::TaskState::Running as i32,
        driver_state: started.state.clone(),
    }
}

/// Says whether a handle is of a version that we read.
pub(super) fn check_handle(handle: &wire::TaskHandle) -> Result<(), Status> {
    match handle.version {
        HANDLE_VERSION => Ok(()),
        other => Err(status(&DriverError::new(
            Class::StateInvalid,
            format!("task handle has version {other}, this release reads {HANDLE_VERSION}"),
        ))),
    }
}

/// Tells the agent where a task is reached.
pub(super) fn network(info: NetworkInfo) -> wire::NetworkOverride {
    wire::NetworkOverride {
        port_map: info.ports.into_iter().collect(),
        addr: info.addr,
        auto_advertise: info.auto_advertise,
    }
}

/// Tells how a task ended.
pub(super) fn exit(exit: &ExitResult) -> wire::ExitResult {
    wire::ExitResult { exit_code: exit.exit_code, signal: exit.signal, oom_killed: exit.oom_killed }
}

/// Tells a moment.
pub(super) fn timestamp(at: SystemTime) -> prost_types::Timestamp {
    prost_types::Timestamp::from(at)
}

/// Tells what is known of a task.
pub(super) fn task_status(known: &TaskStatus) -> wire::TaskStatus {
    // Go's zero time: what an agent reads as "not yet".
    const NEVER: prost_types::Timestamp = prost_types::Timestamp { seconds: -62_135_596_800, nanos: 0 };
    let state = if known.running { wire::TaskState::Running } else { wire::TaskState::Exited };
    wire::TaskStatus {
        id: known.meta.id.as_str().to_owned(),
        name: known.meta.name.clone(),
        state: state as i32,
        started_at: Some(timestamp(known.started_at)),
        completed_at: Some(known.completed_at.map_or(NEVER, timestamp)),
        result: Some(known.exit.as_ref().map(exit).unwrap_or_default()),
    }
}

/// Tells what happened to a task.
pub(super) fn event(event: TaskEvent) -> wire::DriverTaskEvent {
    wire::DriverTaskEvent {
        task_id: event.task_id,
        alloc_id: event.alloc_id,
        task_name: event.task_name,
        timestamp: Some(timestamp(event.at)),
        message: event.message,
        annotations: event.annotations.into_iter().collect(),
    }
}

/// Tells the driver's health.
pub(super) fn fingerprint(print: Fingerprint) -> wire::FingerprintResponse {
    use wire::fingerprint_response::HealthState;
    let health = match print.health {
        Health::Healthy => HealthState::Healthy,
        Health::Undetected => HealthState::Undetected,
        Health::Unhealthy => HealthState::Unhealthy,
    };
    wire::FingerprintResponse {
        attributes: attributes(print.attributes).collect(),
        health: health as i32,
        health_description: print.description,
        err: String::new(),
    }
}

fn attributes(attributes: BTreeMap<String, AttributeValue>) -> impl Iterator<Item = (String, structs::Attribute)> {
    use structs::attribute::Value;
    attributes.into_iter().map(|(name, value)| {
        let value = match value {
            AttributeValue::Flag(flag) => Value::BoolVal(flag),
            AttributeValue::Number(number) => Value::IntVal(number),
            AttributeValue::Text(text) => Value::StringVal(text),
        };
        (name, structs::Attribute { value: Some(value), unit: String::new() })
    })
}

/// Tells what a task uses. `ticks_per_percent` turns percent of a core into the scheduler's MHz.
pub(super) fn usage(id: &TaskId, usage: &Usage, ticks_per_percent: f64) -> wire::TaskStats {
    wire::TaskStats {
        id: id.as_str().to_owned(),
        timestamp: Some(timestamp(usage.at)),
        agg_resource_usage: Some(wire::TaskResourceUsage {
            cpu: Some(cpu(usage, ticks_per_percent)),
            memory: Some(memory(usage)),
        }),
        resource_usage_by_pid: Default::default(),
    }
}

fn cpu(usage: &Usage, ticks_per_percent: f64) -> wire::CpuUsage {
    use wire::cpu_usage::Fields;
    let measured = [
        Fields::SystemMode,
        Fields::UserMode,
        Fields::TotalTicks,
        Fields::ThrottledPeriods,
        Fields::ThrottledTime,
        Fields::Percent,
    ];
    wire::CpuUsage {
        system_mode: usage.cpu.system,
        user_mode: usage.cpu.user,
        total_ticks: usage.cpu.total * ticks_per_percent,
        throttled_periods: usage.stats.cpu.throttled_periods,
        throttled_time: usage.stats.cpu.throttled_ns,
        percent: usage.cpu.total,
        measured_fields: measured.map(|field| field as i32).to_vec(),
    }
}

fn memory(usage: &Usage) -> wire::MemoryUsage {
    use wire::memory_usage::Fields;
    let memory = &usage.stats.memory;
    let mut measured = vec![Fields::Rss, Fields::Cache, Fields::Usage];
    measured.extend(memory.swap.map(|_| Fields::Swap));
    measured.extend(memory.max_usage.map(|_| Fields::MaxUsage));
    wire::MemoryUsage {
        rss: memory.rss,
        cache: memory.cache,
        max_usage: memory.max_usage.unwrap_or_default(),
        kernel_usage: 0,
        kernel_max_usage: 0,
        measured_fields: measured.into_iter().map(|field| field as i32).collect(),
        usage: memory.usage,
        swap: memory.swap.unwrap_or_default(),
    }
}
