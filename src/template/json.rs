//! Writes values as JSON the way Go does: keys sorted, two blanks a level, and the same characters escaped.

use super::{
    error::Problem,
    number,
    text::{Builder, Text},
    value::Value,
};

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether `<`, `>` and `&` are escaped.
    pub html_safe: bool,
    /// Whether each item has its own line.
    pub indented: bool,
}

/// Returns `value` as JSON.
pub fn write(value: &Value, style: Style) -> Result<Text, Problem> {
    let mut writer = Writer { out: Builder::default(), style };
    writer.value(value, 0)?;
    Ok(writer.out.text())
}

struct Writer {
    out: Builder,
    style: Style,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Problem> {
        match value {
            Value::Absent | Value::Nil(_) => self.out.push("null"),
            Value::Bool(value) => self.out.push(value.to_string()),
            Value::Int(number) => self.out.push(number.to_string()),
            Value::Float(number) => self.out.push(number::json(*number)),
            Value::Text(text) => self.text(text),
            Value::List(items) => self.items(b"[]", depth, items.iter(), |writer, item| writer.value(item, depth + 1)),
            Value::Map(map) => self.items(b"{}", depth, map.entries.iter(), |writer, (name, item)| {
                writer.text(&Text::from(name.as_str()))?;
                writer.out.push(if writer.style.indented { ": " } else { ":" })?;
                writer.value(item, depth + 1)
            }),
        }
    }

    fn items<T>(
        &mut self,
        brackets: &[u8; 2],
        depth: usize,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let any = items.len() > 0;
        self.out.push([brackets[0]])?;
        for (nth, item) in items.enumerate() {
            if nth > 0 {
                self.out.push(",")?;
            }
            self.line(depth + 1)?;
            write(self, item)?;
        }
        if any {
            self.line(depth)?;
        }
        self.out.push([brackets[1]])
    }

    fn line(&mut self, depth: usize) -> Result<(), Problem> {
        if !self.style.indented {
            return Ok(());
        }
        self.out.push("\n")?;
        self.out.fill(b' ', 2 * depth)
    }

    /// Bytes that are no character become the replacement character, as JSON can hold no others.
    fn text(&mut self, text: &Text) -> Result<(), Problem> {
        self.out.push("\"")?;
        for part in text.characters() {
            let Ok(c) = part else {
                self.out.push("\\ufffd")?;
                continue;
            };
            match c {
                '"' => self.out.push("\\\""),
                '\\' => self.out.push("\\\\"),
                '\n' => self.out.push("\\n"),
                '\r' => self.out.push("\\r"),
                '\t' => self.out.push("\\t"),
                '\u{8}' => self.out.push("\\b"),
                '\u{c}' => self.out.push("\\f"),
                c @ ('\0'..='\u{1f}' | '\u{2028}' | '\u{2029}') => self.escape(c),
                c @ ('<' | '>' | '&') if self.style.html_safe => self.escape(c),
                c => self.out.push_char(c),
            }?;
        }
        self.out.push("\"")
    }

    fn escape(&mut self, c: char) -> Result<(), Problem> {
        self.out.push(format!("\\u{:04x}", u32::from(c)))
    }
}
