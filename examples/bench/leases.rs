//! Ten thousand leases kept alive: by the plugin for the tasks that hold them, and by the server's own agent.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use strongbox::vault::NodeKey;

use super::{
    figures::{Figure, Samples},
    harness::{process::Program, testbed::TestBed},
    load::{ROUNDS, TICKS, end, start_all, ticks},
    number, ours,
    peers::{Rendering, ServerAgent, resident_mib},
    plugin, say,
    stub::Stub,
};

/// How many leases there are, and how many of them are one task's.
const LEASES: usize = 10_000;
const OF_A_TASK: usize = 200;
/// Seconds that a lease lives.
const LIFE: u64 = 30;
/// How many lives are watched in a round: what was lent together is renewed together, so that less would show chance.
const LIVES: u32 = 2;
/// How long the agent may take until it has all leases.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a process does that keeps leases.
#[derive(Default)]
struct Kept {
    /// Leases that were obtained in a second.
    obtained: Samples,
    /// Renewals in a second.
    renewed: Samples,
    /// Milliseconds of the processor for a thousand renewals.
    cost: Samples,
    /// Percent of one processor.
    busy: Samples,
    /// MiB.
    memory: Samples,
    /// Renewals that came when the lease had ended.
    late: u64,
}

/// Both, one after the other, against the same server.
pub async fn figures() -> Vec<Figure> {
    let (leases, life) = (number("BENCH_LEASES", LEASES), Duration::from_secs(number("BENCH_LEASE_SECONDS", LIFE)));
    let ours = plugins(leases, life).await;
    let theirs = agents(leases, life).await;
    say(&format!("renewals of leases that had ended: {} of ours, {} of bao agent's", ours.late, theirs.late));
    let name = |what: &str| format!("{what}, {leases} leases of {} s", life.as_secs());
    let figure = |what: &str, unit, ours: &Samples, theirs: &Samples| {
        Figure::of(&name(what), unit, ours, theirs, "bao agent, one for all")
    };
    vec![
        figure("leases obtained a second with their tasks' starts", "1/s", &ours.obtained, &theirs.obtained),
        figure("renewals a second", "1/s", &ours.renewed, &theirs.renewed),
        figure("processor for 1000 renewals", "ms", &ours.cost, &theirs.cost),
        figure("processor", "% of one", &ours.busy, &theirs.busy),
        figure("memory", "MiB", &ours.memory, &theirs.memory),
    ]
}

async fn plugins(leases: usize, life: Duration) -> Kept {
    let stub = Stub::start(life);
    let folder = tempfile::tempdir_in("/var/tmp").expect("a directory on a disk");
    let program = Program { binary: plugin(), env: Vec::new() };
    let bed = TestBed::start(program, &operator_config(folder.path(), &stub.address)).await;
    let of_a_task = number("BENCH_LEASES_OF_A_TASK", OF_A_TASK);
    let tasks = (0..leases.div_ceil(of_a_task)).map(|task| bed.task(&job(task, of_a_task))).collect();
    let (took, tasks) = start_all(&bed, tasks).await;
    let kept = watched(&stub, bed.agent.process().pid(), leases as f64 / took, life).await;
    end(&bed, &tasks).await;
    bed.agent.shutdown().await;
    kept
}

async fn agents(leases: usize, life: Duration) -> Kept {
    let stub = Stub::start(life);
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in RAM");
    let agent = ServerAgent {
        address: stub.address.clone(),
        folder: folder.path().to_owned(),
        jwt: "any".to_owned(),
        more: String::new(),
    };
    let begin = Instant::now();
    let agent = agent.start(&[Rendering::new("all.env", source("agent", leases))]);
    while (stub.counts().await.lent as usize) < leases {
        assert!(begin.elapsed() < PATIENCE, "the agent has {:?}", stub.counts().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begin.elapsed().as_secs_f64();
    watched(&stub, agent.pid(), leases as f64 / took, life).await
}

/// Lets all leases be renewed once, which spreads them, and then watches.
async fn watched(stub: &Stub, pid: u32, obtained: f64, life: Duration) -> Kept {
    let watched = life * LIVES;
    let mut kept = Kept { obtained: Samples(vec![obtained]), ..Kept::default() };
    tokio::time::sleep(life).await;
    for _ in 0..ROUNDS {
        let (begin, before, spent) = (Instant::now(), stub.counts().await, ticks(pid));
        tokio::time::sleep(watched).await;
        let (after, spent) = (stub.counts().await, (ticks(pid) - spent) / TICKS);
        let (renewed, took) = ((after.renewed - before.renewed) as f64, begin.elapsed().as_secs_f64());
        kept.renewed.add(renewed / took);
        kept.cost.add(spent * 1_000_000.0 / renewed);
        kept.busy.add(spent / took * 100.0);
        kept.memory.add(resident_mib(pid));
    }
    kept.late = stub.counts().await.late;
    kept
}

/// A text with the accounts of many leases.
fn source(owner: &str, leases: usize) -> String {
    format!(
        "{{{{ range $n := loop {leases} }}}}{{{{ with secret (printf \"database/creds/{owner}-%d\" $n) }}}}{{{{ .Data.username }}}}={{{{ .Data.password }}}} {{{{ end }}}}{{{{ end }}}}"
    )
}

fn job(task: usize, leases: usize) -> String {
    let source = source(&format!("task-{task}"), leases);
    let block = format!(
        "        template {{\n          destination = \"all.env\"\n          data = <<-EOT\n{source}\nEOT\n        }}\n"
    );
    ours::EMPTY.replace("        command = \"sleep\"\n", &format!("        command = \"sleep\"\n{block}"))
}

fn operator_config(root: &Path, address: &str) -> String {
    let key = NodeKey::generate().expect("a key");
    let file = root.join("node.pem");
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    opened.and_then(|mut file| file.write_all(key.expose().as_bytes())).expect("a key file");
    format!(
        r#"config {{
  state_dir   = "{root}/state"
  runtime_dir = "{root}/run"
  vault {{
    address          = "{address}"
    allow_plain_http = true
    max_rate         = 10000
  }}
  auth {{
    method   = "driver"
    mount    = "jwt-strongbox"
    key_file = "{file}"
  }}
  allow {{
    job   = "timeline"
    roles = ["timeline"]
    paths = ["database/creds/**"]
  }}
}}"#,
        root = root.display(),
        file = file.display(),
    )
}
