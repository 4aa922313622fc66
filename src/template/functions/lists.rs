//! Lists and maps: made, joined, picked from.

use std::{collections::BTreeMap, sync::Arc};

use super::{compare, int, show, text, utf8};
use crate::template::{
    error::Problem,
    text::{Builder, Text},
    value::{Map, Value},
};

/// Longest list that a number makes.
const COUNT_MAX: i128 = 100_000;

/// Returns argument `nth` as a list.
fn list_of(args: &[Value], nth: usize) -> Result<&[Value], Problem> {
    match &args[nth] {
        Value::List(items) => Ok(items),
        Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
        other => Err(Problem::message(format!("argument {} is {}, not a list", nth + 1, other.kind()))),
    }
}

/// Returns argument `nth` as a map.
fn map_of(args: &[Value], nth: usize) -> Result<&Map, Problem> {
    match &args[nth] {
        Value::Map(map) => Ok(map),
        Value::Nil(origin) => Err(Problem::null(origin.as_ref())),
        other => Err(Problem::message(format!("argument {} is {}, not a map", nth + 1, other.kind()))),
    }
}

fn map(entries: BTreeMap<String, Value>) -> Value {
    Value::Map(Arc::new(Map { entries, origin: None }))
}

fn keys_of(args: &[Value], from: usize) -> Result<Vec<&str>, Problem> {
    (from..args.len()).map(|nth| utf8(args, nth)).collect()
}

/// Returns the arguments as a list.
pub fn list(args: &[Value]) -> Result<Value, Problem> {
    Ok(args.to_vec().into())
}

/// Returns the numbers from the first argument, or zero, up to but without the last.
pub fn count(args: &[Value]) -> Result<Value, Problem> {
    let (from, to) = if args.len() == 1 { (0, int(args, 0)?) } else { (int(args, 0)?, int(args, 1)?) };
    if to.saturating_sub(from) > COUNT_MAX {
        return Err(Problem::Limit("counts further than 100,000"));
    }
    Ok((from..to).map(Value::Int).collect::<Vec<_>>().into())
}

/// Returns the first item, or null.
pub fn first(args: &[Value]) -> Result<Value, Problem> {
    Ok(list_of(args, 0)?.first().cloned().unwrap_or(Value::Nil(None)))
}

/// Returns the last item, or null.
pub fn last(args: &[Value]) -> Result<Value, Problem> {
    Ok(list_of(args, 0)?.last().cloned().unwrap_or(Value::Nil(None)))
}

/// Returns all but the first item.
pub fn rest(args: &[Value]) -> Result<Value, Problem> {
    Ok(list_of(args, 0)?.split_first().map_or(&[][..], |(_, rest)| rest).to_vec().into())
}

/// Returns all but the last item.
pub fn initial(args: &[Value]) -> Result<Value, Problem> {
    Ok(list_of(args, 0)?.split_last().map_or(&[][..], |(_, rest)| rest).to_vec().into())
}

/// Returns the list with an item behind it.
pub fn append(args: &[Value]) -> Result<Value, Problem> {
    Ok([list_of(args, 0)?, &args[1..]].concat().into())
}

/// Returns the list with an item before it.
pub fn prepend(args: &[Value]) -> Result<Value, Problem> {
    Ok([&args[1..], list_of(args, 0)?].concat().into())
}

/// Returns the lists one after the other.
pub fn concat(args: &[Value]) -> Result<Value, Problem> {
    let lists = (0..args.len()).map(|nth| list_of(args, nth)).collect::<Result<Vec<_>, _>>()?;
    Ok(lists.concat().into())
}

/// Returns the list from its end.
pub fn reverse(args: &[Value]) -> Result<Value, Problem> {
    Ok(list_of(args, 0)?.iter().rev().cloned().collect::<Vec<_>>().into())
}

/// Returns each item once, where it stands first. Only texts and numbers are told apart cheaply enough for any length.
pub fn uniq(args: &[Value]) -> Result<Value, Problem> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept = Vec::new();
    for item in list_of(args, 0)? {
        if seen.insert(key_of(item)?) {
            kept.push(item.clone());
        }
    }
    Ok(kept.into())
}

