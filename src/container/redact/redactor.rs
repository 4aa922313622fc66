//! Masks one stream as it comes.

use std::{collections::BTreeSet, sync::Arc};

use zeroize::Zeroizing;

use super::Redactions;

/// Most bytes of a stream's begin of a value that are kept without asking for more memory, which would leave copies.
const ROOM: usize = 512;

/// One stream's state: what may be the begin of a value, and what stood before it.
#[derive(Debug)]
pub(crate) struct Redactor {
    redactions: Option<Arc<Redactions>>,
    /// What cannot be passed on yet.
    held: Zeroizing<Vec<u8>>,
    /// How much of it is under the last mask already.
    covered: usize,
    /// The name of the mask that was passed on last, when nothing came behind it.
    last: Option<Arc<str>>,
    /// Held and new text together; kept for its room.
    text: Vec<u8>,
}

/// Masked text, and how it came of the raw one.
#[derive(Debug, Default)]
pub(crate) struct Redacted {
    /// What may be shown.
    pub(crate) text: Vec<u8>,
    /// Its parts in order, of the raw text that they stand for.
    runs: Vec<Run>,
    /// How many of them are delivered.
    delivered: usize,
}

/// A part of masked text: copied, where both lengths are the same, or masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// How many bytes of the masked text it has.
    shown: usize,
    /// How many of the raw one it stands for.
    raw: usize,
}

impl Redactor {
    /// Masks nothing without redactions.
    pub(crate) fn new(redactions: Option<Arc<Redactions>>) -> Self {
        Self { redactions, held: Zeroizing::new(Vec::with_capacity(ROOM)), covered: 0, last: None, text: Vec::new() }
    }

    /// Takes more of the stream and returns what is certain of it.
    pub(crate) fn feed<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>, out: &mut Redacted) {
        self.take(pieces, false, out);
    }

    /// Returns what was held back: nothing comes behind it.
    pub(crate) fn finish(&mut self, out: &mut Redacted) {
        self.take(std::iter::empty(), true, out);
    }

    fn take<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>, end: bool, out: &mut Redacted) {
        let Some(redactions) = self.redactions.clone() else { return pieces.for_each(|piece| out.copy(piece)) };
        let patterns = redactions.patterns();
        if patterns.is_empty() && self.held.is_empty() {
            return pieces.for_each(|piece| out.copy(piece));
        }
        let mut text = std::mem::take(&mut self.text);
        text.extend_from_slice(&self.held);
        pieces.for_each(|piece| text.extend_from_slice(piece));
        let mut met = BTreeSet::new();
        let mut pass = Pass { text: &text, done: self.covered, last: self.last.take(), out };
        let mut at = patterns.next_place(&text, 0);
        while at < text.len() {
            let look = patterns.look(&text[at..]);
            if look.open && !end {
                break;
            }
            if let Some((length, name)) = look.found {
                pass.mask(at, at + length, name);
                met.insert(Arc::clone(name));
            }
            at = patterns.next_place(&text, at + 1);
        }
        pass.copy_until(at);
        let done = pass.done;
        self.last = pass.last;
        self.held.clear();
        self.held.extend_from_slice(&text[at..]);
        self.covered = done - at;
        text.clear();
        self.text = text;
        redactions.note(&met);
    }
}

/// One way through a text.
struct Pass<'a> {
    text: &'a [u8],
    /// Up to here it was passed on or masked.
    done: usize,
    last: Option<Arc<str>>,
    out: &'a mut Redacted,
}

impl Pass<'_> {
    fn copy_until(&mut self, end: usize) {
        if end > self.done {
            self.out.copy(&self.text[self.done..end]);
            (self.done, self.last) = (end, None);
        }
    }

    /// Masks a part; one that overlaps the mask before, or goes on with the same value, lengthens it.
    fn mask(&mut self, begin: usize, end: usize, name: &Arc<str>) {
        self.copy_until(begin);
        let overlaps = begin < self.done;
        if !overlaps && self.last.as_ref() != Some(name) {
            self.out.put(format!("[redacted:{name}]").as_bytes());
            self.last = Some(Arc::clone(name));
        }
        if end > self.done {
            self.out.hide(end - self.done);
            self.done = end;
        }
    }
}

impl Redacted {
    fn copy(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        match self.runs.last_mut() {
            Some(run) if run.shown == run.raw => (run.shown, run.raw) = (run.shown + text.len(), run.raw + text.len()),
            _ => self.runs.push(Run { shown: text.len(), raw: text.len() }),
        }
    }

    fn put(&mut self, mask: &[u8]) {
        self.text.extend_from_slice(mask);
        self.runs.push(Run { shown: mask.len(), raw: 0 });
    }

    /// Counts raw bytes to the mask before them.
    fn hide(&mut self, bytes: usize) {
        self.runs.push(Run { shown: 0, raw: bytes });
    }

    /// Takes so many masked bytes for delivered, and returns how many raw ones are with them. A mask stands for its value once
    /// it is whole.
    pub(crate) fn deliver(&mut self, mut shown: usize) -> usize {
        let mut raw = 0;
        while let Some(run) = self.runs.get_mut(self.delivered) {
            if run.shown > shown {
                let part = if run.raw == run.shown { shown } else { 0 };
                (run.shown, run.raw) = (run.shown - shown, run.raw - part);
                return raw + part;
            }
            shown -= run.shown;
            raw += run.raw;
            self.delivered += 1;
        }
        raw
    }

    /// Forgets all, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.runs.clear();
        self.delivered = 0;
    }
}
