//! Plays one file.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use strongbox::plugin::proto::drivers::ExitResult;
use tokio::{process::Command, task::JoinHandle};

use crate::{
    harness::runner::Run,
    installation::Installation,
    library::File,
    registry::Registry,
    script::{End, Step},
    shelf,
};

/// All steps of a file together may take so long.
const LIMIT: Duration = Duration::from_secs(40);
/// A task's last lines come through pipes, a little after its end is told.
const LAST_WORDS: Duration = Duration::from_millis(1500);
const GLANCE: Duration = Duration::from_millis(25);

/// Starts a file's tasks, obeys its script, and removes everything. The error says all that was not as wanted.
pub async fn play(installation: &Arc<Installation>, file: &File) -> Result<(), String> {
    let shelf = match &file.script.registry {
        Some(wanted) => Some(shelf::fill(wanted).await?),
        None => None,
    };
    let address = shelf.as_ref().map(Registry::host).unwrap_or_default();
    let known = [("REGISTRY".to_owned(), address.to_owned())];
    for command in &file.script.before {
        shell(command, &known).await.map_err(|why| format!("before: {why}"))?;
    }
    let refused = refused(file).await;
    let played = match prepare(installation, file, address).await {
        Ok(tasks) if refused.is_empty() => Play::new(installation, tasks).through(file).await,
        Ok(tasks) => refusal(installation, &tasks, &refused).await,
        Err(why) if refused.is_empty() => Err(format!("not prepared: {why}\n")),
        Err(why) => said(&why, &refused),
    };
    for command in &file.script.after {
        shell(command, &known).await.map_err(|why| format!("after: {why}"))?;
    }
    shelf::clear(shelf).await;
    played
}

/// Returns the words of the refusal that is wanted; none when the start has to go well.
async fn refused(file: &File) -> Vec<String> {
    for command in &file.script.able {
        if shell(command, &[]).await.is_err() {
            return file.script.elsewhere.clone();
        }
    }
    file.script.refused.clone()
}

async fn prepare(installation: &Installation, file: &File, registry: &str) -> Result<Vec<Arc<Run>>, String> {
    let job = file.job(registry).map_err(|report| report.to_string())?;
    let tasks = installation.tasks(&job).map_err(|error| error.to_string())?;
    let local = ("LOCAL".to_owned(), tasks[0].dir.local.display().to_string());
    for command in &file.script.artifact {
        shell(&format!("cd \"$LOCAL\" && {command}"), std::slice::from_ref(&local)).await?;
    }
    Ok(tasks.into_iter().map(Arc::new).collect())
}

/// The start has to fail, and the engine knows of nothing afterwards.
async fn refusal(installation: &Installation, tasks: &[Arc<Run>], wanted: &[String]) -> Result<(), String> {
    let started = installation.run(&tasks[0]).await;
    let made = installation.containers(&format!("label=strongbox.task_id={}", tasks[0].id()));
    match started {
        Ok(()) => {
            installation.end(&tasks[0]).await;
            Err("it starts; a refusal was wanted\n".to_owned())
        }
        Err(_) if !made.is_empty() => Err(format!("refused, but containers {made:?} were made\n")),
        Err(status) => said(status.message(), wanted),
    }
}

fn said(message: &str, parts: &[String]) -> Result<(), String> {
    let missing: Vec<&String> = parts.iter().filter(|part| !message.contains(*part)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("refused without {missing:?}: {message}\n")) }
}

/// What was not as wanted: the line that was looked for, if it was one, and words.
type Wrong = (Option<Step>, String);

/// Tasks that run.
struct Play {
    installation: Arc<Installation>,
    tasks: Vec<Arc<Run>>,
    /// What commands beside the tasks have printed.
    beside: Mutex<Vec<String>>,
    ends: Vec<JoinHandle<Option<ExitResult>>>,
    until: Instant,
}

impl Play {
    fn new(installation: &Arc<Installation>, tasks: Vec<Arc<Run>>) -> Self {
        let installation = Arc::clone(installation);
        Self { installation, tasks, beside: Mutex::default(), ends: Vec::new(), until: Instant::now() + LIMIT }
    }

    async fn through(mut self, file: &File) -> Result<(), String> {
        let mut wrong = match self.start().await {
            Ok(()) => self.obey(file).await,
            Err(why) => vec![(None, why)],
        };
        let told = self.told();
        for task in &self.tasks {
            // A task that has not come up is not known; neither is one that is gone.
            let _ = task.destroy(&self.installation.agent, true).await;
        }
        if wrong.iter().any(|(step, _)| step.is_some()) {
            self.last_words(&mut wrong).await;
        }
        let wrong: Vec<String> = wrong.into_iter().map(|(_, why)| why).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{told}", wrong.join("; "))) }
    }

    /// A line without an end comes out of the pipe when the driver closes it, and that is when the task is destroyed.
    async fn last_words(&self, wrong: &mut Vec<Wrong>) {
        let end = Instant::now() + LAST_WORDS;
        let missing = |wrong: &Wrong| wrong.0.as_ref().is_none_or(|step| !self.seen(step));
        while Instant::now() < end && wrong.iter().any(|wrong| wrong.0.is_some() && missing(wrong)) {
            tokio::time::sleep(GLANCE).await;
        }
        wrong.retain(missing);
    }