/// Returns the list without the items that equal one of the other arguments.
pub fn without(args: &[Value]) -> Result<Value, Problem> {
    let dropped = args[1..].iter().map(key_of).collect::<Result<std::collections::BTreeSet<_>, _>>()?;
    let mut kept = Vec::new();
    for item in list_of(args, 0)? {
        if !dropped.contains(&key_of(item)?) {
            kept.push(item.clone());
        }
    }
    Ok(kept.into())
}

/// Returns what an item is compared by: its kind and its bytes.
fn key_of(item: &Value) -> Result<(u8, Vec<u8>), Problem> {
    match item {
        Value::Text(text) => Ok((0, text.bytes().to_vec())),
        Value::Int(number) => Ok((1, number.to_be_bytes().to_vec())),
        Value::Bool(value) => Ok((2, vec![u8::from(*value)])),
        other => Err(Problem::message(format!("{} cannot be compared with the other items", other.kind()))),
    }
}

/// Says whether the first argument is an item of the second, a list.
pub fn has(args: &[Value]) -> Result<Value, Problem> {
    let is_it = |item: &Value| compare::equal(item, &args[0]).unwrap_or(false);
    Ok(list_of(args, 1)?.iter().any(is_it).into())
}

/// Returns the items that count as true.
pub fn compact(args: &[Value]) -> Result<Value, Problem> {
    Ok(list_of(args, 0)?.iter().filter(|item| item.truth()).cloned().collect::<Vec<_>>().into())
}

/// Returns the items as texts in the order of their bytes.
pub fn sort_alpha(args: &[Value]) -> Result<Value, Problem> {
    let mut texts = list_of(args, 0)?.iter().map(spelled).collect::<Result<Vec<_>, _>>()?;
    texts.sort_by(|a, b| a.bytes().cmp(b.bytes()));
    Ok(texts.into_iter().map(Value::Text).collect::<Vec<_>>().into())
}

/// Puts the items together, spelled as they would be printed, with the first argument between them.
pub fn join(args: &[Value]) -> Result<Value, Problem> {
    let separator = text(args, 0)?;
    let Value::List(items) = &args[1] else { return spelled(&args[1]).map(Value::Text) };
    let mut out = Builder::default();
    for (nth, item) in items.iter().filter(|item| !matches!(item, Value::Nil(_))).enumerate() {
        if nth > 0 {
            out.push(separator.bytes())?;
        }
        show(item, &mut out)?;
    }
    Ok(out.text().into())
}

/// Returns a value as it would be printed.
pub fn spelled(value: &Value) -> Result<Text, Problem> {
    let mut out = Builder::default();
    show(value, &mut out)?;
    Ok(out.text())
}

/// Makes a map of names and values in turn.
pub fn dict(args: &[Value]) -> Result<Value, Problem> {
    let mut entries = BTreeMap::new();
    for nth in (0..args.len()).step_by(2) {
        let value = args.get(nth + 1).cloned().unwrap_or_else(|| "".into());
        entries.insert(utf8(args, nth)?.to_owned(), value);
    }
    Ok(map(entries))
}

/// Returns an entry, or an empty text.
pub fn get(args: &[Value]) -> Result<Value, Problem> {
    Ok(map_of(args, 0)?.entries.get(utf8(args, 1)?).cloned().unwrap_or_else(|| "".into()))
}

/// Says whether a map has an entry.
pub fn has_key(args: &[Value]) -> Result<Value, Problem> {
    Ok(map_of(args, 0)?.entries.contains_key(utf8(args, 1)?).into())
}

/// Returns the names of a map, in their order.
pub fn keys(args: &[Value]) -> Result<Value, Problem> {
    let mut names = Vec::new();
    for nth in 0..args.len() {
        names.extend(map_of(args, nth)?.entries.keys().map(|name| Value::from(name.as_str())));
    }
    Ok(names.into())
}

