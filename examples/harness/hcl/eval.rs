//! Evaluates expressions of a job file.
//!
//! A job file is evaluated twice: once when it is read, where `var`, `local` and the functions are known, and once per
//! task on the client, where the task's environment and the node are. A reference that the first round does not know
//! stays in the text as it was written (`${NOMAD_ALLOC_ID}`), so that the second can fill it in.

use std::collections::BTreeMap;

use hcl_edit::{
    Formatted, Span as _,
    expr::{
        BinaryOp, BinaryOperator, Conditional, Expression, ForExpr, FuncCall, Object, ObjectKey, Traversal,
        TraversalOperator, UnaryOp, UnaryOperator,
    },
};

use super::{
    functions::{self, Round},
    number::Number,
    text,
    value::{Member, Node, Span, Value},
};
use crate::harness::report::Problem;

/// The names an expression may use.
pub struct Scope<'a> {
    /// The text that spans refer to.
    pub source: &'a str,
    /// Variables of this level.
    pub names: BTreeMap<String, Node>,
    /// The level above.
    pub parent: Option<&'a Scope<'a>>,
    /// Which round this is; it decides about functions and unknown names.
    pub round: &'a Round,
}

type Result<T, E = Problem> = std::result::Result<T, E>;

impl<'a> Scope<'a> {
    /// Returns the outermost level.
    pub fn root(source: &'a str, names: BTreeMap<String, Node>, round: &'a Round) -> Self {
        Self { source, names, parent: None, round }
    }

