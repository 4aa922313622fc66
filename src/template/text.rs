//! Byte strings, as Go's are: usually UTF-8, but a decoded key store is carried just as faithfully.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::{error::Problem, limits::OUTPUT_BYTES};

/// Immutable bytes, cheap to share, overwritten when the last holder lets go.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Arc<Zeroizing<Vec<u8>>>);

/// A text under construction that stops growing at the output limit.
#[derive(Default)]
pub struct Builder(Zeroizing<Vec<u8>>);

impl Text {
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text when it is UTF-8.
    pub fn utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the text part by part: a character, or a byte that belongs to none.
    pub fn characters(&self) -> impl Iterator<Item = Result<char, u8>> {
        self.0
            .utf8_chunks()
            .flat_map(|chunk| chunk.valid().chars().map(Ok).chain(chunk.invalid().iter().copied().map(Err)))
    }
}

/// Shows the length only.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…({} bytes)", self.0.len())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes.to_vec())))
    }
}

impl From<Zeroizing<Vec<u8>>> for Text {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl Builder {
    /// Appends `bytes`, unless that makes the text longer than an output may be.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Problem> {
        let bytes = bytes.as_ref();
        self.reserve(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends `byte` `times` times.
    pub fn fill(&mut self, byte: u8, times: usize) -> Result<(), Problem> {
        self.reserve(times)?;
        let length = self.0.len() + times;
        self.0.resize(length, byte);
        Ok(())
    }

    /// Appends a character.
    pub fn push_char(&mut self, c: char) -> Result<(), Problem> {
        self.push(c.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// Returns how many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the finished text.
    pub fn text(self) -> Text {
        self.0.into()
    }

    /// Returns the finished bytes.
    pub fn bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Makes room; a buffer that has to move is replaced by one of twice the size, and the old one is overwritten.
    fn reserve(&mut self, more: usize) -> Result<(), Problem> {
        let wanted = self.0.len().saturating_add(more);
        if wanted > OUTPUT_BYTES {
            return Err(Problem::Limit("makes a text longer than 1 MiB"));
        }
        if wanted > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(wanted.max(self.0.capacity() * 2).max(64)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        Ok(())
    }
}
