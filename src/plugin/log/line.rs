//! One event as one line.

use std::{fmt, time::SystemTime};

use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::writer::Writer;

/// Exactly six digits: the agent reads no other precision.
const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
/// Longest value; a line has few of them.
const VALUE_MAX: usize = 8 * 1024;
/// Longest line; the agent splits at 64 KiB.
const LINE_MAX: usize = 60 * 1024;

/// Turns events into lines and hands them to the writer.
pub(super) struct Lines {
    writer: Writer,
}

/// A span's fields, kept for the lines within it.
struct Fields(Map<String, Value>);

impl Lines {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (key, value) in &outer.0 {
                    fields.0.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        event.record(&mut fields);
        let message = fields.0.remove("message");
        let meta = event.metadata();
        self.writer.write(line(meta.level(), meta.target(), message, fields.0));
    }
}

/// Returns the line, newline included.
pub(super) fn line(level: &Level, target: &str, message: Option<Value>, fields: Map<String, Value>) -> Vec<u8> {
    let message = match message {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut head = Map::new();
    head.insert("@level".to_owned(), level.as_str().to_ascii_lowercase().into());
    head.insert("@message".to_owned(), message.into());
    head.insert("@module".to_owned(), target.replace("::", ".").into());
    head.insert("@timestamp".to_owned(), stamp(SystemTime::now()).into());
    let mut whole = head.clone();
    whole.extend(fields);
    let text = Value::Object(whole).to_string();
    let mut text = if text.len() <= LINE_MAX { text } else { short(head) };
    text.push('\n');
    text.into_bytes()
}

/// Returns the line without its fields, marked as such.
fn short(mut head: Map<String, Value>) -> String {
    head.insert("fields".to_owned(), "left out, too long".into());
    Value::Object(head).to_string()
}

fn stamp(now: SystemTime) -> String {
    OffsetDateTime::from(now).format(STAMP).unwrap_or_else(|_| "1970-01-01T00:00:00.000000Z".to_owned())
}

impl Fields {
    /// Keeps a field under a name that cannot be taken for one of the agent's own.
    fn keep(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().trim_start_matches('@').to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, cut(format!("{value:?}")).into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, cut(value.to_owned()).into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value.into());
    }

    /// Tells the whole chain of causes, because the agent shows one line only.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        self.keep(field, cut(text).into());
    }
}

/// Cuts a value at its limit, between two characters.
fn cut(mut text: String) -> String {
    if text.len() > VALUE_MAX {
        let end = (0..=VALUE_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Runs `body` and returns its lines.
    fn logged(body: impl FnOnce()) -> Vec<Map<String, Value>> {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer::start(Shared(Arc::clone(&bytes)));
        let subscriber = tracing_subscriber::registry().with(Lines::new(writer.clone()));
        tracing::subscriber::with_default(subscriber, body);
        writer.flusher().flush();
        let bytes = bytes.lock().expect("no panic");
        String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_keys_that_an_agent_reads_are_strings_whatever_was_logged() {
        let lines = logged(|| {
            tracing::info!(message = 7, "@level" = 5, other = true);
            tracing::warn!(task_id = "a/b", "Text with \"quotes\"\nand a break");
        });
        for line in &lines {
            for key in ["@level", "@message", "@timestamp"] {
                assert!(line[key].is_string(), "{line:?}");
            }
        }
        assert_eq!(lines[0]["@message"], "7");
        assert_eq!(lines[0]["@level"], "info");
        assert_eq!(lines[1]["task_id"], "a/b");
    }

    #[test]
    fn the_time_has_six_digits() {
        let stamp = stamp(SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(1_500_000_001));
        assert_eq!(stamp, "1970-01-01T00:00:01.500000Z");
    }

    #[test]
    fn spans_lend_their_fields() {
        let lines = logged(|| {
            let _span = tracing::info_span!("task", task_id = "t", alloc = "outer").entered();
            tracing::info!(alloc = "inner", "Started");
        });
        assert_eq!((&lines[0]["task_id"], &lines[0]["alloc"]), (&"t".into(), &"inner".into()));
    }

    #[test]
    fn long_values_and_long_lines_are_cut() {
        let lines = logged(|| {
            let long = "ä".repeat(40_000);
            tracing::info!(a = long, "{long}");
            tracing::info!(a = long, b = long, c = long, d = long, e = long, f = long, g = long, h = long, "Eight");
        });
        assert!(lines.iter().all(|line| Value::Object(line.clone()).to_string().len() < 64 * 1024));
        assert_eq!(lines[1]["@message"], "Eight");
    }
}
