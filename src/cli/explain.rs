//! Says for each request of a job which rule allows or refuses it. Sends nothing.

use std::{collections::BTreeMap, error::Error, fs, io, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};

use super::{fail, write_to};
use crate::{
    driver::{self, DriverError, Ground, Settings, Verdict},
    plugin::{self, JobTask},
};

#[derive(Args)]
pub(super) struct Question {
    /// The job's file in HCL.
    job: PathBuf,
    /// A file with the plugin block, such as the agent's own configuration.
    #[arg(long)]
    config: PathBuf,
    /// The namespace; the job's own when absent, else `default`.
    #[arg(long)]
    namespace: Option<String>,
    /// A value for one of the job's variables, NAME=VALUE. May be repeated.
    #[arg(long = "var", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// What is known of one task's requests.
struct Explained {
    task: JobTask,
    verdicts: Result<Vec<Verdict>, String>,
}

/// Explains a job. The exit code is 0 when every request is allowed and everything could be read.
pub(super) fn run(question: Question) -> ExitCode {
    match explain(&question) {
        Ok((text, is_allowed)) => {
            write_to(io::stdout(), &text);
            if is_allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(error.as_ref()),
    }
}

fn explain(question: &Question) -> Result<(String, bool), Box<dyn Error>> {
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let named = |path: &PathBuf, error: &dyn Error| format!("{}: {error}", path.display());
    let config = read(&question.config)?;
    let settings = plugin::settings_from_hcl(&config).map_err(|error| named(&question.config, &error))?;
    let variables: BTreeMap<_, _> = question.variables.iter().cloned().collect();
    let tasks = plugin::tasks_of_job(&read(&question.job)?, question.namespace.as_deref(), &variables)
        .map_err(|error| named(&question.job, &error))?;
    if tasks.is_empty() {
        return Err(named(&question.job, &io::Error::other("no task with driver = \"strongbox\"")).into());
    }
    let explained: Vec<_> = tasks.into_iter().map(|task| Explained::of(&settings, task)).collect();
    let lines = rule_lines(&config, settings.rules.len());
    let text = match question.json {
        true => format!("{:#}\n", Value::Array(explained.iter().map(|task| task.as_json(&lines)).collect())),
        false => explained.iter().map(|task| task.as_text(&lines)).collect(),
    };
    Ok((text, explained.iter().all(Explained::is_allowed)))
}

impl Explained {
    fn of(settings: &Settings, task: JobTask) -> Self {
        let verdicts = match &task.asks {
            Ok(asks) => {
                driver::explain(settings, &task.meta, asks, task.auth.as_ref()).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        Self { task, verdicts }
    }

    fn is_allowed(&self) -> bool {
        let allowed = |verdicts: &Vec<Verdict>| verdicts.iter().all(|verdict| verdict.outcome.is_ok());
        self.task.unknown.is_empty() && self.verdicts.as_ref().is_ok_and(allowed)
    }

    fn as_text(&self, lines: &[usize]) -> String {
        let meta = &self.task.meta;
        let mut text = format!(
            "task {:?} of group {:?}, job {:?}, namespace {:?}\n",
            meta.name, meta.group, meta.job_id, meta.namespace
        );
        match &self.verdicts {
            Ok(verdicts) if verdicts.is_empty() => text.push_str("  ok      asks for nothing\n"),
            Ok(verdicts) => verdicts.iter().for_each(|verdict| text.push_str(&line(verdict, lines))),
            Err(error) => text.push_str(&format!("  WRONG   {error}\n")),
        }
        for unknown in &self.task.unknown {
            text.push_str(&format!("  UNKNOWN {unknown}; give its value with --var\n"));
        }
        text
    }

    fn as_json(&self, lines: &[usize]) -> Value {
        let meta = &self.task.meta;
        let verdicts = self.verdicts.as_ref().map(Vec::as_slice).unwrap_or_default();
        json!({
            "namespace": meta.namespace,
            "job": meta.job_id,
            "group": meta.group,
            "task": meta.name,
            "allowed": self.is_allowed(),
            "error": self.verdicts.as_ref().err(),
            "unknown": self.task.unknown,
            "requests": verdicts.iter().map(|verdict| json!({
                "block": verdict.block,
                "asks": verdict.asks,
                "allowed": verdict.outcome.is_ok(),
                "rule": rule_of(verdict),
                "line": rule_of(verdict).and_then(|rule| line_of(rule, lines)),
                "setting": setting_of(verdict),
                "reason": verdict.outcome.as_ref().err().map(DriverError::message),
            })).collect::<Vec<_>>(),
        })
    }
}

fn line(verdict: &Verdict, lines: &[usize]) -> String {
    let Verdict { block, asks, outcome } = verdict;
    match outcome {
        Ok(Ground::Rule(rule)) => {
            let at = line_of(*rule, lines).map(|line| format!(", line {line}")).unwrap_or_default();
            format!("  ok      {block}: {asks} by allow rule {rule}{at}\n")
        }
        Ok(Ground::Setting(setting)) => format!("  ok      {block}: {asks} by {setting}\n"),
        Err(refused) => format!("  REFUSED {block}: {}\n", refused.message()),
    }
}

fn rule_of(verdict: &Verdict) -> Option<usize> {
    match verdict.outcome {
        Ok(Ground::Rule(rule)) => Some(rule),
        Ok(Ground::Setting(_)) | Err(_) => None,
    }
}

fn setting_of(verdict: &Verdict) -> Option<&'static str> {
    match verdict.outcome {
        Ok(Ground::Setting(setting)) => Some(setting),
        Ok(Ground::Rule(_)) | Err(_) => None,
    }
}

fn line_of(rule: usize, lines: &[usize]) -> Option<usize> {
    lines.get(rule.checked_sub(1)?).copied()
}

/// Finds the lines where the rules begin. None, when that cannot be told for sure.
fn rule_lines(config: &str, rules: usize) -> Vec<usize> {
    let begins =
        |line: &str| line.trim_start().strip_prefix("allow").is_some_and(|rest| rest.trim_start().starts_with('{'));
    let lines: Vec<_> = config.lines().enumerate().filter(|(_, line)| begins(line)).map(|(at, _)| at + 1).collect();
    if lines.len() == rules { lines } else { Vec::new() }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "no NAME=VALUE".to_owned())
}
