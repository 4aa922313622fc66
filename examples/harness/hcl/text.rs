//! Templates inside strings: `${…}`, `%{ if … }`, `%{ for … }`.

use hcl_edit::{
    Span as _,
    template::{Directive, Element, ForDirective, IfDirective, StringTemplate, Strip, Template},
};
use icu_normalizer::ComposingNormalizerBorrowed;

use super::{
    eval::{Scope, loop_names},
    value::{Node, Span, Value},
};
use crate::harness::report::Problem;

type Result<T, E = Problem> = std::result::Result<T, E>;

/// Returns the text in Unicode's form C, in which an agent keeps all text.
pub fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// Evaluates a quoted string; one that is a single `${…}` keeps the type of what it holds.
pub fn string(scope: &Scope<'_>, template: &StringTemplate, span: &Span) -> Result<Node> {
    whole(scope, template, span)
}

/// Evaluates text as the client does with every string of a config: `text` is a template of its own.
pub fn evaluate(scope: &Scope<'_>, template: &Template, span: &Span) -> Result<Node> {
    whole(scope, template, span)
}

fn whole(scope: &Scope<'_>, template: &Template, span: &Span) -> Result<Node> {
    if let Some(Element::Interpolation(only)) = template.as_single_element() {
        return scope.eval(&only.expr).map(|node| Node { value: node.value, span: span.clone() });
    }
    Ok(Node { value: Value::String(composed(&render(scope, template)?)), span: span.clone() })
}

/// Renders a template to text.
pub fn render(scope: &Scope<'_>, template: &Template) -> Result<String> {
    let mut out = String::new();
    let mut trim_next = false;
    for element in template.iter() {
        let strip = strip_of(element);
        if strip.strip_start() {
            out.truncate(out.trim_end().len());
        }
        match element {
            Element::Literal(text) if trim_next => out.push_str(text.value().trim_start()),
            Element::Literal(text) => out.push_str(text.value()),
            Element::Interpolation(i) => out.push_str(&interpolated(scope, &i.expr)?),
            Element::Directive(d) => out.push_str(&directive(scope, d)?),
        }
        trim_next = strip.strip_end();
    }
    Ok(out)
}

fn interpolated(scope: &Scope<'_>, expr: &hcl_edit::expr::Expression) -> Result<String> {
    let node = scope.eval(expr)?;
    node.value.to_text().ok_or_else(|| {
        let span = expr.span().unwrap_or_default();
        Problem::at(&span, format!("text cannot hold {}; use join or jsonencode", node.value.kind()))
    })
}

fn directive(scope: &Scope<'_>, directive: &Directive) -> Result<String> {
    match directive {
        Directive::If(d) => branch(scope, d),
        Directive::For(d) => repeat(scope, d),
    }
}

fn branch(scope: &Scope<'_>, d: &IfDirective) -> Result<String> {
    let otherwise = d.else_expr.as_ref();
    if scope.truth(&d.if_expr.cond_expr)? {
        let after = otherwise.map_or(d.endif_expr.strip, |e| e.strip);
        return inner(scope, &d.if_expr.template, d.if_expr.strip, after);
    }
    otherwise.map_or(Ok(String::new()), |e| inner(scope, &e.template, e.strip, d.endif_expr.strip))
}

fn repeat(scope: &Scope<'_>, d: &ForDirective) -> Result<String> {
    let f = &d.for_expr;
    let key_var = f.key_var.as_ref().map(|k| k.value().as_str());
    let mut out = String::new();
    for (key, value) in scope.entries(&f.collection_expr)? {
        let turn = scope.child(loop_names(key_var, f.value_var.value(), key, value));
        out.push_str(&inner(&turn, &f.template, f.strip, d.endfor_expr.strip)?);
    }
    Ok(out)
}

fn inner(scope: &Scope<'_>, template: &Template, before: Strip, after: Strip) -> Result<String> {
    let mut text = render(scope, template)?;
    if before.strip_end() {
        text = text.trim_start().to_owned();
    }
    if after.strip_start() {
        text.truncate(text.trim_end().len());
    }
    Ok(text)
}

/// Returns how an element trims the text around it.
fn strip_of(element: &Element) -> Strip {
    let (start, end) = match element {
        Element::Literal(_) => (Strip::None, Strip::None),
        Element::Interpolation(i) => (i.strip, i.strip),
        Element::Directive(d) => match &**d {
            Directive::If(d) => (d.if_expr.strip, d.endif_expr.strip),
            Directive::For(d) => (d.for_expr.strip, d.endfor_expr.strip),
        },
    };
    match (start.strip_start(), end.strip_end()) {
        (true, true) => Strip::Both,
        (true, false) => Strip::Start,
        (false, true) => Strip::End,
        (false, false) => Strip::None,
    }
}
