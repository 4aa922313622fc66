//! Comparisons, as Go's: of one kind with the same kind, and whole numbers with the text that spells them.

use std::cmp::Ordering;

use crate::template::{error::Problem, value::Value};

/// Says whether the first argument equals one of the others.
pub fn eq(args: &[Value]) -> Result<Value, Problem> {
    for other in &args[1..] {
        if equal(&args[0], other)? {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

/// Says whether two arguments differ.
pub fn ne(args: &[Value]) -> Result<Value, Problem> {
    equal(&args[0], &args[1]).map(|same| Value::Bool(!same))
}

/// Says whether the first is less.
pub fn lt(args: &[Value]) -> Result<Value, Problem> {
    order(args).map(|order| order.is_some_and(Ordering::is_lt).into())
}

/// Says whether the first is less or equal.
pub fn le(args: &[Value]) -> Result<Value, Problem> {
    order(args).map(|order| order.is_some_and(Ordering::is_le).into())
}

/// Says whether the first is greater.
pub fn gt(args: &[Value]) -> Result<Value, Problem> {
    order(args).map(|order| order.is_some_and(Ordering::is_gt).into())
}

/// Says whether the first is greater or equal.
pub fn ge(args: &[Value]) -> Result<Value, Problem> {
    order(args).map(|order| order.is_some_and(Ordering::is_ge).into())
}

/// Turns truth around.
pub fn not(args: &[Value]) -> Result<Value, Problem> {
    Ok(Value::Bool(!args[0].truth()))
}

/// Returns the second argument, or the first where the second is empty or not there.
pub fn default(args: &[Value]) -> Result<Value, Problem> {
    Ok(args.get(1).filter(|given| given.truth()).unwrap_or(&args[0]).clone())
}

/// Says whether two values are the same.
pub fn equal(a: &Value, b: &Value) -> Result<bool, Problem> {
    Ok(match (a, b) {
        (Value::Nil(_), Value::Nil(_)) => true,
        (Value::Nil(_), _) | (_, Value::Nil(_)) => false,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        // Where the server's answer has a number, consul-template's users have compared it with its text.
        (Value::Int(number), Value::Text(text)) | (Value::Text(text), Value::Int(number)) => {
            text.bytes() == number.to_string().as_bytes()
        }
        (a, b) => return Err(incomparable(a, b)),
    })
}

fn order(args: &[Value]) -> Result<Option<Ordering>, Problem> {
    match (&args[0], &args[1]) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.bytes().cmp(b.bytes()))),
        (Value::Nil(origin), _) | (_, Value::Nil(origin)) => Err(Problem::null(origin.as_ref())),
        (a, b) => Err(incomparable(a, b)),
    }
}

fn incomparable(a: &Value, b: &Value) -> Problem {
    Problem::message(format!("{} cannot be compared with {}", a.kind(), b.kind()))
}
