//! Panics as lines of level error; the standard text would be filed under debug.

use std::panic::{self, PanicHookInfo};

use serde_json::Map;
use tracing::Level;

use super::{line::line, writer::Writer};

/// Replaces the standard hook, which would itself panic on a closed stderr.
pub(super) fn install(writer: Writer) {
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let fields = Map::from_iter([("at".to_owned(), place.into()), ("panic".to_owned(), text(info).into())]);
        writer.write(line(&Level::ERROR, module_path!(), Some("The plugin panicked".into()), fields));
        writer.flusher().flush();
    }));
}

/// Returns the panic's words, cut to a line's worth.
fn text(info: &PanicHookInfo<'_>) -> String {
    info.payload_as_str().unwrap_or("without words").chars().take(2000).collect()
}
