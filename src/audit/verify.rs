//! Looks a chain over, from its first line to its head.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::{
    Act, Entry, Error, Result,
    chain::{self, Link},
    file::numbered,
};

/// Flaws that are told one by one; a file that was written over has no fewer than it has lines.
const TOLD_MAX: usize = 50;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many lines are in order.
    pub lines: u64,
    /// The last of them.
    pub head: Option<Link>,
    /// What is as it may be, and worth knowing.
    pub remarks: Vec<String>,
    /// What must not be.
    pub flaws: Vec<String>,
}

/// Returns the files of one chain that are there, the oldest first; `path` is the newest.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = (1..).map(|n| numbered(path, n)).take_while(|path| path.exists()).collect();
    files.reverse();
    files.push(path.to_owned());
    files
}

/// Reads the files of one chain in their order. Each of `copies` is a head that was written down elsewhere: the chain must
/// lead through it.
///
/// # Errors
/// A file cannot be read.
pub fn verify(files: &[PathBuf], copies: &[Link]) -> Result<Report> {
    let mut walk = Walk { copies: copies.to_vec(), ..Walk::default() };
    for path in files {
        read_lines(path, |line| walk.step(line))?;
    }
    Ok(walk.end())
}

/// Calls `each` with every line of a file and its place.
pub(super) fn read_lines(path: &Path, mut each: impl FnMut(Line<'_>)) -> Result<()> {
    let failed = |verb| move |error| Error::io(verb, path, error);
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed("open"))?);
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(failed("read"))? == 0 {
            break;
        }
        let whole = bytes.strip_suffix(b"\n");
        each(Line { file: &name, number, bytes: whole.unwrap_or(&bytes), is_whole: whole.is_some() });
    }
    Ok(())
}

/// A line as it stands in a file.
pub(super) struct Line<'a> {
    file: &'a str,
    number: u64,
    pub(super) bytes: &'a [u8],
    is_whole: bool,
}

impl Line<'_> {
    fn place(&self) -> String {
        format!("{} line {}", self.file, self.number)
    }
}

/// The way through the lines.
#[derive(Default)]
struct Walk {
    report: Report,
    copies: Vec<Link>,
    more_flaws: usize,
    /// Lines after the last good one that are not good: where the first stands, their bytes, how many, whether one is cut.
    bad: Option<(String, Vec<u8>, u64, bool)>,
}

impl Walk {
    fn step(&mut self, line: Line<'_>) {
        match chain::read(line.bytes).filter(|_| line.is_whole) {
            Some((entry, link)) => self.good(&line.place(), &entry, link),
            None => self.bad(&line),
        }
    }

    fn bad(&mut self, line: &Line<'_>) {
        let (_, bytes, count, cut) = self.bad.get_or_insert_with(|| (line.place(), Vec::new(), 0, false));
        if *count > 0 {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.bytes);
        *count += 1;
        *cut = !line.is_whole;
    }

    fn good(&mut self, place: &str, entry: &Entry, link: Link) {
        let gap = match self.bad.take() {
            Some((at, bytes, ..)) if closes(entry, &bytes) => self.closed(&at, place, entry.note.event),
            Some((at, _, count, _)) => {
                self.flaw(format!(
                    "{at}: {count} line(s) from here on were changed or damaged; their hashes are not theirs"
                ));
                count
            }
            None if matches!(entry.note.event, Act::Torn | Act::Damaged) => {
                self.flaw(format!("{place}: speaks of damage before it that is not there any more"));
                0
            }
            None => 0,
        };
        self.follows(place, entry, gap);
        if let Some(copy) = self.copies.iter().find(|copy| copy.seq == link.seq && copy.hash != link.hash) {
            let text = format!("{place}: number {} has another hash than its copy elsewhere, {}", link.seq, copy.hash);
            self.flaw(text);
        }
        self.copies.retain(|copy| copy.seq != link.seq);
        if entry.note.event == Act::Lost {
            let count = entry.note.count.unwrap_or_default();
            self.remark(format!("{place}: {count} line(s) could not be written before this one and are lost"));
        }
        self.report.lines += 1;
        self.report.head = Some(link);
    }

    fn closed(&mut self, at: &str, place: &str, event: Act) -> u64 {
        match event {
            Act::Torn => self.remark(format!("{at}: torn by a crash; {place} says so")),
            _ => self.flaw(format!("{at}: was changed or damaged before {place} was written, which says so")),
        }
        0
    }

    /// Holds a line against the one before it, from which `gap` bad ones part it.
    fn follows(&mut self, place: &str, entry: &Entry, gap: u64) {
        let event = entry.note.event;
        let Some(before) = self.report.head.clone() else { return self.begins(place, entry) };
        let expected = before.seq + 1 + gap;
        if event == Act::Genesis {
            self.flaw(format!(
                "{place}: another chain begins; what leads from number {} to it is not here",
                before.seq
            ));
        } else if entry.seq != expected {
            self.flaw(format!(
                "{place}: number {} where {expected} belongs; lines were removed, added or moved",
                entry.seq
            ));
        } else if gap == 0 && entry.prev != before.hash {
            self.flaw(format!("{place}: does not follow the line before it; one of them was exchanged"));
        }
    }

    fn begins(&mut self, place: &str, entry: &Entry) {
        match entry.note.event {
            Act::Genesis if entry.seq == 0 => {}
            Act::Continued => {
                self.remark(format!("{place}: goes on from number {} of an older file", entry.seq.saturating_sub(1)));
            }
            _ => self.flaw(format!("{place}: number {} is no beginning; the lines before it are missing", entry.seq)),
        }
    }

    fn end(mut self) -> Report {
        if let Some((at, _, count, cut)) = self.bad.take() {
            self.flaw(match (count, cut) {
                (1, true) => format!(
                    "{at}: the last line is cut, by a crash or by somebody; the driver closes it with a note when it writes next"
                ),
                _ => format!("{at}: {count} line(s) to the end were changed or damaged"),
            });
        }
        for copy in std::mem::take(&mut self.copies) {
            self.flaw(format!(
                "number {} is not here though its hash was copied; the end or the beginning is missing",
                copy.seq
            ));
        }
        if self.more_flaws > 0 {
            self.report.flaws.push(format!("and {} more", self.more_flaws));
        }
        self.report
    }

    fn remark(&mut self, text: String) {
        self.report.remarks.push(text);
    }

    fn flaw(&mut self, text: String) {
        match self.report.flaws.len() < TOLD_MAX {
            true => self.report.flaws.push(text),
            false => self.more_flaws += 1,
        }
    }
}

/// Says whether a line is the note that tells of these bytes.
fn closes(entry: &Entry, bytes: &[u8]) -> bool {
    matches!(entry.note.event, Act::Torn | Act::Damaged) && entry.note.damage == chain::hash_of(bytes)
}
