//! What a person sees. A closed pipe is no reason to fail.

use std::io::{self, IsTerminal, Write};

use owo_colors::OwoColorize;

use crate::harness::feed::{Entry, Event, Stream};

/// Prints a line that was asked for.
pub fn out(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Prints a remark.
pub fn note(text: &str) {
    writeln!(io::stderr(), "note: {text}").ok();
}

/// Prints why nothing more happens, with all causes.
pub fn error(error: &(dyn std::error::Error + 'static)) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    writeln!(io::stderr(), "error: {text}").ok();
}

/// Prints what happened, with who said it in a column of its own.
pub fn entry(entry: &Entry) {
    let Some((who, text)) = words(&entry.what) else { return };
    let stamp = format!("{:>8.3} {who:>12}", entry.since.as_secs_f64());
    let line =
        if io::stdout().is_terminal() { format!("{} {text}", stamp.dimmed()) } else { format!("{stamp} {text}") };
    out(&line);
}

fn words(event: &Event) -> Option<(String, String)> {
    Some(match event {
        Event::Fingerprint { health, description, .. } => ("driver".to_owned(), format!("{health}: {description}")),
        Event::TaskLog { task, stream: Stream::Out, line } => (task.clone(), line.clone()),
        Event::TaskLog { task, stream: Stream::Err, line } => (format!("{task}!"), line.clone()),
        Event::TaskEvent { task, message, .. } => (format!("{task} *"), message.clone()),
        Event::PluginLog(line) if line.level >= crate::harness::hclog::Level::Warn => {
            ("plugin".to_owned(), line.message.clone())
        }
        Event::PluginLog(_) => return None,
        Event::Note { task, message } => {
            (if task.is_empty() { "harness".to_owned() } else { task.clone() }, message.clone())
        }
        Event::Fault(text) => ("FAULT".to_owned(), text.clone()),
    })
}
