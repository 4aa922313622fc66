//! A plugin's own description of its configuration, and decoding by it.
//!
//! The wire's description is checked once ([`Spec::try_from`]); after that decoding is a walk over the tree. The body
//! is a generic one ([`super::hcl::body`]): what arrives may be a block or an argument, as for an agent, which sees JSON.

use std::collections::BTreeMap;

use strongbox::plugin::proto::hclspec as wire;

use super::{
    cty::{self, Type, Value},
    hcl::{
        eval::Scope,
        functions::Round,
        text,
        value::{Member, Node, Span, Value as Raw},
    },
    report::Problem,
};

/// A name that an agent's reader of JSON passes over.
const COMMENT: &str = "//";

/// One node of a description.
#[derive(Clone, Debug)]
pub enum Spec {
    /// Members, each under its key.
    Object(BTreeMap<String, Spec>),
    /// A tuple.
    Array(Vec<Spec>),
    /// `name = value`.
    Attr { name: String, ty: Type, required: bool },
    /// At most one block.
    Block { name: String, required: bool, nested: Box<Spec> },
    /// One block of free names.
    BlockAttrs { name: String, ty: Type, required: bool },
    /// Repeated blocks; `set` drops doubles.
    BlockList { name: String, min: u64, max: u64, nested: Box<Spec>, set: bool },
    /// Labelled blocks.
    BlockMap { name: String, labels: usize, nested: Box<Spec> },
    /// The second where the first is null.
    Default(Box<Spec>, Box<Spec>),
    /// A constant.
    Literal(Value),
}

/// The plugin's description is itself wrong.
#[derive(Debug, thiserror::Error)]
#[error("the plugin's schema is wrong at {at:?}: {what}")]
pub struct SpecError {
    at: String,
    what: String,
}

impl Spec {
    /// Checks a description from the wire.
    pub fn from_wire(spec: &wire::Spec) -> Result<Self, SpecError> {
        checked(spec, "")
    }
}

