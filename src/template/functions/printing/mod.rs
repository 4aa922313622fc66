//! Values as texts: what an action prints, and Go's print family.

mod printf;

pub use printf::printf;

use crate::template::{
    error::Problem,
    number,
    text::{Builder, Text},
    value::Value,
};

/// Prints the values; a blank stands between two that are both no texts.
pub fn print(args: &[Value]) -> Result<Value, Problem> {
    let mut out = Builder::default();
    let mut after_text = true;
    for (nth, arg) in args.iter().enumerate() {
        let is_text = matches!(arg, Value::Text(_));
        if nth > 0 && !is_text && !after_text {
            out.push(" ")?;
        }
        show(arg, &mut out)?;
        after_text = is_text;
    }
    Ok(out.text().into())
}

/// Prints the values with blanks between them and a line end behind them.
pub fn println(args: &[Value]) -> Result<Value, Problem> {
    let mut out = Builder::default();
    for (nth, arg) in args.iter().enumerate() {
        if nth > 0 {
            out.push(" ")?;
        }
        show(arg, &mut out)?;
    }
    out.push("\n")?;
    Ok(out.text().into())
}

/// Prints the values and escapes what has a meaning in HTML.
pub fn html(args: &[Value]) -> Result<Value, Problem> {
    escaped(args, |byte, out| match byte {
        0 => out.push_char(char::REPLACEMENT_CHARACTER),
        b'"' => out.push("&#34;"),
        b'\'' => out.push("&#39;"),
        b'&' => out.push("&amp;"),
        b'<' => out.push("&lt;"),
        b'>' => out.push("&gt;"),
        byte => out.push([byte]),
    })
}

/// Prints the values and escapes what has a meaning in an URL's query.
pub fn urlquery(args: &[Value]) -> Result<Value, Problem> {
    escaped(args, |byte, out| match byte {
        b' ' => out.push("+"),
        b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => out.push([byte]),
        byte => out.push(format!("%{byte:02X}")),
    })
}

fn escaped(args: &[Value], escape: fn(u8, &mut Builder) -> Result<(), Problem>) -> Result<Value, Problem> {
    let printed = print(args)?;
    let mut out = Builder::default();
    if let Value::Text(text) = printed {
        text.bytes().iter().try_for_each(|&byte| escape(byte, &mut out))?;
    }
    Ok(out.text().into())
}

/// Appends `value` as an action prints it. Null is refused: nobody wants its name in a file.
pub fn show(value: &Value, out: &mut Builder) -> Result<(), Problem> {
    match value {
        Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
        other => show_within(other, out),
    }
}

/// Appends `value` as a part of a list or map, where null has Go's name.
fn show_within(value: &Value, out: &mut Builder) -> Result<(), Problem> {
    match value {
        Value::Absent => Ok(()),
        Value::Nil(_) => out.push("<nil>"),
        Value::Bool(value) => out.push(value.to_string()),
        Value::Int(number) => out.push(number.to_string()),
        Value::Float(number) => out.push(number::general(*number, 21)),
        Value::Text(text) => out.push(text.bytes()),
        Value::List(items) => {
            out.push("[")?;
            for (nth, item) in items.iter().enumerate() {
                out.push(if nth > 0 { " " } else { "" })?;
                show_within(item, out)?;
            }
            out.push("]")
        }
        Value::Map(map) => {
            out.push("map[")?;
            for (nth, (name, item)) in map.entries.iter().enumerate() {
                out.push(if nth > 0 { " " } else { "" })?;
                out.push(name)?;
                out.push(":")?;
                show_within(item, out)?;
            }
            out.push("]")
        }
    }
}

/// Returns `text` in double quotes with Go's escapes.
pub fn quoted(text: &Text) -> Result<Text, Problem> {
    let mut out = Builder::default();
    out.push("\"")?;
    for part in text.characters() {
        match part {
            Ok('"') => out.push("\\\""),
            Ok('\\') => out.push("\\\\"),
            Ok('\x07') => out.push("\\a"),
            Ok('\x08') => out.push("\\b"),
            Ok('\x0c') => out.push("\\f"),
            Ok('\n') => out.push("\\n"),
            Ok('\r') => out.push("\\r"),
            Ok('\t') => out.push("\\t"),
            Ok('\x0b') => out.push("\\v"),
            Ok(c @ ('\0'..='\x1f' | '\x7f')) => out.push(format!("\\x{:02x}", u32::from(c))),
            Ok(c) if is_printable(c) => out.push_char(c),
            Ok(c @ '\0'..='\u{ffff}') => out.push(format!("\\u{:04x}", u32::from(c))),
            Ok(c) => out.push(format!("\\U{:08x}", u32::from(c))),
            Err(byte) => out.push(format!("\\x{byte:02x}")),
        }?;
    }
    out.push("\"")?;
    Ok(out.text())
}

/// Says whether a character shows as itself. Behind a letter, so that combining marks count as printable.
fn is_printable(c: char) -> bool {
    c.is_ascii_graphic() || c == ' ' || !['a', c].iter().collect::<String>().escape_debug().any(|c| c == '\\')
}
