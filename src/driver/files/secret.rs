//! The files that one secret block makes.

use serde_json::{Map, Value};

use super::{
    super::{
        Class, DriverError,
        formats::{self, Fields},
        holdings::Answer,
    },
    MODE, insert,
};
use crate::domain::{Encoding, FileSet, OnLoss, OutputFile, SecretRequest};

/// Adds the files of `request`, as far as there is an answer or the job has defaults.
///
/// # Errors
/// Fields that cannot become files, or do not fit the form that the job wants. Fields are named, values are not.
pub(super) fn add(files: &mut FileSet, request: &SecretRequest, answer: Option<&Answer>) -> Result<(), DriverError> {
    let Some(fields) = wanted(request, answer)? else { return Ok(()) };
    let refused = |class: Class, why: String| DriverError::new(class, format!("secret {:?}: {why}", request.name));
    match formats::write(&request.format, &fields) {
        Ok(Some(contents)) => {
            files.files.insert(request.output().clone(), OutputFile::new(contents, MODE));
            Ok(())
        }
        Ok(None) => one_each(files, request, &fields).map_err(|why| refused(Class::PathRefused, why)),
        Err(error) => Err(refused(Class::SecretMissing, error.to_string())),
    }
}

/// Returns the fields to deliver; `None` when there are none to.
pub(super) fn wanted(request: &SecretRequest, answer: Option<&Answer>) -> Result<Option<Fields>, DriverError> {
    let there = answer.filter(|answer| is_shown(request, answer));
    if there.is_none() && request.defaults.is_empty() {
        return Ok(None);
    }
    let mut found = Fields::of(there.map(|answer| fields(&answer.value)).unwrap_or_default());
    if request.encoding == Encoding::Base64 {
        found = found
            .decoded()
            .map_err(|error| DriverError::new(Class::SecretMissing, format!("secret {:?}: {error}", request.name)))?;
    }
    for (name, text) in &request.defaults {
        found.default_to(name, text);
    }
    Ok(Some(found))
}

/// Says whether an answer's values are to be shown: they are there, and not lost in a way in which the job wants them gone.
fn is_shown(request: &SecretRequest, answer: &Answer) -> bool {
    let lost = answer.lost.is_some_and(|loss| request.on_loss(loss) != OnLoss::Keep);
    !answer.value.is_null() && !lost
}

fn one_each(files: &mut FileSet, request: &SecretRequest, fields: &Fields) -> Result<(), String> {
    for (name, content) in fields.iter() {
        if name.contains('/') {
            let short: String = name.chars().take(80).collect();
            return Err(format!("a field cannot become a file: its name {short:?} has a slash; use a template for it"));
        }
        insert(files, &request.name, name, content.bytes())
            .map_err(|error| format!("a field cannot become a file: {}", error.message()))?;
    }
    Ok(())
}

/// Returns the fields of an answer: of KV version 2 the inner `data`, otherwise `data` itself.
pub(in crate::driver) fn fields(answer: &Value) -> Map<String, Value> {
    let data = &answer["data"];
    let inner = if is_versioned(data) { &data["data"] } else { data };
    inner.as_object().cloned().unwrap_or_default()
}

/// Tells KV version 2 by its shape: exactly `data` and `metadata`, and a version in the latter.
fn is_versioned(data: &Value) -> bool {
    data.as_object().is_some_and(|map| map.len() == 2 && map.contains_key("data"))
        && data["metadata"]["version"].is_number()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::domain::{ChangeAction, Format, Loss};

    fn request() -> SecretRequest {
        let [name, path] = ["db", "kv/data/db"];
        SecretRequest::new(name.parse().expect("a name"), path.parse().expect("a path"), ChangeAction::Noop)
    }

    fn answer(fields: Value) -> Answer {
        let value = match fields {
            Value::Null => Value::Null,
            fields => json!({"data": {"data": fields, "metadata": {"version": 1}}}),
        };
        Answer { value: Arc::new(value), ..Answer::absent() }
    }

    fn made(request: &SecretRequest, answer: &Answer) -> Vec<(String, Vec<u8>)> {
        let mut files = FileSet::default();
        add(&mut files, request, Some(answer)).expect("files");
        files.files.into_iter().map(|(path, file)| (path.to_string(), file.contents.expose().to_vec())).collect()
    }

    fn texts(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn defaults_stand_for_missing_fields_and_for_a_missing_secret() {
        let with = SecretRequest { defaults: [("b".to_owned(), "two".to_owned())].into(), ..request() };
        assert_eq!(made(&with, &answer(json!({"a": "1"}))), texts(&[("db/a", "1"), ("db/b", "two")]));
        assert_eq!(made(&with, &answer(Value::Null)), texts(&[("db/b", "two")]));
        assert_eq!(made(&request(), &answer(Value::Null)), []);
    }

    #[test]
    fn a_lost_secret_is_shown_only_where_the_job_says_keep() {
        let lost = |loss| Answer { lost: Some(loss), ..answer(json!({"a": "1"})) };
        assert_eq!(made(&request(), &lost(Loss::Deleted)), texts(&[("db/a", "1")]));
        assert_eq!(made(&request(), &lost(Loss::Denied)), []);
        let mut optional = SecretRequest { optional: true, ..request() };
        optional.upkeep.losses.on_denied = Some(OnLoss::Keep);
        assert_eq!(made(&optional, &lost(Loss::Deleted)), []);
        assert_eq!(made(&optional, &lost(Loss::Denied)), texts(&[("db/a", "1")]));
    }

    #[test]
    fn base64_values_are_files_of_bytes_and_defaults_are_not_decoded() {
        let request = SecretRequest {
            encoding: Encoding::Base64,
            defaults: [("plain".to_owned(), "x".to_owned())].into(),
            ..request()
        };
        let wanted = vec![("db/key".to_owned(), vec![0, 255, 10]), ("db/plain".to_owned(), b"x".to_vec())];
        assert_eq!(made(&request, &answer(json!({"key": "AP8K"}))), wanted);
        let error = add(&mut FileSet::default(), &request, Some(&answer(json!({"key": "no!"})))).expect_err("refused");
        assert!(error.message().contains("field \"key\" is not base64") && !error.message().contains("no!"), "{error}");
    }

    #[test]
    fn one_file_bears_the_blocks_name_or_its_own() {
        let whole = SecretRequest { format: Format::Dotenv, ..request() };
        assert_eq!(made(&whole, &answer(json!({"A": "1"}))), texts(&[("db", "A=1\n")]));
        let named = SecretRequest { file: Some("etc/db.env".parse().expect("a name")), ..whole };
        assert_eq!(made(&named, &answer(json!({"A": "1"}))), texts(&[("etc/db.env", "A=1\n")]));
        let error =
            add(&mut FileSet::default(), &named, Some(&answer(json!({"a-b": "hunter2"})))).expect_err("refused");
        assert!(error.message().contains("\"a-b\"") && !error.message().contains("hunter2"), "{error}");
    }
}
