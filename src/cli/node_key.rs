//! Makes a node's key.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode};

use super::{fail, write_to};
use crate::vault::NodeKey;

/// Writes a new private key to `file`, mode 0600, and prints the public half for the server.
pub(super) fn run(file: &Path) -> ExitCode {
    match make(file) {
        Ok(public) => {
            write_to(io::stdout(), &public);
            ExitCode::SUCCESS
        }
        Err(error) => fail(error.as_ref()),
    }
}

fn make(file: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let key = NodeKey::generate()?;
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    io::Write::write_all(&mut out, key.expose().as_bytes())?;
    out.sync_all()?;
    Ok(NodeKey::load(file)?.public_pem())
}
