//! What a task finds in its environment, and what the strings of its config may name.

use std::collections::BTreeMap;

use strongbox::plugin::proto::drivers::PortMapping;

use super::{
    hcl::value::{Member, Node, Value},
    job::{Group, Job, Task},
};

/// The name of the one node that there is.
pub const NODE_NAME: &str = "harness";

/// What somebody says of the node, as its agent's configuration would.
#[derive(Clone, Debug, Default)]
pub struct NodeWords {
    /// Attributes, with the dots in their names; they go before what was found out.
    pub attributes: BTreeMap<String, String>,
    /// Its meta, of which there is none by itself.
    pub meta: BTreeMap<String, String>,
}

/// What an agent knows of its node.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// Its id.
    pub id: String,
    /// What can be named: its attributes and its meta.
    pub words: NodeWords,
}

impl NodeFacts {
    /// Returns what is true of this machine, what the driver's fingerprint adds, and above all what somebody `said`.
    pub fn of_this_machine(id: &str, fingerprint: BTreeMap<String, String>, said: &NodeWords) -> Self {
        let mut attributes = machine();
        attributes.extend(fingerprint);
        attributes.extend(said.attributes.clone());
        Self { id: id.to_owned(), words: NodeWords { attributes, meta: said.meta.clone() } }
    }
}

/// Returns the attributes that jobs name most, under the names that an agent gives them.
fn machine() -> BTreeMap<String, String> {
    let kernel = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    [
        ("cpu.arch", arch.to_owned()),
        ("cpu.numcores", cores.to_string()),
        ("kernel.arch", std::env::consts::ARCH.to_owned()),
        ("kernel.name", std::env::consts::OS.to_owned()),
        ("kernel.version", kernel("osrelease").trim().to_owned()),
        ("os.name", distribution("ID")),
        ("os.version", distribution("VERSION_ID")),
        ("unique.hostname", kernel("hostname").trim().to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Reads one field of what the distribution says of itself.
fn distribution(field: &str) -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// Returns the variables that an agent gives to every task.
pub fn built_in(job: &Job, group: &Group, task: &Task, alloc: &str, ports: &[PortMapping]) -> BTreeMap<String, String> {
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
    if task.resources.memory_max > 0 {
        env.insert("NOMAD_MEMORY_MAX_LIMIT".to_owned(), task.resources.memory_max.to_string());
    }
    env.extend([&job.meta, &group.meta, &task.meta].into_iter().flatten().flat_map(meta));
    env.extend(ports.iter().flat_map(port));
    env
}

/// A meta key is there as it is written and in capitals.
fn meta((key, value): (&String, &String)) -> [(String, String); 2] {
    [key.to_uppercase(), key.clone()].map(|key| (format!("NOMAD_META_{key}"), value.clone()))
}

fn port(port: &PortMapping) -> [(String, String); 7] {
    let PortMapping { label, value, to, host_ip } = port;
    let inside = if *to > 0 { to } else { value };
    [
        (format!("NOMAD_ADDR_{label}"), format!("{host_ip}:{value}")),
        (format!("NOMAD_ALLOC_PORT_{label}"), inside.to_string()),
        (format!("NOMAD_HOST_ADDR_{label}"), format!("{host_ip}:{value}")),
        (format!("NOMAD_HOST_IP_{label}"), host_ip.clone()),
        (format!("NOMAD_HOST_PORT_{label}"), value.to_string()),
        (format!("NOMAD_IP_{label}"), host_ip.clone()),
        (format!("NOMAD_PORT_{label}"), inside.to_string()),
    ]
}

/// Returns what the strings of a config may refer to: each variable by its name, all of them by `env`, and the node.
pub fn names(env: &BTreeMap<String, String>, node: &NodeFacts, job: &Job) -> BTreeMap<String, Node> {
    let mut names: BTreeMap<String, Node> = env.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    let all = Value::map(env.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))), &(0..0));
    names.insert("env".to_owned(), Node::new(all, 0..0));
    names.insert("attr".to_owned(), nested(pairs(&node.words.attributes)));
    // The node's own meta; a job's is in the environment.
    names.insert("meta".to_owned(), nested(pairs(&node.words.meta)));
    let about = [
        ("class", ""),
        ("datacenter", &job.datacenter),
        ("pool", "default"),
        ("region", &job.region),
        ("unique.id", &node.id),
        ("unique.name", NODE_NAME),
    ];
    names.insert("node".to_owned(), nested(about));
    names
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

fn text(value: &str) -> Node {
    Node::new(value, 0..0)
}

/// Makes `cpu.arch` a member of `cpu`. A name that is also the beginning of a longer one keeps its value, and the longer
/// one is left out.
fn nested<'a>(flat: impl IntoIterator<Item = (&'a str, &'a str)>) -> Node {
    let mut root = Value::map::<String>([], &(0..0));
    for (key, value) in flat {
        insert(&mut root, key, value);
    }
    Node::new(root, 0..0)
}

fn insert(into: &mut Value, key: &str, value: &str) {
    let Value::Map(members) = into else { return };
    match key.split_once('.') {
        None => drop(members.entry(key.to_owned()).or_insert(Member { name: 0..0, node: text(value) })),
        Some((head, tail)) => {
            let fresh = Member { name: 0..0, node: nested([]) };
            insert(&mut members.entry(head.to_owned()).or_insert(fresh).node.value, tail, value);
        }
    }
}
