//! From exec to the handshake line; the peer is the server's own program printing its version.

use std::{process::Command, time::Instant};

use super::{
    bao,
    figures::{Figure, Samples},
    harness::{
        feed::Feed,
        process::{Process, Program},
    },
    number, plugin, starts,
};

/// Launches both in turn.
pub async fn figures() -> Vec<Figure> {
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..number("BENCH_RUNS", starts::RUNS) {
        let program = Program { binary: plugin(), env: Vec::new() };
        let process = Process::launch(&program, &Feed::default()).await.expect("a handshake");
        ours.add(process.startup.as_secs_f64() * 1000.0);
        process.shutdown().await;
        let begin = Instant::now();
        Command::new(bao::program()).arg("version").output().expect("it runs");
        theirs.add(begin.elapsed().as_secs_f64() * 1000.0);
    }
    vec![Figure::of("launch to handshake line", "ms", &ours, &theirs, "bao version")]
}