fn checked(spec: &wire::Spec, key: &str) -> Result<Spec, SpecError> {
    use wire::spec::Block as B;
    let error = |what: &str| SpecError { at: key.to_owned(), what: what.to_owned() };
    let named = |name: &str| match (name, key) {
        ("", "") => Err(error("missing name")),
        ("", key) => Ok(key.to_owned()),
        (name, _) => Ok(name.to_owned()),
    };
    let nested =
        |spec: Option<&wire::Spec>| checked(spec.ok_or_else(|| error("missing nested spec"))?, "").map(Box::new);
    let typed = |text: &str| Type::parse(text).map_err(|what| SpecError { at: key.to_owned(), what });
    Ok(match spec.block.as_ref().ok_or_else(|| error("empty spec"))? {
        B::Object(o) => {
            Spec::Object(o.attributes.iter().map(|(k, s)| Ok((k.clone(), checked(s, k)?))).collect::<Result<_, _>>()?)
        }
        B::Array(a) => Spec::Array(a.values.iter().map(|s| checked(s, "")).collect::<Result<_, _>>()?),
        B::Attr(a) => Spec::Attr { name: named(&a.name)?, ty: typed(&a.r#type)?, required: a.required },
        B::BlockValue(b) => {
            Spec::Block { name: named(&b.name)?, required: b.required, nested: nested(b.nested.as_deref())? }
        }
        B::BlockAttrs(b) => Spec::BlockAttrs { name: named(&b.name)?, ty: typed(&b.r#type)?, required: b.required },
        B::BlockList(b) => Spec::BlockList {
            name: named(&b.name)?,
            min: b.min_items,
            max: b.max_items,
            nested: nested(b.nested.as_deref())?,
            set: false,
        },
        B::BlockSet(b) => Spec::BlockList {
            name: named(&b.name)?,
            min: b.min_items,
            max: b.max_items,
            nested: nested(b.nested.as_deref())?,
            set: true,
        },
        B::BlockMap(b) if b.labels.is_empty() => return Err(error("a block map needs a label")),
        B::BlockMap(b) => {
            Spec::BlockMap { name: named(&b.name)?, labels: b.labels.len(), nested: nested(b.nested.as_deref())? }
        }
        // The implied name is lost inside a default, hence the empty key.
        B::Default(d) => Spec::Default(nested(d.primary.as_deref())?, nested(d.default.as_deref())?),
        B::Literal(l) => Spec::Literal(constant(&l.value).map_err(|what| SpecError { at: key.to_owned(), what })?),
    })
}

fn constant(source: &str) -> Result<Value, String> {
    let expr = hcl_edit::parser::parse_expr(source).map_err(|_| format!("{source:?} is not an expression"))?;
    let node = Scope::root(source, BTreeMap::new(), &Round::Client).eval(&expr).map_err(|p| p.message)?;
    Ok(cty::natural(&node))
}

/// Decodes `body` by `spec`; `names` are what the strings in it may refer to.
pub fn decode(spec: &Spec, body: &Node, names: &BTreeMap<String, Node>) -> Result<Value, Vec<Problem>> {
    let mut decoder = Decoder { names, problems: Vec::new() };
    let value = decoder.body(spec, body);
    if decoder.problems.is_empty() { Ok(value) } else { Err(decoder.problems) }
}

struct Decoder<'a> {
    names: &'a BTreeMap<String, Node>,
    problems: Vec<Problem>,
}

/// A block with its labels.
struct Block {
    labels: Vec<(String, Span)>,
    body: Node,
}

impl Decoder<'_> {
    fn body(&mut self, spec: &Spec, body: &Node) -> Value {
        let mut known = BTreeMap::new();
        collect(spec, &mut known);
        if let Raw::Map(members) = &body.value {
            for (name, member) in members.iter().filter(|(name, _)| !known.contains_key(name.as_str())) {
                if name == COMMENT {
                    continue;
                }
                let problem = Problem::at(&member.name, format!("no argument or block type is named {name:?}"))
                    .label("not known to the plugin");
                self.problems.push(problem.help(suggestion(name, known.keys().copied())));
            }
        }
        self.value(spec, body)
    }

    fn value(&mut self, spec: &Spec, body: &Node) -> Value {
        match spec {
            Spec::Object(of) => Value::Map(of.iter().map(|(key, s)| (key.clone(), self.value(s, body))).collect()),
            Spec::Array(of) => Value::List(of.iter().map(|s| self.value(s, body)).collect()),
            Spec::Attr { name, ty, required } => self.attr(name, ty, *required, body),
            Spec::Block { name, required, nested } => self.block(name, *required, nested, body),
            Spec::BlockAttrs { name, ty, required } => self.block_attrs(name, ty, *required, body),
            Spec::BlockList { name, min, max, nested, set } => self.block_list(name, (*min, *max), nested, *set, body),
            Spec::BlockMap { name, labels, nested } => self.block_map(name, *labels, nested, body),
            Spec::Default(primary, fallback) => match self.value(primary, body) {
                Value::Null => self.value(fallback, body),
                value => value,
            },
            Spec::Literal(value) => value.clone(),
        }
    }

    fn attr(&mut self, name: &str, ty: &Type, required: bool, body: &Node) -> Value {
        let Some(node) = body.get(name) else {
            if required {
                self.missing(body, format!("the argument {name:?} is required, but no definition was found"));
            }
            return Value::Null;
        };
        self.typed(name, node, ty)
    }

    fn typed(&mut self, name: &str, node: &Node, ty: &Type) -> Value {
        let converted = interpolate(node, self.names).and_then(|node| {
            cty::convert(&node, ty).map_err(|m| {
                Problem::at(&m.span, format!("inappropriate value for argument {name:?}: {}", m.message))
                    .label(m.message)
            })
        });
        converted.unwrap_or_else(|problem| {
            self.problems.push(problem);
            Value::Null
        })
    }

    fn block(&mut self, name: &str, required: bool, nested: &Spec, body: &Node) -> Value {
        match self.only(name, required, body) {
            Some(block) => self.body(nested, &block.body),
            None => Value::Null,
        }
    }

    fn block_attrs(&mut self, name: &str, ty: &Type, required: bool, body: &Node) -> Value {
        let Some(block) = self.only(name, required, body) else { return Value::Null };
        let Raw::Map(members) = &block.body.value else { return Value::Null };
        Value::Map(
            members
                .iter()
                .filter(|(key, _)| *key != COMMENT)
                .map(|(key, m)| (key.clone(), self.typed(&format!("{name}.{key}"), &m.node, ty)))
                .collect(),
        )
    }

    fn only(&mut self, name: &str, required: bool, body: &Node) -> Option<Block> {
        let mut blocks = self.blocks(name, 0, body).into_iter();
        let first = blocks.next();
        if first.is_none() && required {
            self.missing(body, format!("a block of type {name:?} is required here"));
        }
        if let Some(second) = blocks.next() {
            self.problems.push(
                Problem::at(&second.body.span, format!("duplicate {name} block; only one is allowed"))
                    .label("the second"),
            );
        }
        first
    }

    fn block_list(&mut self, name: &str, (min, max): (u64, u64), nested: &Spec, set: bool, body: &Node) -> Value {
        let blocks = self.blocks(name, 0, body);
        let count = blocks.len() as u64;
        if count < min {
            self.missing(body, format!("at least {min} {name} blocks are required"));
        }
        if max > 0 && count > max {
            self.missing(body, format!("no more than {max} {name} blocks are allowed"));
        }
        let mut values: Vec<Value> = Vec::new();
        for block in blocks {
            let value = self.body(nested, &block.body);
            if !set || !values.contains(&value) {
                values.push(value);
            }
        }
        Value::List(values)
    }

    fn block_map(&mut self, name: &str, labels: usize, nested: &Spec, body: &Node) -> Value {
        let mut all = BTreeMap::new();
        for block in self.blocks(name, labels, body) {
            let value = self.body(nested, &block.body);
            if let Err((label, span)) = insert(&mut all, &block.labels, value) {
                let problem =
                    Problem::at(&span, format!("duplicate {name} block; only one may have the label {label:?}"));
                self.problems.push(problem.label("the second of this name"));
            }
        }
        Value::Map(all)
    }

    fn missing(&mut self, body: &Node, message: String) {
        self.problems.push(Problem::at(&body.span, message).label("in this block"));
    }

    /// Finds the blocks called `name`, whichever of the forms that JSON has for them was used.
    fn blocks(&mut self, name: &str, labels: usize, body: &Node) -> Vec<Block> {
        let mut found = Vec::new();
        if let Some(node) = body.get(name) {
            self.unpack(name, node, labels, &[], &mut found);
        }
        found
    }

    fn unpack(&mut self, name: &str, node: &Node, labels: usize, above: &[(String, Span)], found: &mut Vec<Block>) {
        if labels > 0 {
            let all = self.flat(name, node);
            if all.is_empty() {
                self.problems.push(Problem::at(&node.span, format!("{name} needs a label")));
            }
            for (label, Member { name: place, node }) in all {
                let labels_here = [above, &[(label, place)]].concat();
                self.unpack(name, &node, labels - 1, &labels_here, found);
            }
            return;
        }
        let mut block = |body| found.push(Block { labels: above.to_vec(), body });
        match &node.value {
            Raw::Null => {}
            Raw::List(items) => items.iter().for_each(|item| block(self.merged(name, item))),
            Raw::Map(_) => block(node.clone()),
            other => {
                let message = format!("{name} is a block, not {}", other.kind());
                self.problems.push(Problem::at(&node.span, message));
            }
        }
    }

    /// Takes the members of an object, or of a list of objects one after the other: JSON has both forms for one body.
    fn flat(&mut self, name: &str, node: &Node) -> Vec<(String, Member)> {
        let members = |node: &Node| match &node.value {
            Raw::Map(members) => Some(members.clone()),
            _ => None,
        };
        let found: Option<Vec<_>> = match &node.value {
            Raw::Null => return Vec::new(),
            Raw::List(items) => items.iter().map(members).collect(),
            _ => members(node).map(|members| vec![members]),
        };
        found.map(|all| all.into_iter().flatten().collect()).unwrap_or_else(|| {
            self.problems.push(Problem::at(&node.span, format!("{name} is a block, not {}", node.value.kind())));
            Vec::new()
        })
    }

    /// Makes one body of what [`Decoder::flat`] takes.
    fn merged(&mut self, name: &str, node: &Node) -> Node {
        let mut members = BTreeMap::new();
        for (key, member) in self.flat(name, node) {
            let place = member.name.clone();
            if members.insert(key.clone(), member).is_some() {
                self.problems.push(Problem::at(&place, format!("{key:?} is set twice")));
            }
        }
        Node { value: Raw::Map(members), span: node.span.clone() }
    }
}

fn insert(all: &mut BTreeMap<String, Value>, labels: &[(String, Span)], value: Value) -> Result<(), (String, Span)> {
    match labels {
        [] => Ok(()),
        [(last, span)] => match all.insert(last.clone(), value) {
            Some(_) => Err((last.clone(), span.clone())),
            None => Ok(()),
        },
        [(first, _), rest @ ..] => match all.entry(first.clone()).or_insert_with(|| Value::Map(BTreeMap::new())) {
            Value::Map(inner) => insert(inner, rest, value),
            _ => Ok(()),
        },
    }
}

/// Gathers the names that a body may use.
fn collect<'s>(spec: &'s Spec, known: &mut BTreeMap<&'s str, ()>) {
    match spec {
        Spec::Object(of) => of.values().for_each(|s| collect(s, known)),
        Spec::Array(of) => of.iter().for_each(|s| collect(s, known)),
        Spec::Default(primary, fallback) => {
            collect(primary, known);
            collect(fallback, known);
        }
        Spec::Attr { name, .. }
        | Spec::Block { name, .. }
        | Spec::BlockAttrs { name, .. }
        | Spec::BlockList { name, .. }
        | Spec::BlockMap { name, .. } => {
            known.insert(name, ());
        }
        Spec::Literal(_) => {}
    }
}

/// Evaluates every string of an argument as a template, the keys of objects too.
pub fn interpolate(node: &Node, names: &BTreeMap<String, Node>) -> Result<Node, Problem> {
    let value = match &node.value {
        Raw::String(source) => return template(source, &node.span, names),
        Raw::List(items) => Raw::List(items.iter().map(|n| interpolate(n, names)).collect::<Result<_, _>>()?),
        Raw::Map(members) => {
            let member = |(key, m): (&String, &Member)| {
                let key = template(key, &m.name, names)?.value.to_text().unwrap_or_default();
                Ok((key, Member { name: m.name.clone(), node: interpolate(&m.node, names)? }))
            };
            Raw::Map(members.iter().map(member).collect::<Result<_, Problem>>()?)
        }
        other => other.clone(),
    };
    Ok(Node { value, span: node.span.clone() })
}

/// Evaluates one string; its own offsets mean nothing to the file, so every complaint points at the whole of it.
fn template(source: &str, span: &Span, names: &BTreeMap<String, Node>) -> Result<Node, Problem> {
    if !source.contains("${") && !source.contains("%{") {
        return Ok(Node::new(text::composed(source), span.clone()));
    }
    let parsed = hcl_edit::parser::parse_template(source).map_err(|e| {
        Problem::at(span, format!("the text is not a template: {}", e.message()))
            .help("write $${ and %%{ for a literal ${ and %{")
    })?;
    let scope = Scope::root(source, names.clone(), &Round::Client);
    text::evaluate(&scope, &parsed, span).map_err(|problem| Problem {
        span: Some(span.clone()),
        label: "in this text".into(),
        ..problem
    })
}

/// Says which names there are, the likely one first.
pub fn suggestion<'s>(wrong: &str, known: impl Iterator<Item = &'s str>) -> String {
    let mut known: Vec<_> = known.map(|name| (distance(wrong, name), name)).collect();
    known.sort_unstable();
    match known.first() {
        Some((d, name)) if *d <= 2 => format!("did you mean {name:?}?"),
        Some(_) => format!(
            "known here: {}",
            known
                .iter()
                .map(|(_, n)| *n)
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
                .join(", ")
        ),
        None => "nothing may stand here".into(),
    }
}

fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}
