//! The functions a template may call: pure arithmetic on values, and two that ask, `secret` and `meta`.
//!
//! Nothing here runs a program, reads a file, opens a connection, looks at a clock or an environment.

mod collections;
mod compare;
mod encoding;
mod numbers;
mod printing;
mod texts;

pub use printing::show;

use super::{
    error::Problem,
    syntax::{Command, Expr},
    text::Text,
    value::Value,
};
use crate::domain::{ServerPath, ServerPathError};

/// A function by its name.
#[derive(Debug)]
pub struct Function {
    /// As a template writes it.
    pub name: &'static str,
    least: usize,
    most: usize,
    /// What it does.
    pub body: Body,
}

/// What a function does.
#[derive(Clone, Copy)]
pub enum Body {
    /// Makes a value of values. Absent if one of them is.
    Pure(fn(&[Value]) -> Result<Value, Problem>),
    /// Returns the first argument that is false, or the last; evaluates no more than needed.
    And,
    /// Returns the first argument that is true, or the last; evaluates no more than needed.
    Or,
    /// Asks the server.
    Secret,
    /// Tells who the task is.
    Meta,
}

/// More arguments than anybody writes.
const ANY: usize = usize::MAX;

const fn pure(name: &'static str, least: usize, most: usize, body: fn(&[Value]) -> Result<Value, Problem>) -> Function {
    Function { name, least, most, body: Body::Pure(body) }
}

/// All functions, by name.
static FUNCTIONS: &[Function] = &[
    pure("add", 2, 2, numbers::add),
    Function { name: "and", least: 1, most: ANY, body: Body::And },
    pure("base64Decode", 1, 1, encoding::base64_decode),
    pure("base64Encode", 1, 1, encoding::base64_encode),
    pure("base64URLDecode", 1, 1, encoding::base64_url_decode),
    pure("base64URLEncode", 1, 1, encoding::base64_url_encode),
    pure("contains", 2, 2, collections::contains),
    pure("divide", 2, 2, numbers::divide),
    pure("eq", 2, ANY, compare::eq),
    pure("ge", 2, 2, compare::ge),
    pure("gt", 2, 2, compare::gt),
    pure("in", 2, 2, collections::is_in),
    pure("indent", 2, 2, texts::indent),
    pure("index", 1, ANY, collections::index),
    pure("join", 2, 2, collections::join),
    pure("le", 2, 2, compare::le),
    pure("len", 1, 1, collections::len),
    pure("lt", 2, 2, compare::lt),
    Function { name: "meta", least: 1, most: 1, body: Body::Meta },
    pure("modulo", 2, 2, numbers::modulo),
    pure("multiply", 2, 2, numbers::multiply),
    pure("ne", 2, 2, compare::ne),
    pure("not", 1, 1, compare::not),
    Function { name: "or", least: 1, most: ANY, body: Body::Or },
    pure("parseBool", 1, 1, numbers::parse_bool),
    pure("parseFloat", 1, 1, numbers::parse_float),
    pure("parseInt", 1, 1, numbers::parse_int),
    pure("parseJSON", 1, 1, encoding::parse_json),
    pure("parseUint", 1, 1, numbers::parse_uint),
    pure("print", 0, ANY, printing::print),
    pure("printf", 1, ANY, printing::printf),
    pure("println", 0, ANY, printing::println),
    pure("replaceAll", 3, 3, texts::replace_all),
    Function { name: "secret", least: 1, most: ANY, body: Body::Secret },
    pure("sha256Hex", 1, 1, encoding::sha256_hex),
    pure("slice", 1, 4, collections::slice),
    pure("split", 2, 2, collections::split),
    pure("sprig_default", 1, 2, compare::default),
    pure("subtract", 2, 2, numbers::subtract),
    pure("toJSON", 1, 1, encoding::to_json),
    pure("toJSONPretty", 1, 1, encoding::to_json_pretty),
    pure("toLower", 1, 1, texts::to_lower),
    pure("toTitle", 1, 1, texts::to_title),
    pure("toUnescapedJSON", 1, 1, encoding::to_unescaped_json),
    pure("toUnescapedJSONPretty", 1, 1, encoding::to_unescaped_json_pretty),
    pure("toUpper", 1, 1, texts::to_upper),
    pure("trim", 2, 2, texts::trim),
    pure("trimPrefix", 2, 2, texts::trim_prefix),
    pure("trimSpace", 1, 1, texts::trim_space),
    pure("trimSuffix", 2, 2, texts::trim_suffix),
    pure("urlquery", 0, ANY, printing::urlquery),
    pure("html", 0, ANY, printing::html),
    pure("minimum", 2, 2, numbers::minimum),
    pure("maximum", 2, 2, numbers::maximum),
];

