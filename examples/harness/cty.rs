//! Typed values and their bytes, as an agent's configuration encoder writes them.

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, ObjectKey};

use super::hcl::{
    number::Number,
    value::{Node, Span, Value as Raw},
};

/// What a specification asks an argument to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Whatever is there.
    Any,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// Text.
    String,
    /// Elements of one type.
    List(Box<Type>),
    /// Elements of one type, each once.
    Set(Box<Type>),
    /// Free names, one type.
    Map(Box<Type>),
    /// A fixed row of types.
    Tuple(Vec<Type>),
    /// Fixed names.
    Object(BTreeMap<String, Type>),
}

/// A value that fits its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(String),
    /// List, set or tuple.
    List(Vec<Value>),
    /// Map or object.
    Map(BTreeMap<String, Value>),
}

/// A value does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where in the value.
    pub span: Span,
    /// What was asked for.
    pub message: String,
}

impl Type {
    /// Reads a type expression such as `list(map(string))`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expr: Expression = text.parse().map_err(|_| format!("{text:?} is not a type expression"))?;
        Self::from_expr(&expr).ok_or_else(|| format!("{text:?} names no type"))
    }

    /// Takes a type from an expression of a file.
    pub fn from_expr(expr: &Expression) -> Option<Self> {
        match expr {
            Expression::Variable(name) => match name.value().as_str() {
                "any" => Some(Self::Any),
                "bool" => Some(Self::Bool),
                "number" => Some(Self::Number),
                "string" => Some(Self::String),
                _ => None,
            },
            Expression::FuncCall(call) => Self::constructed(call.name.name.value(), call.args.get(0)?),
            _ => None,
        }
    }

    fn constructed(name: &str, argument: &Expression) -> Option<Self> {
        match (name, argument) {
            ("list", of) => Some(Self::List(Self::from_expr(of)?.into())),
            ("set", of) => Some(Self::Set(Self::from_expr(of)?.into())),
            ("map", of) => Some(Self::Map(Self::from_expr(of)?.into())),
            ("tuple", Expression::Array(of)) => of.iter().map(Self::from_expr).collect::<Option<_>>().map(Self::Tuple),
            ("object", Expression::Object(of)) => of
                .iter()
                .map(|(k, v)| Some((key(k)?, Self::from_expr(v.expr())?)))
                .collect::<Option<_>>()
                .map(Self::Object),
            _ => None,
        }
    }

    /// Names the type as messages do.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Map(_) => "map",
            Self::Tuple(_) => "tuple",
            Self::Object(_) => "object",
        }
    }
}

fn key(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(name) => Some(name.value().to_string()),
        ObjectKey::Expression(Expression::Variable(name)) => Some(name.value().to_string()),
        ObjectKey::Expression(expr) => expr.as_str().map(str::to_owned),
    }
}

/// Converts a value to a type by the agent's rules: numbers and bools to and from text, lists to sets, objects to maps.
pub fn convert(node: &Node, ty: &Type) -> Result<Value, Mismatch> {
    let wrong = |message: String| Mismatch { span: node.span.clone(), message };
    match (ty, &node.value) {
        (_, Raw::Null) => Ok(Value::Null),
        (Type::Any, _) => Ok(natural(node)),
        (Type::Bool, Raw::Bool(b)) => Ok(Value::Bool(*b)),
        (Type::Bool, Raw::String(s)) => match s.as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(wrong("a bool is required: true or false".into())),
        },
        (Type::Number, Raw::Number(n)) => Ok(Value::Number(n.clone())),
        (Type::Number, Raw::String(s)) => {
            Number::parse(s).map(Value::Number).ok_or_else(|| wrong("a number is required".into()))
        }
        (Type::String, raw) => {
            raw.to_text().map(Value::String).ok_or_else(|| wrong(format!("string required, not {}", raw.kind())))
        }
        (Type::List(of), Raw::List(items)) => elements(items, of).map(Value::List),
        (Type::Set(of), Raw::List(items)) => elements(items, of).map(unique).map(Value::List),
        (Type::Tuple(of), Raw::List(items)) if of.len() == items.len() => {
            items.iter().zip(of).map(|(item, ty)| convert(item, ty)).collect::<Result<_, _>>().map(Value::List)
        }
        (Type::Map(of), Raw::Map(members)) => {
            let values = members
                .iter()
                .map(|(k, m)| Ok((k.clone(), convert(&m.node, of)?)))
                .collect::<Result<BTreeMap<_, _>, _>>()?;
            one_type(values.values(), of).map_err(wrong)?;
            Ok(Value::Map(same_text(values, of)))
        }
        (Type::Object(of), Raw::Map(_)) => object(node, of),
        (ty, raw) => Err(wrong(format!("{} required, not {}", ty.name(), raw.kind()))),
    }
}

fn elements(items: &[Node], of: &Type) -> Result<Vec<Value>, Mismatch> {
    let all = items.iter().map(|item| convert(item, of)).collect::<Result<Vec<_>, _>>()?;
    let span = items.first().map(|n| n.span.clone()).unwrap_or_default();
    one_type(all.iter(), of).map_err(|message| Mismatch { span, message })?;
    Ok(all
        .into_iter()
        .map(|v| if mixed_needs_text(items.iter().map(|n| n.value.kind()), of) { textual(v) } else { v })
        .collect())
}

