//! The functions of both rounds.
//!
//! The first round has those that job files commonly use, the second the short list that an agent offers. A few that
//! reach out or need a whole library of their own (`regex`, `cidrsubnet`, `bcrypt`, `yamldecode`) are left out. Characters
//! are counted one by one, where an agent counts what a reader takes for one: an emoji of several parts is several here.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    format,
    number::Number,
    value::{Member, Node, Value},
};

/// When an expression is evaluated.
#[derive(Clone, Debug)]
pub enum Round {
    /// While the job file is read; files are found relative to the directory.
    File(PathBuf),
    /// On the client, or in a plugin's `config`.
    Client,
}

type Result<T> = std::result::Result<T, String>;

/// What the client offers.
const CLIENT: [&str; 15] = [
    "abs",
    "coalesce",
    "concat",
    "hasindex",
    "int",
    "jsondecode",
    "jsonencode",
    "length",
    "lower",
    "max",
    "min",
    "reverse",
    "strlen",
    "substr",
    "upper",
];

/// How many arguments a function takes; those that are not here take any number.
const ARGUMENTS: [(&str, usize); 36] = [
    ("abs", 1),
    ("base64decode", 1),
    ("base64encode", 1),
    ("ceil", 1),
    ("chomp", 1),
    ("compact", 1),
    ("contains", 2),
    ("distinct", 1),
    ("element", 2),
    ("flatten", 1),
    ("floor", 1),
    ("hasindex", 2),
    ("indent", 2),
    ("int", 1),
    ("jsondecode", 1),
    ("jsonencode", 1),
    ("keys", 1),
    ("length", 1),
    ("lookup", 3),
    ("lower", 1),
    ("replace", 3),
    ("reverse", 1),
    ("slice", 3),
    ("sort", 1),
    ("split", 2),
    ("strlen", 1),
    ("strrev", 1),
    ("substr", 3),
    ("title", 1),
    ("trim", 2),
    ("trimprefix", 2),
    ("trimspace", 1),
    ("trimsuffix", 2),
    ("upper", 1),
    ("values", 1),
    ("zipmap", 2),
];

/// Those that the first round has not.
const CLIENT_ALONE: [&str; 2] = ["hasindex", "int"];

