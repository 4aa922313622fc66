//! From text to [`Job`].

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use hcl_edit::{
    Span as _,
    structure::{Block, Body},
};

use super::{
    Dns, Group, Identity, Job, Network, Port, Resources, Task,
    reader::{Log, Reader},
    variables,
};
use crate::harness::{
    hcl::{
        body::{generic, passed_as_json},
        eval::Scope,
        functions::Round,
        value::{Node, Value},
    },
    report::{Problem, Report, Source},
};

/// Blocks and arguments that only a cluster can use; nothing is lost when one task is run by hand.
const CLUSTER: [&str; 27] = [
    "affinity",
    "all_at_once",
    "constraint",
    "consul",
    "ephemeral_disk",
    "migrate",
    "multiregion",
    "node_pool",
    "parameterized",
    "periodic",
    "priority",
    "reschedule",
    "restart",
    "scaling",
    "service",
    "spread",
    "stop_after_client_disconnect",
    "max_client_disconnect",
    "disconnect",
    "update",
    "kill_timeout",
    "leader",
    "shutdown_delay",
    "ui",
    "csi_plugin",
    "schedule",
    "version",
];

/// What an agent would do for the task before the driver sees it, and the harness does not.
const AGENT: [&str; 9] =
    ["template", "artifact", "vault", "volume", "volume_mount", "lifecycle", "dispatch_payload", "scratch", "secret"];

/// Reads a job; `given` are the variables of the command line.
pub fn parse(source: &Source, given: &BTreeMap<String, String>) -> Result<Job, Report> {
    let body = syntax(source)?;
    let (log, round) = (RefCell::<Log>::default(), Round::File(source.dir.clone()));
    let names = variables::names(&source.text, &body, given, &round, &log);
    let scope = Scope::root(&source.text, names, &round);
    let top = Reader::new(&scope, &body, 0..0, "the file", &log);
    let job = top.block("job").map(|block| job(&top, block, source));
    if job.is_none() {
        top.problem(Problem::new("the file has no job block"));
    }
    top.finish(&[], &["variable", "variables", "locals"]);
    finish(source, job, log)
}

fn finish(source: &Source, job: Option<Job>, log: RefCell<Log>) -> Result<Job, Report> {
    let Log { problems, notes } = log.into_inner();
    match job {
        Some(job) if problems.is_empty() => Ok(Job { notes, ..job }),
        _ => Err(Report::errors(source, problems)),
    }
}

/// Parses the text, and nothing more.
pub fn syntax(source: &Source) -> Result<Body, Report> {
    hcl_edit::parser::parse_body(&source.text).map_err(|e| {
        let at = e.location().offset().min(source.text.len());
        let problem = Problem::at(&(at..at), format!("this is not HCL: {}", e.message()));
        Report::errors(source, vec![problem])
    })
}

/// Reads the `config` of an operator's plugin block: `plugin "name" { config { … } }`, a bare `config { … }` or, under
/// another name, `block`.
///
/// No variables are known there, and no functions of the first round.
pub fn parse_config_block(source: &Source, block: &str) -> Result<Node, Report> {
    config_block(source, block, |node, _| node)
}

/// Reads a bare `config { … }` as one of a job's tasks.
pub fn parse_task_config(source: &Source) -> Result<Node, Report> {
    config_block(source, "config", passed_as_json)
}

fn config_block(
    source: &Source,
    block: &str,
    passed: impl FnOnce(Node, &mut Vec<Problem>) -> Node,
) -> Result<Node, Report> {
    let body = syntax(source)?;
    let plugin = body.blocks().find(|b| b.has_ident("plugin"));
    let inner = plugin.map_or(&body, |p| &p.body);
    let Some(config) = inner.blocks().find(|b| b.has_ident(block)) else {
        return Ok(Node { value: Value::Map(BTreeMap::new()), span: 0..0 });
    };
    let round = Round::File(source.dir.clone());
    let mut problems = Vec::new();
    let value = generic(&Scope::root(&source.text, BTreeMap::new(), &round), &config.body, &mut problems);
    let node = passed(Node { value, span: config.ident.span().unwrap_or_default() }, &mut problems);
    if problems.is_empty() { Ok(node) } else { Err(Report::errors(source, problems)) }
}

fn job<'a>(top: &Reader<'a>, block: &'a Block, source: &Source) -> Job {
    let (id, _) = top.label(block);
    let reader = top.inner(block, "job");
    let job = Job {
        source: source.clone(),
        name: reader.string("name").unwrap_or_else(|| id.clone()),
        kind: reader.string("type").unwrap_or_else(|| "service".into()),
        namespace: reader.string("namespace").unwrap_or_else(|| "default".into()),
        region: reader.string("region").unwrap_or_else(|| "global".into()),
        datacenter: reader.strings("datacenters").into_iter().find(|dc| dc != "*").unwrap_or_else(|| "dc1".into()),
        meta: reader.texts("meta"),
        groups: reader.blocks("group").into_iter().map(|b| group(&reader, b)).chain(lone_tasks(&reader)).collect(),
        notes: Vec::new(),
        id,
    };
    if job.tasks().next().is_none() {
        reader.problem(Problem::at(&reader.span, "the job has no task"));
    }
    reader.finish(&AGENT, &CLUSTER);
    job
}

