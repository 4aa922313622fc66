//! Runs a tree against the answers there are.
//!
//! One rendering is one pass: it never waits. What is not there yet counts as absent, absent values spread through
//! everything made of them, and neither branch of a block that hangs on one is taken; so a pass asks for nothing that a
//! later pass would not ask for too, but for variables that such a block would have set.

mod answers;
mod evaluate;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    dependency::{Answers, Dependency},
    error::{Fault, Problem},
    functions,
    limits::{DEPTH, Fuel},
    syntax::{Branch, Call, Node, Pipe, Tree},
    text::{Builder, Text},
    value::Value,
};
use crate::domain::SecretString;

/// What one pass left behind.
pub struct Pass {
    /// The text so far.
    pub out: Builder,
    /// What was asked for.
    pub used: BTreeSet<Dependency>,
    /// What was asked for and not there.
    pub missing: BTreeSet<Dependency>,
    /// What ended it early.
    pub fault: Option<Fault>,
}

/// Runs `tree` once; `vars` are what `meta` tells, `env` what `env` does.
pub fn run(
    tree: &Tree,
    answers: &dyn Answers,
    vars: &BTreeMap<String, String>,
    env: &BTreeMap<String, SecretString>,
) -> Pass {
    let mut run = Run {
        tree,
        answers,
        vars,
        env,
        out: Builder::default(),
        used: BTreeSet::new(),
        missing: BTreeSet::new(),
        known: BTreeMap::new(),
        variables: Vec::new(),
        fuel: Fuel::full(),
        depth: 0,
        calls: Vec::new(),
    };
    let fault = run.template(&tree.body, Value::Nil(None)).err().map(|fault| *fault);
    Pass { out: run.out, used: run.used, missing: run.missing, fault }
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Result<T> = std::result::Result<T, Box<Fault>>;

struct Run<'t> {
    tree: &'t Tree,
    answers: &'t dyn Answers,
    vars: &'t BTreeMap<String, String>,
    env: &'t BTreeMap<String, SecretString>,
    out: Builder,
    used: BTreeSet<Dependency>,
    missing: BTreeSet<Dependency>,
    /// Answers already turned into values; a template often asks for one path many times.
    known: BTreeMap<Dependency, Value>,
    variables: Vec<(Arc<str>, Value)>,
    fuel: Fuel,
    depth: usize,
    /// The named templates being rendered, outermost first.
    calls: Vec<&'t str>,
}

impl<'t> Run<'t> {
    /// Renders a whole or named template, which sees no variables but the root.
    fn template(&mut self, body: &'t [Node], dot: Value) -> Result<()> {
        let outer = std::mem::take(&mut self.variables);
        self.variables.push(("$".into(), dot.clone()));
        self.body(body, &dot)?;
        self.variables = outer;
        Ok(())
    }

