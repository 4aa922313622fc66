//! Sprig's helpers, of those that compute only. They take what is piped last, as the rest here does.

use super::{int, lists::spelled, printing::quoted, text, texts, utf8};
use crate::template::{
    error::Problem,
    text::{Builder, Text},
    value::Value,
};

/// Returns the first argument that counts as true, or null.
pub fn coalesce(args: &[Value]) -> Result<Value, Problem> {
    Ok(args.iter().find(|value| value.truth()).cloned().unwrap_or(Value::Nil(None)))
}

/// Returns the first argument where the last is true, else the second.
pub fn ternary(args: &[Value]) -> Result<Value, Problem> {
    match args[2] {
        Value::Bool(true) => Ok(args[0].clone()),
        Value::Bool(false) => Ok(args[1].clone()),
        ref other => Err(Problem::message(format!("argument 3 is {}, not a truth value", other.kind()))),
    }
}

/// Says whether a value counts as false.
pub fn empty(args: &[Value]) -> Result<Value, Problem> {
    Ok((!args[0].truth()).into())
}

/// Returns a value as a text.
pub fn to_string(args: &[Value]) -> Result<Value, Problem> {
    spelled(&args[0]).map(Value::Text)
}

/// Returns the values in double quotes, as Go and JSON spell them, with blanks between.
pub fn quote(args: &[Value]) -> Result<Value, Problem> {
    spaced(args, |value, out| out.push(quoted(&spelled(value)?)?.bytes()))
}

/// Returns the values in single quotes, with blanks between. What is within is not escaped.
pub fn squote(args: &[Value]) -> Result<Value, Problem> {
    spaced(args, |value, out| {
        out.push("'")?;
        out.push(spelled(value)?.bytes())?;
        out.push("'")
    })
}

/// Returns the values with blanks between.
pub fn cat(args: &[Value]) -> Result<Value, Problem> {
    spaced(args, |value, out| out.push(spelled(value)?.bytes()))
}

fn spaced(args: &[Value], write: fn(&Value, &mut Builder) -> Result<(), Problem>) -> Result<Value, Problem> {
    let mut out = Builder::default();
    for (nth, value) in args.iter().filter(|value| !matches!(value, Value::Nil(_))).enumerate() {
        if nth > 0 {
            out.push(" ")?;
        }
        write(value, &mut out)?;
    }
    Ok(out.text().into())
}

/// Puts blanks before every line, also before an empty one.
pub fn indent(args: &[Value]) -> Result<Value, Problem> {
    indented(args, "").map(Value::Text)
}

/// Does the same on a new line.
pub fn nindent(args: &[Value]) -> Result<Value, Problem> {
    indented(args, "\n").map(Value::Text)
}

fn indented(args: &[Value], before: &str) -> Result<Text, Problem> {
    let width = usize::try_from(int(args, 0)?).map_err(|_| Problem::message("the width must not be negative"))?;
    let mut out = Builder::default();
    out.push(before)?;
    for (nth, line) in text(args, 1)?.bytes().split(|&byte| byte == b'\n').enumerate() {
        if nth > 0 {
            out.push("\n")?;
        }
        out.fill(b' ', width)?;
        out.push(line)?;
    }
    Ok(out.text())
}

/// Drops all blanks.
pub fn nospace(args: &[Value]) -> Result<Value, Problem> {
    let kept = utf8(args, 0)?.split_whitespace();
    let mut out = Builder::default();
    kept.into_iter().try_for_each(|part| out.push(part))?;
    Ok(out.text().into())
}

/// Keeps so many bytes from the begin, or with a negative number from the end.
pub fn trunc(args: &[Value]) -> Result<Value, Problem> {
    let whole = text(args, 1)?.bytes();
    let count = int(args, 0)?;
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).min(whole.len());
    let kept = if count < 0 { &whole[whole.len() - length..] } else { &whole[..length] };
    Ok(Text::from(kept).into())
}

/// Repeats a text.
pub fn repeat(args: &[Value]) -> Result<Value, Problem> {
    let times = usize::try_from(int(args, 0)?).map_err(|_| Problem::message("the count must not be negative"))?;
    let (mut out, part) = (Builder::default(), text(args, 1)?.bytes());
    if part.is_empty() {
        return Ok("".into());
    }
    (0..times).try_for_each(|_| out.push(part))?;
    Ok(out.text().into())
}

