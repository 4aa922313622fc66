//! A job as its author has it: an HCL file, of which the tasks of this driver are read.
//!
//! Knows variables with their defaults, `file()`, and plain expressions; what an agent would fill in at run time stays as it
//! is written. What cannot be known here is told, never guessed.

use std::{collections::BTreeMap, fs};

use hcl::{
    Block, Body, Expression,
    eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType},
};
use serde_json::{Map, Value};

use super::{
    config,
    proto::hclspec::{Spec, spec},
    schema,
};
use crate::{
    domain::{RegistryAuth, TaskMeta},
    driver::{Asks, DriverError},
};

/// What a start has and a file has not; no rule can be told by it.
const NOT_PLACED: &str = "not-placed";

/// A task of this driver, as a job file has it.
#[derive(Debug)]
pub struct JobTask {
    /// Who it would be.
    pub meta: TaskMeta,
    /// What it would ask for, or what is wrong with its config.
    pub asks: Result<Asks, DriverError>,
    /// The credential that it names for its registry.
    pub auth: Option<RegistryAuth>,
    /// Values that nobody can know before the job runs, such as a variable without a value.
    pub unknown: Vec<String>,
}

/// Why a file is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobFileError {
    /// It cannot be brought into the wire's form.
    #[error("config block cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// It is no HCL.
    #[error("no HCL: {0}")]
    Hcl(#[from] hcl::Error),
    /// It has no job.
    #[error("no job block with a label; write job \"NAME\" {{ … }}")]
    NoJob,
}

/// Reads the tasks that this driver would run. `variables` go before the defaults in the file; a job without a namespace of its
/// own is in `namespace`.
///
/// # Errors
/// The text is no HCL or has no job.
pub fn tasks_of_job(
    text: &str,
    namespace: Option<&str>,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<JobTask>, JobFileError> {
    let mut body: Body = hcl::parse(text)?;
    let context = context(&body, variables);
    // What cannot be worked out stays as it is written, and is looked for below where it matters.
    body.evaluate_in_place(&context).ok();
    let job = body.blocks().find(|block| block.identifier() == "job").ok_or(JobFileError::NoJob)?;
    let id = label(job).ok_or(JobFileError::NoJob)?;
    let meta = TaskMeta {
        id: NOT_PLACED.parse().expect("it is a task id"),
        name: String::new(),
        group: String::new(),
        job_name: text_of(job, "name").unwrap_or_else(|| id.clone()),
        namespace: namespace.map(str::to_owned).or_else(|| text_of(job, "namespace")).unwrap_or("default".to_owned()),
        job_id: id,
        alloc_id: NOT_PLACED.to_owned(),
        node_id: NOT_PLACED.to_owned(),
        node_name: NOT_PLACED.to_owned(),
    };
    let groups = job.body().blocks().filter(|block| block.identifier() == "group");
    let tasks: Vec<_> = groups.map(|group| tasks_of_group(group, &meta)).collect::<Result<_, _>>()?;
    Ok(tasks.into_iter().flatten().collect())
}

fn tasks_of_group(group: &Block, job: &TaskMeta) -> Result<Vec<JobTask>, JobFileError> {
    let ours = |block: &&Block| {
        block.identifier() == "task" && text_of(block, "driver").is_some_and(|driver| driver.contains("strongbox"))
    };
    let name = |block| label(block).unwrap_or_default();
    let task = |task| {
        let meta = TaskMeta { group: name(group), name: name(task), ..job.clone() };
        let config = task.body().blocks().find(|block| block.identifier() == "config");
        let unknown = config.map(|config| unknown(config.body(), "")).unwrap_or_default();
        let (asks, auth) = match options(config)? {
            Ok((asks, auth)) => (Ok(asks), auth),
            Err(error) => (Err(error), None),
        };
        Ok(JobTask { meta, asks, auth, unknown })
    };
    group.body().blocks().filter(ours).map(task).collect()
}

type Options = (Asks, Option<RegistryAuth>);

fn options(config: Option<&Block>) -> Result<Result<Options, DriverError>, JobFileError> {
    let Some(config) = config else { return Ok(Ok(Options::default())) };
    let mut value: Value = hcl::from_body(config.body().clone())?;
    as_agents_send(&mut value, &schema::task_config());
    let options = config::task_options(&rmp_serde::to_vec_named(&value)?);
    Ok(options.map(|options| {
        let asks = Asks {
            vault_role: options.vault_role,
            server: options.server,
            secrets: options.secrets,
            certificates: options.certificates,
            templates: options.templates,
            // Nothing is rendered, and a file does not know what the orchestrator will add.
            env: BTreeMap::new(),
        };
        (asks, options.container.pull.auth)
    }))
}

/// Brings blocks into the form of the wire: what may be repeated is a list there, also when it is written once.
pub(super) fn as_agents_send(value: &mut Value, spec: &Spec) {
    match &spec.block {
        Some(spec::Block::Object(object)) => {
            let Some(fields) = value.as_object_mut() else { return };
            for (name, value) in fields {
                if let Some(spec) = object.attributes.get(name) {
                    as_agents_send(value, spec);
                }
            }
        }
        Some(spec::Block::BlockList(list)) => {
            as_list(value);
            each(value.as_array_mut().into_iter().flatten(), list.nested.as_deref());
        }
        Some(spec::Block::BlockMap(map)) => {
            let blocks = value.as_object_mut().map(Map::values_mut).into_iter().flatten();
            each(blocks, map.nested.as_deref());
        }
        Some(spec::Block::BlockValue(block)) => each([value].into_iter(), block.nested.as_deref()),
        Some(spec::Block::Attr(attr)) if attr.r#type.starts_with("list(map(") => as_list(value),
        Some(_) | None => {}
    }
}

fn as_list(value: &mut Value) {
    if value.is_object() {
        *value = Value::Array(vec![value.take()]);
    }
}

fn each<'a>(values: impl Iterator<Item = &'a mut Value>, spec: Option<&Spec>) {
    if let Some(spec) = spec {
        values.for_each(|value| as_agents_send(value, spec));
    }
}

