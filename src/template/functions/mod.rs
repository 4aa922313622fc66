//! The functions a template may call: pure arithmetic on values, and those that ask the server or who the task is.
//!
//! Nothing here runs a program, reads a file, opens a connection, looks at a clock or an environment.

mod collections;
mod compare;
mod encoding;
mod lists;
mod numbers;
mod printing;
mod sprig;
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
    /// Asks the server for a certificate with its key.
    PkiCert,
    /// Asks the server.
    Secret,
    /// Asks the server what is below a path.
    Secrets,
    /// Returns a variable of the task.
    Env,
    /// The same, or its second argument where the task has none of that name.
    EnvOrDefault,
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
    pure("containsAll", 2, 2, lists::contains_all),
    pure("containsAny", 2, 2, lists::contains_any),
    pure("containsNone", 2, 2, lists::contains_none),
    pure("containsNotAll", 2, 2, lists::contains_not_all),
    pure("divide", 2, 2, numbers::divide),
    Function { name: "env", least: 1, most: 1, body: Body::Env },
    Function { name: "envOrDefault", least: 2, most: 2, body: Body::EnvOrDefault },
    pure("eq", 2, ANY, compare::eq),
    pure("ge", 2, 2, compare::ge),
    pure("gt", 2, 2, compare::gt),
    pure("hmacSHA256Hex", 2, 2, encoding::hmac_sha256_hex),
    pure("html", 0, ANY, printing::html),
    pure("in", 2, 2, collections::is_in),
    pure("indent", 2, 2, texts::indent),
    pure("index", 1, ANY, collections::index),
    pure("join", 2, 2, collections::join),
    pure("le", 2, 2, compare::le),
    pure("len", 1, 1, collections::len),
    pure("loop", 1, 2, lists::count),
    pure("lt", 2, 2, compare::lt),
    pure("maximum", 2, 2, numbers::maximum),
    pure("mergeMap", 2, 2, lists::merge_map),
    pure("mergeMapWithOverride", 2, 2, lists::merge_map_with_override),
    Function { name: "meta", least: 1, most: 1, body: Body::Meta },
    pure("minimum", 2, 2, numbers::minimum),
    pure("modulo", 2, 2, numbers::modulo),
    pure("multiply", 2, 2, numbers::multiply),
    Function { name: "mustEnv", least: 1, most: 1, body: Body::Env },
    pure("ne", 2, 2, compare::ne),
    pure("not", 1, 1, compare::not),
    Function { name: "or", least: 1, most: ANY, body: Body::Or },
    pure("parseBool", 1, 1, numbers::parse_bool),
    pure("parseFloat", 1, 1, numbers::parse_float),
    pure("parseInt", 1, 1, numbers::parse_int),
    pure("parseJSON", 1, 1, encoding::parse_json),
    pure("parseUint", 1, 1, numbers::parse_uint),
    Function { name: "pkiCert", least: 1, most: ANY, body: Body::PkiCert },
    pure("print", 0, ANY, printing::print),
    pure("printf", 1, ANY, printing::printf),
    pure("println", 0, ANY, printing::println),
    pure("replaceAll", 3, 3, texts::replace_all),
    Function { name: "secret", least: 1, most: ANY, body: Body::Secret },
    Function { name: "secrets", least: 1, most: 1, body: Body::Secrets },
    pure("sha256Hex", 1, 1, encoding::sha256_hex),
    pure("slice", 1, 4, collections::slice),
    pure("split", 2, 2, collections::split),
    pure("splitToMap", 3, 3, lists::split_to_map),
    pure("sprig_add", 0, ANY, sprig::add),
    pure("sprig_add1", 1, 1, sprig::add1),
    pure("sprig_append", 2, 2, lists::append),
    pure("sprig_atoi", 1, 1, sprig::to_int),
    pure("sprig_b64dec", 1, 1, encoding::base64_decode),
    pure("sprig_b64enc", 1, 1, encoding::base64_encode),
    pure("sprig_cat", 0, ANY, sprig::cat),
    pure("sprig_coalesce", 0, ANY, sprig::coalesce),
    pure("sprig_compact", 1, 1, lists::compact),
    pure("sprig_concat", 0, ANY, lists::concat),
    pure("sprig_contains", 2, 2, sprig::contains),
    pure("sprig_default", 1, 2, compare::default),
    pure("sprig_dict", 0, ANY, lists::dict),
    pure("sprig_div", 2, 2, sprig::div),
    pure("sprig_empty", 1, 1, sprig::empty),
    pure("sprig_first", 1, 1, lists::first),
    pure("sprig_float64", 1, 1, sprig::to_float),
    pure("sprig_fromJson", 1, 1, encoding::parse_json),
    pure("sprig_get", 2, 2, lists::get),
    pure("sprig_has", 2, 2, lists::has),
    pure("sprig_hasKey", 2, 2, lists::has_key),
    pure("sprig_hasPrefix", 2, 2, sprig::has_prefix),
    pure("sprig_hasSuffix", 2, 2, sprig::has_suffix),
    pure("sprig_indent", 2, 2, sprig::indent),
    pure("sprig_initial", 1, 1, lists::initial),
    pure("sprig_int", 1, 1, sprig::to_int),
    pure("sprig_int64", 1, 1, sprig::to_int),
    pure("sprig_join", 2, 2, lists::join),
    pure("sprig_keys", 1, ANY, lists::keys),
    pure("sprig_last", 1, 1, lists::last),
    pure("sprig_list", 0, ANY, lists::list),
    pure("sprig_lower", 1, 1, texts::to_lower),
    pure("sprig_max", 1, ANY, sprig::max),
    pure("sprig_min", 1, ANY, sprig::min),
    pure("sprig_mod", 2, 2, sprig::modulo),
    pure("sprig_mul", 1, ANY, sprig::mul),
    pure("sprig_nindent", 2, 2, sprig::nindent),
    pure("sprig_nospace", 1, 1, sprig::nospace),
    pure("sprig_omit", 1, ANY, lists::omit),
    pure("sprig_pick", 1, ANY, lists::pick),
    pure("sprig_prepend", 2, 2, lists::prepend),
    pure("sprig_quote", 0, ANY, sprig::quote),
    pure("sprig_repeat", 2, 2, sprig::repeat),
    pure("sprig_replace", 3, 3, texts::replace_all),
    pure("sprig_rest", 1, 1, lists::rest),
    pure("sprig_reverse", 1, 1, lists::reverse),
    pure("sprig_sha256sum", 1, 1, encoding::sha256_hex),
    pure("sprig_sortAlpha", 1, 1, lists::sort_alpha),
    pure("sprig_splitList", 2, 2, sprig::split_list),
    pure("sprig_squote", 0, ANY, sprig::squote),
    pure("sprig_sub", 2, 2, sprig::sub),
    pure("sprig_ternary", 3, 3, sprig::ternary),
    pure("sprig_title", 1, 1, texts::to_title),
    pure("sprig_toJson", 1, 1, encoding::to_json),
    pure("sprig_toPrettyJson", 1, 1, encoding::to_json_pretty),
    pure("sprig_toRawJson", 1, 1, encoding::to_unescaped_json),
    pure("sprig_toString", 1, 1, sprig::to_string),
    pure("sprig_trim", 1, 1, texts::trim_space),
    pure("sprig_trimAll", 2, 2, texts::trim),
    pure("sprig_trimPrefix", 2, 2, texts::trim_prefix),
    pure("sprig_trimSuffix", 2, 2, texts::trim_suffix),
    pure("sprig_trunc", 2, 2, sprig::trunc),
    pure("sprig_uniq", 1, 1, lists::uniq),
    pure("sprig_until", 1, 1, lists::count),
    pure("sprig_upper", 1, 1, texts::to_upper),
    pure("sprig_values", 1, ANY, lists::values),
    pure("sprig_without", 1, ANY, lists::without),
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
];

