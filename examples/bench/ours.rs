//! Our side: jobs through the plugin's socket, and what its log says of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Instant,
};

use strongbox::domain::{ContainerOptions, Isolation, Resources, TaskMeta, TaskSpec};

use super::{
    figures::Samples,
    harness::{
        feed::{Event, Feed},
        testbed::TestBed,
    },
};

/// A task with one of everything.
pub const FULL: &str = r#"
job "timeline" {
  group "web" {
    task "timeline" {
      driver = "strongbox"
      config {
        image   = "strongbox/busybox:1"
        command = "sleep"
        args    = ["1000"]
        certificate "server" {}
        secret "db" {
          path = "database/creds/timeline"
        }
        template {
          destination = "app.env"
          data        = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
        }
      }
    }
  }
}
"#;

/// The same container without secrets.
pub const EMPTY: &str = r#"
job "timeline" {
  group "web" {
    task "timeline" {
      driver = "strongbox"
      config {
        image   = "strongbox/busybox:1"
        command = "sleep"
        args    = ["1000"]
      }
    }
  }
}
"#;

/// One start: which task, and how many milliseconds StartTask took.
pub struct Started {
    /// As the plugin's log names it.
    pub task_id: String,
    /// Milliseconds.
    pub took: f64,
}

/// Starts a job's task, times it and destroys it.
pub async fn start(bed: &TestBed, job: &str) -> Started {
    let task = bed.task(job);
    let begin = Instant::now();
    bed.run(&task).await.unwrap_or_else(|status| panic!("no start: {}", status.message()));
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    task.destroy(&bed.agent, true).await.expect("destroyed");
    Started { task_id: task.id().to_string(), took }
}

/// The same container as the bare peer describes it.
pub fn bare_task(folder: &Path) -> TaskSpec {
    let alloc_dir = folder.join("bare");
    for part in ["alloc/logs", "timeline/local", "timeline/secrets"] {
        std::fs::create_dir_all(alloc_dir.join(part)).expect("a directory");
    }
    TaskSpec {
        meta: TaskMeta {
            id: "bare/timeline/1".parse().expect("an id"),
            name: "timeline".into(),
            group: "web".into(),
            job_id: "timeline".into(),
            job_name: "timeline".into(),
            namespace: "default".into(),
            alloc_id: "bare".into(),
            node_id: "bench".into(),
            node_name: "bench".into(),
        },
        user: None,
        env: BTreeMap::new(),
        alloc_dir,
        logs: None,
        resources: Resources { cpu_shares: 100, memory_limit: 300 << 20, ..Resources::default() },
        ports: Vec::new(),
        mounts: Vec::new(),
        devices: Default::default(),
        isolation: Isolation::None,
        dns: Default::default(),
        container: ContainerOptions {
            image: "strongbox/busybox:1".into(),
            command: Some("sleep".into()),
            args: vec!["1000".into()],
            ..ContainerOptions::default()
        },
        vault_role: None,
        server: Default::default(),
        secrets: Vec::new(),
        certificates: Vec::new(),
        templates: Vec::new(),
    }
}

/// Returns the milliseconds that the secrets branch of each of `tasks` took, by the plugin's own log.
pub fn secrets_ms(feed: &Feed, tasks: &BTreeSet<String>) -> Samples {
    part(feed, tasks, "secrets_ms")
}

/// Returns the milliseconds that each of `tasks` took to log in, fetch, render and publish.
pub fn files_ms(feed: &Feed, tasks: &BTreeSet<String>) -> Samples {
    let (fetched, published) = (secrets_ms(feed, tasks), part(feed, tasks, "publish_ms"));
    Samples(fetched.0.iter().zip(&published.0).map(|(fetched, published)| fetched + published).collect())
}

/// Words where the time of the starts of `tasks` went.
pub fn where_the_time_goes(feed: &Feed, tasks: &BTreeSet<String>) -> String {
    let word = |name: &str| {
        let samples = part(feed, tasks, name);
        format!("{name} {:.0} [{:.0} … {:.0}]", samples.median(), samples.quantile(0.0), samples.quantile(1.0))
    };
    let parts: Vec<String> = ["secrets_ms", "container_ms", "publish_ms", "start_ms"].map(word).into();
    format!("where the time goes (full starts; the first two run side by side): {}", parts.join(", "))
}

/// Returns a field of every line that tells a start of one of `tasks`.
fn part(feed: &Feed, tasks: &BTreeSet<String>, name: &str) -> Samples {
    let lines = feed.since(0).into_iter().filter_map(|entry| match entry.what {
        Event::PluginLog(line) if line.message == "Task started" => Some(line.fields.into_iter().collect()),
        _ => None,
    });
    let ours =
        lines.filter(|fields: &BTreeMap<String, String>| fields.get("task_id").is_some_and(|id| tasks.contains(id)));
    Samples(ours.filter_map(|fields| fields.get(name)?.parse().ok()).collect())
}
