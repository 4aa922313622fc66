//! Arithmetic, with the last argument first so that it can be piped, and texts that spell numbers.

use super::utf8;
use crate::template::{error::Problem, value::Value};

/// Adds the first to the second.
pub fn add(args: &[Value]) -> Result<Value, Problem> {
    calculate(args, i128::checked_add, |a, b| a + b)
}

/// Subtracts the first from the second.
pub fn subtract(args: &[Value]) -> Result<Value, Problem> {
    calculate(args, i128::checked_sub, |a, b| a - b)
}

/// Multiplies the two.
pub fn multiply(args: &[Value]) -> Result<Value, Problem> {
    calculate(args, i128::checked_mul, |a, b| a * b)
}

/// Divides the second by the first.
pub fn divide(args: &[Value]) -> Result<Value, Problem> {
    calculate(args, i128::checked_div, |a, b| a / b)
}

/// Returns the rest of dividing the second by the first; whole numbers only.
pub fn modulo(args: &[Value]) -> Result<Value, Problem> {
    match (&args[1], &args[0]) {
        (Value::Int(_), Value::Int(_)) => calculate(args, i128::checked_rem, |a, b| a % b),
        _ => Err(Problem::message("takes whole numbers only")),
    }
}

/// Returns the lesser of the two.
pub fn minimum(args: &[Value]) -> Result<Value, Problem> {
    calculate(args, |a, b| Some(a.min(b)), f64::min)
}

/// Returns the greater of the two.
pub fn maximum(args: &[Value]) -> Result<Value, Problem> {
    calculate(args, |a, b| Some(a.max(b)), f64::max)
}

fn calculate(
    args: &[Value],
    ints: fn(i128, i128) -> Option<i128>,
    floats: fn(f64, f64) -> f64,
) -> Result<Value, Problem> {
    let float = |value: &Value| match value {
        Value::Int(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
        other => Err(Problem::message(format!("{} is no number; parseInt makes one of a text", other.kind()))),
    };
    if let (Value::Int(a), Value::Int(b)) = (&args[1], &args[0]) {
        return ints(*a, *b)
            .filter(|result| i64::try_from(*result).is_ok() || u64::try_from(*result).is_ok())
            .map(Value::Int)
            .ok_or_else(|| Problem::message("the result does not fit in 64 bits, or zero divides"));
    }
    let result = floats(float(&args[1])?, float(&args[0])?);
    match result.is_finite() {
        true => Ok(Value::Float(result)),
        false => Err(Problem::message("the result is no finite number")),
    }
}

/// Reads a truth value; an empty text is false.
pub fn parse_bool(args: &[Value]) -> Result<Value, Problem> {
    match utf8(args, 0)? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true.into()),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false.into()),
        _ => Err(Problem::message("the text is neither true nor false")),
    }
}

/// Reads a whole number; an empty text is zero.
pub fn parse_int(args: &[Value]) -> Result<Value, Problem> {
    match utf8(args, 0)? {
        "" => Ok(Value::Int(0)),
        text => text.parse::<i64>().map(|n| Value::Int(n.into())).map_err(|_| no_number()),
    }
}

/// Reads a whole number that is not negative; an empty text is zero.
pub fn parse_uint(args: &[Value]) -> Result<Value, Problem> {
    match utf8(args, 0)? {
        "" => Ok(Value::Int(0)),
        text if text.starts_with('+') => Err(no_number()),
        text => text.parse::<u64>().map(|n| Value::Int(n.into())).map_err(|_| no_number()),
    }
}

/// Reads a number with a fraction; an empty text is zero.
pub fn parse_float(args: &[Value]) -> Result<Value, Problem> {
    match utf8(args, 0)? {
        "" => Ok(Value::Float(0.0)),
        text => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Float).ok_or_else(no_number),
    }
}

fn no_number() -> Problem {
    Problem::message("the text is no such number")
}
