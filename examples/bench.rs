//! Measures side by side with peers, in one run, with spread.
//!
//! Prints a line a figure and writes them to `target/bench/summary.json`. `BENCH_PART=output,masks` measures these parts alone and
//! writes a file of their name. Nothing fails here on a number.
//!
//! | part | what | smaller or larger with |
//! |---|---|---|
//! | `starts` | one container with and without secrets, its files, memory | `BENCH_RUNS` |
//! | `launch` | exec to handshake | `BENCH_RUNS` |
//! | `many` | many containers at a time | `BENCH_MANY` |
//! | `masks` | masking of 0, 10, 100 secrets | `BENCH_MASK_MIB` |
//! | `templates` | the engine beside Go's, and beside `bao agent` | `BENCH_ROUNDS`, `BENCH_MILLIS` |
//! | `leases` | many leases kept alive | `BENCH_LEASES`, `BENCH_LEASES_OF_A_TASK`, `BENCH_LEASE_SECONDS` |
//! | `change` | a secret's change to file and signal | `BENCH_CHANGES`, `BENCH_TASKS`, `BENCH_POLL_SECONDS` |
//! | `output` | much output | `BENCH_LOG_MIB` |
//! | `idle` | many idle tasks that are sampled | `BENCH_IDLE`, `BENCH_SECONDS` |

use std::path::{Path, PathBuf};

#[path = "../tests/support/bao.rs"]
mod bao;
#[path = "bench/change.rs"]
mod change;
#[path = "bench/figures.rs"]
mod figures;
#[path = "bench/go.rs"]
mod go;
#[path = "bench/ground.rs"]
mod ground;
#[path = "harness/mod.rs"]
mod harness;
#[path = "bench/launch.rs"]
mod launch;
#[path = "bench/leases.rs"]
mod leases;
#[path = "bench/load.rs"]
mod load;
#[path = "bench/masks.rs"]
mod masks;
#[path = "bench/ours.rs"]
mod ours;
#[path = "bench/output.rs"]
mod output;
#[path = "bench/peers.rs"]
mod peers;
#[path = "bench/starts.rs"]
mod starts;
#[path = "bench/stub.rs"]
mod stub;
#[path = "bench/templates.rs"]
mod templates;

use figures::{Figure, save};
use ground::Ground;

/// The image of every container here.
const IMAGE: &str = "strongbox/busybox:1";
/// All parts, in the order in which they are measured.
const PARTS: [&str; 9] = ["starts", "launch", "many", "masks", "templates", "leases", "change", "output", "idle"];

#[tokio::main]
async fn main() {
    if std::env::var_os(stub::CALLED).is_some() {
        return stub::serve().await;
    }
    let asked = std::env::var("BENCH_PART").unwrap_or_default();
    let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if let Some(unknown) = asked.iter().find(|part| !PARTS.contains(part)) {
        panic!("BENCH_PART {unknown:?} is unknown; give some of {}", PARTS.join(", "));
    }
    let mut all = Vec::new();
    for part in PARTS.iter().filter(|part| asked.is_empty() || asked.contains(part)) {
        let figures = measured(part).await;
        figures.iter().for_each(|figure| say(&figure.line()));
        all.extend(figures);
    }
    let name = if asked.is_empty() { "summary".to_owned() } else { asked.join("-") };
    save(&name, &all).expect("the figures are written to target/bench");
}

/// Measures a part, with everything that it stands on made for it alone.
async fn measured(part: &str) -> Vec<Figure> {
    match part {
        "change" => change::figures().await,
        "idle" => on_ground(load::idle).await,
        "launch" => launch::figures().await,
        "leases" => leases::figures().await,
        "many" => on_ground(load::many).await,
        "masks" => masks::figures(),
        "output" => output::figures().await,
        "starts" => on_ground(starts::figures).await,
        "templates" => on_ground(templates::figures).await,
        other => unreachable!("part {other:?} has no measurement"),
    }
}

async fn on_ground(measure: impl AsyncFnOnce(&Ground) -> Vec<Figure>) -> Vec<Figure> {
    let ground = Ground::start("").await;
    let figures = measure(&ground).await;
    ground.bed.agent.shutdown().await;
    figures
}

/// Returns how much of something is asked for by the environment.
fn number<T: std::str::FromStr>(variable: &str, default: T) -> T {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The plugin's binary, built in the same profile beside this program.
fn plugin() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let target = own.parent().and_then(Path::parent).expect("target/<profile>/examples");
    target.join("nomad-driver-strongbox")
}

fn say(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").ok();
}
