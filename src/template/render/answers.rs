//! Answers in the shape that the functions beside `secret` give them.

use std::{collections::BTreeMap, sync::Arc};

use crate::template::{
    error::Problem,
    value::{Map, Value},
};

/// Returns the names that a listing brought, in their order; of a path with nothing below it there are none.
pub(super) fn names(answer: &Value) -> Result<Value, Problem> {
    let mut names = match part(answer, "keys") {
        Value::List(names) => names.to_vec(),
        _ => Vec::new(),
    };
    names.sort_by(|a, b| bytes(a).cmp(bytes(b)));
    Ok(names.into())
}

/// Returns the parts of an issued certificate by the names that `pkiCert` gives them, each ending its last line.
pub(super) fn certificate(answer: &Value) -> Result<Value, Problem> {
    let text = |name: &str| match part(answer, name) {
        Value::Text(text) => text.utf8().map(ended).ok_or_else(|| Problem::message("the answer is no PEM")),
        _ => Ok(Value::from("")),
    };
    let (cert, key) = (text("certificate")?, text("private_key")?);
    if bytes(&cert).is_empty() || bytes(&key).is_empty() {
        return Err(Problem::message("the answer has no certificate with a key; is the path that of an issuing role?"));
    }
    let chain = match part(answer, "ca_chain") {
        Value::List(above) => above.iter().filter_map(|pem| std::str::from_utf8(bytes(pem)).ok().map(ended)).collect(),
        _ => Vec::new(),
    };
    let mut parts = BTreeMap::from([
        ("CA".to_owned(), text("issuing_ca")?),
        ("CAChain".to_owned(), Value::from(chain)),
        ("Cert".to_owned(), cert),
        ("Key".to_owned(), key),
    ]);
    let data = Value::Map(Arc::new(Map { entries: parts.clone(), origin: None }));
    parts.insert("Data".to_owned(), data);
    Ok(Value::Map(Arc::new(Map { entries: parts, origin: None })))
}

fn ended(pem: &str) -> Value {
    format!("{}\n", pem.trim()).as_str().into()
}

/// Returns a field of the answer's data.
fn part(answer: &Value, name: &str) -> Value {
    let Value::Map(answer) = answer else { return Value::Nil(None) };
    let Some(Value::Map(data)) = answer.entries.get("Data") else { return Value::Nil(None) };
    data.entries.get(name).cloned().unwrap_or(Value::Nil(None))
}

fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Text(text) => text.bytes(),
        _ => &[],
    }
}
