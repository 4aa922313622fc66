//! The harness's commands.

mod act;
mod arguments;
mod control;
mod encode;
mod print;
mod run;
mod schemas;
mod session;
mod validate;

use std::{path::Path, process::ExitCode};

use arguments::{Arguments, Command, Variables};
use clap::Parser;
use control::Request;

use super::harness::{
    identity::Signer,
    job::{self, Job},
    report::{Report, Source},
};

/// What went wrong, ready to be printed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does what the arguments say.
pub async fn main() -> ExitCode {
    match obey(Arguments::parse().command).await {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(failure) => {
            print::failure(&failure);
            ExitCode::FAILURE
        }
    }
}

async fn obey(command: Command) -> Result<i32, Failure> {
    match command {
        Command::Run(wanted) => run::run(&wanted).await,
        Command::Validate(wanted) => validate::validate(&wanted).await,
        Command::Exec { at, stdin: false, tty: false, task, command } => {
            control::ask(&at, Request::Exec { task, command }).await
        }
        Command::Exec { at, stdin, tty, task, command } => control::attend(&at, stdin, tty, task, command).await,
        Command::Signal { at, task, signal } => control::ask(&at, Request::Signal { task, signal }).await,
        Command::Stats { at, task, samples } => control::ask(&at, Request::Stats { task, samples }).await,
        Command::KillPlugin { at } => control::ask(&at, Request::KillPlugin).await,
        Command::Encode(wanted) => encode::encode(&wanted).await,
        Command::Jwks { key } => jwks(&key),
    }
}

fn jwks(key: &Path) -> Result<i32, Failure> {
    print::out(&Signer::at(key)?.jwks().to_string());
    Ok(0)
}

/// Reads a job file and says what was passed over.
fn read_job(path: &Path, variables: &Variables) -> Result<Job, Report> {
    let job = job::parse(&Source::read(path)?, &variables.given.iter().cloned().collect())?;
    if !job.notes.is_empty() {
        for line in Report::notes(&job.source, job.notes.clone()).to_string().lines() {
            print::note(line);
        }
    }
    Ok(job)
}
