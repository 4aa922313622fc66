//! Values of pipes, commands and operands.

use std::{collections::BTreeMap, sync::Arc};

use super::{Result, Run, answers};
use crate::{
    domain::SecretString,
    template::{
        dependency::Dependency,
        error::Problem,
        functions::{self, Body, Function},
        limits::OUTPUT_BYTES,
        syntax::{Command, Expr, ExprKind, Name, Pipe},
        value::{Map, Origin, Value},
    },
};

/// Steps that an item of a new list costs, since it is an allocation.
const STEPS_AN_ITEM: u64 = 4;

impl<'t> Run<'t> {
    /// Returns the value of a pipe and sets its variables.
    pub(super) fn pipe(&mut self, pipe: &'t Pipe, dot: &Value) -> Result<Value> {
        let value = self.commands(pipe, dot)?;
        if let [name] = pipe.targets.as_slice() {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    /// Returns the value of a pipe.
    pub(super) fn commands(&mut self, pipe: &'t Pipe, dot: &Value) -> Result<Value> {
        let mut piped = None;
        let mut before = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, before, piped, dot)?);
            before = Some(command);
        }
        Ok(piped.unwrap_or(Value::Nil(None)))
    }

    fn command(
        &mut self,
        command: &'t Command,
        before: Option<&'t Command>,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value> {
        self.step(command.head.at)?;
        let ExprKind::Function(function) = command.head.kind else { return self.operand(&command.head, dot) };
        let at = command.head.at;
        match function.body {
            Body::And => self.junction(false, &command.args, piped, dot),
            Body::Or => self.junction(true, &command.args, piped, dot),
            Body::Pure(body) => {
                let args = self.arguments(command, piped, dot)?;
                self.pure(at, function, body, &args)
            }
            Body::PkiCert | Body::Secret | Body::Secrets => {
                let args = self.arguments(command, piped, dot)?;
                let literal = is_literal(command, before);
                self.ask(function.body, &args, literal).map_err(|problem| problem.within(function.name).at(at).into())
            }
            Body::Env | Body::EnvOrDefault => {
                let args = self.arguments(command, piped, dot)?;
                self.env(&args, is_literal(command, before))
                    .map_err(|problem| problem.within(function.name).at(at).into())
            }
            Body::Meta => {
                let args = self.arguments(command, piped, dot)?;
                self.meta(&args).map_err(|problem| problem.within(function.name).at(at).into())
            }
        }
    }

    fn arguments(&mut self, command: &'t Command, piped: Option<Value>, dot: &Value) -> Result<Vec<Value>> {
        let mut args = Vec::with_capacity(command.args.len() + 1);
        for arg in &command.args {
            args.push(self.operand(arg, dot)?);
        }
        args.extend(piped);
        Ok(args)
    }

    /// Evaluates operands until one decides; what is absent decides nothing but that the whole is absent.
    fn junction(&mut self, stops_at: bool, args: &'t [Expr], piped: Option<Value>, dot: &Value) -> Result<Value> {
        let mut last = None;
        let mut absent = false;
        for arg in args {
            let value = self.operand(arg, dot)?;
            match value {
                Value::Absent if !stops_at => return Ok(Value::Absent),
                Value::Absent => absent = true,
                decided if decided.truth() == stops_at => return Ok(decided),
                other => last = Some(other),
            }
        }
        match piped {
            Some(value) if value.truth() == stops_at && !matches!(value, Value::Absent) => Ok(value),
            _ if absent => Ok(Value::Absent),
            Some(value) => Ok(value),
            None => Ok(last.unwrap_or(Value::Absent)),
        }
    }

    fn pure(
        &mut self,
        at: usize,
        function: &Function,
        body: fn(&[Value]) -> std::result::Result<Value, Problem>,
        args: &[Value],
    ) -> Result<Value> {
        if args.iter().any(|arg| matches!(arg, Value::Absent)) {
            return Ok(Value::Absent);
        }
        self.pay(args).map_err(|problem| problem.at(at))?;
        let value = body(args).map_err(|problem| problem.within(function.name).at(at))?;
        self.pay(std::slice::from_ref(&value)).map_err(|problem| problem.at(at))?;
        Ok(value)
    }

    /// Pays for reading or making `values`.
    fn pay(&mut self, values: &[Value]) -> std::result::Result<(), Problem> {
        for value in values {
            match value {
                Value::Text(text) if text.bytes().len() > OUTPUT_BYTES => {
                    return Err(Problem::Limit("works on a text longer than 1 MiB"));
                }
                Value::Text(text) => self.fuel.spend_bytes(text.bytes().len())?,
                Value::List(items) => self.fuel.spend(items.len() as u64 * STEPS_AN_ITEM)?,
                Value::Map(map) => self.fuel.spend(map.entries.len() as u64 * STEPS_AN_ITEM)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the value of an operand; a function without arguments is called.
    fn operand(&mut self, expr: &'t Expr, dot: &Value) -> Result<Value> {
        Ok(match &expr.kind {
            ExprKind::Dot => dot.clone(),
            ExprKind::Nil => Value::Nil(None),
            ExprKind::Literal(value) => value.clone(),
            ExprKind::Variable(name) => self.variable(name),
            ExprKind::Function(function) => match function.body {
                Body::Pure(body) => self.pure(expr.at, function, body, &[])?,
                _ => Value::Nil(None),
            },
            ExprKind::Pipe(pipe) => self.deeper(expr.at, |run| run.pipe(pipe, dot))?,
            ExprKind::Fields(inner, names) => {
                let value = self.operand(inner, dot)?;
                self.fields(value, names)?
            }
        })
    }

    /// The parser has seen that it is declared; what an absent block would have declared is out of view with it.
    fn variable(&self, name: &Arc<str>) -> Value {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map_or(Value::Absent, |(_, value)| value.clone())
    }

    fn fields(&mut self, mut value: Value, names: &'t [Name]) -> Result<Value> {
        for Name { at, name } in names {
            self.step(*at)?;
            value = field(&value, name).map_err(|problem| problem.at(*at))?;
        }
        Ok(value)
    }

    /// Asks for an answer; the path may be shown in messages only if it is `literal`.
    fn ask(&mut self, body: Body, args: &[Value], literal: bool) -> std::result::Result<Value, Problem> {
        if args.iter().any(|arg| matches!(arg, Value::Absent)) {
            return Ok(Value::Absent);
        }
        let dependency = dependency(body, args, literal)?;
        self.used.insert(dependency.clone());
        let known = match self.known.get(&dependency) {
            Some(known) => known.clone(),
            None => {
                let Some(answer) = self.answers.get(&dependency) else {
                    self.missing.insert(dependency);
                    return Ok(Value::Absent);
                };
                let value = secret_value(&answer, &dependency)?;
                self.known.insert(dependency, value.clone());
                value
            }
        };
        match body {
            Body::PkiCert => answers::certificate(&known),
            Body::Secrets => answers::names(&known),
            _ => Ok(known),
        }
    }

    /// Returns a variable of the task. Those that say who it is come from its identity, whatever the job calls itself.
    fn env(&self, args: &[Value], literal: bool) -> std::result::Result<Value, Problem> {
        if args.iter().any(|arg| matches!(arg, Value::Absent)) {
            return Ok(Value::Absent);
        }
        let Value::Text(name) = &args[0] else { return Err(Problem::message("takes the name of a variable")) };
        let name = name.utf8().ok_or_else(|| Problem::message("takes texts in UTF-8 only"))?;
        let known = match functions::identity_variable(name) {
            Some(name) => self.vars.get(name).map(String::as_str),
            None => self.env.get(name).map(SecretString::expose),
        };
        match (known, args.get(1)) {
            (Some(value), _) => Ok(value.into()),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) => Err(functions::no_variable(name, literal)),
        }
    }

    fn meta(&self, args: &[Value]) -> std::result::Result<Value, Problem> {
        let Value::Text(name) = &args[0] else { return Err(Problem::message("takes a name in quotes")) };
        match name.utf8().and_then(|name| self.vars.get(name)) {
            Some(value) => Ok(value.as_str().into()),
            None => {
                let names = self.vars.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(Problem::message(format!("there is no such name; there are {names}")))
            }
        }
    }
}

/// Says whether the name or path that a call is about stands in the source, so that messages may show it.
fn is_literal(command: &Command, piped: Option<&Command>) -> bool {
    functions::path_operand(command, piped).is_some_and(|operand| operand.literal().is_some())
}

/// Returns the field of a map; anything else has none.
fn field(value: &Value, name: &str) -> std::result::Result<Value, Problem> {
    match value {
        Value::Absent => Ok(Value::Absent),
        Value::Map(map) => map.entries.get(name).cloned().ok_or_else(|| {
            let within = map.origin.as_ref().map_or_else(|| "the map".to_owned(), ToString::to_string);
            Problem::Missing(format!("key {name:?} is missing in {within}"))
        }),
        Value::Nil(Some(origin)) => Err(Problem::Missing(format!("key {name:?} is missing, since {origin} is null"))),
        Value::Nil(None) => {
            Err(Problem::Missing(format!("key {name:?} is missing, since there is no data here; is it within a with?")))
        }
        other => Err(Problem::Message(format!("{} has no field {name:?}", other.kind()))),
    }
}

/// Returns the request that the arguments of a function mean.
fn dependency(body: Body, args: &[Value], literal: bool) -> std::result::Result<Dependency, Problem> {
    let texts = args
        .iter()
        .enumerate()
        .map(|(nth, arg)| match arg {
            Value::Text(text) => text.utf8().ok_or_else(|| Problem::message("takes texts in UTF-8 only")),
            Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
            other => Err(Problem::message(format!("argument {} is {}, not a text", nth + 1, other.kind()))),
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let path = functions::server_path(texts[0]).map_err(|error| {
        Problem::Refused(if literal { error.to_string() } else { format!("the computed path {}", error.why()) })
    })?;
    let params = texts[1..]
        .iter()
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair_of(pair))
        .collect::<std::result::Result<BTreeMap<_, _>, _>>()?;
    Ok(match body {
        Body::Secrets => Dependency::list(path),
        Body::PkiCert => Dependency::write(path, params),
        _ => Dependency::with(path, params),
    })
}

fn pair_of(pair: &str) -> std::result::Result<(String, String), Problem> {
    pair.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Problem::message("an argument behind the path is no \"name=value\""))
}

/// Gives an answer the names that templates use.
fn secret_value(answer: &serde_json::Value, dependency: &Dependency) -> std::result::Result<Value, Problem> {
    let of: Arc<str> = dependency.to_string().into();
    let mut entries = BTreeMap::new();
    for (name, key) in
        [("Data", "data"), ("LeaseID", "lease_id"), ("LeaseDuration", "lease_duration"), ("Renewable", "renewable")]
    {
        let part = answer.get(key).unwrap_or(&serde_json::Value::Null);
        entries.insert(name.to_owned(), Value::part_of_json(part, &format!(".{name}"), &of)?);
    }
    Ok(Value::Map(Arc::new(Map { entries, origin: Some(Arc::new(Origin { path: String::new(), of })) })))
}

/// Returns the request of a command whose arguments all stand in the source.
pub fn literal_dependency(body: Body, command: &Command, piped: Option<&Command>) -> Option<Dependency> {
    let piped = match piped {
        Some(piped) if piped.args.is_empty() => Some(&piped.head),
        Some(_) => return None,
        None => None,
    };
    let args =
        command.args.iter().chain(piped).map(|arg| arg.literal().map(Value::from)).collect::<Option<Vec<_>>>()?;
    dependency(body, &args, true).ok()
}
