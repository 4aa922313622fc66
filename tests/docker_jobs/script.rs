//! What a job file's head says has to be seen. A line that begins with `#>` is one of these:
//!
//! | line | meaning |
//! |---|---|
//! | `operator HCL` | the operator's config has this line |
//! | `before COMMAND`, `after COMMAND` | a shell command on the host, before the start and after everything; knows `$REGISTRY` |
//! | `registry WORDS` | a registry of the file's own, the job's variable `registry`; with `password` and `tls` it wants these |
//! | `offers NAME` | that has this image and nobody else does; in it `$IMAGE` is the name |
//! | `offers NAME ARCHITECTURES` | the same for several machines; `$IMAGE` says for which |
//! | `artifact COMMAND` | a shell command in the task's `local`, as if an agent had fetched something |
//! | `sees LINE` | a task prints this line |
//! | `shows PART` | a task prints a line with this part |
//! | `hides PART` | no task has printed a line with this part |
//! | `event PART` | the driver tells this of a task |
//! | `signal NAME` | the task is sent a signal |
//! | `exec COMMAND` | a shell command in the task; what it prints counts as the task's |
//! | `outside COMMAND` | the same on the host, until it succeeds; knows `$CONTAINER`, `$ALLOC` and `$PORT_<label>` |
//! | `stop` | the tasks are stopped |
//! | `code NUMBER` | the tasks end with this code instead of 0 |
//! | `signalled NUMBER` | the tasks are ended by this signal |
//! | `out of memory` | the task's end is told to be one for lack of memory |
//! | `where COMMAND` | this shell command on the host says whether the machine is able |
//! | `elsewhere PART` | where it is not, the start fails with these words |
//! | `refused PART` | the start fails with these words, and nothing was made |
//!
//! They are obeyed in their order. A step about "the task" is about the file's first.

/// What is done with a file, and what is wanted.
#[derive(Debug, Default)]
pub struct Script {
    /// Lines for the operator's config.
    pub operator: String,
    /// The registry, when it has one.
    pub registry: Option<Shelf>,
    /// Commands that come first.
    pub before: Vec<String>,
    /// Commands that fill the task's directory.
    pub artifact: Vec<String>,
    /// Commands that come last, whatever happened.
    pub after: Vec<String>,
    /// Commands that say whether the machine is able.
    pub able: Vec<String>,
    /// Words of the refusal where it is not.
    pub elsewhere: Vec<String>,
    /// The rest.
    pub steps: Vec<Step>,
    /// Words of a refusal, when one is wanted.
    pub refused: Vec<String>,
    /// How the tasks have to end.
    pub end: End,
}

/// What a registry wants and has.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    pub password: bool,
    pub tls: bool,
    /// Names of images, each with the machines it is for; none is this one.
    pub images: Vec<(String, Vec<String>)>,
}

/// One step; see above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Event(String),
    Exec(String),
    Hides(String),
    Outside(String),
    Sees(String),
    Shows(String),
    Signal(String),
    Stop,
}

/// An end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    pub code: i32,
    pub signal: i32,
    pub out_of_memory: bool,
}

impl Script {
    /// Reads a file's head.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut script = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix("#>")) {
            script.line(line.trim())?;
        }
        Ok(script)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim().to_owned();
        let number = || rest.parse().map_err(|_| format!("{line:?} lacks a number"));
        match word {
            "after" => self.after.push(rest),
            "artifact" => self.artifact.push(rest),
            "before" => self.before.push(rest),
            "code" => self.end.code = number()?,
            "elsewhere" => self.elsewhere.push(rest),
            "event" => self.steps.push(Step::Event(rest)),
            "exec" => self.steps.push(Step::Exec(rest)),
            "hides" => self.steps.push(Step::Hides(rest)),
            "offers" => {
                let mut words = rest.split(' ').map(str::to_owned);
                let image = (words.next().unwrap_or_default(), words.collect());
                self.registry.as_mut().ok_or("offers: there is no registry yet")?.images.push(image);
            }
            "operator" => self.operator += &format!("  {rest}\n"),
            "out" => self.end.out_of_memory = true,
            "outside" => self.steps.push(Step::Outside(rest)),
            "refused" => self.refused.push(rest),
            "registry" => {
                let wants = |word: &str| rest.split(' ').any(|other| other == word);
                self.registry = Some(Shelf { password: wants("password"), tls: wants("tls"), ..Shelf::default() });
            }
            "sees" => self.steps.push(Step::Sees(rest)),
            "shows" => self.steps.push(Step::Shows(rest)),
            "signal" => self.steps.push(Step::Signal(rest)),
            "signalled" => self.end.signal = number()?,
            "stop" => self.steps.push(Step::Stop),
            "where" => self.able.push(rest),
            _ => return Err(format!("{line:?} is no line that can be obeyed")),
        }
        Ok(())
    }

    /// Says whether it wants something to be seen, and not only that all goes well.
    pub fn looks(&self) -> bool {
        let looks = |step: &Step| matches!(step, Step::Sees(_) | Step::Shows(_));
        !self.refused.is_empty() || self.steps.iter().any(looks)
    }
}