fn object(node: &Node, of: &BTreeMap<String, Type>) -> Result<Value, Mismatch> {
    let member = |(name, ty): (&String, &Type)| match node.get(name) {
        Some(found) => Ok((name.clone(), convert(found, ty)?)),
        None => Err(Mismatch { span: node.span.clone(), message: format!("attribute {name:?} is required") }),
    };
    of.iter().map(member).collect::<Result<_, _>>().map(Value::Map)
}

/// In a collection of `any`, elements are brought to one type: text, where they differ.
fn mixed_needs_text<'a>(kinds: impl Iterator<Item = &'a str>, of: &Type) -> bool {
    let mut kinds: Vec<_> = kinds.filter(|k| *k != "null").collect();
    kinds.sort_unstable();
    kinds.dedup();
    *of == Type::Any && kinds.len() > 1
}

fn one_type<'a>(values: impl Iterator<Item = &'a Value>, of: &Type) -> Result<(), String> {
    let mut kinds: Vec<_> = values.map(Value::kind).filter(|k| *k != "null").collect();
    kinds.sort_unstable();
    kinds.dedup();
    let to_text = kinds.contains(&"string") && kinds.iter().all(|k| ["string", "number", "bool"].contains(k));
    if *of == Type::Any && kinds.len() > 1 && !to_text {
        return Err("all elements must have the same type".into());
    }
    Ok(())
}

fn same_text(values: BTreeMap<String, Value>, of: &Type) -> BTreeMap<String, Value> {
    if mixed_needs_text(values.values().map(Value::kind), of) {
        values.into_iter().map(|(k, v)| (k, textual(v))).collect()
    } else {
        values
    }
}

fn textual(value: Value) -> Value {
    match value {
        Value::Number(n) => Value::String(n.to_string()),
        Value::Bool(b) => Value::String(b.to_string()),
        other => other,
    }
}

/// Sets of plain values are written in order.
fn unique(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by(|a, b| match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    });
    values.into_iter().fold(Vec::new(), |mut seen, v| {
        if !seen.contains(&v) {
            seen.push(v);
        }
        seen
    })
}

/// Returns the value in the type it was written in.
pub fn natural(node: &Node) -> Value {
    match &node.value {
        Raw::Null => Value::Null,
        Raw::Bool(b) => Value::Bool(*b),
        Raw::Number(n) => Value::Number(n.clone()),
        Raw::String(s) => Value::String(s.clone()),
        Raw::List(items) => Value::List(items.iter().map(natural).collect()),
        Raw::Map(members) => Value::Map(members.iter().map(|(k, m)| (k.clone(), natural(&m.node))).collect()),
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "object",
        }
    }

    /// Returns the msgpack bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0xc0),
            Self::Bool(b) => out.push(if *b { 0xc3 } else { 0xc2 }),
            Self::Number(n) => write_number(n, out),
            Self::String(s) => write_str(s, out),
            Self::List(items) => {
                write_head(out, items.len(), 0x90, 0xdc);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(members) => {
                write_head(out, members.len(), 0x80, 0xde);
                for (key, value) in members {
                    write_str(key, out);
                    value.write(out);
                }
            }
        }
    }
}

/// Whole numbers go out in the shortest form, fractions as a float when that is exact and as text otherwise.
fn write_number(n: &Number, out: &mut Vec<u8>) {
    if let Some(i) = n.as_int().and_then(|i| i64::try_from(i).ok()) {
        return write_int(i, out);
    }
    match n.as_exact_f64() {
        Some(f) if !n.is_whole() => {
            out.push(0xcb);
            out.extend(f.to_be_bytes());
        }
        _ => write_str(&n.to_string(), out),
    }
}

fn write_int(i: i64, out: &mut Vec<u8>) {
    match i {
        -32..=-1 => out.push(i as i8 as u8),
        0..=0x7f => out.push(i as u8),
        0x80..=0xff => out.extend([0xcc, i as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((i as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((i as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend((i as u64).to_be_bytes());
        }
        -0x80..=-33 => out.extend([0xd0, i as i8 as u8]),
        -0x8000..=-0x81 => {
            out.push(0xd1);
            out.extend((i as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend((i as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(i.to_be_bytes());
        }
    }
}

fn write_str(s: &str, out: &mut Vec<u8>) {
    match s.len() {
        n @ 0..=31 => out.push(0xa0 | n as u8),
        n @ 32..=0xff => out.extend([0xd9, n as u8]),
        n @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0xdb);
            out.extend((n as u32).to_be_bytes());
        }
    }
    out.extend(s.as_bytes());
}

fn write_head(out: &mut Vec<u8>, n: usize, small: u8, wide: u8) {
    match n {
        0..=15 => out.push(small | n as u8),
        16..=0xffff => {
            out.push(wide);
            out.extend((n as u16).to_be_bytes());
        }
        _ => {
            out.push(wide + 1);
            out.extend((n as u32).to_be_bytes());
        }
    }
}
