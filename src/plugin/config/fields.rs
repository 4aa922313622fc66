//! Takes typed fields out of a config, and collects every mistake instead of stopping at the first.
//!
//! A field that is wrong gives what an absent one gives; [`Flaws::check`] at the end says whether the values may be used.

use std::{cell::RefCell, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use super::msgpack::{Value, decode};

/// What is wrong with a config so far. Each entry names its field.
#[derive(Default)]
pub(super) struct Flaws(RefCell<Vec<String>>);

/// The fields of one block. Dropping it without [`Fields::finish`] would let unknown names pass.
pub(super) struct Fields<'a> {
    path: String,
    values: Vec<(String, Value)>,
    known: Vec<&'static str>,
    flaws: &'a Flaws,
}

impl Flaws {
    /// Notes that `path` is wrong.
    pub(super) fn add(&self, path: &str, why: impl Display) {
        let text = if path.is_empty() { why.to_string() } else { format!("{path}: {why}") };
        self.0.borrow_mut().push(text);
    }

    /// Returns `value` if nothing was wrong, else all that was.
    pub(super) fn check<T>(self, value: T) -> Result<T, String> {
        let flaws = self.0.into_inner();
        if flaws.is_empty() { Ok(value) } else { Err(flaws.join("; ")) }
    }
}

impl<'a> Fields<'a> {
    /// Reads a whole config; no bytes at all are an empty one.
    pub(super) fn read(bytes: &[u8], flaws: &'a Flaws) -> Self {
        let value = if bytes.is_empty() { Ok(Value::Null) } else { decode(bytes) };
        match value {
            Ok(value) => Self::of(String::new(), value, flaws),
            Err(error) => {
                flaws.add("", error);
                Self::of(String::new(), Value::Null, flaws)
            }
        }
    }

    fn of(path: String, value: Value, flaws: &'a Flaws) -> Self {
        let values = match value {
            Value::Map(values) => values,
            Value::Null => Vec::new(),
            other => {
                flaws.add(&path, format_args!("is {}, must be a block", other.kind()));
                Vec::new()
            }
        };
        Self { path, values, known: Vec::new(), flaws }
    }

    /// Notes that the field `name` is wrong.
    pub(super) fn flaw(&self, name: &str, why: impl Display) {
        self.flaws.add(&self.path_of(name), why);
    }

    /// Notes each name that was not asked for, with the nearest one that is known.
    pub(super) fn finish(self) {
        for (name, _) in &self.values {
            let hint = match nearest(name, &self.known) {
                Some(near) => format!("unknown name; did you mean {near:?}?"),
                None => "unknown name".to_owned(),
            };
            self.flaw(&printable(name), hint);
        }
    }

