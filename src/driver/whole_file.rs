//! Small files of the driver's own, each written whole at one stroke: a kill leaves the old one or the new one.

use std::{io, path::Path};

use serde::Serialize;

/// Writes `value` as JSON to `path`, whose folder must be there.
pub(super) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
    serde_json::to_writer(&mut file, value)?;
    file.persist(path)?;
    Ok(())
}
