//! Prints what an operator and a job may write.

use std::{io, process::ExitCode};

use super::write_to;
use crate::plugin;

/// Prints both schemas as one JSON object.
pub(super) fn run() -> ExitCode {
    write_to(io::stdout(), &format!("{:#}\n", plugin::schemas_as_json()));
    ExitCode::SUCCESS
}