    /// Returns a level below this one with further names.
    pub fn child<'b>(&'b self, names: BTreeMap<String, Node>) -> Scope<'b> {
        Scope { source: self.source, names, parent: Some(self), round: self.round }
    }

    fn lookup(&self, name: &str) -> Option<&Node> {
        self.names.get(name).or_else(|| self.parent.and_then(|p| p.lookup(name)))
    }

    /// Evaluates an expression.
    pub fn eval(&self, expr: &Expression) -> Result<Node> {
        let span = expr.span().unwrap_or_default();
        let value = match expr {
            Expression::Null(_) => Value::Null,
            Expression::Bool(b) => Value::Bool(*b.value()),
            Expression::Number(n) => Value::Number(self.number(n, &span)?),
            Expression::String(s) => Value::String(text::composed(s.value())),
            Expression::Array(items) => Value::List(items.iter().map(|e| self.eval(e)).collect::<Result<_>>()?),
            Expression::Object(object) => self.object(object)?,
            Expression::StringTemplate(t) => return text::string(self, t, &span),
            Expression::HeredocTemplate(t) => Value::String(text::composed(&text::render(self, &t.template)?)),
            Expression::Parenthesis(inner) => return self.eval(inner.inner()),
            Expression::Variable(name) => return self.variable(name.value(), &span),
            Expression::Conditional(c) => return self.conditional(c),
            Expression::FuncCall(call) => self.call(call, &span)?,
            Expression::Traversal(t) => return self.traversal(t, &span),
            Expression::UnaryOp(op) => self.unary(op)?,
            Expression::BinaryOp(op) => self.binary(op, &span)?,
            Expression::ForExpr(f) => self.for_expr(f)?,
        };
        Ok(Node { value, span })
    }

    /// Takes the number from the text: the parser's own has fewer digits.
    fn number(&self, written: &Formatted<hcl_edit::Number>, span: &Span) -> Result<Number> {
        let text = self.source.get(span.clone()).map(str::trim);
        let exact = text.and_then(Number::parse).or_else(|| Number::parse(&written.value().to_string()));
        exact.ok_or_else(|| Problem::at(span, "the number is too long to be reckoned with"))
    }

    fn variable(&self, name: &str, span: &Span) -> Result<Node> {
        match self.lookup(name) {
            Some(found) => Ok(Node { value: found.value.clone(), span: span.clone() }),
            None => self.unknown(name, span),
        }
    }

    /// The first round keeps what it does not know; the second has nobody left to ask.
    fn unknown(&self, name: &str, span: &Span) -> Result<Node> {
        if self.round.keeps_unknown_names() {
            let written = self.source.get(span.clone()).unwrap_or(name).trim();
            return Ok(Node::new(format!("${{{written}}}"), span.clone()));
        }
        Err(Problem::at(span, format!("there is no variable named {name:?}")).help(
            "the task's environment, env[\"NAME\"], attr, meta and node are known here; write $${…} for a literal",
        ))
    }

    fn traversal(&self, t: &Traversal, span: &Span) -> Result<Node> {
        if let Expression::Variable(root) = &t.expr
            && self.lookup(root.value()).is_none()
        {
            return self.unknown(root.value(), span);
        }
        let mut node = self.eval(&t.expr)?;
        for (i, operator) in t.operators.iter().enumerate() {
            if let TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) = operator.value() {
                return self.splat(node, &t.operators[i + 1..], span);
            }
            node = self.step(node, operator.value(), span)?;
        }
        node.span = span.clone();
        Ok(node)
    }

    fn splat(&self, node: Node, rest: &[hcl_edit::Decorated<TraversalOperator>], span: &Span) -> Result<Node> {
        let items = match node.value {
            Value::List(items) => items,
            Value::Null => Vec::new(),
            value => vec![Node { value, span: span.clone() }],
        };
        let walk = |item| rest.iter().try_fold(item, |node, operator| self.step(node, operator.value(), span));
        Ok(Node { value: Value::List(items.into_iter().map(walk).collect::<Result<_>>()?), span: span.clone() })
    }

    fn step(&self, node: Node, operator: &TraversalOperator, span: &Span) -> Result<Node> {
        let key = match operator {
            TraversalOperator::GetAttr(name) => Value::String(name.value().to_string()),
            TraversalOperator::Index(expr) => self.eval(expr)?.value,
            TraversalOperator::LegacyIndex(i) => Value::Number(Number::from(i128::from(*i.value()))),
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => Value::Null,
        };
        index(node, &key).map_err(|message| self.astray(message, span))
    }

    /// In the second round a complaint points at a whole text, so that it has to say which reference it means.
    fn astray(&self, message: String, span: &Span) -> Problem {
        match self.source.get(span.clone()) {
            Some(written) if !self.round.keeps_unknown_names() => {
                Problem::at(span, format!("${{{}}}: {message}", written.trim()))
                    .help("--attr NAME=VALUE gives the node an attribute, --meta NAME=VALUE a word of its meta")
            }
            _ => Problem::at(span, message),
        }
    }

    fn object(&self, object: &Object) -> Result<Value> {
        let mut members = BTreeMap::new();
        for (key, value) in object.iter() {
            let (name, place) = self.key(key)?;
            members.insert(name, Member { name: place, node: self.eval(value.expr())? });
        }
        Ok(Value::Map(members))
    }

    fn key(&self, key: &ObjectKey) -> Result<(String, Span)> {
        let node = match key {
            ObjectKey::Ident(name) => return Ok((name.value().to_string(), name.span().unwrap_or_default())),
            // A bare word is a name, not a variable.
            ObjectKey::Expression(Expression::Variable(name)) => {
                return Ok((name.value().to_string(), name.span().unwrap_or_default()));
            }
            ObjectKey::Expression(expr) => self.eval(expr)?,
        };
        let name = node
            .value
            .to_text()
            .ok_or_else(|| Problem::at(&node.span, format!("a key is a string, not {}", node.value.kind())))?;
        Ok((name, node.span))
    }

    fn conditional(&self, c: &Conditional) -> Result<Node> {
        let truth = self.truth(&c.cond_expr)?;
        let (chosen, other) = if truth { (&c.true_expr, &c.false_expr) } else { (&c.false_expr, &c.true_expr) };
        let chosen = self.eval(chosen)?;
        // What is wrong with the other side matters to nobody, but its kind does.
        let Ok(other) = self.eval(other) else { return Ok(chosen) };
        let value = alike(chosen.value, &other.value).map_err(|message| Problem::at(&chosen.span, message))?;
        Ok(Node { value, span: chosen.span })
    }

    /// Evaluates a condition.
    pub fn truth(&self, expr: &Expression) -> Result<bool> {
        let node = self.eval(expr)?;
        truthy(&node.value)
            .ok_or_else(|| Problem::at(&node.span, format!("a condition is a bool, not {}", node.value.kind())))
    }

    fn call(&self, call: &FuncCall, span: &Span) -> Result<Value> {
        let name = call.name.name.value().as_str();
        let mut args = call.args.iter().map(|e| self.eval(e)).collect::<Result<Vec<_>>>()?;
        if call.args.expand_final()
            && let Some(Node { value: Value::List(rest), .. }) = args.pop()
        {
            args.extend(rest);
        }
        functions::call(self.round, name, &args).map_err(|message| Problem::at(span, format!("{name}: {message}")))
    }

    fn unary(&self, op: &UnaryOp) -> Result<Value> {
        let node = self.eval(&op.expr)?;
        match op.operator.value() {
            UnaryOperator::Neg => match node.value {
                Value::Number(n) => Ok(Value::Number(n.negated())),
                other => Err(Problem::at(&node.span, format!("only a number can be negated, not {}", other.kind()))),
            },
            UnaryOperator::Not => truthy(&node.value).map(|b| Value::Bool(!b)).ok_or_else(|| {
                Problem::at(&node.span, format!("only a bool can be negated, not {}", node.value.kind()))
            }),
        }
    }

    fn binary(&self, op: &BinaryOp, span: &Span) -> Result<Value> {
        let (lhs, rhs) = (self.eval(&op.lhs_expr)?, self.eval(&op.rhs_expr)?);
        operate(*op.operator.value(), &lhs.value, &rhs.value).map_err(|message| Problem::at(span, message))
    }

    fn for_expr(&self, f: &ForExpr) -> Result<Value> {
        let (mut items, mut members) = (Vec::new(), BTreeMap::new());
        let key_var = f.intro.key_var.as_ref().map(|k| k.value().as_str());
        for (key, value) in self.entries(&f.intro.collection_expr)? {
            let scope = self.child(loop_names(key_var, f.intro.value_var.value(), key, value));
            if let Some(cond) = &f.cond
                && !scope.truth(&cond.expr)?
            {
                continue;
            }
            let value = scope.eval(&f.value_expr)?;
            match &f.key_expr {
                None => items.push(value),
                Some(key) => {
                    let key = scope.eval(key)?;
                    let name = key.value.to_text().ok_or_else(|| Problem::at(&key.span, "a key is a string"))?;
                    add(&mut members, name, value, f.grouping)?;
                }
            }
        }
        Ok(if f.key_expr.is_some() { Value::Map(members) } else { Value::List(items) })
    }

    /// Returns the pairs that a `for` walks.
    pub fn entries(&self, expr: &Expression) -> Result<Vec<(Value, Node)>> {
        let node = self.eval(expr)?;
        match node.value {
            Value::List(items) => Ok(items.into_iter().enumerate().map(|(i, n)| (Value::from(i as i64), n)).collect()),
            Value::Map(members) => Ok(members.into_iter().map(|(k, m)| (Value::String(k), m.node)).collect()),
            other => Err(Problem::at(&node.span, format!("for walks a list or an object, not {}", other.kind()))),
        }
    }
}

