//! Finds the real programs that the set-up script has put in place.

use std::{fs, path::Path};

/// Returns a setting of `.dev/env`, such as `STRONGBOX_BAO`; the environment's own value goes first.
///
/// # Panics
///
/// When the part is not set up, with the command that does it.
pub fn part(name: &str) -> String {
    if let Ok(value) = std::env::var(name) {
        return value;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".dev/env");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{name} is not in {}; run `make setup`", file.display())).to_owned()
}