impl Round {
    /// Says whether a name that is not known stays as it was written.
    pub fn keeps_unknown_names(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// Calls the function `name`.
pub fn call(round: &Round, name: &str, args: &[Node]) -> Result<Value> {
    if matches!(round, Round::File(_)) && CLIENT_ALONE.contains(&name) {
        return Err("is known to the client alone; write $${…} around it".into());
    }
    if matches!(round, Round::Client) && !CLIENT.contains(&name) {
        return Err(format!("there is no such function here; there are: {}", CLIENT.join(", ")));
    }
    if let Some((_, most)) = ARGUMENTS.iter().find(|(known, most)| *known == name && args.len() > *most) {
        return Err(format!("takes {most} arguments, not {}", args.len()));
    }
    texts(name, args)
        .or_else(|| numbers(name, args))
        .or_else(|| lists(name, args))
        .or_else(|| maps(name, args))
        .or_else(|| codecs(name, args))
        .or_else(|| files(round, name, args))
        .unwrap_or_else(|| Err("there is no such function".into()))
}

fn texts(name: &str, args: &[Node]) -> Option<Result<Value>> {
    let one = |f: fn(&str) -> String| text(args, 0).map(|s| Value::String(f(&s)));
    Some(match name {
        "upper" => one(|s| s.chars().map(|c| single(c, c.to_uppercase())).collect()),
        "lower" => one(|s| s.chars().map(lower).collect()),
        "title" => one(title),
        "chomp" => one(|s| s.trim_end_matches(['\n', '\r']).to_owned()),
        "trimspace" => one(|s| s.trim().to_owned()),
        // Of texts alone, under either name.
        "reverse" | "strrev" => one(|s| s.chars().rev().collect()),
        "strlen" => text(args, 0).map(|s| Value::from(s.chars().count() as i64)),
        "trim" => two(args, |s, cut| s.trim_matches(|c| cut.contains(c)).into()),
        "trimprefix" => two(args, |s, cut| s.strip_prefix(cut).unwrap_or(s).into()),
        "trimsuffix" => two(args, |s, cut| s.strip_suffix(cut).unwrap_or(s).into()),
        "split" => two(args, |by, s| strings(s.split(by))),
        "replace" => replace(args),
        "substr" => substr(args),
        "join" => join(args),
        "format" => text(args, 0).and_then(|f| format::format(&f, &args[1..])).map(Value::String),
        "indent" => indent(args),
        _ => return None,
    })
}

fn numbers(name: &str, args: &[Node]) -> Option<Result<Value>> {
    let one = |f: fn(&Number) -> Number| number(args, 0).map(|n| Value::Number(f(&n)));
    let fold = |f: fn(Number, Number) -> Number| {
        let all = (0..args.len()).map(|i| number(args, i)).collect::<Result<Vec<_>>>()?;
        all.into_iter().reduce(f).map(Value::Number).ok_or_else(|| "needs an argument".into())
    };
    Some(match name {
        "abs" => one(Number::abs),
        "ceil" => one(Number::ceil),
        "floor" => one(Number::floor),
        "int" => one(Number::trunc),
        "max" => fold(Number::max),
        "min" => fold(Number::min),
        "range" => range(args),
        _ => return None,
    })
}

fn lists(name: &str, args: &[Node]) -> Option<Result<Value>> {
    Some(match name {
        "length" => length(args),
        "concat" => (0..args.len()).map(|i| list(args, i)).collect::<Result<Vec<_>>>().map(|l| Value::List(l.concat())),
        "compact" => list(args, 0)
            .map(|l| Value::List(l.into_iter().filter(|n| n.as_str() != Some("") && n.value != Value::Null).collect())),
        "contains" => list(args, 0).and_then(|l| Ok(Value::Bool(l.contains(arg(args, 1)?)))),
        "distinct" => list(args, 0).map(|l| Value::List(distinct(l))),
        "flatten" => list(args, 0).map(|l| Value::List(flatten(l))),
        "sort" => sort(args),
        "element" => element(args),
        "slice" => slice(args),
        "coalesce" => args
            .iter()
            .find(|n| n.value != Value::Null)
            .map(|n| n.value.clone())
            .ok_or_else(|| "all arguments are null".into()),
        "hasindex" => list(args, 0)
            .and_then(|_| Ok(Value::Bool(super::eval::index(arg(args, 0)?.clone(), &arg(args, 1)?.value).is_ok()))),
        _ => return None,
    })
}

fn maps(name: &str, args: &[Node]) -> Option<Result<Value>> {
    Some(match name {
        "keys" => map(args, 0).map(|m| strings(m.keys().map(String::as_str))),
        "values" => map(args, 0).map(|m| Value::List(m.into_values().map(|m| m.node).collect())),
        "merge" => (0..args.len())
            .map(|i| map(args, i))
            .collect::<Result<Vec<_>>>()
            .map(|all| Value::Map(all.into_iter().flatten().collect())),
        "lookup" => lookup(args),
        "zipmap" => zipmap(args),
        _ => return None,
    })
}

fn codecs(name: &str, args: &[Node]) -> Option<Result<Value>> {
    Some(match name {
        "jsonencode" => arg(args, 0).map(|n| Value::String(escape_html(&to_json(&n.value)))),
        "jsondecode" => {
            text(args, 0).and_then(|s| serde_json::from_str(&s).map_err(|e| e.to_string())).map(|json| from_json(&json))
        }
        "base64encode" => text(args, 0).map(|s| Value::String(STANDARD.encode(s))),
        "base64decode" => text(args, 0)
            .and_then(|s| STANDARD.decode(s).map_err(|e| e.to_string()))
            .and_then(|b| String::from_utf8(b).map(Value::String).map_err(|e| e.to_string())),
        "uuidv4" => Ok(Value::String(crate::harness::ids::uuid())),
        _ => return None,
    })
}

fn files(round: &Round, name: &str, args: &[Node]) -> Option<Result<Value>> {
    let Round::File(dir) = round else { return None };
    let path = || text(args, 0).map(|p| dir.join(p));
    let read = |path: PathBuf| std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()));
    Some(match name {
        "file" => path()
            .and_then(read)
            .and_then(|b| String::from_utf8(b).map(Value::String).map_err(|_| "the file is not UTF-8".into())),
        "filebase64" => path().and_then(read).map(|b| Value::String(STANDARD.encode(b))),
        "fileexists" => path().map(|p| Value::Bool(p.is_file())),
        _ => return None,
    })
}

pub(super) fn arg(args: &[Node], i: usize) -> Result<&Node> {
    args.get(i).ok_or_else(|| format!("argument {} is missing", i + 1))
}