/// What consul-template and Go have and a template here deliberately has not.
const LEFT_OUT: &[(&str, &str)] = &[
    ("env", "; what the task is called is read with meta, such as (meta \"job\")"),
    ("mustEnv", "; what the task is called is read with meta, such as (meta \"job\")"),
    ("envOrDefault", "; what the task is called is read with meta, such as (meta \"job\")"),
    ("file", "; a template reads no files"),
    ("writeToFile", "; a template writes no files, use one template block for each"),
    ("plugin", "; a template runs no programs"),
    ("key", "; a template asks the secrets server only"),
    ("service", "; a template asks the secrets server only"),
    ("nomadVar", "; a template asks the secrets server only"),
    ("nomadService", "; a template asks the secrets server only"),
    ("timestamp", "; a template sees no clock"),
    ("sockaddr", "; a template sees no network"),
];

/// Returns the function of that name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Returns what to say about a name that is no function: why it is left out, or what was probably meant.
pub fn hint(name: &str) -> String {
    if let Some((_, why)) = LEFT_OUT.iter().find(|(left_out, _)| *left_out == name) {
        return (*why).to_owned();
    }
    let alike = |function: &&Function| function.name.eq_ignore_ascii_case(name);
    FUNCTIONS.iter().find(alike).map_or_else(String::new, |f| format!("; is {} meant?", f.name))
}

impl Function {
    /// Says whether it can be called with `given` arguments.
    pub fn takes(&self, given: usize) -> bool {
        (self.least..=self.most).contains(&given)
    }

    /// Returns in words how many arguments it takes.
    pub fn arity(&self) -> String {
        match (self.least, self.most) {
            (least, ANY) => format!("{least} or more arguments"),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }

    /// Says whether it makes a request of the server.
    pub fn asks_server(&self) -> bool {
        matches!(self.body, Body::Secret)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a function")
    }
}

/// Returns the operand that will be the path of a call that asks the server.
pub fn path_operand<'t>(command: &'t Command, piped: Option<&'t Command>) -> Option<&'t Expr> {
    command.args.first().or_else(|| piped.filter(|command| command.args.is_empty()).map(|command| &command.head))
}

/// Returns the path that a template's text means; slashes and blanks around it are dropped, as consul-template does.
pub fn server_path(text: &str) -> Result<ServerPath, ServerPathError> {
    text.trim().trim_matches('/').parse()
}

/// Returns argument `nth` as a text.
fn text(args: &[Value], nth: usize) -> Result<&Text, Problem> {
    match &args[nth] {
        Value::Text(text) => Ok(text),
        Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
        other => Err(Problem::message(format!("argument {} is {}, not a text", nth + 1, other.kind()))),
    }
}

/// Returns argument `nth` as a text in UTF-8.
fn utf8(args: &[Value], nth: usize) -> Result<&str, Problem> {
    text(args, nth)?
        .utf8()
        .ok_or_else(|| Problem::message(format!("argument {} is binary, not a text in UTF-8", nth + 1)))
}

/// Returns argument `nth` as a whole number.
fn int(args: &[Value], nth: usize) -> Result<i128, Problem> {
    match &args[nth] {
        Value::Int(number) => Ok(*number),
        Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
        other => Err(Problem::message(format!("argument {} is {}, not a whole number", nth + 1, other.kind()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_no_name_is_used_twice() {
        for function in FUNCTIONS {
            assert!(std::ptr::eq(find(function.name).expect("found"), function), "{}", function.name);
        }
    }

    #[test]
    fn what_could_reach_out_does_not_exist() {
        for name in
            LEFT_OUT.iter().map(|(name, _)| *name).chain(["call", "executeTemplate", "js", "mustEnv", "secrets"])
        {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn paths_lose_slashes_and_blanks_around_them() {
        assert_eq!(server_path(" /kv/data/a/ ").expect("a path").as_str(), "kv/data/a");
        assert!(server_path("kv/../a").is_err());
    }
}
