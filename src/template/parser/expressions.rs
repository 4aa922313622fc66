//! Pipes, commands and operands.

use std::sync::Arc;

use super::{Kind, Parser, Problem, Token};
use crate::template::{
    error::Fault,
    functions::{self, Function},
    syntax::{Command, Expr, ExprKind, Name, Pipe},
    value::Value,
};

/// Words that name no function.
const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

impl Parser<'_> {
    /// Reads a pipe that may set as many as `targets` variables.
    pub(super) fn pipe(&mut self, context: &str, targets: usize) -> Result<Pipe, Fault> {
        let at = self.peek().at;
        let (targets, assigns) = self.targets(context, targets)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let command = self.command(context, commands.len())?;
            self.check(&command, commands.last())?;
            commands.push(command);
            if !matches!(self.peek().kind, Kind::Pipe) {
                break;
            }
            self.next += 1;
        }
        // A variable is in view only behind the pipe that declares it.
        if !assigns {
            self.variables.extend(targets.iter().cloned());
        }
        Ok(Pipe { at, targets, assigns, commands })
    }

    /// Reads `$a :=`, `$a =`, `$a, $b :=` or `$a, $b =` if one of them is next.
    fn targets(&mut self, context: &str, most: usize) -> Result<(Vec<Arc<str>>, bool), Fault> {
        let begin = self.next;
        let mut targets = Vec::new();
        while let Kind::Variable(name) = self.peek().kind {
            let at = self.peek().at;
            self.next += 1;
            targets.push((at, Arc::from(name)));
            match self.peek().kind {
                Kind::Comma => self.next += 1,
                Kind::Declare | Kind::Assign => return self.checked_targets(context, most, targets),
                _ => break,
            }
        }
        self.next = begin;
        Ok((Vec::new(), false))
    }

    fn checked_targets(
        &mut self,
        context: &str,
        most: usize,
        targets: Vec<(usize, Arc<str>)>,
    ) -> Result<(Vec<Arc<str>>, bool), Fault> {
        let sign = self.take();
        let assigns = matches!(sign.kind, Kind::Assign);
        if targets.len() > most {
            return Err(self.fault(sign.at, format!("{context} cannot set {} variables", targets.len())));
        }
        for (at, name) in &targets {
            if assigns {
                self.known(*at, name)?;
            } else if &**name == "$" {
                return Err(self.fault(*at, "$ cannot be declared"));
            }
        }
        Ok((targets.into_iter().map(|(_, name)| name).collect(), assigns))
    }

    /// Reads a value, or a function with its arguments; stage 0 is the pipe's first command.
    fn command(&mut self, context: &str, stage: usize) -> Result<Command, Fault> {
        let at = self.peek().at;
        let Some(head) = self.operand()? else {
            return Err(match self.peek().kind {
                Kind::Close | Kind::Pipe | Kind::Right => self.fault(at, format!("{context} lacks a value here")),
                _ => self.unexpected(context),
            });
        };
        let mut args = Vec::new();
        loop {
            let before = self.tokens[self.next - 1].end;
            let apart = self.peek().at > before;
            let at = self.peek().at;
            match self.operand()? {
                None => break,
                Some(_) if !apart => return Err(self.fault(at, "a blank is missing between two operands")),
                Some(operand) => args.push(operand),
            }
        }
        if stage > 0 && !matches!(head.kind, ExprKind::Function(_)) {
            return Err(self.fault(at, "a value can be piped into a function only"));
        }
        Ok(Command { head, args })
    }

    /// Reads an operand with the fields asked of it, if one is next.
    fn operand(&mut self) -> Result<Option<Expr>, Fault> {
        let at = self.peek().at;
        let kind = match self.peek().kind.clone() {
            Kind::Field(name) => {
                // The dot's own token is implied.
                let names = self.fields(vec![Name { at, name: name.into() }], true);
                return Ok(Some(Expr {
                    at,
                    kind: ExprKind::Fields(Box::new(Expr { at, kind: ExprKind::Dot }), names),
                }));
            }
            Kind::Dot => ExprKind::Dot,
            Kind::Variable(name) => {
                self.known(at, name)?;
                ExprKind::Variable(name.into())
            }
            Kind::Quoted(text) => ExprKind::Literal(Value::Text(text)),
            Kind::Int(number) => ExprKind::Literal(Value::Int(number)),
            Kind::Float(number) => ExprKind::Literal(Value::Float(number)),
            Kind::Word("nil") => ExprKind::Nil,
            Kind::Word(word @ ("true" | "false")) => ExprKind::Literal(Value::Bool(word == "true")),
            Kind::Word(word) => ExprKind::Function(self.function(at, word)?),
            Kind::Left => return self.parenthesis(at).map(Some),
            _ => return Ok(None),
        };
        self.next += 1;
        let expr = Expr { at, kind };
        let fieldless = matches!(expr.kind, ExprKind::Literal(_) | ExprKind::Nil | ExprKind::Dot);
        self.with_fields(expr, fieldless).map(Some)
    }

    fn parenthesis(&mut self, at: usize) -> Result<Expr, Fault> {
        self.next += 1;
        let pipe = self.nested(at, |parser| parser.pipe("a parenthesis", 0))?;
        match self.peek().kind {
            Kind::Right => self.next += 1,
            Kind::Close | Kind::End => return Err(self.fault(at, "this parenthesis is not closed")),
            _ => return Err(self.unexpected("a parenthesis")),
        }
        self.with_fields(Expr { at, kind: ExprKind::Pipe(Box::new(pipe)) }, false)
    }

    /// Adds the fields that follow `expr` without a blank.
    fn with_fields(&mut self, expr: Expr, fieldless: bool) -> Result<Expr, Fault> {
        let names = self.fields(Vec::new(), false);
        match names.first() {
            None => Ok(expr),
            Some(name) if fieldless => Err(self.fault(name.at, format!("`.{}` cannot follow this", name.name))),
            Some(_) => Ok(Expr { at: expr.at, kind: ExprKind::Fields(Box::new(expr), names) }),
        }
    }

    /// Takes field tokens for as long as they touch each other; `first` says that the current token is one of them.
    fn fields(&mut self, mut names: Vec<Name>, first: bool) -> Vec<Name> {
        self.next += usize::from(first);
        while let Token { kind: Kind::Field(name), at, .. } = *self.peek() {
            if at != self.tokens[self.next - 1].end {
                break;
            }
            names.push(Name { at, name: name.into() });
            self.next += 1;
        }
        names
    }

    fn known(&self, at: usize, name: &str) -> Result<(), Fault> {
        match self.variables.iter().any(|known| &**known == name) {
            true => Ok(()),
            false => Err(self.fault(at, format!("variable {name} is not declared here"))),
        }
    }

    fn function(&self, at: usize, word: &str) -> Result<&'static Function, Fault> {
        if KEYWORDS.contains(&word) {
            return Err(self.fault(at, format!("`{word}` is out of place here")));
        }
        functions::find(word).ok_or_else(|| {
            let hint = functions::hint(word);
            self.fault(at, format!("function {word:?} does not exist{hint}"))
        })
    }

    /// Checks what can be known of a command without running it: its arguments' number, and paths in the source.
    fn check(&self, command: &Command, piped: Option<&Command>) -> Result<(), Fault> {
        for operand in &command.args {
            match operand.kind {
                ExprKind::Function(function) => self.arity(operand.at, function, 0)?,
                _ => self.fields_of_function(operand)?,
            }
        }
        match command.head.kind {
            ExprKind::Function(function) => {
                self.arity(command.head.at, function, command.args.len() + usize::from(piped.is_some()))?;
                self.path(function, command, piped)
            }
            ExprKind::Nil if command.args.is_empty() => Err(self.fault(command.head.at, "nil is no command")),
            _ => match command.args.first() {
                None => self.fields_of_function(&command.head),
                Some(arg) => Err(self.fault(arg.at, "only a function takes arguments")),
            },
        }
    }

    /// A function with fields behind it is called without arguments.
    fn fields_of_function(&self, expr: &Expr) -> Result<(), Fault> {
        match &expr.kind {
            ExprKind::Fields(inner, _) => match inner.kind {
                ExprKind::Function(function) => self.arity(inner.at, function, 0),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn arity(&self, at: usize, function: &Function, given: usize) -> Result<(), Fault> {
        match function.takes(given) {
            true => Ok(()),
            false => Err(self.fault(at, format!("{} takes {}, not {given}", function.name, function.arity()))),
        }
    }

    /// Refuses a path that stands in the source before anything else happens.
    fn path(&self, function: &Function, command: &Command, piped: Option<&Command>) -> Result<(), Fault> {
        let Some(operand) = functions::path_operand(command, piped) else { return Ok(()) };
        let Some(path) = operand.literal() else { return Ok(()) };
        if !function.asks_server() {
            return Ok(());
        }
        match functions::server_path(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Problem::Refused(error.to_string()).at(operand.at)),
        }
    }
}
