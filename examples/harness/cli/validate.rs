//! Checks a job file against the plugin's schema.

use std::collections::BTreeMap;

use super::{Failure, arguments::Validate, print, read_job, schemas::schemas};
use crate::harness::{env::NodeFacts, ids, job::Job, report::Report, runner, spec::Spec};

/// Decodes every task of the job; all that is wrong is said at once.
pub async fn validate(wanted: &Validate) -> Result<i32, Failure> {
    let job = read_job(&wanted.job, &wanted.variables)?;
    let schemas = schemas(&wanted.binary).await?;
    let (ours, others): (Vec<_>, Vec<_>) = job.tasks().partition(|(_, task)| task.driver == schemas.driver);
    // A plugin that nobody configured gives no fingerprint, so that its attributes are unknown here.
    let facts = NodeFacts::of_this_machine(&ids::uuid(), BTreeMap::new(), &wanted.node.words());
    check(&job, &schemas.task, &schemas.driver, &facts)?;
    print::out(&format!("{}: {} right by the plugin's schema", wanted.job.display(), count(ours.len())));
    if !others.is_empty() {
        print::note(&format!("{} of other drivers, not looked at", count(others.len())));
    }
    Ok(0)
}

/// Says what is wrong with the job's tasks of `driver`.
pub fn check(job: &Job, spec: &Spec, driver: &str, facts: &NodeFacts) -> Result<(), Report> {
    let ours = job.tasks().filter(|(_, task)| task.driver == driver);
    let problems: Vec<_> = ours.flat_map(|(group, task)| runner::check(spec, facts, job, group, task)).collect();
    if problems.is_empty() { Ok(()) } else { Err(Report::errors(&job.source, problems)) }
}

fn count(tasks: usize) -> String {
    if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") }
}
