//! Texts with places for secrets, in consul-template's language.
//!
//! A source is parsed and checked once, and rendered in passes: each pass tells what it asked for and what of that was
//! missing, the caller fetches, and renders again until nothing is. Rendering is pure: no server, clock, file or
//! environment but the task's own, which the caller hands in. Values are data and never read as template text. Sources,
//! outputs, depth and work are bounded.
//!
//! The language is Go's, with the functions of consul-template that compute; what could run, write or reach out does
//! not exist. Where Go would print `<no value>` or a complaint into the text, this refuses with the place.

mod dependency;
mod error;
mod functions;
mod json;
mod lexer;
mod limits;
mod literal;
mod number;
mod parser;
mod render;
mod syntax;
mod text;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

pub use dependency::{Answers, Dependency, NoAnswers, Rendered};
use error::Problem;
pub use error::{Place, TemplateError};
use lexer::Delimiters;
use syntax::{ExprKind, Tree};

use crate::domain::{SecretBytes, SecretString, TemplateRequest};

/// A parsed, checked template. Cheap to clone.
#[derive(Clone)]
pub struct Template(Arc<Inner>);

struct Inner {
    name: String,
    source: String,
    tree: Tree,
}

impl Template {
    /// Parses what a job asks for.
    pub fn parse(request: &TemplateRequest) -> Result<Self, TemplateError> {
        let TemplateRequest { destination, source, left_delimiter, right_delimiter, .. } = request;
        Self::from_source(destination.as_str(), source, left_delimiter, right_delimiter)
    }

    /// Parses `source`; `name` is what messages call it, empty delimiters mean `{{` and `}}`.
    pub fn from_source(name: &str, source: &str, left: &str, right: &str) -> Result<Self, TemplateError> {
        let source_error = |message: String| TemplateError::Source { name: name.to_owned(), message };
        let delimiters = delimiters(left, right).map_err(source_error)?;
        if source.len() > limits::SOURCE_BYTES {
            return Err(source_error("is longer than 256 KiB; split it".to_owned()));
        }
        // Editors put a byte order mark in front; no format that is rendered wants one.
        let source = source.strip_prefix('\u{feff}').unwrap_or(source).to_owned();
        match parser::parse(&source, &delimiters) {
            Ok(tree) => Ok(Self(Arc::new(Inner { name: name.to_owned(), source, tree }))),
            Err(fault) => Err(fault.while_parsing(name, &source)),
        }
    }

    /// Returns what messages call it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Renders once with the `answers` there are; `vars` are what `meta` tells.
    ///
    /// While something is missing, what went wrong may be the consequence and is not reported: the next pass will.
    /// Limits are reported always.
    pub fn render(&self, answers: &dyn Answers, vars: &BTreeMap<String, String>) -> Result<Rendered, TemplateError> {
        self.render_within(&BTreeMap::new(), answers, vars)
    }

    /// As [`Template::render`], for a task whose process has the variables `env`.
    pub fn render_within(
        &self,
        env: &BTreeMap<String, SecretString>,
        answers: &dyn Answers,
        vars: &BTreeMap<String, String>,
    ) -> Result<Rendered, TemplateError> {
        let pass = render::run(&self.0.tree, answers, vars, env);
        match pass.fault {
            Some(fault)
                if pass.missing.is_empty() || matches!(fault.problem, Problem::Limit(_) | Problem::Recursion(_)) =>
            {
                Err(fault.while_rendering(&self.0.name, &self.0.source))
            }
            _ => {
                let text = SecretBytes::from(pass.out.bytes());
                Ok(Rendered { text, used: pass.used, missing: pass.missing })
            }
        }
    }

    /// Refuses a variable that stands in the source word for word, has no default and is not in `env`.
    ///
    /// # Errors
    /// Tells the place of the first.
    pub fn check_variables(&self, env: &BTreeMap<String, SecretString>) -> Result<(), TemplateError> {
        let mut fault = None;
        self.0.tree.pipes(&mut |pipe| {
            pipe.visit(&mut |command, piped| {
                let ExprKind::Function(function) = command.head.kind else { return };
                let operand = functions::path_operand(command, piped).filter(|_| function.needs_variable());
                let unknown = operand
                    .and_then(|operand| operand.literal())
                    .filter(|name| functions::identity_variable(name).is_none() && !env.contains_key(*name));
                if let (Some(name), None) = (unknown, &fault) {
                    fault = Some(functions::no_variable(name, true).within(function.name).at(command.head.at));
                }
            });
        });
        fault.map_or(Ok(()), |fault| Err(fault.while_rendering(&self.0.name, &self.0.source)))
    }

    /// Returns the requests that stand in the source word for word, whether they will be made or not.
    ///
    /// Made for checking what a job may ask before anything is asked. To fetch ahead, render with [`NoAnswers`]: what
    /// that misses is needed for sure.
    pub fn literal_dependencies(&self) -> BTreeSet<Dependency> {
        let mut found = BTreeSet::new();
        self.0.tree.pipes(&mut |pipe| {
            pipe.visit(&mut |command, piped| {
                let ExprKind::Function(function) = command.head.kind else { return };
                if function.asks_server() {
                    found.extend(render::literal_dependency(function.body, command, piped));
                }
            });
        });
        found
    }
}

/// Shows the name only: a source may hold what its author should not have written there.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.0.name)
    }
}

/// Returns the delimiters to use, or what is wrong with them.
fn delimiters(left: &str, right: &str) -> Result<Delimiters, String> {
    let or = |given: &str, default: &str| if given.is_empty() { default.to_owned() } else { given.to_owned() };
    let (left, right) = (or(left, "{{"), or(right, "}}"));
    let flaw =
        |delimiter: &str| delimiter.len() > 16 || delimiter.contains(|c: char| c.is_whitespace() || c.is_control());
    if left == right {
        return Err(format!("has the same text {left:?} as left and right delimiter; give two different ones"));
    }
    if let Some(bad) = [&left, &right].into_iter().find(|delimiter| flaw(delimiter)) {
        let shown = bad.chars().take(40).collect::<String>();
        return Err(format!("has delimiter {shown:?}, which is longer than 16 bytes or has a blank"));
    }
    Ok(Delimiters { left, right })
}
