//! A plugin's stderr, read by the agent's rules.

use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

/// Exactly six digits of a second; an agent takes a line with any other number of them for plain text.
const STAMP: [&[FormatItem<'static>]; 2] = [
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"),
    format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6][offset_hour sign:mandatory]:[offset_minute]"
    ),
];

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks closely; also where lines go that an agent cannot read.
    Debug,
    /// One line per step of a life.
    Info,
    /// It goes on, but it matters.
    Warn,
    /// Somebody must act.
    Error,
}

/// A line as the agent would log it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// The text.
    pub message: String,
    /// The pairs beside it.
    pub fields: Vec<(String, String)>,
    /// Whether it was in the agent's own format.
    pub structured: bool,
    /// As it was written.
    pub raw: String,
}

/// What would take the agent down.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the key {0} of a log line is no string, which crashes the agent: {1}")]
pub struct Fatal(&'static str, String);

/// Reads lines; remembers a panic, after which every line is an error.
#[derive(Default)]
pub struct Reader {
    panicked: bool,
}

impl Level {
    /// Reads a level's name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => return None,
        })
    }
}

impl Reader {
    /// Reads one line.
    pub fn line(&mut self, raw: &str) -> Result<LogLine, Fatal> {
        let plain = |level, text: &str| LogLine {
            level,
            message: text.to_owned(),
            fields: Vec::new(),
            structured: false,
            raw: raw.to_owned(),
        };
        if let Ok(serde_json::Value::Object(json)) = serde_json::from_str(raw) {
            return structured(json, raw).map(|line| line.unwrap_or_else(|| plain(Level::Debug, raw)));
        }
        self.panicked |= raw.starts_with("panic: ") || raw.starts_with("fatal error: ");
        if self.panicked {
            return Ok(plain(Level::Error, raw));
        }
        let marked = ["trace", "debug", "info", "warn", "error"].into_iter().find_map(|name| {
            let text = raw.strip_prefix(&format!("[{}]", name.to_uppercase()))?;
            Some(plain(Level::parse(name)?, text.trim_start()))
        });
        Ok(marked.unwrap_or_else(|| plain(Level::Debug, raw)))
    }
}

fn structured(mut json: serde_json::Map<String, serde_json::Value>, raw: &str) -> Result<Option<LogLine>, Fatal> {
    let mut take = |key: &'static str| match json.shift_remove(key) {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fatal(key, raw.to_owned())),
    };
    let (message, level, stamp) = (take("@message")?, take("@level")?, take("@timestamp")?);
    if stamp.is_some_and(|s| !is_stamp(&s)) {
        return Ok(None);
    }
    let Some(level) = level.as_deref().and_then(Level::parse) else { return Ok(None) };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(s) => s,
        other => other.to_string(),
    };
    let fields = json.into_iter().map(|(key, value)| (key, text(value))).collect();
    Ok(Some(LogLine { level, message: message.unwrap_or_default(), fields, structured: true, raw: raw.to_owned() }))
}

fn is_stamp(text: &str) -> bool {
    time::PrimitiveDateTime::parse(text, STAMP[0]).is_ok() || OffsetDateTime::parse(text, STAMP[1]).is_ok()
}
