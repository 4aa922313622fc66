//! What an operator runs by hand.
//!
//! Prints to stdout what was asked for and to stderr what went wrong. Knows the driver and the plugin's schemas; never
//! serves.

mod audit;
mod check;
mod explain;
mod node_key;
mod schema;

use std::{error::Error, io::Write, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

/// What is said to somebody who runs the plugin by hand without a command.
const NOT_BY_HAND: &str =
    "This is a Nomad task driver plugin: an agent starts it from its plugin_dir. The commands below are for operators.";

/// A Nomad task driver that starts Docker containers with their identity, secrets and certificates already in RAM.
#[derive(Parser)]
#[command(name = "nomad-driver-strongbox", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Asks the audit file whether it is whole, and who held what.
    Audit {
        #[command(subcommand)]
        question: Box<audit::Question>,
    },
    /// Looks the machine over and says what is fine and what to do about the rest.
    Check {
        /// A file with the plugin block, such as the agent's own configuration.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Says for each request of a job which rule allows or refuses it. Sends nothing.
    Explain(explain::Question),
    /// Makes the key with which this node signs identities, and prints its public half.
    NodeKey {
        /// Where to write the private key; must not exist.
        file: PathBuf,
    },
    /// Prints the schemas of the operator's and the job's config as JSON.
    Schema,
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::Audit { question }) => audit::run(*question),
        Some(Command::Check { config }) => check::run(config.as_deref()),
        Some(Command::Explain(question)) => explain::run(question),
        Some(Command::NodeKey { file }) => node_key::run(&file),
        Some(Command::Schema) => schema::run(),
        None => {
            let help = Arguments::command().render_help();
            write_to(std::io::stderr(), &format!("{NOT_BY_HAND}\n\n{help}"));
            ExitCode::FAILURE
        }
    }
}

/// Says on stderr why the process ends, with all causes, and returns the exit code for it.
pub fn fail(error: &dyn Error) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    write_to(std::io::stderr(), &format!("nomad-driver-strongbox: {text}\n"));
    ExitCode::FAILURE
}

/// Writes text; a closed pipe is no reason to panic.
fn write_to(mut out: impl Write, text: &str) {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