pub(super) fn text(args: &[Node], i: usize) -> Result<String> {
    let node = arg(args, i)?;
    node.value.to_text().ok_or_else(|| format!("argument {} is a string, not {}", i + 1, node.value.kind()))
}

pub(super) fn number(args: &[Node], i: usize) -> Result<Number> {
    let node = arg(args, i)?;
    match &node.value {
        Value::Number(n) => Some(n.clone()),
        Value::String(s) => Number::parse(s),
        _ => None,
    }
    .ok_or_else(|| format!("argument {} is a number, not {}", i + 1, node.value.kind()))
}

fn list(args: &[Node], i: usize) -> Result<Vec<Node>> {
    match &arg(args, i)?.value {
        Value::List(items) => Ok(items.clone()),
        other => Err(format!("argument {} is a list, not {}", i + 1, other.kind())),
    }
}

fn map(args: &[Node], i: usize) -> Result<BTreeMap<String, Member>> {
    match &arg(args, i)?.value {
        Value::Map(members) => Ok(members.clone()),
        other => Err(format!("argument {} is an object, not {}", i + 1, other.kind())),
    }
}

fn strings<'a>(all: impl Iterator<Item = &'a str>) -> Value {
    Value::List(all.map(|s| Node::new(s, 0..0)).collect())
}

fn two(args: &[Node], f: impl Fn(&str, &str) -> Value) -> Result<Value> {
    Ok(f(&text(args, 0)?, &text(args, 1)?))
}