/// Returns the values of a map, in the order of their names.
pub fn values(args: &[Value]) -> Result<Value, Problem> {
    let mut found = Vec::new();
    for nth in 0..args.len() {
        found.extend(map_of(args, nth)?.entries.values().cloned());
    }
    Ok(found.into())
}

/// Returns a map of the named entries alone.
pub fn pick(args: &[Value]) -> Result<Value, Problem> {
    let (whole, names) = (map_of(args, 0)?, keys_of(args, 1)?);
    let picked = names.into_iter().filter_map(|name| Some((name.to_owned(), whole.entries.get(name)?.clone())));
    Ok(map(picked.collect()))
}

/// Returns a map without the named entries.
pub fn omit(args: &[Value]) -> Result<Value, Problem> {
    let (whole, names) = (map_of(args, 0)?, keys_of(args, 1)?);
    let mut entries = whole.entries.clone();
    names.into_iter().for_each(|name| _ = entries.remove(name));
    Ok(map(entries))
}

/// Returns the second map with what only the first has.
pub fn merge_map(args: &[Value]) -> Result<Value, Problem> {
    merged(map_of(args, 0)?, map_of(args, 1)?, 0).map(map)
}

/// Returns the second map with all that the first has.
pub fn merge_map_with_override(args: &[Value]) -> Result<Value, Problem> {
    merged(map_of(args, 1)?, map_of(args, 0)?, 0).map(map)
}

/// Returns `first` over `other`, maps within them entry by entry. Empty values of `first` give way, as in the peers.
fn merged(other: &Map, first: &Map, depth: usize) -> Result<BTreeMap<String, Value>, Problem> {
    if depth > crate::template::limits::VALUE_DEPTH {
        return Err(Problem::Limit("merges maps nested more than 64 deep"));
    }
    let mut entries = first.entries.clone();
    for (name, value) in &other.entries {
        let value = match (entries.get(name), value) {
            (Some(Value::Map(first)), Value::Map(other)) => map(merged(other, first, depth + 1)?),
            (Some(held), _) if held.truth() => continue,
            _ => value.clone(),
        };
        entries.insert(name.clone(), value);
    }
    Ok(entries)
}

/// Reads `name=value` pieces between separators into a map.
pub fn split_to_map(args: &[Value]) -> Result<Value, Problem> {
    let (between, within, whole) = (utf8(args, 0)?, utf8(args, 1)?, utf8(args, 2)?);
    if between.is_empty() || within.is_empty() {
        return Err(Problem::message("takes separators that are not empty"));
    }
    let mut entries = BTreeMap::new();
    for piece in whole.split(between).map(str::trim).filter(|piece| !piece.is_empty()) {
        let Some((name, value)) = piece.split_once(within) else {
            return Err(Problem::message("a piece of the text has no name and value"));
        };
        entries.insert(name.trim().to_owned(), value.trim().into());
    }
    Ok(map(entries))
}

/// Says whether every item of the first list is in the second.
pub fn contains_all(args: &[Value]) -> Result<Value, Problem> {
    how_many(args).map(|(found, all)| (found == all).into())
}

/// Says whether an item of the first list is in the second.
pub fn contains_any(args: &[Value]) -> Result<Value, Problem> {
    how_many(args).map(|(found, _)| (found > 0).into())
}

/// Says whether no item of the first list is in the second.
pub fn contains_none(args: &[Value]) -> Result<Value, Problem> {
    how_many(args).map(|(found, _)| (found == 0).into())
}

/// Says whether not every item of the first list is in the second.
pub fn contains_not_all(args: &[Value]) -> Result<Value, Problem> {
    how_many(args).map(|(found, all)| (found != all).into())
}

fn how_many(args: &[Value]) -> Result<(usize, usize), Problem> {
    let there = list_of(args, 1)?.iter().map(key_of).collect::<Result<std::collections::BTreeSet<_>, _>>()?;
    let wanted = list_of(args, 0)?;
    let mut found = 0;
    for item in wanted {
        found += usize::from(there.contains(&key_of(item)?));
    }
    Ok((found, wanted.len()))
}
