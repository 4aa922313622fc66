//! The ledger on disk: one small file, written whole at one stroke after each change, so that a kill leaves the old or the
//! new one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::ledger::{Ledger, VERSION};
use crate::driver::whole_file;

const NAME: &str = "images.json";

/// Where the ledger is kept.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
}

impl LedgerFile {
    pub(super) fn below(state_dir: &Path) -> Self {
        Self { path: state_dir.join(NAME) }
    }

    /// Reads the ledger. One that cannot be read is set aside: at worst some images stay.
    pub(super) fn read(&self) -> Ledger {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ledger::default(),
            Err(error) => return self.set_aside(&error.to_string()),
        };
        match serde_json::from_slice::<Ledger>(&bytes) {
            Ok(ledger) if ledger.version <= VERSION => ledger,
            Ok(_) => self.set_aside("it is of a newer release"),
            Err(error) => self.set_aside(&error.to_string()),
        }
    }

    /// Writes the ledger; a failure is told, and costs no more than an image that stays.
    pub(super) fn write(&self, ledger: &Ledger) {
        if let Err(error) = whole_file::write(&self.path, ledger) {
            tracing::warn!(path = %self.path.display(), %error, "The list of used images was not written");
        }
    }

    fn set_aside(&self, why: &str) -> Ledger {
        tracing::warn!(path = %self.path.display(), why, "The list of used images cannot be read and is set aside");
        fs::rename(&self.path, self.path.with_extension("json.damaged")).ok();
        Ledger::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_ledger_comes_back_and_a_damaged_one_is_set_aside() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = LedgerFile::below(dir.path());
        assert_eq!(file.read(), Ledger::default());
        let mut ledger = Ledger::default();
        ledger.announce("app:1", None, SystemTime::UNIX_EPOCH);
        file.write(&ledger);
        assert_eq!(file.read(), ledger);
        fs::write(dir.path().join(NAME), "{").expect("written");
        assert_eq!(file.read(), Ledger::default());
        assert!(dir.path().join("images.json.damaged").exists());
    }
}
