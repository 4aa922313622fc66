//! Takes arguments out of a body, one by one, and complains at the end about what nobody took.

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, time::Duration};

use hcl_edit::{
    Span as _,
    structure::{Block, Body},
};

use super::duration;
use crate::harness::{
    cty::{self, Type, Value},
    hcl::{
        eval::Scope,
        value::{Node, Span},
    },
    report::Problem,
    spec::suggestion,
};

/// A body being read.
pub struct Reader<'a> {
    /// Names and functions.
    pub scope: &'a Scope<'a>,
    body: &'a Body,
    /// Where the block stands; for what is missing.
    pub span: Span,
    what: &'static str,
    taken: RefCell<BTreeSet<&'static str>>,
    log: &'a RefCell<Log>,
}

/// What was found on the way.
#[derive(Default)]
pub struct Log {
    /// Errors.
    pub problems: Vec<Problem>,
    /// Things passed over.
    pub notes: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Starts to read the body of `what`.
    pub fn new(scope: &'a Scope<'a>, body: &'a Body, span: Span, what: &'static str, log: &'a RefCell<Log>) -> Self {
        Self { scope, body, span, what, taken: RefCell::default(), log }
    }

    /// Starts to read a block within this one.
    pub fn inner(&self, block: &'a Block, what: &'static str) -> Reader<'a> {
        Reader::new(self.scope, &block.body, block.ident.span().unwrap_or_default(), what, self.log)
    }

    /// Complains.
    pub fn problem(&self, problem: Problem) {
        self.log.borrow_mut().problems.push(problem);
    }

    /// Evaluates the argument `name`.
    pub fn node(&self, name: &'static str) -> Option<Node> {
        self.taken.borrow_mut().insert(name);
        let attribute = self.body.get_attribute(name)?;
        self.scope.eval(&attribute.value).map_err(|p| self.problem(p)).ok()
    }

    fn typed(&self, name: &'static str, ty: &Type) -> Option<Value> {
        let node = self.node(name)?;
        match cty::convert(&node, ty) {
            Ok(Value::Null) => None,
            Ok(value) => Some(value),
            Err(m) => {
                self.problem(Problem::at(&m.span, format!("{name}: {}", m.message)));
                None
            }
        }
    }

    /// Takes text.
    pub fn string(&self, name: &'static str) -> Option<String> {
        match self.typed(name, &Type::String) {
            Some(Value::String(s)) => Some(s),
            _ => None,
        }
    }

    /// Takes text that must be there.
    pub fn required(&self, name: &'static str) -> String {
        self.string(name).unwrap_or_else(|| {
            if self.body.get_attribute(name).is_none() {
                self.problem(Problem::at(&self.span, format!("{} needs the argument {name:?}", self.what)));
            }
            String::new()
        })
    }

    /// Takes a whole number.
    pub fn int(&self, name: &'static str) -> Option<i64> {
        match self.typed(name, &Type::Number) {
            Some(Value::Number(n)) => n.as_int().and_then(|i| i64::try_from(i).ok()),
            _ => None,
        }
    }

    /// Takes a port number.
    pub fn port(&self, name: &'static str) -> Option<u16> {
        let port = self.int(name)?;
        u16::try_from(port)
            .map_err(|_| self.problem(Problem::at(&self.span, format!("{name}: {port} is no port number"))))
            .ok()
    }

    /// Takes a bool.
    pub fn bool(&self, name: &'static str) -> Option<bool> {
        match self.typed(name, &Type::Bool) {
            Some(Value::Bool(b)) => Some(b),
            _ => None,
        }
    }

    /// Takes a list of text.
    pub fn strings(&self, name: &'static str) -> Vec<String> {
        let Some(Value::List(items)) = self.typed(name, &Type::List(Type::String.into())) else { return Vec::new() };
        items.into_iter().filter_map(|v| if let Value::String(s) = v { Some(s) } else { None }).collect()
    }

    /// Takes a duration.
    pub fn duration(&self, name: &'static str) -> Option<Duration> {
        let node = self.node(name)?;
        let parsed = node.as_str().and_then(duration::parse);
        if parsed.is_none() {
            self.problem(Problem::at(&node.span, format!("{name} is a duration such as \"30s\" or \"1h30m\"")));
        }
        parsed
    }

    /// Takes free names, written as a block or as an object.
    pub fn map(&self, name: &'static str) -> BTreeMap<String, Node> {
        let mut all = BTreeMap::new();
        if let Some(Node { value: crate::harness::hcl::value::Value::Map(members), .. }) = self.node(name) {
            all.extend(members.into_iter().map(|(key, m)| (key, m.node)));
        }
        for block in self.blocks(name) {
            for attribute in block.body.attributes() {
                match self.scope.eval(&attribute.value) {
                    Ok(node) => drop(all.insert(attribute.key.value().to_string(), node)),
                    Err(problem) => self.problem(problem),
                }
            }
        }
        all
    }

    /// Takes free names bound to text.
    pub fn texts(&self, name: &'static str) -> BTreeMap<String, String> {
        let text = |(key, node): (String, Node)| Some((key, node.value.to_text()?));
        self.map(name).into_iter().filter_map(text).collect()
    }

    /// Takes the blocks called `name`.
    pub fn blocks(&self, name: &'static str) -> Vec<&'a Block> {
        self.taken.borrow_mut().insert(name);
        self.body.blocks().filter(|b| b.has_ident(name)).collect()
    }

    /// Takes the one block called `name`.
    pub fn block(&self, name: &'static str) -> Option<&'a Block> {
        let all = self.blocks(name);
        if let Some(second) = all.get(1) {
            self.problem(Problem::at(
                &second.ident.span().unwrap_or_default(),
                format!("only one {name} block is allowed in {}", self.what),
            ));
        }
        all.first().copied()
    }

    /// Returns a block's one label.
    pub fn label(&self, block: &Block) -> (String, Span) {
        match &block.labels[..] {
            [only] => (only.as_str().to_owned(), only.span().unwrap_or_default()),
            labels => {
                let span = block.ident.span().unwrap_or_default();
                self.problem(Problem::at(
                    &span,
                    format!("{} needs one label, it has {}", block.ident.value().as_str(), labels.len()),
                ));
                (String::new(), span)
            }
        }
    }

    /// Ends the reading: `passed_over` gets a note, `silent` nothing, everything else is unknown.
    pub fn finish(self, passed_over: &[&str], silent: &[&str]) {
        let taken = self.taken.borrow();
        let places = self.body.attributes().map(|a| (a.key.value().as_str(), a.key.span()));
        let places = places.chain(self.body.blocks().map(|b| (b.ident.value().as_str(), b.ident.span())));
        for (name, span) in places.filter(|(name, _)| !taken.contains(name) && !silent.contains(name)) {
            let span = span.unwrap_or_default();
            if passed_over.contains(&name) {
                self.log.borrow_mut().notes.push(
                    Problem::at(&span, format!("{name} in {} is passed over", self.what))
                        .label("only an agent can do this"),
                );
                continue;
            }
            let known = taken.iter().copied().chain(passed_over.iter().copied()).chain(silent.iter().copied());
            let help = suggestion(name, known);
            self.problem(Problem::at(&span, format!("{name:?} is unknown in {}", self.what)).help(help));
        }
    }
}
