//! What a person sees. A closed pipe is no reason to fail.

use std::io::{self, IsTerminal, Write};

use owo_colors::{AnsiColors, OwoColorize};

use super::Failure;
use crate::harness::{
    agent::AgentError,
    feed::{Entry, Event, Stream},
    hclog::{Level, LogLine},
    report::Report,
    runner::PrepareError,
};

/// Tasks are told apart by these, in their order.
const COLOURS: [AnsiColors; 5] =
    [AnsiColors::Cyan, AnsiColors::Green, AnsiColors::Magenta, AnsiColors::Blue, AnsiColors::Yellow];

/// Prints a line that was asked for.
pub fn out(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Prints text as it is.
pub fn raw(out: &str, err: &str) {
    bytes(out.as_bytes(), err.as_bytes());
}

/// Prints bytes as they are, at once.
pub fn bytes(out: &[u8], err: &[u8]) {
    io::stdout().write_all(out).ok();
    io::stdout().flush().ok();
    io::stderr().write_all(err).ok();
}

/// Prints a remark.
pub fn note(text: &str) {
    writeln!(io::stderr(), "note: {text}").ok();
}

/// Prints why nothing more happens: with the lines of the file where a file is wrong, else with all causes.
pub fn failure(failure: &Failure) {
    let text = match report(failure) {
        Some(report) => report.render(colourful(&io::stderr())),
        None => format!("error: {}\n", chain(failure.as_ref())),
    };
    raw("", &text);
}

/// Returns the complaint about a file that the failure is.
fn report(failure: &Failure) -> Option<&Report> {
    if let Some(AgentError::Config(report)) = failure.downcast_ref() {
        return Some(report);
    }
    if let Some(PrepareError::Config(report)) = failure.downcast_ref() {
        return Some(report);
    }
    failure.downcast_ref()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut text = error.to_string();
    for cause in causes.map(ToString::to_string) {
        // Some errors say their cause's words themselves.
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn colourful(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints what happens, with who said it in a column of its own.
pub struct Log {
    names: Vec<String>,
    width: usize,
    colour: bool,
}

/// Who says something, how, and what.
struct Words<'a> {
    who: &'a str,
    mark: char,
    text: String,
}

impl Log {
    /// Returns a log of the tasks called `names`.
    pub fn new(names: Vec<String>) -> Self {
        let widths = names.iter().map(|name| name.chars().count());
        let width = widths.chain([HARNESS.len(), PLUGIN.len()]).max().unwrap_or_default();
        Self { names, width, colour: colourful(&io::stdout()) }
    }

    /// Prints one entry.
    pub fn entry(&self, entry: &Entry) {
        let Some(words) = words(&entry.what) else { return };
        out(&self.line(entry.since.as_secs_f64(), &words));
    }

    fn line(&self, since: f64, words: &Words<'_>) -> String {
        let Words { who, mark, text } = words;
        let head = format!("{who:<width$} {mark}", width = self.width);
        let stamp = format!("{since:>8.3}");
        if !self.colour {
            return format!("{stamp}  {head} {text}");
        }
        let number = self.names.iter().position(|name| name == who);
        let colour = number.map_or(AnsiColors::BrightBlack, |number| COLOURS[number % COLOURS.len()]);
        let text = if *mark == FAULT { text.red().to_string() } else { text.clone() };
        format!("{}  {} {text}", stamp.dimmed(), head.color(colour))
    }
}

const HARNESS: &str = "harness";
const PLUGIN: &str = "plugin";
const SAID: char = '|';
const COMPLAINED: char = '!';
const HAPPENED: char = '*';
const FAULT: char = 'X';

fn words(event: &Event) -> Option<Words<'_>> {
    let words = |who, mark, text: &str| Some(Words { who, mark, text: text.to_owned() });
    match event {
        Event::Fault(text) => words(PLUGIN, FAULT, text),
        Event::Fingerprint { health, description, .. } => words(PLUGIN, HAPPENED, &format!("{health}: {description}")),
        Event::Note { task, message } if task.is_empty() => words(HARNESS, HAPPENED, message),
        Event::Note { task, message } | Event::TaskEvent { task, message, .. } => words(task, HAPPENED, message),
        Event::PluginLog(line) if line.level >= Level::Warn || !line.structured => {
            words(PLUGIN, COMPLAINED, &said(line))
        }
        Event::PluginLog(_) => None,
        Event::TaskLog { task, stream: Stream::Err, line } => words(task, COMPLAINED, line),
        Event::TaskLog { task, stream: Stream::Out, line } => words(task, SAID, line),
    }
}

fn said(line: &LogLine) -> String {
    let fields = line.fields.iter().filter(|(key, _)| !key.starts_with('@'));
    fields.fold(line.message.clone(), |text, (key, value)| format!("{text}  {key}={value}"))
}