/// Returns the names that one turn of a `for` adds.
pub fn loop_names(key_var: Option<&str>, value_var: &str, key: Value, value: Node) -> BTreeMap<String, Node> {
    let span = value.span.clone();
    let mut names = BTreeMap::from([(value_var.to_owned(), value)]);
    if let Some(key_var) = key_var {
        names.insert(key_var.to_owned(), Node { value: key, span });
    }
    names
}

/// Brings one side of a condition to what both sides can be.
fn alike(chosen: Value, other: &Value) -> std::result::Result<Value, String> {
    let (here, there) = (chosen.kind(), other.kind());
    if here == there || here == "null" || there == "null" {
        return Ok(chosen);
    }
    match (chosen.to_text(), other.to_text()) {
        (Some(text), Some(_)) => Ok(Value::String(text)),
        _ => Err(format!("the two sides of the condition are {here} and {there}")),
    }
}

fn add(members: &mut BTreeMap<String, Member>, name: String, node: Node, grouping: bool) -> Result<()> {
    let place = node.span.clone();
    if !grouping {
        let message = format!("the key {name:?} comes twice; write ... after the value to gather them");
        let before = members.insert(name, Member { name: place.clone(), node });
        return before.map_or(Ok(()), |_| Err(Problem::at(&place, message)));
    }
    let group = members
        .entry(name)
        .or_insert_with(|| Member { name: place.clone(), node: Node { value: Value::List(vec![]), span: place } });
    if let Value::List(items) = &mut group.node.value {
        items.push(node);
    }
    Ok(())
}

