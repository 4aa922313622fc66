//! Samples, their spread, and the file that keeps them.

use std::{fs, io, path::Path};

use serde::Serialize;

/// One line of the summary: ours beside a peer's, measured in the same run.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// `ms`, `MiB`, `1/s`.
    pub unit: &'static str,
    /// Our median.
    pub ours: f64,
    /// The peer's median.
    pub peer: f64,
    /// Ours by the peer's.
    pub ratio: f64,
    /// Our smallest sample.
    pub min: f64,
    /// Our largest sample.
    pub max: f64,
    /// How many samples of each there are.
    pub runs: usize,
    /// Ninety-five of a hundred of ours do not exceed it.
    pub p95: f64,
    /// The same of the peer's.
    pub peer_p95: f64,
    /// Who the peer is.
    pub against: String,
    /// The peer's smallest and largest sample.
    pub peer_spread: [f64; 2],
}

/// Samples of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// Adds a sample.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Returns the value that `share` of the samples do not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = ((sorted.len().max(1) - 1) as f64 * share).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    /// Returns the middle sample.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

impl Figure {
    /// Puts our samples beside a peer's.
    pub fn of(name: &str, unit: &'static str, ours: &Samples, peer: &Samples, against: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            ours: ours.median(),
            peer: peer.median(),
            ratio: ours.median() / peer.median(),
            min: ours.quantile(0.0),
            max: ours.quantile(1.0),
            runs: ours.0.len(),
            p95: ours.quantile(0.95),
            peer_p95: peer.quantile(0.95),
            against: against.to_owned(),
            peer_spread: [peer.quantile(0.0), peer.quantile(1.0)],
        }
    }

    /// As [`Figure::of`], with what ninety-five of a hundred do not exceed in place of the middle.
    pub fn worst_of(name: &str, unit: &'static str, ours: &Samples, peer: &Samples, against: &str) -> Self {
        let figure = Self::of(name, unit, ours, peer, against);
        Self { ours: figure.p95, peer: figure.peer_p95, ratio: figure.p95 / figure.peer_p95, ..figure }
    }

    /// Words the figure in one line.
    pub fn line(&self) -> String {
        format!(
            "{:<60} {:>8.1} {unit} [{:.1} … {:.1}]   {}: {:.1} {unit} [{:.1} … {:.1}]   ratio {:.3}   ({} runs)",
            self.name,
            self.ours,
            self.min,
            self.max,
            self.against,
            self.peer,
            self.peer_spread[0],
            self.peer_spread[1],
            self.ratio,
            self.runs,
            unit = self.unit,
        )
    }
}

/// Writes figures to `target/bench/<name>.json`.
pub fn save(name: &str, figures: &[Figure]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    fs::create_dir_all(&folder)?;
    let text = serde_json::to_string_pretty(figures).map_err(io::Error::other)?;
    fs::write(folder.join(format!("{name}.json")), text + "\n")
}
