//! Complaints that point into the file they are about.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

use super::hcl::value::Span;

/// A file that was read, kept for the messages about it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name shown to the user.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
    /// The directory that relative paths in it start from.
    pub dir: PathBuf,
}

/// One thing that is wrong (or worth a note) at one place.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is the case: a fragment without period.
    pub message: String,
    /// Where; none when the file as a whole is meant.
    pub span: Option<Span>,
    /// The few words put under the marked text.
    pub label: String,
    /// What to do, when it is known.
    pub help: Option<String>,
}

/// All problems of one file. Boxed, since it is an error that most calls do not have.
#[derive(Debug)]
pub struct Report(Box<Content>);

/// What a report holds.
#[derive(Debug)]
pub struct Content {
    source: NamedSource<Arc<str>>,
    name: String,
    text: Arc<str>,
    /// What was found.
    pub problems: Vec<Problem>,
    severity: Severity,
}

impl Source {
    /// Reads `path`.
    pub fn read(path: &Path) -> Result<Self, Report> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let empty = Self::new(&path.display().to_string(), "");
            Report::errors(&empty, vec![Problem::new(format!("cannot read {}: {e}", path.display()))])
        })?;
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        Ok(Self { name: path.display().to_string(), text: text.into(), dir })
    }

    /// Takes text that lives in no file.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.into(), dir: PathBuf::from(".") }
    }

    /// Returns line and column (both from 1) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl Problem {
    /// Returns a problem of the file as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, label: String::new(), help: None }
    }

    /// Returns a problem at `span`.
    pub fn at(span: &Span, message: impl Into<String>) -> Self {
        Self { span: Some(span.clone()), label: "here".into(), ..Self::new(message) }
    }

    /// Sets the words under the marked text.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Says what to do about it.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl std::ops::Deref for Report {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.0
    }
}

impl Report {
    /// Returns a report of errors.
    pub fn errors(source: &Source, problems: Vec<Problem>) -> Self {
        Self::with(source, problems, Severity::Error)
    }

    /// Returns a report of things that are only worth knowing.
    pub fn notes(source: &Source, problems: Vec<Problem>) -> Self {
        Self::with(source, problems, Severity::Advice)
    }

    fn with(source: &Source, problems: Vec<Problem>, severity: Severity) -> Self {
        let named = NamedSource::new(&source.name, source.text.clone());
        let (name, text) = (source.name.clone(), source.text.clone());
        Self(Box::new(Content { source: named, name, text, problems, severity }))
    }

    /// Returns one diagnostic per problem, ready to be printed.
    pub fn diagnostics(&self) -> impl Iterator<Item = One<'_>> {
        self.problems.iter().map(|problem| One { report: self, problem })
    }

    /// Renders every problem with the lines it is about.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
        let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(110).with_context_lines(1);
        let mut out = String::new();
        for one in self.diagnostics() {
            // Writing to a string cannot fail; a problem that cannot be drawn is still said.
            if handler.render_report(&mut out, &one).is_err() {
                out.push_str(&one.to_string());
            }
        }
        out
    }
}

/// Everything in one line per problem: `file:line:column: message`.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = Source { name: self.name.clone(), text: self.text.clone(), dir: PathBuf::new() };
        for (i, problem) in self.problems.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            match &problem.span {
                Some(span) => {
                    let (line, column) = source.position(span.start);
                    write!(out, "{newline}{}:{line}:{column}: {}", self.name, problem.message)?;
                }
                None => write!(out, "{newline}{}: {}", self.name, problem.message)?,
            }
            if let Some(help) = &problem.help {
                write!(out, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// One problem of a report, in the shape that miette draws.
#[derive(Debug)]
pub struct One<'a> {
    report: &'a Report,
    problem: &'a Problem,
}

impl fmt::Display for One<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.problem.message)
    }
}

impl std::error::Error for One<'_> {}

impl Diagnostic for One<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(self.report.severity)
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.problem.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.span.as_ref().map(|_| &self.report.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span.clone()?;
        let label = Some(self.problem.label.clone()).filter(|l| !l.is_empty());
        Some(Box::new(std::iter::once(LabeledSpan::new(label, span.start, span.len()))))
    }
}