/// One letter stays one letter here: what would become two is left as it is.
fn single(c: char, mut changed: impl Iterator<Item = char>) -> char {
    match (changed.next(), changed.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn lower(c: char) -> char {
    // The dot is lost, since there is no single letter that keeps it.
    if c == 'İ' { 'i' } else { single(c, c.to_lowercase()) }
}

fn title(s: &str) -> String {
    let mut start = true;
    s.chars()
        .map(|c| {
            let c = if start { c.to_ascii_uppercase() } else { c };
            start = c.is_whitespace();
            c
        })
        .collect()
}

fn replace(args: &[Node]) -> Result<Value> {
    Ok(text(args, 0)?.replace(&text(args, 1)?, &text(args, 2)?).into())
}

fn substr(args: &[Node]) -> Result<Value> {
    let chars: Vec<char> = text(args, 0)?.chars().collect();
    let whole = |i| number(args, i).and_then(|n| n.as_int().ok_or_else(|| "needs whole numbers".to_owned()));
    let (offset, length) = (whole(1)?, whole(2)?);
    let start = if offset < 0 { (chars.len() as i128 + offset).max(0) } else { offset } as usize;
    let take = if length < 0 { usize::MAX } else { length as usize };
    Ok(chars.into_iter().skip(start).take(take).collect::<String>().into())
}

fn join(args: &[Node]) -> Result<Value> {
    let mut all = Vec::new();
    for i in 1..args.len() {
        let items = list(args, i)?;
        all.extend((0..items.len()).map(|j| text(&items, j)).collect::<Result<Vec<_>>>()?);
    }
    Ok(all.join(&text(args, 0)?).into())
}

fn indent(args: &[Node]) -> Result<Value> {
    let pad = " ".repeat(number(args, 0)?.as_int().and_then(|i| usize::try_from(i).ok()).unwrap_or(0));
    Ok(text(args, 1)?.replace('\n', &format!("\n{pad}")).into())
}

/// Longest list that `range` makes.
const LONGEST_RANGE: usize = 1024;

fn range(args: &[Node]) -> Result<Value> {
    let all = (0..args.len()).map(|i| number(args, i)).collect::<Result<Vec<_>>>()?;
    let zero = || Number::from(0);
    let down = |start: &Number, end: &Number| Number::from(if end < start { -1 } else { 1 });
    let (start, end, step) = match &all[..] {
        [end] => (zero(), end, down(&zero(), end)),
        [start, end] => (start.clone(), end, down(start, end)),
        [start, end, step] => (start.clone(), end, step.clone()),
        _ => return Err("takes an end, or a start and an end, and a step".into()),
    };
    if step.is_zero() || (step < zero()) != (*end < start) && start != *end {
        return Err("the step does not lead from the start to the end".into());
    }
    let mut numbers = Vec::new();
    let mut next = Some(start);
    while let Some(n) = next.filter(|n| if step < zero() { n > end } else { n < end }) {
        if numbers.len() == LONGEST_RANGE {
            return Err(format!("makes no more than {LONGEST_RANGE} numbers"));
        }
        next = n.plus(&step);
        numbers.push(Node { value: Value::Number(n), span: 0..0 });
    }
    Ok(Value::List(numbers))
}

fn length(args: &[Node]) -> Result<Value> {
    Ok(Value::from(match &arg(args, 0)?.value {
        Value::List(l) => l.len(),
        Value::Map(m) => m.len(),
        Value::String(s) => s.chars().count(),
        other => return Err(format!("{} has no length", other.kind())),
    } as i64))
}

fn distinct(items: Vec<Node>) -> Vec<Node> {
    items.into_iter().fold(Vec::new(), |mut seen, item| {
        if !seen.contains(&item) {
            seen.push(item);
        }
        seen
    })
}

fn flatten(items: Vec<Node>) -> Vec<Node> {
    items
        .into_iter()
        .flat_map(|n| match n.value {
            Value::List(inner) => flatten(inner),
            _ => vec![n],
        })
        .collect()
}

fn sort(args: &[Node]) -> Result<Value> {
    let items = list(args, 0)?;
    let mut all = (0..items.len()).map(|i| text(&items, i)).collect::<Result<Vec<_>>>()?;
    all.sort();
    Ok(strings(all.iter().map(String::as_str)))
}

fn element(args: &[Node]) -> Result<Value> {
    let (items, i) = (list(args, 0)?, number(args, 1)?.as_int().ok_or("needs a whole number")?);
    let len = i128::try_from(items.len()).unwrap_or(0);
    let at = (len > 0).then(|| i.rem_euclid(len)).and_then(|i| usize::try_from(i).ok()).ok_or("the list is empty")?;
    Ok(items[at].value.clone())
}

fn slice(args: &[Node]) -> Result<Value> {
    let items = list(args, 0)?;
    let at = |i| {
        number(args, i).and_then(|n| {
            n.as_int().and_then(|i| usize::try_from(i).ok()).ok_or_else(|| "needs whole numbers".to_owned())
        })
    };
    items
        .get(at(1)?..at(2)?)
        .map(|s| Value::List(s.to_vec()))
        .ok_or_else(|| format!("the list has {} elements", items.len()))
}

fn lookup(args: &[Node]) -> Result<Value> {
    let (members, key) = (map(args, 0)?, text(args, 1)?);
    match (members.get(&key), args.get(2)) {
        (Some(found), _) => Ok(found.node.value.clone()),
        (None, Some(default)) => Ok(default.value.clone()),
        (None, None) => Err(format!("there is no {key:?} and no default")),
    }
}

fn zipmap(args: &[Node]) -> Result<Value> {
    let keys = list(args, 0)?;
    let names = (0..keys.len()).map(|i| text(&keys, i)).collect::<Result<Vec<_>>>()?;
    Ok(Value::map(names.into_iter().zip(list(args, 1)?.into_iter().map(|n| n.value)), &(0..0)))
}

/// Turns a value into JSON; numbers keep all their digits.
pub fn to_json(value: &Value) -> String {
    let quoted = |s: &str| serde_json::Value::from(s).to_string();
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => quoted(s),
        Value::List(items) => format!("[{}]", items.iter().map(|n| to_json(&n.value)).collect::<Vec<_>>().join(",")),
        Value::Map(members) => {
            let member = |(key, m): (&String, &Member)| format!("{}:{}", quoted(key), to_json(&m.node.value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

/// Turns JSON into a value without a place.
pub fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => (*b).into(),
        serde_json::Value::Number(n) => Value::Number(Number::parse(&n.to_string()).unwrap_or_else(|| Number::from(0))),
        serde_json::Value::String(s) => s.clone().into(),
        serde_json::Value::Array(items) => {
            Value::List(items.iter().map(|j| Node { value: from_json(j), span: 0..0 }).collect())
        }
        serde_json::Value::Object(members) => {
            Value::map(members.iter().map(|(k, v)| (k.clone(), from_json(v))), &(0..0))
        }
    }
}

/// Agents escape what could end a script element, and two line breaks that scripts stumble over.
fn escape_html(json: &str) -> String {
    let escapes =
        [("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];
    escapes.iter().fold(json.to_owned(), |json, (plain, escaped)| json.replace(plain, escaped))
}
