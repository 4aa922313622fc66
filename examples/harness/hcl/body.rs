//! A driver's `config` body as an agent sees it: one tree of lists and maps, blocks and attributes alike.

use std::collections::BTreeMap;

use hcl_edit::{
    Span as _,
    expr::Expression,
    structure::{Attribute, Block, Body},
};

use super::{
    eval::Scope,
    text::composed,
    value::{Member, Node, Value},
};
use crate::harness::report::Problem;

/// Turns a body whose schema nobody knows yet into a map.
///
/// A nested block becomes a list of maps with one map per occurrence, its labels one level of map each; an object
/// written out after `=` becomes a list of one map, so that both spellings arrive alike.
pub fn generic(scope: &Scope<'_>, body: &Body, problems: &mut Vec<Problem>) -> Value {
    let mut members = BTreeMap::new();
    for attribute in body.attributes() {
        if let Some(node) = value(scope, attribute, problems) {
            let name = attribute.key.span().unwrap_or_default();
            if members.insert(attribute.key.value().to_string(), Member { name: name.clone(), node }).is_some() {
                problems.push(Problem::at(&name, format!("{:?} is set twice", attribute.key.value().as_str())));
            }
        }
    }
    // An agent passes over an argument that has the name of a block.
    members.retain(|name, _| !body.blocks().any(|block| block.has_ident(name)));
    for block in body.blocks() {
        add_block(scope, block, &mut members, problems);
    }
    Value::Map(members)
}

fn value(scope: &Scope<'_>, attribute: &Attribute, problems: &mut Vec<Problem>) -> Option<Node> {
    match scope.eval(&attribute.value) {
        Ok(node) if matches!(attribute.value, Expression::Object(_)) => {
            Some(Node { span: node.span.clone(), value: Value::List(vec![node]) })
        }
        Ok(node) => Some(node),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn add_block(scope: &Scope<'_>, block: &Block, members: &mut BTreeMap<String, Member>, problems: &mut Vec<Problem>) {
    let name = block.ident.span().unwrap_or_default();
    let span = block.span().unwrap_or_default();
    let mut node = Node { value: generic(scope, &block.body, problems), span: name.start..name.end };
    for label in block.labels.iter().rev() {
        let place = label.span().unwrap_or_default();
        let inner = Node { span: place.clone(), value: Value::List(vec![node]) };
        let labelled = BTreeMap::from([(composed(label.as_str()), Member { name: place.clone(), node: inner })]);
        node = Node { value: Value::Map(labelled), span: place };
    }
    let list = members
        .entry(block.ident.value().to_string())
        .or_insert_with(|| Member { name: name.clone(), node: Node { value: Value::List(Vec::new()), span } });
    if let Value::List(items) = &mut list.node.value {
        items.push(node);
    }
}

/// Returns what becomes of a config on its way to the client: every number has been a float once.
pub fn passed_as_json(node: Node, problems: &mut Vec<Problem>) -> Node {
    let value = match node.value {
        Value::Number(n) => Value::Number(n.passed_as_json().unwrap_or_else(|| {
            problems.push(Problem::at(&node.span, "the number is too large to be passed to an agent"));
            n
        })),
        Value::List(items) => Value::List(items.into_iter().map(|item| passed_as_json(item, problems)).collect()),
        Value::Map(members) => {
            let member = |(key, m): (_, Member)| (key, Member { node: passed_as_json(m.node, problems), ..m });
            Value::Map(members.into_iter().map(member).collect())
        }
        other => other,
    };
    Node { value, span: node.span }
}
