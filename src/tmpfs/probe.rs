//! A mark by which the other side can be asked whether it sees the same directory.

use super::{Result, SecretsDir, handle::Wipe, secrets_dir::ROOT};

/// What probe files' names begin with.
pub(super) const PROBE: &str = "..probe-";

/// A file with a random name and random contents, neither of them secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The file's name in the directory that is bound into the container.
    pub name: String,
    /// What it holds.
    pub contents: String,
}

impl SecretsDir {
    /// Leaves a mark in the directory that is bound into the container.
    ///
    /// An engine with a mount namespace of its own would bind the empty directory that lies below our mount: who
    /// reads these contents through the engine knows that it does not.
    pub fn probe(&self) -> Result<Probe> {
        let name = format!("{PROBE}{}", hex::encode(rand::random::<[u8; 8]>()));
        let contents = hex::encode(rand::random::<[u8; 16]>());
        self.data().create_file(&name, contents.as_bytes(), ROOT, 0o444)?;
        Ok(Probe { name, contents })
    }

    /// Removes a mark; one that is gone already is fine.
    pub fn clear_probe(&self, probe: &Probe) -> Result<()> {
        self.data().remove(&probe.name, Wipe::Keep)
    }
}
