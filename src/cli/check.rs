//! Looks a machine over.

use std::{fs, io, path::Path, process::ExitCode};

use super::{fail, write_to};
use crate::{
    driver::{self, Finding, Settings},
    plugin,
};

/// Examines the machine with the settings in `config`, or with the defaults, and prints a line for each finding.
pub(super) fn run(config: Option<&Path>) -> ExitCode {
    let settings = match config.map(read).transpose() {
        Ok(settings) => settings.unwrap_or_default(),
        Err(error) => return fail(error.as_ref()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let findings = runtime.block_on(driver::examine(&settings));
    write_to(io::stdout(), &findings.iter().map(line).collect::<String>());
    if findings.iter().all(|finding| finding.verdict.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(finding: &Finding) -> String {
    match &finding.verdict {
        Ok(text) => format!("ok    {}: {text}\n", finding.what),
        Err(text) => format!("WRONG {}: {text}\n", finding.what),
    }
}

/// Reads the operator's config from a file such as the agent's own.
pub(super) fn read(path: &Path) -> Result<Settings, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(plugin::settings_from_hcl(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}