/// A task right below the job is a group of its own name.
fn lone_tasks(reader: &Reader<'_>) -> Vec<Group> {
    let tasks = reader.blocks("task").into_iter().map(|block| task(reader, block));
    tasks
        .map(|task| Group {
            name: task.name.clone(),
            count: 1,
            meta: BTreeMap::new(),
            network: Network::default(),
            tasks: vec![task],
        })
        .collect()
}

fn group<'a>(job: &Reader<'a>, block: &'a Block) -> Group {
    let (name, _) = job.label(block);
    let reader = job.inner(block, "group");
    let group = Group {
        name,
        count: reader.int("count").and_then(|c| u32::try_from(c).ok()).unwrap_or(1),
        meta: reader.texts("meta"),
        network: reader.block("network").map(|b| network(&reader, b)).unwrap_or_default(),
        tasks: reader.blocks("task").into_iter().map(|b| task(&reader, b)).collect(),
    };
    reader.finish(&AGENT, &CLUSTER);
    group
}

fn network<'a>(group: &Reader<'a>, block: &'a Block) -> Network {
    let reader = group.inner(block, "network");
    let mode = reader.string("mode").unwrap_or_default();
    let ports = reader.blocks("port").into_iter().map(|b| port(&reader, b)).collect();
    let hostname = reader.string("hostname").unwrap_or_default();
    let dns = reader.block("dns").map(|b| dns(&reader, b));
    reader.finish(&["cni"], &["mbits"]);
    Network { mode, hostname, dns, ports }
}

fn dns<'a>(network: &Reader<'a>, block: &'a Block) -> Dns {
    let reader = network.inner(block, "dns");
    let dns = Dns {
        servers: reader.strings("servers"),
        searches: reader.strings("searches"),
        options: reader.strings("options"),
    };
    reader.finish(&[], &[]);
    dns
}

fn port<'a>(network: &Reader<'a>, block: &'a Block) -> Port {
    let (label, _) = network.label(block);
    let reader = network.inner(block, "port");
    let port = Port { label, fixed: reader.port("static"), to: reader.port("to") };
    reader.finish(&["host_network", "ignore_collision"], &[]);
    port
}

fn task<'a>(above: &Reader<'a>, block: &'a Block) -> Task {
    let (name, span) = above.label(block);
    let reader = above.inner(block, "task");
    let task = Task {
        name,
        span,
        driver: reader.required("driver"),
        user: reader.string("user").unwrap_or_default(),
        env: reader.map("env"),
        meta: reader.texts("meta"),
        resources: resources(&reader),
        config: config(&reader),
        identities: reader.blocks("identity").into_iter().map(|b| identity(&reader, b)).collect(),
        kill_signal: reader.string("kill_signal").unwrap_or_default(),
        kill_timeout: reader.duration("kill_timeout").unwrap_or(Duration::from_secs(5)),
        logs_disabled: reader.block("logs").is_some_and(|b| logs(&reader, b)),
    };
    reader.finish(&AGENT, &CLUSTER);
    task
}

fn resources(task: &Reader<'_>) -> Resources {
    let Some(block) = task.block("resources") else { return Resources { cpu: 100, memory: 300, memory_max: 0 } };
    let reader = task.inner(block, "resources");
    let found = Resources {
        cpu: reader.int("cpu").unwrap_or(100),
        memory: reader.int("memory").unwrap_or(300),
        memory_max: reader.int("memory_max").unwrap_or(0),
    };
    reader.finish(&["device", "cores", "numa", "secrets"], &["network", "disk"]);
    found
}

fn config(task: &Reader<'_>) -> Node {
    let Some(block) = task.block("config") else {
        return Node { value: Value::Map(BTreeMap::new()), span: task.span.clone() };
    };
    let mut problems = Vec::new();
    let value = generic(task.scope, &block.body, &mut problems);
    let node = passed_as_json(Node { value, span: block.ident.span().unwrap_or_default() }, &mut problems);
    problems.into_iter().for_each(|p| task.problem(p));
    node
}

fn identity<'a>(task: &Reader<'a>, block: &'a Block) -> Identity {
    let reader = task.inner(block, "identity");
    let found = Identity {
        name: reader.string("name").unwrap_or_else(|| "default".into()),
        aud: reader.strings("aud"),
        env: reader.bool("env").unwrap_or(false),
        file: reader.bool("file").unwrap_or(false),
        ttl: reader.duration("ttl"),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if found.name.is_empty() || found.name.len() > 128 || !found.name.chars().all(plain) {
        reader.problem(Problem::at(
            &reader.span,
            format!("identity name {:?} is not of letters, digits, - and _", found.name),
        ));
    }
    reader.finish(&["filepath", "change_mode", "change_signal", "extra_claims"], &[]);
    found
}

fn logs<'a>(task: &Reader<'a>, block: &'a Block) -> bool {
    let reader = task.inner(block, "logs");
    let disabled = reader.bool("disabled").unwrap_or(false);
    reader.finish(&[], &["max_files", "max_file_size", "enabled"]);
    disabled
}
