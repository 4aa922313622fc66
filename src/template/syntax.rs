//! The tree that a source is read into. Every node knows its first byte in the source.

use std::{collections::BTreeMap, sync::Arc};

use super::{functions::Function, text::Text, value::Value};

/// A whole template.
#[derive(Debug)]
pub struct Tree {
    /// What is rendered.
    pub body: Vec<Node>,
    /// What `define` and `block` gave a name.
    pub defines: BTreeMap<String, Vec<Node>>,
}

/// One part of a body.
#[derive(Debug)]
pub enum Node {
    /// Printed as it is.
    Text(Text),
    /// Evaluated, and printed unless it sets a variable.
    Action(Pipe),
    /// Chooses a body.
    If(Branch),
    /// Chooses a body and sets the dot.
    With(Branch),
    /// Repeats a body.
    Range(Branch),
    /// Renders a named template.
    Call(Call),
    /// Leaves the innermost loop.
    Break,
    /// Goes on with the innermost loop's next item.
    Continue,
}

/// A condition and two bodies.
#[derive(Debug)]
pub struct Branch {
    /// The first byte of its keyword.
    pub at: usize,
    /// What decides.
    pub pipe: Pipe,
    /// Taken when it is true, or for each item.
    pub body: Vec<Node>,
    /// Taken otherwise.
    pub otherwise: Vec<Node>,
}

/// The use of a named template.
#[derive(Debug)]
pub struct Call {
    /// The first byte of its keyword.
    pub at: usize,
    /// The template's name.
    pub name: String,
    /// What its dot will be.
    pub argument: Option<Pipe>,
}

/// Commands, each of which hands its value on to the next as last argument.
#[derive(Debug)]
pub struct Pipe {
    /// Its first byte.
    pub at: usize,
    /// The variables it sets, with their dollar.
    pub targets: Vec<Arc<str>>,
    /// Whether these exist already.
    pub assigns: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// A value, or a function with its arguments.
#[derive(Debug)]
pub struct Command {
    /// The value or the function.
    pub head: Expr,
    /// None unless the head is a function.
    pub args: Vec<Expr>,
}

/// An operand.
#[derive(Debug)]
pub struct Expr {
    /// Its first byte.
    pub at: usize,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of operand.
#[derive(Debug)]
pub enum ExprKind {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// A quoted text, a number, `true` or `false`.
    Literal(Value),
    /// `$name`
    Variable(Arc<str>),
    /// A function, called without arguments when it is an operand itself.
    Function(&'static Function),
    /// A pipe in parentheses.
    Pipe(Box<Pipe>),
    /// `.name.name` of something that is no such chain itself.
    Fields(Box<Expr>, Vec<Name>),
}

/// One name of a chain.
#[derive(Debug)]
pub struct Name {
    /// The first byte of its dot.
    pub at: usize,
    /// The name without the dot.
    pub name: Arc<str>,
}

impl Pipe {
    /// Calls `visit` with every command in this pipe, also within parentheses, and with what is piped into it.
    pub fn visit<'t>(&'t self, visit: &mut dyn FnMut(&'t Command, Option<&'t Command>)) {
        let mut previous = None;
        for command in &self.commands {
            visit(command, previous);
            for expr in std::iter::once(&command.head).chain(&command.args) {
                expr.visit(visit);
            }
            previous = Some(command);
        }
    }
}

impl Expr {
    fn visit<'t>(&'t self, visit: &mut dyn FnMut(&'t Command, Option<&'t Command>)) {
        match &self.kind {
            ExprKind::Pipe(pipe) => pipe.visit(visit),
            ExprKind::Fields(inner, _) => inner.visit(visit),
            _ => {}
        }
    }

    /// Returns the text when it is written in the source.
    pub fn literal(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Literal(Value::Text(text)) => text.utf8(),
            _ => None,
        }
    }
}

impl Tree {
    /// Calls `visit` with every pipe of the template, in the order of the source.
    pub fn pipes<'t>(&'t self, visit: &mut dyn FnMut(&'t Pipe)) {
        for body in std::iter::once(&self.body).chain(self.defines.values()) {
            pipes(body, visit);
        }
    }
}

fn pipes<'t>(nodes: &'t [Node], visit: &mut dyn FnMut(&'t Pipe)) {
    for node in nodes {
        match node {
            Node::Action(pipe) => visit(pipe),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                visit(&branch.pipe);
                pipes(&branch.body, visit);
                pipes(&branch.otherwise, visit);
            }
            Node::Call(call) => call.argument.iter().for_each(&mut *visit),
            Node::Text(_) | Node::Break | Node::Continue => {}
        }
    }
}