/// Says whether the second argument begins with the first.
pub fn has_prefix(args: &[Value]) -> Result<Value, Problem> {
    Ok(text(args, 1)?.bytes().starts_with(text(args, 0)?.bytes()).into())
}

/// Says whether the second argument ends with the first.
pub fn has_suffix(args: &[Value]) -> Result<Value, Problem> {
    Ok(text(args, 1)?.bytes().ends_with(text(args, 0)?.bytes()).into())
}

/// Says whether the first argument stands in the second, both texts.
pub fn contains(args: &[Value]) -> Result<Value, Problem> {
    Ok(texts::find(text(args, 1)?.bytes(), text(args, 0)?.bytes()).is_some().into())
}

/// Cuts the second argument at the first.
pub fn split_list(args: &[Value]) -> Result<Value, Problem> {
    let (separator, whole) = (utf8(args, 0)?, utf8(args, 1)?);
    if separator.is_empty() {
        let mut buffer = [0; 4];
        return Ok(whole.chars().map(|c| Value::from(&*c.encode_utf8(&mut buffer))).collect::<Vec<_>>().into());
    }
    Ok(whole.split(separator).map(Value::from).collect::<Vec<_>>().into())
}

/// Returns a whole number: of a fraction what stands before the point, of what is no number zero.
pub fn to_int(args: &[Value]) -> Result<Value, Problem> {
    Ok(Value::Int(match &args[0] {
        Value::Int(number) => *number,
        Value::Float(number) => *number as i128,
        Value::Bool(value) => i128::from(*value),
        Value::Text(text) => text.utf8().and_then(|text| text.parse().ok()).unwrap_or_default(),
        _ => 0,
    }))
}

/// Returns the sum of whole numbers, spelled as texts or not.
pub fn add(args: &[Value]) -> Result<Value, Problem> {
    fold(args, i128::checked_add)
}

/// Returns the product of whole numbers.
pub fn mul(args: &[Value]) -> Result<Value, Problem> {
    fold(args, i128::checked_mul)
}

/// Returns the first number less the second.
pub fn sub(args: &[Value]) -> Result<Value, Problem> {
    fold(args, i128::checked_sub)
}

/// Returns the first number divided by the second.
pub fn div(args: &[Value]) -> Result<Value, Problem> {
    fold(args, i128::checked_div)
}

/// Returns what remains of that division.
pub fn modulo(args: &[Value]) -> Result<Value, Problem> {
    fold(args, i128::checked_rem)
}

/// Returns the greatest number.
pub fn max(args: &[Value]) -> Result<Value, Problem> {
    fold(args, |a, b| Some(a.max(b)))
}

/// Returns the least number.
pub fn min(args: &[Value]) -> Result<Value, Problem> {
    fold(args, |a, b| Some(a.min(b)))
}

/// Returns a number and one.
pub fn add1(args: &[Value]) -> Result<Value, Problem> {
    fold(&[args[0].clone(), Value::Int(1)], i128::checked_add)
}

fn fold(args: &[Value], calculate: fn(i128, i128) -> Option<i128>) -> Result<Value, Problem> {
    let mut numbers = args.iter().map(|arg| to_int(std::slice::from_ref(arg)));
    let Some(first) = numbers.next() else { return Ok(Value::Int(0)) };
    let mut result = first?;
    for number in numbers {
        let (Value::Int(a), Value::Int(b)) = (&result, &number?) else { return Err(beyond()) };
        let fits = |number: &i128| i64::try_from(*number).is_ok();
        result = calculate(*a, *b).filter(fits).map(Value::Int).ok_or_else(beyond)?;
    }
    Ok(result)
}

fn beyond() -> Problem {
    Problem::message("the result is beyond 64 bits, or a division by zero")
}

/// Returns a number with a fraction; of what is no number zero.
pub fn to_float(args: &[Value]) -> Result<Value, Problem> {
    Ok(Value::Float(match &args[0] {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Text(text) => text.utf8().and_then(|text| text.parse().ok()).unwrap_or_default(),
        _ => 0.0,
    }))
}