    /// Text; an empty one counts as absent.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::Text(text) if text.is_empty() => None,
            Value::Text(text) => Some(text),
            other => self.wrong(name, &other, "a text"),
        }
    }

    /// Text that must be there.
    pub(super) fn required_text(&mut self, name: &'static str) -> String {
        let before = self.flaws.0.borrow().len();
        self.text(name).unwrap_or_else(|| {
            if self.flaws.0.borrow().len() == before {
                self.flaw(name, "is missing or empty");
            }
            String::new()
        })
    }

    /// Yes or no, also written as a word.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Text(text) if text == "true" => Some(true),
            Value::Text(text) if text == "false" => Some(false),
            other => self.wrong(name, &other, "true or false"),
        }
    }

    /// A whole number in `range`; the encoder sends it in any width, as a float, or as decimal text.
    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.take(name)?;
        let Some(number) = whole(&value) else { return self.wrong(name, &value, "a whole number") };
        if !range.contains(&number) {
            self.flaw(name, format_args!("{number} is out of range; give {} to {}", range.start(), range.end()));
            return None;
        }
        Some(number)
    }

    /// A span of time such as `90s`, `1h30m` or `250ms`, in `range`.
    pub(super) fn duration(&mut self, name: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(name)?;
        match parse_duration(&text) {
            Some(duration) if range.contains(&duration) => Some(duration),
            Some(_) => {
                self.flaw(
                    name,
                    format_args!("{} is out of range; give {:?} to {:?}", quoted(&text), range.start(), range.end()),
                );
                None
            }
            None => {
                self.flaw(
                    name,
                    format_args!(
                        "{} is no duration; give a number with unit such as \"30s\" or \"1h30m\"",
                        quoted(&text)
                    ),
                );
                None
            }
        }
    }

    /// Text that is parsed; the parser's error says what is wrong.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error: T::Err| self.flaw(name, error)).ok()
    }

    /// Text that is parsed and must be of one kind; `wanted` words that kind.
    pub(super) fn parsed_as<T: FromStr>(
        &mut self,
        name: &'static str,
        wanted: &str,
        good: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = text.parse().ok().filter(good);
        if value.is_none() {
            self.flaw(name, format_args!("{} is not {wanted}", quoted(&text)));
        }
        value
    }

    /// Says whether a field is there, whatever it holds: for options that have no effect.
    pub(super) fn present(&mut self, name: &'static str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::List(items)) => !items.is_empty(),
            Some(Value::Text(text)) => !text.is_empty(),
            Some(_) => true,
        }
    }

    /// A list of texts; absent is empty.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        self.maybe_texts(name).unwrap_or_default()
    }

    /// A list of texts, where an empty one says something else than none.
    pub(super) fn maybe_texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let items = match self.take(name)? {
            Value::List(items) => items,
            other => return self.wrong(name, &other, "a list of texts"),
        };
        let mut texts = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Value::Text(text) => texts.push(text),
                other => self.flaw(&format!("{name}[{at}]"), format_args!("is {}, must be a text", other.kind())),
            }
        }
        Some(texts)
    }

    /// Pairs of texts, from a list of maps that are put together, as the peers write labels.
    pub(super) fn pairs(&mut self, name: &'static str) -> Vec<(String, String)> {
        let maps = match self.take(name) {
            None => return Vec::new(),
            Some(Value::List(maps)) => maps,
            Some(map @ Value::Map(_)) => vec![map],
            Some(other) => return self.wrong(name, &other, "a map of texts").unwrap_or_default(),
        };
        let mut pairs = Vec::new();
        for map in maps {
            let Value::Map(entries) = map else {
                self.flaw(name, format_args!("holds {}, must hold maps", map.kind()));
                continue;
            };
            for (key, value) in entries {
                match value {
                    Value::Text(text) => pairs.push((key, text)),
                    Value::Null => {}
                    other => self.flaw(
                        &format!("{name}.{}", printable(&key)),
                        format_args!("is {}, must be a text", other.kind()),
                    ),
                }
            }
        }
        pairs
    }

    /// A block that may be absent.
    pub(super) fn block(&mut self, name: &'static str) -> Option<Fields<'a>> {
        let value = self.take(name)?;
        Some(Fields::of(self.path_of(name), value, self.flaws))
    }

    /// A block whose fields are all optional, as if it were there empty when absent.
    pub(super) fn block_or_empty(&mut self, name: &'static str) -> Fields<'a> {
        let value = self.take(name).unwrap_or(Value::Null);
        Fields::of(self.path_of(name), value, self.flaws)
    }

    /// A block that may be repeated, in order.
    pub(super) fn blocks(&mut self, name: &'static str) -> Vec<Fields<'a>> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::List(items)) => items,
            Some(other) => return self.wrong(name, &other, "a list of blocks").unwrap_or_default(),
        };
        let path = self.path_of(name);
        items.into_iter().enumerate().map(|(at, item)| Fields::of(format!("{path}[{at}]"), item, self.flaws)).collect()
    }

    /// Blocks by their label.
    pub(super) fn labelled(&mut self, name: &'static str) -> Vec<(String, Fields<'a>)> {
        let entries = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Map(entries)) => entries,
            Some(other) => return self.wrong(name, &other, "blocks with a label").unwrap_or_default(),
        };
        let path = self.path_of(name);
        let fields = |label: &str, value| Fields::of(format!("{path} {}", quoted(label)), value, self.flaws);
        entries.into_iter().map(|(label, value)| (label.clone(), fields(&label, value))).collect()
    }

    /// Takes a field out; null counts as absent.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let at = self.values.iter().position(|(key, _)| key == name)?;
        Some(self.values.swap_remove(at).1).filter(|value| *value != Value::Null)
    }

    fn wrong<T>(&self, name: &str, value: &Value, wanted: &str) -> Option<T> {
        self.flaw(name, format_args!("is {}, must be {wanted}", value.kind()));
        None
    }

    fn path_of(&self, name: &str) -> String {
        match (self.path.is_empty(), name.is_empty()) {
            (_, true) => self.path.clone(),
            (true, _) => name.to_owned(),
            (false, _) => format!("{}.{name}", self.path),
        }
    }
}

/// Returns `text` in quotes, escaped and cut, for values that cannot be secret.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

/// Returns a name as it may stand in a message.
fn printable(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_default).collect()
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        // Beyond 2^53 a float no longer tells which whole number was meant.
        Value::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
            Some(*number as i64)
        }
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a duration of one or more whole numbers with units.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let millis = match &after[..end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = &after[end..];
    }
    (!text.is_empty()).then_some(total)
}

/// Returns the known name that `name` was probably meant to be.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    // A name of any length would make the comparison slow; ours are short.
    if name.len() > 64 {
        return None;
    }
    let close = |candidate: &&str| distance(name, candidate);
    known.iter().copied().min_by_key(close).filter(|best| distance(name, best) <= 1 + best.len() / 4)
}

/// Counts the letters to insert, delete or replace that make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "30", "s", "-1s", "1.5h", "soon", "1 h", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_come_in_three_forms() {
        assert_eq!(whole(&Value::Integer(-3)), Some(-3));
        assert_eq!(whole(&Value::Float(3.0)), Some(3));
        assert_eq!(whole(&Value::Text("18".to_owned())), Some(18));
        for bad in [Value::Float(0.5), Value::Float(f64::INFINITY), Value::Text("0.1".to_owned()), Value::Bool(true)] {
            assert_eq!(whole(&bad), None, "{}", bad.kind());
        }
    }

    #[test]
    fn misspelt_names_are_set_right() {
        let known = ["address", "ca_file", "namespace"];
        assert_eq!(nearest("adress", &known), Some("address"));
        assert_eq!(nearest("cafile", &known), Some("ca_file"));
        assert_eq!(nearest("privileged", &known), None);
    }
}
