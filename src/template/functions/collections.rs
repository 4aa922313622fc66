//! Looking into lists, maps and texts.

use super::{compare, int, text, texts::find};
use crate::template::{
    error::Problem,
    text::{Builder, Text},
    value::Value,
};

/// Returns the number of items, entries or bytes.
pub fn len(args: &[Value]) -> Result<Value, Problem> {
    Ok(Value::Int(match &args[0] {
        Value::Text(text) => text.bytes().len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.entries.len(),
        Value::Nil(origin) => return Err(Problem::null(origin.as_ref())),
        other => return Err(Problem::message(format!("{} has no length", other.kind()))),
    } as i128))
}

/// Returns the item or entry that the other arguments lead to, one after the other.
///
/// An entry that does not exist is null here, as in Go; so `if index …` asks whether there is one.
pub fn index(args: &[Value]) -> Result<Value, Problem> {
    let mut value = args[0].clone();
    for nth in 1..args.len() {
        value = match &value {
            Value::Map(map) => {
                let key = text(args, nth)?.utf8().and_then(|key| map.entries.get(key));
                key.cloned().unwrap_or_else(|| Value::Nil(map.origin.as_ref().map(|of| of.without_entry().into())))
            }
            Value::List(items) => items[within(int(args, nth)?, items.len(), false)?].clone(),
            Value::Text(text) => Value::Int(text.bytes()[within(int(args, nth)?, text.bytes().len(), false)?].into()),
            Value::Nil(origin) => return Err(Problem::null(origin.as_ref())),
            other => return Err(Problem::message(format!("{} cannot be indexed", other.kind()))),
        };
    }
    Ok(value)
}

/// Returns a part of a text or list: from, to, and for a list the capacity, which only has to fit.
pub fn slice(args: &[Value]) -> Result<Value, Problem> {
    let length = match &args[0] {
        Value::Text(_) if args.len() > 3 => return Err(Problem::message("a text takes two bounds at most")),
        Value::Text(text) => text.bytes().len(),
        Value::List(items) => items.len(),
        Value::Nil(origin) => return Err(Problem::null(origin.as_ref())),
        other => return Err(Problem::message(format!("{} cannot be sliced", other.kind()))),
    };
    let bound = |nth, default| match args.len() > nth {
        true => within(int(args, nth)?, length, true),
        false => Ok(default),
    };
    let (from, to, capacity) = (bound(1, 0)?, bound(2, length)?, bound(3, length)?);
    if from > to || to > capacity {
        return Err(Problem::message("the bounds are in the wrong order"));
    }
    Ok(match &args[0] {
        Value::List(items) => items[from..to].to_vec().into(),
        _ => Text::from(&text(args, 0)?.bytes()[from..to]).into(),
    })
}

/// Checks a position; an end may lie just behind the last item.
fn within(number: i128, length: usize, is_bound: bool) -> Result<usize, Problem> {
    usize::try_from(number)
        .ok()
        .filter(|&position| position < length || (is_bound && position == length))
        .ok_or_else(|| Problem::message(format!("the position is outside of the {length} there are")))
}

/// Says whether the first argument is in the second; made for pipes.
pub fn contains(args: &[Value]) -> Result<Value, Problem> {
    contained(&args[1], &args[0])
}

/// Says whether the second argument is in the first.
pub fn is_in(args: &[Value]) -> Result<Value, Problem> {
    contained(&args[0], &args[1])
}

fn contained(whole: &Value, part: &Value) -> Result<Value, Problem> {
    Ok(Value::Bool(match (whole, part) {
        (Value::Text(whole), Value::Text(part)) => find(whole.bytes(), part.bytes()).is_some(),
        (Value::List(items), part) => items.iter().any(|item| compare::equal(item, part).unwrap_or(false)),
        (Value::Nil(origin), _) => return Err(Problem::null(origin.as_ref())),
        _ => false,
    }))
}

/// Cuts the second argument wherever the first stands in it; of an empty text nothing remains.
pub fn split(args: &[Value]) -> Result<Value, Problem> {
    let separator = text(args, 0)?.bytes();
    let trimmed = super::texts::trim_space(&args[1..])?;
    let whole = text(std::slice::from_ref(&trimmed), 0)?;
    if separator.is_empty() {
        let piece = |part| match part {
            Ok(c) => Value::from(char::encode_utf8(c, &mut [0; 4]) as &str),
            Err(byte) => Text::from(&[byte][..]).into(),
        };
        return Ok(whole.characters().map(piece).collect::<Vec<_>>().into());
    }
    let mut rest = whole.bytes();
    let mut pieces = Vec::new();
    if rest.is_empty() {
        return Ok(pieces.into());
    }
    while let Some(found) = find(rest, separator) {
        pieces.push(Text::from(&rest[..found]).into());
        rest = &rest[found + separator.len()..];
    }
    pieces.push(Text::from(rest).into());
    Ok(pieces.into())
}

/// Puts the texts of the second argument together with the first between them.
pub fn join(args: &[Value]) -> Result<Value, Problem> {
    let separator = text(args, 0)?;
    let Value::List(items) = &args[1] else {
        return Err(Problem::message(format!("argument 2 is {}, not a list", args[1].kind())));
    };
    let mut out = Builder::default();
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            out.push(separator.bytes())?;
        }
        match item {
            Value::Text(text) => out.push(text.bytes())?,
            other => return Err(Problem::message(format!("item {nth} of the list is {}, not a text", other.kind()))),
        }
    }
    Ok(out.text().into())
}
