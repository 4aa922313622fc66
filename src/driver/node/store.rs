//! Where a secret id waits that could be unwrapped only once: a file in RAM, for the next process of this machine's life.
//!
//! It is written on a tmpfs or not at all. After a reboot it is gone, and a fresh wrapping token is needed.

use std::{
    fs::{self, DirBuilder},
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{domain::SecretString, vault::read_secret};

/// What the kernel calls a tmpfs.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A file for one cluster's secret id; without a place nothing is kept.
pub(in super::super) struct Store {
    file: Option<PathBuf>,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// Of the wrapping token that the secret id came in.
    digest: String,
    pub(super) secret_id: SecretString,
    /// The login that it was used for last.
    pub(super) token: Option<SecretString>,
}

impl Kept {
    pub(super) fn is_of(&self, digest: &str) -> bool {
        self.digest == digest
    }
}

impl Store {
    /// Returns the place for `cluster` below the runtime directory.
    pub(in super::super) fn below(runtime_dir: &Path, cluster: &str) -> Self {
        Self { file: Some(runtime_dir.join("node").join(format!("{cluster}.json"))) }
    }

    pub(super) fn read(&self) -> Option<Kept> {
        let text = read_secret(self.file.as_ref()?).ok()?;
        serde_json::from_str(text.expose()).ok()
    }

    pub(super) fn keep(&self, digest: &str, secret_id: &SecretString) {
        self.write(&Kept { digest: digest.to_owned(), secret_id: secret_id.clone(), token: None });
    }

    pub(super) fn keep_token(&self, token: &SecretString) {
        if let Some(kept) = self.read() {
            self.write(&Kept { token: Some(token.clone()), ..kept });
        }
    }

    fn write(&self, kept: &Kept) {
        let Some(file) = &self.file else { return };
        if let Err(error) = write(file, kept) {
            tracing::warn!(
                file = %file.display(), %error,
                "The unwrapped secret id is not kept: when the plugin starts anew a fresh wrapping token is needed"
            );
        }
    }
}

fn write(file: &Path, kept: &Kept) -> std::io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    if !dir.exists() {
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent)?;
        }
        DirBuilder::new().mode(0o700).create(dir)?;
    }
    let kind = rustix::fs::statfs(dir)?.f_type;
    if u64::try_from(kind).ok() != Some(TMPFS_MAGIC) {
        return Err(std::io::Error::other("the runtime directory is not in RAM"));
    }
    let text = Zeroizing::new(serde_json::to_vec(kept)?);
    // The temporary file has mode 0600 from its first moment.
    let mut fresh = tempfile::NamedTempFile::new_in(dir)?;
    fresh.write_all(&text)?;
    fresh.persist(file).map_err(|error| error.error)?;
    Ok(())
}