/// Returns where expressions stand that could not be worked out.
fn unknown(body: &Body, path: &str) -> Vec<String> {
    let attributes = body.attributes().filter(|attribute| is_open(attribute.expr()));
    let mut found: Vec<_> =
        attributes.map(|attribute| format!("{path}{} = {}", attribute.key(), attribute.expr())).collect();
    for block in body.blocks() {
        let label = label(block).map(|label| format!(" {label:?}")).unwrap_or_default();
        found.extend(unknown(block.body(), &format!("{path}{}{label}: ", block.identifier())));
    }
    found
}

fn is_open(expression: &Expression) -> bool {
    match expression {
        Expression::Array(items) => items.iter().any(is_open),
        Expression::Object(object) => object.values().any(is_open),
        // Text with places that the agent fills in, such as `${NOMAD_ALLOC_ID}`.
        Expression::TemplateExpr(_) => false,
        Expression::Null | Expression::Bool(_) | Expression::Number(_) | Expression::String(_) => false,
        _ => true,
    }
}

fn context(body: &Body, variables: &BTreeMap<String, String>) -> Context<'static> {
    let declared = body.blocks().filter(|block| block.identifier() == "variable").filter_map(|block| {
        let default = block.body().attributes().find(|attribute| attribute.key() == "default");
        Some((label(block)?, default.map(|attribute| attribute.expr().clone())))
    });
    let mut values = hcl::Map::new();
    for (name, default) in declared {
        let given = variables.get(&name).map(|text| hcl::Value::from(text.as_str()));
        let default = default.and_then(|default| default.evaluate(&Context::new()).ok());
        if let Some(value) = given.or(default) {
            values.insert(name, value);
        }
    }
    let mut context = Context::new();
    context.declare_var("var", hcl::Value::Object(values));
    context.declare_func("file", FuncDef::builder().param(ParamType::String).build(read_file));
    context
}

/// Reads a file as the job's author has it, below the directory where the command runs.
fn read_file(arguments: FuncArgs) -> Result<hcl::Value, String> {
    let name = arguments[0].as_str().unwrap_or_default();
    fs::read_to_string(name).map(hcl::Value::from).map_err(|error| format!("{name}: {error}"))
}

fn label(block: &Block) -> Option<String> {
    block.labels().first().map(|label| label.as_str().to_owned())
}

fn text_of(block: &Block, name: &str) -> Option<String> {
    let attribute = block.body().attributes().find(|attribute| attribute.key() == name)?;
    match attribute.expr() {
        Expression::String(text) => Some(text.clone()),
        _ => None,
    }
}
