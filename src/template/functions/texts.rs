//! Texts to texts.

use super::{int, text, utf8};
use crate::template::{
    error::Problem,
    text::{Builder, Text},
    value::Value,
};

/// Turns letters into capitals.
pub fn to_upper(args: &[Value]) -> Result<Value, Problem> {
    map_chars(text(args, 0)?, |c, out| c.to_uppercase().try_for_each(|c| out.push_char(c)))
}

/// Turns letters into small ones.
pub fn to_lower(args: &[Value]) -> Result<Value, Problem> {
    map_chars(text(args, 0)?, |c, out| c.to_lowercase().try_for_each(|c| out.push_char(c)))
}

/// Turns the first letter of each word into a capital.
pub fn to_title(args: &[Value]) -> Result<Value, Problem> {
    let mut inside = false;
    map_chars(text(args, 0)?, |c, out| {
        let first = !inside && c.is_alphabetic();
        inside = c.is_alphanumeric() || matches!(c, '_' | '\'' | '’');
        match first {
            true => c.to_uppercase().try_for_each(|c| out.push_char(c)),
            false => out.push_char(c),
        }
    })
}

/// Hands each character to `map`, and bytes that belong to none over as they are.
fn map_chars(text: &Text, mut map: impl FnMut(char, &mut Builder) -> Result<(), Problem>) -> Result<Value, Problem> {
    let mut out = Builder::default();
    for part in text.characters() {
        match part {
            Ok(c) => map(c, &mut out)?,
            Err(byte) => out.push([byte])?,
        }
    }
    Ok(out.text().into())
}

/// Drops blanks on both sides.
pub fn trim_space(args: &[Value]) -> Result<Value, Problem> {
    let text = text(args, 0)?;
    Ok(match text.utf8() {
        Some(utf8) => utf8.trim().into(),
        None => Text::from(text.bytes().trim_ascii()).into(),
    })
}

/// Drops the characters of the first argument from both sides of the second.
pub fn trim(args: &[Value]) -> Result<Value, Problem> {
    let set = utf8(args, 0)?;
    Ok(utf8(args, 1)?.trim_matches(|c| set.contains(c)).into())
}

/// Drops the first argument from the second's begin.
pub fn trim_prefix(args: &[Value]) -> Result<Value, Problem> {
    let (prefix, whole) = (text(args, 0)?, text(args, 1)?);
    Ok(whole.bytes().strip_prefix(prefix.bytes()).map_or_else(|| whole.clone(), Text::from).into())
}

/// Drops the first argument from the second's end.
pub fn trim_suffix(args: &[Value]) -> Result<Value, Problem> {
    let (suffix, whole) = (text(args, 0)?, text(args, 1)?);
    Ok(whole.bytes().strip_suffix(suffix.bytes()).map_or_else(|| whole.clone(), Text::from).into())
}

/// Puts the second argument wherever the first stands in the third.
pub fn replace_all(args: &[Value]) -> Result<Value, Problem> {
    let (from, to, mut rest) = (text(args, 0)?.bytes(), text(args, 1)?.bytes(), text(args, 2)?.bytes());
    let mut out = Builder::default();
    if from.is_empty() {
        return between_characters(text(args, 2)?, to);
    }
    while let Some(found) = find(rest, from) {
        out.push(&rest[..found])?;
        out.push(to)?;
        rest = &rest[found + from.len()..];
    }
    out.push(rest)?;
    Ok(out.text().into())
}

/// An empty text stands before each character and at the end.
fn between_characters(whole: &Text, to: &[u8]) -> Result<Value, Problem> {
    let mut out = Builder::default();
    for part in whole.characters() {
        out.push(to)?;
        match part {
            Ok(c) => out.push_char(c)?,
            Err(byte) => out.push([byte])?,
        }
    }
    out.push(to)?;
    Ok(out.text().into())
}

/// Returns where `needle` first stands in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(0),
        [first, ..] => (0..(hay.len() + 1).saturating_sub(needle.len()))
            .find(|&at| hay[at] == *first && hay[at..].starts_with(needle)),
    }
}

/// Puts as many blanks as the first argument says before each line that is not empty.
pub fn indent(args: &[Value]) -> Result<Value, Problem> {
    let width = usize::try_from(int(args, 0)?).map_err(|_| Problem::message("the width must not be negative"))?;
    let mut out = Builder::default();
    for line in text(args, 1)?.bytes().split_inclusive(|&byte| byte == b'\n') {
        if line != b"\n" {
            out.fill(b' ', width)?;
        }
        out.push(line)?;
    }
    Ok(out.text().into())
}