    fn body(&mut self, nodes: &'t [Node], dot: &Value) -> Result<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'t Node, dot: &Value) -> Result<Flow> {
        match node {
            Node::Text(text) => self.print_text(text),
            Node::Action(pipe) => self.action(pipe, dot),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                let seen = self.variables.len();
                let flow = self.deeper(branch.at, |run| run.branch(node, branch, dot))?;
                self.variables.truncate(seen);
                Ok(flow)
            }
            Node::Call(call) => self.call(call, dot),
            Node::Break => Ok(Flow::Break),
            Node::Continue => Ok(Flow::Continue),
        }
    }

    fn print_text(&mut self, text: &Text) -> Result<Flow> {
        // The text's place is not worth keeping: only the limit can be hit.
        self.out.push(text.bytes()).map_err(|problem| problem.at(0))?;
        Ok(Flow::Next)
    }

    fn action(&mut self, pipe: &'t Pipe, dot: &Value) -> Result<Flow> {
        let value = self.pipe(pipe, dot)?;
        if pipe.targets.is_empty() {
            let before = self.out.len();
            functions::show(&value, &mut self.out).map_err(|problem| problem.at(pipe.at))?;
            let printed = self.out.len() - before;
            self.fuel.spend_bytes(printed).map_err(|problem| problem.at(pipe.at))?;
        }
        Ok(Flow::Next)
    }

    fn branch(&mut self, node: &'t Node, branch: &'t Branch, dot: &Value) -> Result<Flow> {
        if let Node::Range(_) = node {
            return self.range(branch, dot);
        }
        let value = self.pipe(&branch.pipe, dot)?;
        match (&value, value.truth(), node) {
            (Value::Absent, ..) => Ok(Flow::Next),
            (_, true, Node::With(_)) => self.body(&branch.body, &value),
            (_, true, _) => self.body(&branch.body, dot),
            (_, false, _) => self.body(&branch.otherwise, dot),
        }
    }

    fn range(&mut self, branch: &'t Branch, dot: &Value) -> Result<Flow> {
        // The targets of a loop are set for each item, not to the whole.
        let value = self.commands(&branch.pipe, dot)?;
        match &value {
            Value::Absent => return Ok(Flow::Next),
            Value::List(items) if !items.is_empty() => {
                self.items(
                    branch,
                    items.iter().enumerate().map(|(nth, item)| (Value::Int(nth as i128), item.clone())),
                )?;
            }
            Value::Map(map) if !map.entries.is_empty() => {
                self.items(branch, map.entries.iter().map(|(name, item)| (name.as_str().into(), item.clone())))?;
            }
            Value::Int(number) if *number > 0 => {
                self.items(branch, (0..*number).map(|nth| (Value::Int(nth), Value::Int(nth))))?;
            }
            Value::Nil(_) | Value::List(_) | Value::Map(_) | Value::Int(_) => return self.body(&branch.otherwise, dot),
            other => {
                let problem = Problem::message(format!("range cannot go over {}", other.kind()));
                return Err(problem.at(branch.pipe.at).into());
            }
        }
        Ok(Flow::Next)
    }

    fn items(&mut self, branch: &'t Branch, items: impl Iterator<Item = (Value, Value)>) -> Result<()> {
        let seen = self.variables.len();
        for (key, item) in items {
            self.step(branch.at)?;
            match branch.pipe.targets.as_slice() {
                [] => {}
                [one] => self.set(one, item.clone(), branch.pipe.assigns),
                [first, second, ..] => {
                    self.set(first, key, branch.pipe.assigns);
                    self.set(second, item.clone(), branch.pipe.assigns);
                }
            }
            let flow = self.body(&branch.body, &item)?;
            self.variables.truncate(seen);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &'t Call, dot: &Value) -> Result<Flow> {
        let argument = match &call.argument {
            Some(pipe) => {
                let seen = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                self.variables.truncate(seen);
                value
            }
            None => Value::Nil(None),
        };
        let tree = self.tree;
        let body = tree.defines.get(&call.name).map_or(&[][..], Vec::as_slice);
        self.step(call.at)?;
        self.calls.push(&call.name);
        self.deeper(call.at, |run| run.template(body, argument))?;
        self.calls.pop();
        Ok(Flow::Next)
    }

    fn set(&mut self, name: &Arc<str>, value: Value, assigns: bool) {
        match self.variables.iter_mut().rev().find(|(known, _)| assigns && known == name) {
            Some((_, known)) => *known = value,
            None => self.variables.push((Arc::clone(name), value)),
        }
    }

    /// Pays for one step.
    fn step(&mut self, at: usize) -> Result<()> {
        self.fuel.spend(1).map_err(|problem| problem.at(at).into())
    }

    /// Runs `inner` one level deeper in blocks, parentheses and calls.
    fn deeper<T>(&mut self, at: usize, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH {
            return Err(self.too_deep().at(at).into());
        }
        self.depth += 1;
        let result = inner(self)?;
        self.depth -= 1;
        Ok(result)
    }

    /// A depth reached through calls is mostly a template that calls itself; the last calls show how.
    fn too_deep(&self) -> Problem {
        let last = self.calls.iter().rev().take(4).rev().copied().collect::<Vec<_>>();
        match last.is_empty() {
            true => Problem::Limit("enters more than 160 blocks and parentheses"),
            false => {
                Problem::Recursion(format!("enters more than 160 blocks and templates, last {}", last.join(" → ")))
            }
        }
    }
}

pub use evaluate::literal_dependency;
