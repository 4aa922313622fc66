//! The functions of both rounds.
//!
//! The first round has those that job files commonly use, the second the short list that an agent offers. A few that
//! reach out or need a whole library of their own (`regex`, `cidrsubnet`, `bcrypt`, `yamldecode`) are left out.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::value::{Member, Node, Number, Value};

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

impl Round {
    /// Says whether a name that is not known stays as it was written.
    pub fn keeps_unknown_names(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// Calls the function `name`.
pub fn call(round: &Round, name: &str, args: &[Node]) -> Result<Value> {
    if matches!(round, Round::Client) && !CLIENT.contains(&name) {
        return Err(format!("there is no such function here; there are: {}", CLIENT.join(", ")));
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
        "upper" => one(str::to_uppercase),
        "lower" => one(str::to_lowercase),
        "title" => one(title),
        "chomp" => one(|s| s.trim_end_matches(['\n', '\r']).to_owned()),
        "trimspace" => one(|s| s.trim().to_owned()),
        "strrev" => one(|s| s.chars().rev().collect()),
        "strlen" => text(args, 0).map(|s| Value::from(s.chars().count() as i64)),
        "trim" => two(args, |s, cut| s.trim_matches(|c| cut.contains(c)).into()),
        "trimprefix" => two(args, |s, cut| s.strip_prefix(cut).unwrap_or(s).into()),
        "trimsuffix" => two(args, |s, cut| s.strip_suffix(cut).unwrap_or(s).into()),
        "startswith" => two(args, |s, with| s.starts_with(with).into()),
        "endswith" => two(args, |s, with| s.ends_with(with).into()),
        "split" => two(args, |by, s| strings(s.split(by))),
        "replace" => replace(args),
        "substr" => substr(args),
        "join" => join(args),
        "format" => text(args, 0).and_then(|f| format(&f, &args[1..])).map(Value::String),
        "tostring" => text(args, 0).map(Value::String),
        "indent" => indent(args),
        _ => return None,
    })
}

fn numbers(name: &str, args: &[Node]) -> Option<Result<Value>> {
    let one = |f: fn(f64) -> f64| number(args, 0).map(|n| Value::Number(Number::from_f64(f(n.as_f64()))));
    let fold = |f: fn(f64, f64) -> f64| {
        let all = (0..args.len()).map(|i| number(args, i).map(Number::as_f64)).collect::<Result<Vec<_>>>()?;
        all.into_iter().reduce(f).map(|n| Value::Number(Number::from_f64(n))).ok_or_else(|| "needs an argument".into())
    };
    Some(match name {
        "abs" => one(f64::abs),
        "ceil" => one(f64::ceil),
        "floor" => one(f64::floor),
        "int" => one(f64::trunc),
        "max" => fold(f64::max),
        "min" => fold(f64::min),
        "tonumber" => number(args, 0).map(Value::Number),
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
        "distinct" | "toset" => list(args, 0).map(|l| Value::List(distinct(l))),
        "tolist" => list(args, 0).map(Value::List),
        "flatten" => list(args, 0).map(|l| Value::List(flatten(l))),
        "reverse" => reverse(args),
        "sort" => sort(args),
        "element" => element(args),
        "slice" => slice(args),
        "coalesce" => args
            .iter()
            .find(|n| n.value != Value::Null)
            .map(|n| n.value.clone())
            .ok_or_else(|| "all arguments are null".into()),
        "hasindex" => (|| Ok(Value::Bool(super::eval::index(arg(args, 0)?.clone(), &arg(args, 1)?.value).is_ok())))(),
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
        "jsonencode" => arg(args, 0).map(|n| Value::String(escape_html(&to_json(&n.value).to_string()))),
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

fn arg(args: &[Node], i: usize) -> Result<&Node> {
    args.get(i).ok_or_else(|| format!("argument {} is missing", i + 1))
}

fn text(args: &[Node], i: usize) -> Result<String> {
    let node = arg(args, i)?;
    node.value.to_text().ok_or_else(|| format!("argument {} is a string, not {}", i + 1, node.value.kind()))
}

fn number(args: &[Node], i: usize) -> Result<Number> {
    let node = arg(args, i)?;
    match &node.value {
        Value::Number(n) => Some(*n),
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

/// The verbs that job files use: `%s %d %v %q %%`, floats as `%f` and `%.2f`, padding as `%03d`.
fn format(template: &str, args: &[Node]) -> Result<String> {
    let (mut out, mut chars, mut next) = (String::new(), template.chars(), 0);
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = String::new();
        let verb = loop {
            match chars.next().ok_or("the format ends after %")? {
                f if f.is_ascii_digit() || "+- .#".contains(f) => flags.push(f),
                verb => break verb,
            }
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        out.push_str(&pad(&flags, formatted(verb, &flags, args, next)?));
        next += 1;
    }
    if next < args.len() { Err(format!("{} arguments for {next} verbs", args.len())) } else { Ok(out) }
}

fn formatted(verb: char, flags: &str, args: &[Node], i: usize) -> Result<String> {
    match verb {
        'd' => number(args, i)?.as_int().map(|n| n.to_string()).ok_or_else(|| "%d needs a whole number".into()),
        'f' => {
            let digits = flags.split_once('.').and_then(|(_, d)| d.parse().ok()).unwrap_or(6);
            Ok(format!("{:.digits$}", number(args, i)?.as_f64()))
        }
        's' => text(args, i),
        'q' => text(args, i).map(|s| serde_json::Value::String(s).to_string()),
        'v' => arg(args, i).map(|n| n.value.to_text().unwrap_or_else(|| to_json(&n.value).to_string())),
        'x' => number(args, i)?.as_int().map(|n| format!("{n:x}")).ok_or_else(|| "%x needs a whole number".into()),
        other => Err(format!("the verb %{other} is unknown here")),
    }
}

fn pad(flags: &str, text: String) -> String {
    let width_part = flags.split('.').next().unwrap_or_default();
    let width: usize = width_part.trim_start_matches(['-', '+', ' ', '#', '0']).parse().unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    let zero = width_part.trim_start_matches('+').starts_with('0');
    match (width_part.starts_with('-'), zero) {
        (true, _) => text + &" ".repeat(missing),
        (_, true) => "0".repeat(missing) + &text,
        _ => " ".repeat(missing) + &text,
    }
}

fn range(args: &[Node]) -> Result<Value> {
    let all = (0..args.len())
        .map(|i| number(args, i)?.as_int().ok_or_else(|| "needs whole numbers".to_owned()))
        .collect::<Result<Vec<_>>>()?;
    let (start, end, step) = match all[..] {
        [end] => (0, end, 1),
        [start, end] => (start, end, 1),
        [start, end, step] if step > 0 => (start, end, step),
        _ => return Err("takes an end, or a start and an end, and a step above 0".into()),
    };
    let numbers = (start..end).step_by(usize::try_from(step).unwrap_or(1)).take(1024);
    Ok(Value::List(numbers.map(|i| Node { value: Value::Number(Number::Int(i)), span: 0..0 }).collect()))
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

fn reverse(args: &[Node]) -> Result<Value> {
    match &arg(args, 0)?.value {
        Value::List(items) => Ok(Value::List(items.iter().rev().cloned().collect())),
        other => other
            .to_text()
            .map(|s| s.chars().rev().collect::<String>().into())
            .ok_or_else(|| "takes a list or a string".into()),
    }
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

/// Turns a value into JSON.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Number(n) => match n.as_int().and_then(|i| i64::try_from(i).ok()) {
            Some(i) => i.into(),
            None => n.as_f64().into(),
        },
        Value::String(s) => s.clone().into(),
        Value::List(items) => items.iter().map(|n| to_json(&n.value)).collect(),
        Value::Map(members) => {
            serde_json::Value::Object(members.iter().map(|(k, m)| (k.clone(), to_json(&m.node.value))).collect())
        }
    }
}

/// Turns JSON into a value without a place.
pub fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => (*b).into(),
        serde_json::Value::Number(n) => Value::Number(Number::parse(&n.to_string()).unwrap_or(Number::Int(0))),
        serde_json::Value::String(s) => s.clone().into(),
        serde_json::Value::Array(items) => {
            Value::List(items.iter().map(|j| Node { value: from_json(j), span: 0..0 }).collect())
        }
        serde_json::Value::Object(members) => {
            Value::map(members.iter().map(|(k, v)| (k.clone(), from_json(v))), &(0..0))
        }
    }
}

/// Agents escape what could end a script element.
fn escape_html(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}
