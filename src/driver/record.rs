//! The note beside a task's files, on the same tmpfs: everything that the next process needs to go on.
//!
//! It holds tokens and values, so it lives in RAM, readable by root alone, and is gone with the task. The handle and the
//! journal, which are on disk, hold names only.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    Class, DriverError,
    asks::Asks,
    holdings::Holdings,
    masks::{self, Former},
};
use crate::{
    container::NamedSecret,
    domain::{Owner, SecretBytes, TaskMeta},
    tmpfs::SecretsDir,
};

/// Version of this form; a later release reads every earlier one.
const VERSION: u32 = 1;

/// The record of one task.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// Who the task is.
    pub meta: TaskMeta,
    /// What it asked for.
    pub asks: Asks,
    /// Whom its files belong to.
    pub owner: Option<Owner>,
    /// What it holds.
    pub holdings: Holdings,
    /// What it held before, for as long as its output may show it.
    #[serde(default)]
    pub former: Former,
    /// When it was written.
    pub written_at: SystemTime,
}

impl Record {
    /// Returns the record of a task that holds nothing yet.
    pub(super) fn new(meta: TaskMeta, asks: Asks) -> Self {
        let (holdings, former) = Default::default();
        Self { version: VERSION, meta, asks, owner: None, holdings, former, written_at: SystemTime::now() }
    }

    /// Takes what is held now, and remembers which values it has replaced. Returns those that are held, unless they are the
    /// same as before.
    pub(super) fn hold(&mut self, holdings: &Holdings) -> Option<Vec<NamedSecret>> {
        if masks::are_same(&self.holdings, holdings) {
            self.holdings = holdings.clone();
            return None;
        }
        let before = masks::values(&self.asks, &self.holdings);
        self.holdings = holdings.clone();
        let now = masks::values(&self.asks, &self.holdings);
        self.former.remember(before, &now);
        Some(now)
    }

    /// Writes the record beside the files.
    ///
    /// # Errors
    /// The tmpfs is full or gone.
    pub(super) fn write(&mut self, dir: &SecretsDir) -> Result<(), DriverError> {
        self.written_at = SystemTime::now();
        let bytes = serde_json::to_vec(self)
            .map_err(|error| DriverError::new(Class::Internal, format!("task record: {error}")))?;
        dir.write_record(&SecretBytes::new(bytes))?;
        Ok(())
    }

    /// Reads the record of a task, when there is one.
    ///
    /// # Errors
    /// It is of a newer release or damaged.
    pub(super) fn read(dir: &SecretsDir) -> Result<Option<Self>, DriverError> {
        let Some(bytes) = dir.read_record()? else { return Ok(None) };
        let invalid = |why: String| DriverError::new(Class::StateInvalid, format!("task record on the tmpfs: {why}"));
        let record: Self = serde_json::from_slice(bytes.expose())
            .map_err(|error| invalid(format!("line {} cannot be read", error.line())))?;
        if record.version > VERSION {
            return Err(invalid(format!("version {} is newer than this release's {VERSION}", record.version)));
        }
        Ok(Some(record))
    }
}