/// What consul-template and Go have and a template here deliberately has not.
const LEFT_OUT: &[(&str, &str)] = &[
    ("file", "; a template reads no files"),
    ("writeToFile", "; a template writes no files, use one template block for each"),
    ("plugin", "; a template runs no programs"),
    ("key", "; a template asks the secrets server only"),
    ("service", "; a template asks the secrets server only"),
    ("nomadVar", "; a template asks the secrets server only"),
    ("nomadService", "; a template asks the secrets server only"),
    ("timestamp", "; a template sees no clock"),
    ("explode", "; what it takes apart comes of a store that a template does not ask"),
    ("scratch", "; use variables, mergeMap or sprig_dict"),
    ("executeTemplate", "; use template, or define a variable of the text"),
    ("toYAML", "; JSON is YAML too, use toJSON"),
    ("parseYAML", "; keep JSON in the secret and use parseJSON"),
    ("toTOML", "; write each entry in a range, with quotes by toJSON"),
    ("regexMatch", "; use contains, sprig_hasPrefix or sprig_hasSuffix"),
    ("regexReplaceAll", "; use replaceAll, trimPrefix or trimSuffix"),
    ("md5sum", "; use sha256Hex"),
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

    /// Says whether it fails where the task has no variable of that name.
    pub fn needs_variable(&self) -> bool {
        matches!(self.body, Body::Env)
    }

    /// Says whether it makes a request of the server.
    pub fn asks_server(&self) -> bool {
        matches!(self.body, Body::PkiCert | Body::Secret | Body::Secrets)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a function")
    }
}

/// Returns by which name `meta` knows what the environment's variable `name` tells; nothing for one that no identity backs.
///
/// A job may set variables of these names itself, so that only the identity's word counts for them.
pub fn identity_variable(name: &str) -> Option<&'static str> {
    Some(match name {
        "NOMAD_ALLOC_ID" => "alloc",
        "NOMAD_GROUP_NAME" => "group",
        "NOMAD_JOB_ID" | "NOMAD_JOB_NAME" => "job",
        "NOMAD_NAMESPACE" => "namespace",
        "NOMAD_TASK_NAME" => "task",
        _ => return None,
    })
}

/// Says that the task has no variable `name`, which is shown only if it stands in the source.
pub fn no_variable(name: &str, literal: bool) -> Problem {
    let which = if literal { format!("variable {name:?}") } else { "variable of the computed name".to_owned() };
    Problem::message(format!("the task has no {which}; where it may be absent, use envOrDefault"))
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
        for name in LEFT_OUT.iter().map(|(name, _)| *name).chain(["call", "executeTemplate", "js"]) {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn paths_lose_slashes_and_blanks_around_them() {
        assert_eq!(server_path(" /kv/data/a/ ").expect("a path").as_str(), "kv/data/a");
        assert!(server_path("kv/../a").is_err());
    }
}
