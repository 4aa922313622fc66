//! Asks the audit file: is it whole, and who held what.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use clap::{Args, Subcommand};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{check, fail, write_to};
use crate::{
    audit::{self, Holding, Link, Report, Wanted},
    driver::Settings,
};

#[derive(Subcommand)]
pub(super) enum Question {
    /// Says whether the chain of lines is whole, and prints its head: keep that elsewhere.
    Verify {
        /// The files in their order, the oldest first; without any, those of the configuration.
        files: Vec<PathBuf>,
        /// A head that was written down elsewhere, NUMBER:HASH; the chain must lead through it. May be repeated.
        #[arg(long)]
        head: Vec<Link>,
        #[command(flatten)]
        place: Place,
    },
    /// Prints the lines that speak of something.
    Show {
        #[command(flatten)]
        wanted: WantedArgs,
        #[command(flatten)]
        place: Place,
    },
    /// Says which tasks held something at a moment.
    Who {
        #[command(flatten)]
        wanted: WantedArgs,
        /// The moment, such as 2026-11-24T03:00:00Z; now when absent.
        #[arg(long, value_parser = moment)]
        at: Option<SystemTime>,
        /// One line of JSON for each.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the lines are.
#[derive(Args)]
pub(super) struct Place {
    /// A file with the plugin block, such as the agent's own configuration.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The newest audit file; full ones beside it are read too.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// What is looked for; `*` stands for any letters.
#[derive(Args)]
pub(super) struct WantedArgs {
    /// The token, or the one with which something was obtained.
    #[arg(long)]
    accessor: Option<String>,
    /// A lease id.
    #[arg(long)]
    lease: Option<String>,
    /// A path on the server.
    #[arg(long)]
    path: Option<String>,
    /// A certificate's serial number.
    #[arg(long)]
    serial: Option<String>,
    /// A namespace.
    #[arg(long)]
    namespace: Option<String>,
    /// A job's id.
    #[arg(long)]
    job: Option<String>,
    /// A task's name.
    #[arg(long)]
    task: Option<String>,
    /// An allocation's id.
    #[arg(long)]
    alloc: Option<String>,
}

/// Answers one question. The exit code is 0 when the chain is whole, or when something was found.
pub(super) fn run(question: Question) -> ExitCode {
    match answer(question) {
        Ok((text, is_well)) => {
            write_to(io::stdout(), &text);
            if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(error.as_ref()),
    }
}

fn answer(question: Question) -> Result<(String, bool), Box<dyn std::error::Error>> {
    match question {
        Question::Verify { files, head, place } => {
            let files = if files.is_empty() { place.files()? } else { files };
            let report = audit::verify(&files, &head)?;
            Ok((told(&report), report.flaws.is_empty()))
        }
        Question::Show { wanted, place } => {
            let lines = audit::lines_of(&place.files()?, &wanted.into())?;
            Ok((lines.iter().map(|line| format!("{line}\n")).collect(), !lines.is_empty()))
        }
        Question::Who { wanted, at, json, place } => {
            let at = at.unwrap_or_else(SystemTime::now);
            let held = audit::holders(&place.files()?, &wanted.into(), at)?;
            let lines: Vec<_> = match json {
                true => held.iter().map(serde_json::to_string).collect::<Result<_, _>>()?,
                false => held.iter().map(line).collect(),
            };
            Ok((lines.iter().map(|line| format!("{line}\n")).collect(), !held.is_empty()))
        }
    }
}

fn told(report: &Report) -> String {
    let mut lines: Vec<_> = report.flaws.iter().map(|flaw| format!("WRONG {flaw}")).collect();
    lines.extend(report.remarks.iter().map(|remark| format!("note  {remark}")));
    if report.flaws.is_empty() {
        lines.push(format!("ok    {} lines follow one another", report.lines));
    }
    lines.extend(report.head.iter().map(|head| format!("head  {head}")));
    lines
        .push("      lines missing after the head show only against a head that was kept elsewhere: --head".to_owned());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn line(held: &Holding) -> String {
    let names = [("accessor", &held.accessor), ("lease", &held.lease), ("serial", &held.serial)];
    let names: String =
        names.into_iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| format!(" {name}={id}")).collect();
    let who = &held.who;
    let since = OffsetDateTime::from(held.since).format(&Rfc3339).unwrap_or_default();
    let shown =
        held.generation.map_or("not shown".to_owned(), |generation| format!("shown in generation {generation}"));
    format!(
        "{} namespace={} job={} group={} task={} alloc={} node={}{names} since {since}, {shown}",
        if held.path.is_empty() { "-" } else { &held.path },
        who.namespace,
        who.job,
        who.group,
        who.task,
        who.alloc,
        who.node,
    )
}

impl Place {
    /// Returns the files of the chain, the oldest first.
    fn files(&self) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
        let newest = match (&self.file, &self.config) {
            (Some(file), _) => file.clone(),
            (None, Some(config)) => file_of(&check::read(config)?),
            (None, None) => file_of(&Settings::default()),
        };
        Ok(audit::files_of(Path::new(&newest)))
    }
}

fn file_of(settings: &Settings) -> PathBuf {
    settings.audit.file.clone().unwrap_or_else(|| settings.journal.state_dir.join("audit.log"))
}

fn moment(text: &str) -> Result<SystemTime, String> {
    let read = OffsetDateTime::parse(text, &Rfc3339).map(SystemTime::from);
    read.map_err(|_| "no moment; give it like 2026-11-24T03:00:00Z".to_owned())
}

impl From<WantedArgs> for Wanted {
    fn from(args: WantedArgs) -> Self {
        let WantedArgs { accessor, lease, path, serial, namespace, job, task, alloc } = args;
        Self { accessor, lease, path, serial, namespace, job, task, alloc }
    }
}
