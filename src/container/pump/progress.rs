//! Turns written bytes into a cursor.

use std::collections::VecDeque;

use crate::container::{LogChunk, NextPiece, StreamCursor};

/// Pieces that were taken up and are not wholly delivered.
#[derive(Debug)]
pub(super) struct Progress {
    /// Time and length of each.
    pieces: VecDeque<(i64, usize)>,
    /// Delivered bytes of the first.
    out: usize,
    /// The piece that an earlier process delivered in part; what comes of it is its rest.
    cut: Option<NextPiece>,
}

impl Progress {
    pub(super) fn new(cursor: &StreamCursor) -> Self {
        Self { pieces: VecDeque::new(), out: 0, cut: cursor.next.filter(|next| next.bytes > 0) }
    }

    /// Takes pieces up.
    pub(super) fn take(&mut self, pieces: &[LogChunk]) {
        for piece in pieces {
            let mut length = piece.bytes.len();
            if let Some(cut) = self.cut.take()
                && cut.at_ns == piece.at_ns
            {
                self.out = usize::try_from(cut.bytes).unwrap_or_default();
                length += self.out;
            }
            self.pieces.push_back((piece.at_ns, length));
        }
    }

    /// Notes that so many more bytes are delivered.
    pub(super) fn deliver(&mut self, bytes: usize, cursor: &mut StreamCursor) {
        self.out += bytes;
        while let Some((at_ns, length)) = self.pieces.front().filter(|(_, length)| *length <= self.out) {
            self.out -= length;
            cursor.advance(*at_ns);
            self.pieces.pop_front();
        }
        cursor.next = self.pieces.front().map(|(at_ns, _)| NextPiece { at_ns: *at_ns, bytes: self.out as u64 });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::container::{LogCursor, OutputStream, Replay};

    fn piece(at_ns: i64, text: &'static str) -> LogChunk {
        LogChunk { stream: OutputStream::Stdout, at_ns, bytes: Bytes::from_static(text.as_bytes()) }
    }

    fn all() -> Vec<LogChunk> {
        vec![piece(1, "one\n"), piece(2, "a long "), piece(2, "line\n"), piece(3, ""), piece(4, "end\n")]
    }

    #[test]
    fn wherever_a_process_is_killed_the_next_one_goes_on_at_the_very_byte() {
        let text: Vec<u8> = all().iter().flat_map(|piece| piece.bytes.to_vec()).collect();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut cursor = LogCursor::default();
                let mut written = Vec::new();
                for until in [first, second, text.len()] {
                    let mut replay = Replay::new(&cursor);
                    let mut progress = Progress::new(&cursor.stdout);
                    let new: Vec<LogChunk> = all().into_iter().filter_map(|piece| replay.admit(piece)).collect();
                    progress.take(&new);
                    let bytes: Vec<u8> = new.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
                    let part = until - written.len();
                    written.extend_from_slice(&bytes[..part]);
                    progress.deliver(part, &mut cursor.stdout);
                }
                assert_eq!(written, text, "killed after {first} and {second} bytes");
            }
        }
    }
}
