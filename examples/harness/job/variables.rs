//! `variable` and `locals` blocks.

use std::{cell::RefCell, collections::BTreeMap};

use hcl_edit::{
    Span as _,
    structure::{Block, Body},
};

use super::reader::Log;
use crate::harness::{
    cty::{self, Type, Value},
    hcl::{
        eval::Scope,
        functions::Round,
        value::{Member, Node, Span, Value as Raw},
    },
    report::Problem,
};

/// Returns the scope of the job: `var`, then `local`.
pub fn names(
    source: &str,
    body: &Body,
    given: &BTreeMap<String, String>,
    round: &Round,
    log: &RefCell<Log>,
) -> BTreeMap<String, Node> {
    let mut names = BTreeMap::from([("var".to_owned(), variables(source, body, given, round, log))]);
    names.insert("local".to_owned(), Node::new(Raw::map::<String>([], &(0..0)), 0..0));
    locals(source, body, &mut names, round, log);
    names
}

fn variables(source: &str, body: &Body, given: &BTreeMap<String, String>, round: &Round, log: &RefCell<Log>) -> Node {
    let scope = Scope::root(source, BTreeMap::new(), round);
    let mut values = BTreeMap::new();
    for block in body.blocks().filter(|b| b.has_ident("variable")) {
        let Some(name) = block.labels.first().map(|l| l.as_str().to_owned()) else { continue };
        match variable(&scope, block, &name, given.get(&name)) {
            Ok(value) => drop(values.insert(name, value)),
            Err(problem) => log.borrow_mut().problems.push(problem),
        }
    }
    for name in given.keys().filter(|name| !values.contains_key(*name)) {
        if !body.blocks().any(|b| b.has_ident("variable") && b.labels.iter().any(|l| l.as_str() == name)) {
            log.borrow_mut().problems.push(Problem::new(format!("the job file declares no variable {name:?}")));
        }
    }
    Node::new(Raw::map(values.into_iter().map(|(k, n)| (k, n.value)), &(0..0)), 0..0)
}

fn variable(scope: &Scope<'_>, block: &Block, name: &str, given: Option<&String>) -> Result<Node, Problem> {
    let place = block.ident.span().unwrap_or_default();
    let ty = match block.body.get_attribute("type") {
        Some(ty) => Type::from_expr(&ty.value)
            .ok_or_else(|| Problem::at(&ty.value.span().unwrap_or_default(), "this names no type"))?,
        None => Type::Any,
    };
    let node = match (given, block.body.get_attribute("default")) {
        (Some(text), _) => from_command_line(text, &ty, &place),
        (None, Some(default)) => scope.eval(&default.value)?,
        (None, None) => {
            return Err(Problem::at(&place, format!("variable {name:?} has no value"))
                .help(format!("give one with --var {name}=…")));
        }
    };
    let value =
        cty::convert(&node, &ty).map_err(|m| Problem::at(&place, format!("variable {name:?}: {}", m.message)))?;
    Ok(Node { value: untyped(value, &place), span: place })
}

/// Text stays text; every other type is written as an HCL expression.
fn from_command_line(text: &str, ty: &Type, place: &Span) -> Node {
    let plain = Node::new(text, place.clone());
    if *ty == Type::String {
        return plain;
    }
    let parsed = hcl_edit::parser::parse_expr(text).ok();
    parsed
        .and_then(|expr| Scope::root(text, BTreeMap::new(), &Round::Client).eval(&expr).ok())
        .map_or(plain, |node| Node { span: place.clone(), ..node })
}

fn untyped(value: Value, place: &Span) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::Bool(b) => Raw::Bool(b),
        Value::Number(n) => Raw::Number(n),
        Value::String(s) => Raw::String(s),
        Value::List(items) => {
            Raw::List(items.into_iter().map(|v| Node { value: untyped(v, place), span: place.clone() }).collect())
        }
        Value::Map(members) => Raw::map(members.into_iter().map(|(k, v)| (k, untyped(v, place))), place),
    }
}

/// Locals may use each other in any order: those that fail are tried again as long as others succeed.
fn locals(source: &str, body: &Body, names: &mut BTreeMap<String, Node>, round: &Round, log: &RefCell<Log>) {
    let blocks = body.blocks().filter(|b| b.has_ident("locals"));
    let mut open: Vec<_> = blocks.flat_map(|b| b.body.attributes()).collect();
    loop {
        let before = open.len();
        let mut failed = Vec::new();
        open.retain(|attribute| match Scope::root(source, names.clone(), round).eval(&attribute.value) {
            Ok(node) => {
                add_local(names, attribute.key.value().to_string(), node);
                false
            }
            Err(problem) => {
                failed.push(problem);
                true
            }
        });
        if open.is_empty() {
            return;
        }
        if open.len() == before {
            log.borrow_mut().problems.extend(failed);
            return;
        }
    }
}

fn add_local(names: &mut BTreeMap<String, Node>, key: String, node: Node) {
    if let Some(Node { value: Raw::Map(members), .. }) = names.get_mut("local") {
        members.insert(key, Member { name: node.span.clone(), node });
    }
}