    async fn start(&mut self) -> Result<(), String> {
        for task in &self.tasks {
            let started = task.start(&self.installation.agent).await;
            started.map_err(|status| format!("{} does not start: {}", task.name, status.message()))?;
            let (task, installation) = (Arc::clone(task), Arc::clone(&self.installation));
            let end = async move { task.wait(&installation.agent).await.ok().map(|(exit, _)| exit) };
            self.ends.push(tokio::spawn(end));
        }
        Ok(())
    }

    async fn obey(&mut self, file: &File) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        for step in &file.script.steps {
            let about = Some(step.clone()).filter(|step| matches!(step, Step::Sees(_) | Step::Shows(_)));
            wrong.extend(self.step(step).await.err().map(|why| (about, why)));
        }
        wrong.extend(self.ended(file.script.end).await.err().map(|why| (None, why)));
        wrong
    }

    /// Says whether a task has printed what the step looks for.
    fn seen(&self, step: &Step) -> bool {
        self.lines().iter().any(|seen| match step {
            Step::Sees(line) => seen.trim() == line,
            Step::Shows(part) => seen.contains(part),
            _ => false,
        })
    }

    async fn step(&self, step: &Step) -> Result<(), String> {
        let agent = &self.installation.agent;
        let failed = |status: tonic::Status| format!("{step:?}: {}", status.message());
        match step {
            Step::Event(part) => {
                self.until(step, async || self.events().iter().any(|event| event.contains(part))).await
            }
            Step::Exec(command) => {
                let done = self.tasks[0].exec(agent, &["sh", "-c", command]).await.map_err(failed)?;
                self.print(&[done.stdout, done.stderr].concat());
                Ok(())
            }
            Step::Hides(part) => match self.lines().iter().find(|line| line.contains(part)) {
                Some(line) => Err(format!("{part:?} was to be hidden, not {line:?}")),
                None => Ok(()),
            },
            Step::Outside(command) => {
                let environment = self.environment().await;
                let succeeds = async || shell(command, &environment).await.map(|printed| self.print(&printed)).is_ok();
                self.until(step, succeeds).await
            }
            Step::Sees(_) | Step::Shows(_) => self.until(step, async || self.seen(step)).await,
            Step::Signal(name) => self.tasks[0].signal(agent, name).await.map_err(failed),
            Step::Stop => {
                for task in &self.tasks {
                    task.stop(agent).await.map_err(failed)?;
                }
                Ok(())
            }
        }
    }

    /// Looks until it holds; a little longer than the tasks live, and no longer than the limit.
    async fn until(&self, step: &Step, holds: impl AsyncFn() -> bool) -> Result<(), String> {
        let mut over: Option<Instant> = None;
        loop {
            if holds().await {
                return Ok(());
            }
            let now = Instant::now();
            if self.ends.iter().all(JoinHandle::is_finished) {
                over.get_or_insert(now);
            }
            if now > self.until || over.is_some_and(|since| now > since + LAST_WORDS) {
                return Err(format!("not: {step:?}"));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn ended(&mut self, wanted: End) -> Result<(), String> {
        for (task, end) in self.tasks.iter().zip(&mut self.ends) {
            let left = self.until.saturating_duration_since(Instant::now());
            let Ok(end) = tokio::time::timeout(left, end).await else { return Err(format!("{} lives on", task.name)) };
            let Ok(Some(exit)) = end else { return Err(format!("nobody knows how {} ended", task.name)) };
            let end = End { code: exit.exit_code, signal: exit.signal, out_of_memory: exit.oom_killed };
            if end != wanted {
                return Err(format!("{} ended with {end:?}", task.name));
            }
        }
        Ok(())
    }

    /// Returns what a command on the host may name.
    async fn environment(&self) -> Vec<(String, String)> {
        let task = &self.tasks[0];
        let config = task.config();
        let ports = config.resources.map(|resources| resources.ports).unwrap_or_default();
        let ports = ports.into_iter().map(|port| (format!("PORT_{}", port.label), port.value.to_string()));
        let container = task.container(&self.installation.agent).await.unwrap_or_default();
        ports.chain([("ALLOC".to_owned(), config.alloc_dir), ("CONTAINER".to_owned(), container)]).collect()
    }

    fn print(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.extend(text.lines().map(str::to_owned));
    }

    fn lines(&self) -> Vec<String> {
        let feed = &self.installation.agent.feed;
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.tasks.iter().flat_map(|task| feed.lines(&task.name)).chain(beside).collect()
    }

    fn events(&self) -> Vec<String> {
        let feed = &self.installation.agent.feed;
        self.tasks.iter().flat_map(|task| feed.task_events(&task.name)).collect()
    }

    /// Returns what somebody who mends it wants to read.
    fn told(&self) -> String {
        let shown = |kind: &str, lines: Vec<String>| -> String {
            lines.into_iter().map(|line| format!("    {kind} {line}\n")).collect()
        };
        shown("|", self.lines()) + &shown("*", self.events())
    }
}

/// Runs a shell command on the host within the limit, and returns what it printed.
async fn shell(command: &str, environment: &[(String, String)]) -> Result<Vec<u8>, String> {
    let mut process = Command::new("sh");
    process.args(["-c", command]).envs(environment.iter().cloned()).kill_on_drop(true);
    match tokio::time::timeout(LIMIT, process.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(output.stdout),
        Ok(Ok(output)) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Ok(Err(error)) => Err(format!("{command:?}: {error}")),
        Err(_) => Err(format!("{command:?} does not end")),
    }
}
