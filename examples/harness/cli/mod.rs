//! The harness's commands.

mod control;
mod encode;
mod print;
mod run;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use super::harness::{
    agent::{Agent, PluginConfig},
    feed::Feed,
    identity::Signer,
    job::{self, Job},
    process::Program,
    report::{Report, Source},
    runner,
};

/// Runs Nomad job files through the plugin, without Nomad.
#[derive(Parser)]
#[command(name = "harness", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the tasks of a job until they end; Ctrl-C stops them.
    Run {
        /// The job file.
        job: PathBuf,
        #[command(flatten)]
        plugin: Plugin,
        /// Sets a variable of the job file.
        #[arg(long = "var", value_name = "NAME=VALUE")]
        variables: Vec<String>,
        /// Where allocations and the control socket live; a temporary directory unless given.
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// Keeps the key that signs identities, so that a server can be told of it before the run.
        #[arg(long)]
        key: Option<PathBuf>,
        /// Serves the public half of that key here.
        #[arg(long, value_name = "ADDRESS")]
        jwks: Option<std::net::SocketAddr>,
    },
    /// Checks a job file against the plugin's schema; nothing is started.
    Validate {
        /// The job file.
        job: PathBuf,
        #[command(flatten)]
        plugin: Plugin,
        /// Sets a variable of the job file.
        #[arg(long = "var", value_name = "NAME=VALUE")]
        variables: Vec<String>,
    },
    /// Runs a command in a task of a running harness.
    Exec {
        #[command(flatten)]
        at: At,
        /// The task.
        task: String,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Sends a signal to a task of a running harness.
    Signal {
        #[command(flatten)]
        at: At,
        /// The task.
        task: String,
        /// Such as SIGHUP.
        signal: String,
    },
    /// Shows what a task of a running harness uses.
    Stats {
        #[command(flatten)]
        at: At,
        /// The task.
        task: String,
    },
    /// Kills the plugin of a running harness; the next one takes the tasks over.
    KillPlugin {
        #[command(flatten)]
        at: At,
    },
    /// Prints the bytes that an agent would send for a config block, in hexadecimal.
    Encode {
        #[command(flatten)]
        plugin: Plugin,
        /// The block is the operator's, not a job's.
        #[arg(long)]
        operator: bool,
        /// A file with a config block.
        file: PathBuf,
    },
    /// Prints the public half of the key that signs identities, made when it is not there.
    Jwks {
        /// The key's file.
        #[arg(long)]
        key: PathBuf,
    },
}

/// Which plugin, and how the operator has set it.
#[derive(Args)]
struct Plugin {
    /// The plugin's binary; the one built beside this program unless given.
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// A file with the operator's plugin block.
    #[arg(long)]
    plugin_config: Option<PathBuf>,
}

/// Which running harness.
#[derive(Args)]
struct At {
    /// Its data directory.
    #[arg(long)]
    data_dir: PathBuf,
}

/// What went wrong, ready to be printed.
type Failure = Box<dyn std::error::Error>;

/// Does what the arguments say.
pub async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run { job, plugin, variables, data_dir, key, jwks } => {
            run::run(&job, &plugin, &variables, data_dir, key, jwks).await
        }
        Command::Validate { job, plugin, variables } => validate(&job, &plugin, &variables).await,
        Command::Exec { at, task, command } => {
            control::ask(&at.data_dir, control::Request::Exec { task, command }).await
        }
        Command::Signal { at, task, signal } => {
            control::ask(&at.data_dir, control::Request::Signal { task, signal }).await
        }
        Command::Stats { at, task } => control::ask(&at.data_dir, control::Request::Stats { task }).await,
        Command::KillPlugin { at } => control::ask(&at.data_dir, control::Request::KillPlugin).await,
        Command::Encode { plugin, operator, file } => encode::encode(&plugin, operator, &file).await,
        Command::Jwks { key } => Signer::at(&key).map_err(Failure::from).map(|signer| {
            print::out(&signer.jwks().to_string());
            0
        }),
    };
    match outcome {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            print::error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Decodes every task of a job by the plugin's schema.
async fn validate(path: &Path, plugin: &Plugin, variables: &[String]) -> Result<i32, Failure> {
    let job = read_job(path, variables)?;
    let agent = load(plugin).await?;
    let data = tempfile::tempdir()?;
    let place = runner::node(data.path(), Signer::generate()?)?;
    let tasks: Vec<_> = job.tasks().filter(|(_, task)| task.driver == agent.info.name).collect();
    let prepared: Result<Vec<_>, _> =
        tasks.iter().map(|(group, task)| runner::Run::prepare(&place, &agent, &job, group, task)).collect();
    agent.shutdown().await;
    prepared?;
    print::out(&format!("{}: {} task(s) fit the plugin's schema", path.display(), tasks.len()));
    Ok(0)
}

/// Reads a job file.
fn read_job(path: &Path, variables: &[String]) -> Result<Job, Report> {
    let pairs = variables.iter().filter_map(|text| text.split_once('='));
    let given: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let job = job::parse(&Source::read(path)?, &given)?;
    for note in &job.notes {
        print::note(&note.message);
    }
    Ok(job)
}

/// Loads the plugin as an agent does.
async fn load(plugin: &Plugin) -> Result<Agent, Failure> {
    let binary = match &plugin.plugin {
        Some(path) => path.clone(),
        None => beside_us()?,
    };
    let config = match &plugin.plugin_config {
        Some(path) => PluginConfig::parse(Source::read(path)?)?,
        None => PluginConfig::from_text("config {}")?,
    };
    Ok(Agent::load(Program { binary, env: Vec::new() }, &config, Feed::default()).await?)
}

/// Returns the plugin that was built beside this program.
fn beside_us() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(target.join("nomad-driver-strongbox"))
}