/// Returns the member or element that `key` names.
pub fn index(node: Node, key: &Value) -> std::result::Result<Node, String> {
    match (node.value, key) {
        (Value::Map(mut members), key) => {
            let name = key.to_text().ok_or("an object is indexed by a string")?;
            let known = members.keys().cloned().collect::<Vec<_>>().join(", ");
            members.remove(&name).map(|m| m.node).ok_or_else(|| match known.as_str() {
                "" => format!("there is no {name:?} here, nor anything else"),
                known => format!("there is no {name:?} here; there are: {known}"),
            })
        }
        (Value::List(items), Value::Number(n)) => {
            let i =
                n.as_int().and_then(|i| usize::try_from(i).ok()).ok_or("a list is indexed by a whole number from 0")?;
            let len = items.len();
            items.into_iter().nth(i).ok_or_else(|| format!("the list has {len} elements, there is no number {i}"))
        }
        (other, _) => Err(format!("{} has no elements", other.kind())),
    }
}

fn truthy(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(s) => s.parse().ok(),
        _ => None,
    }
}

fn operate(operator: BinaryOperator, lhs: &Value, rhs: &Value) -> std::result::Result<Value, String> {
    use BinaryOperator::{And, Eq, NotEq, Or};
    match operator {
        Eq => Ok(Value::Bool(lhs == rhs)),
        NotEq => Ok(Value::Bool(lhs != rhs)),
        And | Or => {
            let (Some(a), Some(b)) = (truthy(lhs), truthy(rhs)) else {
                return Err(format!("{operator} needs bools, not {} and {}", lhs.kind(), rhs.kind()));
            };
            Ok(Value::Bool(if operator == And { a && b } else { a || b }))
        }
        _ => {
            let (Some(a), Some(b)) = (numeric(lhs), numeric(rhs)) else {
                return Err(format!("{operator} needs numbers, not {} and {}", lhs.kind(), rhs.kind()));
            };
            arithmetic(operator, a, b)
        }
    }
}

fn numeric(value: &Value) -> Option<Number> {
    match value {
        Value::Number(n) => Some(n.clone()),
        Value::String(s) => Number::parse(s),
        _ => None,
    }
}

fn arithmetic(operator: BinaryOperator, a: Number, b: Number) -> std::result::Result<Value, String> {
    use BinaryOperator::{Div, Greater, GreaterEq, Less, LessEq, Minus, Mod, Mul, Plus};
    let number = |n: Option<Number>| n.map(Value::Number).ok_or_else(|| "infinity cannot be reckoned with".to_owned());
    match operator {
        Div | Mod if b.is_zero() => Err("division by zero".into()),
        Plus => number(a.plus(&b)),
        Minus => number(a.plus(&b.negated())),
        Mul => number(a.times(&b)),
        Div => number(a.over(&b)),
        Mod => number(a.rest(&b)),
        Less => Ok(Value::Bool(a < b)),
        LessEq => Ok(Value::Bool(a <= b)),
        Greater => Ok(Value::Bool(a > b)),
        GreaterEq => Ok(Value::Bool(a >= b)),
        _ => Err(format!("{operator} is not arithmetic")),
    }
}
