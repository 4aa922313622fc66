//! Our side: jobs through the plugin's socket, and what its log says of them.

use std::{collections::BTreeMap, path::Path, time::Instant};

use strongbox::domain::{ContainerOptions, Isolation, Resources, TaskMeta, TaskSpec};

use super::{
    bao::Bao,
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

/// Starts a job's task and returns how many milliseconds StartTask took.
pub async fn start(bed: &TestBed, job: &str) -> f64 {
    let task = bed.task(job);
    let begin = Instant::now();
    bed.run(&task).await.unwrap_or_else(|status| panic!("no start: {}", status.message()));
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    task.destroy(&bed.agent, true).await.expect("destroyed");
    took
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
        isolation: Isolation::None,
        container: ContainerOptions {
            image: "strongbox/busybox:1".into(),
            command: Some("sleep".into()),
            args: vec!["1000".into()],
            ..ContainerOptions::default()
        },
        vault_role: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
        templates: Vec::new(),
    }
}

/// The operator's config.
pub fn config(bao: &Bao, root: &Path) -> String {
    format!(
        r#"config {{
  state_dir   = "{root}/state"
  runtime_dir = "{root}/run"
  vault {{
    address          = "{address}"
    allow_plain_http = true
  }}
  auth {{
    method   = "driver"
    mount    = "jwt-strongbox"
    key_file = "{key}"
  }}
  allow {{
    job   = "timeline"
    roles = ["timeline"]
    paths = ["kv/data/timeline", "database/creds/timeline"]
    pki   = ["pki_int/timeline"]
  }}
}}"#,
        root = root.display(),
        address = bao.address(),
        key = bao.node_key_file().display(),
    )
}

/// Returns the milliseconds that the secrets branch of each start took, by the plugin's own log.
pub fn secrets_ms(feed: &Feed) -> Vec<f64> {
    started(feed, "secrets_ms").into_iter().filter(|value| *value > 6.0).collect()
}

/// Words where the time of the full starts went.
pub fn where_the_time_goes(feed: &Feed) -> String {
    let part = |name: &str| {
        let mut samples = Samples::default();
        started(feed, name).into_iter().for_each(|value| samples.add(value));
        format!("{name} {:.0} [{:.0} … {:.0}]", samples.median(), samples.quantile(0.0), samples.quantile(1.0))
    };
    let parts: Vec<String> = ["secrets_ms", "container_ms", "publish_ms", "start_ms"].map(part).into();
    format!("where the time goes (all starts; the first two run side by side): {}", parts.join(", "))
}

/// Returns a field of every line that tells a start.
fn started(feed: &Feed, field: &str) -> Vec<f64> {
    let lines = feed.since(0).into_iter().filter_map(|entry| match entry.what {
        Event::PluginLog(line) if line.message == "Task started" => Some(line.fields),
        _ => None,
    });
    lines
        .filter_map(|fields| fields.iter().find(|(name, _)| name == field).and_then(|(_, value)| value.parse().ok()))
        .collect()
}
