//! The runtime section of the container benchmark (CIS Docker 1.6.0, section 5, as `docker-bench-security` looks at it), for what
//! the driver makes with an operator's config that says nothing: a task with a published port, a task in a group's network, and
//! the container that holds that network.

use std::process::Command;

use serde_json::Value;

#[path = "../examples/harness/mod.rs"]
mod harness;
#[path = "docker_jobs/installation.rs"]
mod installation;

use installation::Installation;

/// One of the benchmark's looks at a container: `Some` with what is wrong.
type Check = fn(&Value) -> Option<String>;

const CHECKS: [(&str, Check); 21] = [
    ("5.3 security options are set", |c| empty(c, "/HostConfig/SecurityOpt")),
    ("5.4 no capabilities are added", |c| filled(c, "/HostConfig/CapAdd")),
    ("5.5 not privileged", |c| wrong(c, "/HostConfig/Privileged", |v| v == &Value::Bool(false))),
    ("5.6 no sensitive directory of the host", sensitive_mounts),
    ("5.8 no privileged port", privileged_ports),
    ("5.10 not in the host's network", |c| is(c, "/HostConfig/NetworkMode", "host")),
    ("5.11 memory is limited", |c| wrong(c, "/HostConfig/Memory", |v| v.as_i64() > Some(0))),
    ("5.12 the processor's share is set", |c| wrong(c, "/HostConfig/CpuShares", |v| v.as_i64() > Some(0))),
    ("5.13 the root is read-only", |c| wrong(c, "/HostConfig/ReadonlyRootfs", |v| v == &Value::Bool(true))),
    ("5.14 ports are bound to one address", wildcard_ports),
    ("5.15 not restarted by the engine", |c| is(c, "/HostConfig/RestartPolicy/Name", "always")),
    ("5.16 own processes", |c| is(c, "/HostConfig/PidMode", "host")),
    ("5.17 own shared memory", |c| is(c, "/HostConfig/IpcMode", "host")),
    ("5.18 no device of the host", |c| filled(c, "/HostConfig/Devices")),
    ("5.20 mounts do not spread", shared_mounts),
    ("5.21 own host name", |c| is(c, "/HostConfig/UTSMode", "host")),
    ("5.22 seccomp is on", |c| option(c, "seccomp=unconfined")),
    ("5.25 in the engine's control group", |c| wrong(c, "/HostConfig/CgroupParent", |v| v == "")),
    ("5.26 no new privileges", no_new_privileges),
    ("5.29 processes are limited", |c| wrong(c, "/HostConfig/PidsLimit", |v| v.as_i64() > Some(0))),
    ("5.31 own users", |c| is(c, "/HostConfig/UsernsMode", "host")),
];

/// Looked for apart, as it counts for mounts of every kind.
const SOCKET: &str = "docker.sock";

const JOBS: [&str; 2] = [
    r#"
job "plain" {
  group "main" {
    network {
      port "web" {
        to = 8080
      }
    }
    task "plain" {
      driver = "strongbox"
      config {
        image   = "strongbox/busybox:1"
        command = "sleep"
        args    = ["600"]
        ports   = ["web"]
      }
    }
  }
}
"#,
    r#"
job "grouped" {
  group "main" {
    network {
      mode = "bridge"
    }
    task "grouped" {
      driver = "strongbox"
      config {
        image   = "strongbox/busybox:1"
        command = "sleep"
        args    = ["600"]
      }
    }
  }
}
"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn the_benchmark_warns_of_nothing_that_the_driver_made() {
    // The image only stands for the one that is fetched by default; nothing else is said.
    let installation = Installation::start("network { infra_image = \"strongbox/pause:1\" }\n").await;
    let mut tasks = Vec::new();
    for job in JOBS {
        let task = installation.task(job);
        installation.run(&task).await.unwrap_or_else(|status| panic!("no start: {}", status.message()));
        tasks.push(task);
    }
    let containers = installation.containers("");
    let warnings: Vec<String> = containers.iter().flat_map(|id| warnings(&inspect(id))).collect();
    for task in &tasks {
        task.destroy(&installation.agent, true).await.expect("destroyed");
    }
    drop(tasks);
    assert_eq!(installation.leftovers(), None);
    assert_eq!(containers.len(), 3, "two tasks and the container of a network");
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
}

fn inspect(id: &str) -> Value {
    let output = Command::new("docker").args(["inspect", id]).output().expect("docker runs; run `make setup`");
    let mut found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    found[0].take()
}

fn warnings(container: &Value) -> Vec<String> {
    let name = container["Name"].as_str().unwrap_or_default();
    let found = CHECKS.iter().filter_map(|(check, look)| Some(format!("{name}: {check}: {}", look(container)?)));
    let socket = container["Mounts"].to_string().contains(SOCKET).then(|| format!("{name}: 5.32 the engine's socket"));
    found.chain(socket).collect()
}

fn at<'c>(container: &'c Value, path: &str) -> &'c Value {
    container.pointer(path).unwrap_or(&Value::Null)
}

fn wrong(container: &Value, path: &str, good: impl Fn(&Value) -> bool) -> Option<String> {
    let value = at(container, path);
    (!good(value)).then(|| format!("{path} is {value}"))
}

fn is(container: &Value, path: &str, bad: &str) -> Option<String> {
    wrong(container, path, |value| value != bad)
}

fn filled(container: &Value, path: &str) -> Option<String> {
    wrong(container, path, |value| value.as_array().is_none_or(Vec::is_empty))
}

fn empty(container: &Value, path: &str) -> Option<String> {
    wrong(container, path, |value| value.as_array().is_some_and(|list| !list.is_empty()))
}

fn option(container: &Value, bad: &str) -> Option<String> {
    let options = at(container, "/HostConfig/SecurityOpt");
    options.to_string().contains(bad).then(|| format!("{options}"))
}

fn no_new_privileges(container: &Value) -> Option<String> {
    let options = at(container, "/HostConfig/SecurityOpt");
    (!options.to_string().contains("no-new-privileges")).then(|| format!("{options}"))
}

fn mounts(container: &Value) -> impl Iterator<Item = &Value> {
    at(container, "/Mounts").as_array().into_iter().flatten()
}

fn sensitive_mounts(container: &Value) -> Option<String> {
    let sensitive = ["/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr"];
    let source = |mount: &Value| mount["Source"].as_str().unwrap_or_default().to_owned();
    // The files that say who and where a container is are the driver's own and lie elsewhere.
    mounts(container).map(source).find(|source| sensitive.contains(&source.as_str()))
}

fn shared_mounts(container: &Value) -> Option<String> {
    mounts(container).find(|mount| mount["Propagation"].to_string().contains("shared")).map(ToString::to_string)
}

fn published(container: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let ports = at(container, "/NetworkSettings/Ports").as_object().into_iter().flatten();
    ports.flat_map(|(port, bindings)| bindings.as_array().into_iter().flatten().map(move |b| (port.as_str(), b)))
}

fn privileged_ports(container: &Value) -> Option<String> {
    let number = |text: &str| text.split('/').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or_default();
    let low = |(port, binding): &(&str, &Value)| {
        number(port) < 1024 || binding["HostPort"].as_str().map(number).unwrap_or_default() < 1024
    };
    published(container).find(low).map(|(port, binding)| format!("{port} on {binding}"))
}

fn wildcard_ports(container: &Value) -> Option<String> {
    let wild = |binding: &Value| matches!(binding["HostIp"].as_str(), Some("" | "0.0.0.0" | "::") | None);
    published(container).find(|(_, binding)| wild(binding)).map(|(port, binding)| format!("{port} on {binding}"))
}
