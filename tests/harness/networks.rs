//! Group networks from job file to container: the harness plays the agent, over the real wire.

use std::{fs, path::PathBuf};

use crate::{
    harness::{process::Program, runner::Run, testbed::TestBed},
    playing::{Place, plugin},
};

const IMAGE: &str = "network {\n infra_image = \"strongbox/pause:1\"\n }";
const SLEEP: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

/// A job whose group has a network and two tasks.
fn job(network: &str, server: &str, client: &str) -> String {
    let task = |name: &str, script: &str| {
        format!(
            r#"
    task "{name}" {{
      driver       = "strongbox"
      kill_timeout = "5s"
      config {{
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", {script:?}]
      }}
    }}"#
        )
    };
    let (server, client) = (task("server", server), task("client", client));
    format!("job \"j\" {{\n  group \"g\" {{\n    network {{\n{network}\n    }}{server}{client}\n  }}\n}}\n")
}

#[test]
fn a_job_file_with_a_group_network_runs() {
    let place = Place::new();
    let server = "echo hello >/local/word; httpd -p 127.0.0.1:8080 -h /local; \
                  until [ -e /alloc/data/done ]; do sleep 0.1; done";
    let client = "until wget -qO /tmp/word http://localhost:8080/word; do sleep 0.1; done; \
                  echo $(cat /tmp/word) from $(hostname) at $(ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4); \
                  grep shop /etc/hosts; grep nameserver /etc/resolv.conf; touch /alloc/data/done";
    let network = "mode = \"bridge\"\nhostname = \"shop\"\ndns {\n servers = [\"127.0.0.53\"]\n }";
    let file = place.file("job.nomad.hcl", &job(network, server, client));
    let (code, text) = place.play(&file, &place.config(IMAGE)).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("| hello from shop at 172.26.64.3/20"), "{text}");
    assert!(text.contains("| 172.26.64.3\tshop") && text.contains("| nameserver 127.0.0.53"), "{text}");
    assert_eq!(place.containers(), [""; 0], "the network went with its last task");
}

/// A bed with both tasks of a bridged group.
struct Bed {
    bed: TestBed,
    tasks: Vec<Run>,
    place: Place,
}

impl Bed {
    async fn new(network: &str) -> Self {
        let place = Place::new();
        let config = fs::read_to_string(place.config(IMAGE)).expect("written");
        let program = Program { binary: PathBuf::from(plugin()), env: Vec::new() };
        let bed = TestBed::start(program, &config).await;
        let tasks = bed.tasks(&TestBed::job(&job(network, SLEEP, SLEEP)).expect("a job")).expect("prepared");
        for task in &tasks {
            bed.run(task).await.expect("it starts");
        }
        Self { bed, tasks, place }
    }

    /// Has the agent ask for the network again, as it does at each of its starts.
    async fn is_created(&self) -> bool {
        let allocation = self.tasks[0].allocation();
        allocation.network.ask_again(&self.bed.agent, &allocation.id).await.expect("a network")
    }

    async fn end(&self) {
        for task in &self.tasks {
            self.bed.end(task).await;
        }
        assert_eq!(self.place.containers(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_outlives_the_plugin_and_is_found_again() {
    let bed = Bed::new("mode = \"bridge\"").await;
    let address = "ip -4 -o addr show eth0";
    let before = bed.bed.sh(&bed.tasks[0], address).await;
    bed.bed.kill_9_and_recover(&[&bed.tasks[0], &bed.tasks[1]]).await;
    assert_eq!(bed.bed.sh(&bed.tasks[1], address).await, before);
    assert!(!bed.is_created().await, "it is there");
    let name = bed.bed.sh(&bed.tasks[0], "grep $(hostname) /etc/hosts").await;
    assert!(name.starts_with("172.26.64.3\t"), "the container's id is the name where the job gives none: {name}");
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_starts_anew_in_the_same_network() {
    let bed = Bed::new("mode = \"bridge\"").await;
    let task = &bed.tasks[0];
    bed.bed.end(task).await;
    task.next_attempt();
    bed.bed.run(task).await.expect("it starts");
    assert!(bed.bed.sh(task, "ip -4 -o addr show eth0").await.contains("172.26.64.3"));
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_network_has_loopback_and_nothing_else() {
    let bed = Bed::new("mode = \"none\"").await;
    bed.bed.kill_9_and_recover(&[&bed.tasks[0], &bed.tasks[1]]).await;
    assert!(!bed.is_created().await);
    let interfaces = bed.bed.sh(&bed.tasks[0], "ls /sys/class/net").await;
    assert_eq!(interfaces.trim(), "lo");
    bed.end().await;
}
