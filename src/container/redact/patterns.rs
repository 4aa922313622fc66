//! Finds any of many patterns at a place.
//!
//! An automaton for many patterns would copy each of them into memory that nobody wipes, and be many times their size. Here
//! the patterns lie sorted, and a sieve over their first six bytes says in a moment where none of them can begin.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    NamedSecret, SHORTEST,
    forms::{LONGEST, forms},
    shown,
};

/// Size of the sieve: 32 KiB, which stays in the processor's first cache.
const SIEVE_BITS: u32 = 18;
/// Spreads the six bytes over the sieve (2^64 by the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// How many bytes are loaded to look at six.
const WORD: usize = 8;

/// All patterns of a task.
#[derive(Default)]
pub(super) struct Patterns {
    /// Sorted by their bytes, none twice.
    list: Vec<Pattern>,
    sieve: Vec<u64>,
}

struct Pattern {
    bytes: Zeroizing<Vec<u8>>,
    name: Arc<str>,
    /// The longest other pattern that this one begins with.
    stem: Option<usize>,
}

/// What is at a place.
pub(super) struct Look<'a> {
    /// The longest pattern that is there: its length and name.
    pub(super) found: Option<(usize, &'a Arc<str>)>,
    /// The text ends there before it is clear whether a longer one is.
    pub(super) open: bool,
}

impl Patterns {
    /// Makes the patterns of `secrets`; of two that have one in common the earlier names it. Returns the names of those that
    /// have none.
    pub(super) fn new(secrets: &[NamedSecret]) -> (Self, Vec<String>) {
        let mut skipped = Vec::new();
        let mut list = Vec::new();
        for secret in secrets {
            let forms = forms(secret.value.expose());
            let name: Arc<str> = shown(&secret.name).into();
            if forms.is_empty() && !secret.value.expose().is_empty() {
                skipped.push(name.to_string());
            }
            list.extend(forms.into_iter().map(|bytes| Pattern { bytes, name: Arc::clone(&name), stem: None }));
        }
        list.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        list.dedup_by(|later, earlier| later.bytes == earlier.bytes);
        let mut patterns = Self { list, sieve: Vec::new() };
        patterns.find_stems();
        patterns.fill_sieve();
        (patterns, skipped)
    }

    /// In sorted order a pattern's stem is the one before it or one of that one's stems.
    fn find_stems(&mut self) {
        for at in 1..self.list.len() {
            let mut stem = Some(at - 1);
            while let Some(index) = stem
                && !self.list[at].bytes.starts_with(&self.list[index].bytes)
            {
                stem = self.list[index].stem;
            }
            self.list[at].stem = stem;
        }
    }

    fn fill_sieve(&mut self) {
        if self.list.is_empty() {
            return;
        }
        self.sieve = vec![0; (1 << SIEVE_BITS) / 64];
        for pattern in &self.list {
            let mut word = [0; WORD];
            word[..SHORTEST].copy_from_slice(&pattern.bytes[..SHORTEST]);
            let bit = spread(u64::from_le_bytes(word));
            self.sieve[bit / 64] |= 1 << (bit % 64);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the first place from `at` on where a pattern may begin, or the end.
    pub(super) fn next_place(&self, text: &[u8], at: usize) -> usize {
        if self.is_empty() {
            return text.len();
        }
        let words = text[at..].windows(WORD);
        let near_the_end = at + words.len();
        for (offset, window) in words.enumerate() {
            let mut word = [0; WORD];
            word.copy_from_slice(window);
            let bit = spread(u64::from_le_bytes(word));
            if self.sieve[bit / 64] >> (bit % 64) & 1 == 1 {
                return at + offset;
            }
        }
        near_the_end
    }

    /// Looks at what `text` begins with.
    pub(super) fn look(&self, text: &[u8]) -> Look<'_> {
        let text = &text[..text.len().min(LONGEST)];
        let behind = self.list.partition_point(|pattern| pattern.bytes.as_slice() <= text);
        // Everything between the longest pattern that the text begins with and the text itself begins with it too.
        let mut at = behind.checked_sub(1);
        while let Some(index) = at
            && !text.starts_with(&self.list[index].bytes)
        {
            at = self.list[index].stem;
        }
        let found = at.map(|index| (self.list[index].bytes.len(), &self.list[index].name));
        let open = text.len() < LONGEST && self.list.get(behind).is_some_and(|pattern| pattern.bytes.starts_with(text));
        Look { found, open }
    }
}

/// Returns a place in the sieve for the first six bytes of a word.
fn spread(word: u64) -> usize {
    ((word << 16).wrapping_mul(SPREAD) >> (64 - SIEVE_BITS)) as usize
}
