//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::harness::env::NodeWords;

/// Runs Nomad job files through the plugin, without Nomad.
#[derive(Parser)]
#[command(name = "harness", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Runs the tasks of a job until they end; Ctrl-C stops them, SIGUSR1 kills the plugin.
    Run(Run),
    /// Checks a job file against the plugin's schema; nothing is started.
    Validate(Validate),
    /// Runs a command in a task of a running harness.
    Exec {
        #[command(flatten)]
        at: At,
        /// Passes on what is typed.
        #[arg(short = 'i', long)]
        stdin: bool,
        /// Runs the command in a terminal.
        #[arg(short = 't', long)]
        tty: bool,
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
        /// How many, one a second.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=3600))]
        samples: u16,
    },
    /// Kills the plugin of a running harness; the next one takes the tasks over.
    KillPlugin {
        #[command(flatten)]
        at: At,
    },
    /// Prints the bytes that an agent would send for each config block: a line of hexadecimal, or of what is wrong.
    Encode(Encode),
    /// Prints the public half of the key that signs identities; makes the key when it is not there.
    Jwks {
        /// The key's file.
        #[arg(long)]
        key: PathBuf,
    },
}

#[derive(Args)]
pub struct Run {
    /// The job file.
    pub job: PathBuf,
    #[command(flatten)]
    pub binary: Binary,
    /// A file with the operator's plugin block; the driver's defaults unless given.
    #[arg(long, value_name = "FILE")]
    pub plugin_config: Option<PathBuf>,
    #[command(flatten)]
    pub variables: Variables,
    #[command(flatten)]
    pub node: Node,
    /// Where allocations and the control socket live; a temporary directory unless given.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Keeps the key that signs identities here, so that a server can be told of it before the run.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Serves the public half of that key here.
    #[arg(long, value_name = "ADDRESS")]
    pub jwks: Option<SocketAddr>,
}

#[derive(Args)]
pub struct Validate {
    /// The job file.
    pub job: PathBuf,
    #[command(flatten)]
    pub binary: Binary,
    #[command(flatten)]
    pub variables: Variables,
    #[command(flatten)]
    pub node: Node,
}

#[derive(Args)]
#[command(group = ArgGroup::new("kind").required(true))]
pub struct Encode {
    #[command(flatten)]
    pub binary: Binary,
    /// The files hold a task's config block.
    #[arg(long, group = "kind")]
    pub task: bool,
    /// The files hold the operator's.
    #[arg(long, group = "kind")]
    pub plugin_config: bool,
    /// Files with a config block.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Which plugin.
#[derive(Args)]
pub struct Binary {
    /// The plugin's binary; the one built beside this program unless given.
    #[arg(long, value_name = "BINARY")]
    pub plugin: Option<PathBuf>,
}

#[derive(Args)]
pub struct Variables {
    /// Sets a variable of the job file.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub given: Vec<(String, String)>,
}

/// What the strings of a config may say of the node.
#[derive(Args)]
pub struct Node {
    /// Gives the node an attribute, beside and above those of this machine: `${attr.NAME}`.
    #[arg(long = "attr", value_name = "NAME=VALUE", value_parser = pair)]
    pub attributes: Vec<(String, String)>,
    /// Gives the node a word of meta: `${meta.NAME}`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub meta: Vec<(String, String)>,
}

impl Node {
    /// Returns what was said; the last word on a name counts.
    pub fn words(&self) -> NodeWords {
        let map = |pairs: &[(String, String)]| pairs.iter().cloned().collect();
        NodeWords { attributes: map(&self.attributes), meta: map(&self.meta) }
    }
}

/// Which running harness.
#[derive(Args)]
pub struct At {
    /// Its data directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
