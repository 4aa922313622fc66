//! From the change of a secret at the server to the file and to the signal in the container.
//!
//! Ours and the server's own agents look for changes as often as one another, and the same change is met by all of them, in
//! containers of one kind. What waits by design, for further changes and to spread the load, is set to nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use strongbox::domain::TaskId;

use super::{
    IMAGE,
    figures::{Figure, Samples},
    ground::Ground,
    harness::runner::Run,
    load::{end, start_all},
    number, ours,
    peers::{self, Rendering, RunningAgent},
};

/// Tasks of each kind, changes of the secret, and seconds between two looks at it.
const TASKS: usize = 5;
const CHANGES: usize = 20;
const POLL: u64 = 5;
/// How closely files are watched.
const GLANCE: Duration = Duration::from_millis(2);
/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(120);
const SOURCE: &str = r#"{{ with secret "kv/data/timeline" }}{{ .Data.data.api_key }}{{ end }}"#;
/// Notes what stands in the file when the signal comes, without a process of its own.
const SCRIPT: &str =
    "trap 'read word </run/secrets/app.env; echo $word >>/local/noted' HUP; while :; do sleep 1 & wait $!; done";

/// Where a change of the secret is seen.
struct Place {
    file: PathBuf,
    noted: PathBuf,
}

/// How long a change took to get there, in milliseconds.
#[derive(Default)]
struct Times {
    file: Samples,
    signal: Samples,
    between: Samples,
}

/// Both, at the same changes.
pub async fn figures() -> Vec<Figure> {
    let (poll, count) = (number("BENCH_POLL_SECONDS", POLL), number("BENCH_TASKS", TASKS));
    let ground = Ground::start(&format!("refresh {{\n    kv_poll = \"{poll}s\"\n    quiet   = \"10ms\"\n  }}")).await;
    let jobs = (0..count).map(|_| ground.bed.task(&job())).collect();
    let (_, tasks) = start_all(&ground.bed, jobs).await;
    let peers: Vec<Peer> = (0..count).map(|n| Peer::start(&ground, n, poll)).collect();
    let ours: Vec<Place> = tasks.iter().map(|task| place(&ground, task)).collect();
    let theirs: Vec<Place> = peers.iter().map(Peer::place).collect();
    let (mut our_times, mut their_times) = (Times::default(), Times::default());
    for change in 0..number("BENCH_CHANGES", CHANGES) {
        // Not in step with anybody's looks.
        tokio::time::sleep(Duration::from_secs(poll).mul_f64(1.0 + rand::random::<f64>())).await;
        meet(&ground, &format!("word-{change}"), [(&ours, &mut our_times), (&theirs, &mut their_times)]).await;
    }
    drop(peers);
    end(&ground.bed, &tasks).await;
    ground.bed.agent.shutdown().await;
    compared(&our_times, &their_times, poll)
}

fn compared(ours: &Times, theirs: &Times, poll: u64) -> Vec<Figure> {
    let name = |what: &str| format!("{what}, looked for each {poll} s");
    let peer = "bao agent, docker kill";
    vec![
        Figure::of(&name("change to file"), "ms", &ours.file, &theirs.file, peer),
        Figure::worst_of(&name("change to file, 95 of 100"), "ms", &ours.file, &theirs.file, peer),
        Figure::of(&name("change to signal"), "ms", &ours.signal, &theirs.signal, peer),
        Figure::worst_of(&name("change to signal, 95 of 100"), "ms", &ours.signal, &theirs.signal, peer),
        Figure::of("file to signal", "ms", &ours.between, &theirs.between, peer),
        Figure::worst_of("file to signal, 95 of 100", "ms", &ours.between, &theirs.between, peer),
    ]
}

/// Changes the secret and waits until everybody has met it.
async fn meet<const KINDS: usize>(ground: &Ground, word: &str, kinds: [(&Vec<Place>, &mut Times); KINDS]) {
    let begin = Instant::now();
    ground.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": word } }))).await;
    let mut waiting: Vec<_> = kinds
        .into_iter()
        .map(|(places, times)| (places.iter().map(|place| (place, None)).collect::<Vec<_>>(), times))
        .collect();
    while waiting.iter().any(|(places, _)| !places.is_empty()) {
        assert!(begin.elapsed() < PATIENCE, "{word} has not come everywhere");
        for (places, times) in &mut waiting {
            places.retain_mut(|(place, file)| !place.look(word, begin.elapsed(), file, times));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

impl Place {
    /// Notes what has come; `true` when nothing more will.
    fn look(&self, word: &str, now: Duration, file: &mut Option<Duration>, times: &mut Times) -> bool {
        if file.is_none() && shows(&self.file, word) {
            *file = Some(now);
        }
        let Some(shown) = file.filter(|_| shows(&self.noted, word)) else { return false };
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        times.file.add(millis(shown));
        times.signal.add(millis(now));
        times.between.add(millis(now - shown));
        true
    }
}

/// Says whether `word` is the last line of a file.
fn shows(path: &Path, word: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().last() == Some(word))
}

fn job() -> String {
    let block = format!(
        r#"        command = "sh"
        args    = ["-c", {SCRIPT:?}]
        template {{
          destination   = "app.env"
          data          = {SOURCE:?}
          change_mode   = "signal"
          change_signal = "SIGHUP"
          splay         = "0s"
        }}
"#
    );
    ours::EMPTY.replace("        command = \"sleep\"\n        args    = [\"1000\"]\n", &block)
}

/// The file as the task sees it, by way of the driver's own directory in RAM.
fn place(ground: &Ground, task: &Run) -> Place {
    let id: TaskId = task.id().parse().expect("an id");
    let file = ground.folder().join("run/tasks").join(id.key().as_str()).join("data/app.env");
    Place { file, noted: task.dir.local.join("noted") }
}

/// The server's own agent with a container that it tells.
struct Peer {
    agent: RunningAgent,
    container: String,
    folder: tempfile::TempDir,
}

impl Peer {
    fn start(ground: &Ground, number: usize, poll: u64) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in RAM");
        let [files, local] = ["agent", "local"].map(|name| folder.path().join(name));
        [&files, &local].into_iter().for_each(|path| fs::create_dir_all(path).expect("a directory"));
        let mount = |path: &Path, target: &str| format!("{}:{target}", path.display());
        let container = docker(&[
            "run",
            "--detach",
            "--volume",
            &mount(&files, "/run/secrets:ro"),
            "--volume",
            &mount(&local, "/local"),
            IMAGE,
            "sh",
            "-c",
            SCRIPT,
        ]);
        let command = ["docker", "kill", "--signal", "HUP", &container].map(str::to_owned).to_vec();
        let mut agent = peers::agent(&ground.bao, folder.path(), "agent");
        agent.jwt = ground.bao.nomad().sign("timeline", "timeline", &format!("agent-{number}"), json!({}));
        agent.more = format!("template_config {{ static_secret_render_interval = \"{poll}s\" }}");
        let agent = agent.start(&[Rendering { command, ..Rendering::new("app.env", SOURCE) }]);
        let peer = Self { agent, container, folder };
        peer.agent.wait_for_files(PATIENCE);
        peer
    }

    fn place(&self) -> Place {
        let folder = self.folder.path();
        Place { file: folder.join("agent/app.env"), noted: folder.join("local/noted") }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.container]);
    }
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("docker runs; run `make setup`");
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
