//! Drops output that was passed on before from what an engine shows again.
//!
//! An engine shows output again when its reader comes back, and of its own accord when it takes up a file anew that was
//! rotated meanwhile. Of one stream the engine's times never fall, because one loop of its own reads the stream and stamps
//! each piece; so what bears an older time than the last piece passed on was passed on before, and of pieces with the very same
//! time as many are dropped as were passed. Only a wall clock that was set back breaks this. That is noticed by the other
//! clock, which nobody sets, and then nothing is dropped until the times have caught up: rather twice than never.
//!
//! A single line that is shown twice in a row has one time as well. By design only the parts of one long line have that, so
//! what bears a whole line's time and its very bytes is its echo, wherever the clock is finer than the engine is quick.

use bytes::Buf;

use super::{LogChunk, LogCursor, NextPiece, OutputStream, StreamCursor};

mod clock;

use clock::Clock;

/// Knows what was passed on of both streams.
#[derive(Debug)]
pub struct Replay {
    stdout: StreamReplay,
    stderr: StreamReplay,
    clock: Clock,
}

#[derive(Debug)]
struct StreamReplay {
    last: StreamCursor,
    /// How many pieces of the last one's time came since the engine showed something older.
    met: u32,
    /// The newest piece that was seen, passed on or not.
    seen: Seen,
    /// The piece that was delivered in part.
    cut: Option<NextPiece>,
    /// After the clock was set back: times up to here prove nothing.
    loose_until: Option<i64>,
}

impl Replay {
    /// Begins behind `cursor`.
    pub fn new(cursor: &LogCursor) -> Self {
        let part = |cursor: StreamCursor| StreamReplay {
            last: StreamCursor { next: None, ..cursor },
            met: 0,
            seen: Seen { clock_is_fine: clock::is_fine(), ..Seen::default() },
            cut: cursor.next.filter(|next| next.bytes > 0),
            loose_until: None,
        };
        Self { stdout: part(cursor.stdout), stderr: part(cursor.stderr), clock: Clock::now() }
    }

    /// Says that the engine is asked anew.
    pub fn again(&mut self) {
        (self.stdout.met, self.stderr.met) = (0, 0);
    }

    /// Looks at the clock; to be called for each batch that arrives, before its pieces are asked about.
    pub fn look_at_the_clock(&mut self) {
        if let Some(caught_up_ns) = self.clock.was_set_back() {
            for stream in [&mut self.stdout, &mut self.stderr] {
                stream.loose_until = Some(caught_up_ns.max(stream.last.at_ns));
            }
        }
    }

    /// Says whether the piece was passed on before.
    pub fn knows(&self, chunk: &LogChunk) -> bool {
        let stream = match chunk.stream {
            OutputStream::Stderr => &self.stderr,
            OutputStream::Stdout => &self.stdout,
        };
        stream.loose_until.is_none()
            && (chunk.at_ns < stream.last.at_ns
                || chunk.at_ns == stream.last.at_ns && stream.met < stream.last.pieces
                || stream.seen.is_echoed_by(chunk))
    }

    /// Returns what of the piece is new, and takes it for passed on.
    pub fn admit(&mut self, chunk: LogChunk) -> Option<LogChunk> {
        match chunk.stream {
            OutputStream::Stderr => self.stderr.admit(chunk),
            OutputStream::Stdout => self.stdout.admit(chunk),
        }
    }
}

impl StreamReplay {
    fn admit(&mut self, mut chunk: LogChunk) -> Option<LogChunk> {
        let at_ns = chunk.at_ns;
        if self.loose_until.is_some_and(|until| at_ns > until) {
            self.loose_until = None;
        }
        if self.loose_until.is_none() && self.seen.is_echoed_by(&chunk) {
            return None;
        }
        self.seen.is(&chunk);
        if at_ns < self.last.at_ns && self.loose_until.is_none() {
            self.met = 0;
            return None;
        }
        if at_ns == self.last.at_ns {
            self.met += 1;
            if self.met <= self.last.pieces {
                return None;
            }
        } else {
            self.met = 1;
        }
        self.last.advance(at_ns);
        if let Some(cut) = self.cut.take()
            && cut.at_ns == at_ns
        {
            let bytes = usize::try_from(cut.bytes).unwrap_or(usize::MAX);
            chunk.bytes.advance(bytes.min(chunk.bytes.len()));
        }
        Some(chunk)
    }
}

/// A piece as it was seen.
#[derive(Debug, Default)]
struct Seen {
    at_ns: i64,
    /// Empty unless it is a whole line or the end of one.
    bytes: Vec<u8>,
    /// Whether two lines always have two times.
    clock_is_fine: bool,
}

impl Seen {
    fn is(&mut self, chunk: &LogChunk) {
        self.at_ns = chunk.at_ns;
        self.bytes.clear();
        if chunk.bytes.ends_with(b"\n") {
            self.bytes.extend_from_slice(&chunk.bytes);
        }
    }

    fn is_echoed_by(&self, chunk: &LogChunk) -> bool {
        // Some log drivers keep microseconds only.
        let exact = self.clock_is_fine && chunk.at_ns % 1000 != 0;
        exact && self.at_ns == chunk.at_ns && !self.bytes.is_empty() && self.bytes == chunk.bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn chunk(stream: OutputStream, at_ns: i64) -> LogChunk {
        LogChunk { stream, at_ns, bytes: Bytes::from_static(b"abc\n") }
    }

    fn admitted(replay: &mut Replay, times: &[i64]) -> Vec<i64> {
        // Parts of lines, of which those of one time belong together.
        let part = |at: &i64| LogChunk { bytes: Bytes::from_static(b"abc"), ..chunk(OutputStream::Stdout, *at) };
        times.iter().filter_map(|at| replay.admit(part(at))).map(|piece| piece.at_ns).collect()
    }

    fn cursor(times: &[i64]) -> LogCursor {
        let mut cursor = LogCursor::default();
        times.iter().for_each(|at| cursor.stdout.advance(*at));
        cursor
    }

    #[test]
    fn pieces_of_one_nanosecond_are_counted() {
        let mut replay = Replay::new(&cursor(&[5, 7, 7]));
        assert_eq!(admitted(&mut replay, &[5, 7, 7, 7, 8]), [7, 8]);
    }

    #[test]
    fn what_the_engine_shows_twice_is_passed_on_once() {
        let mut replay = Replay::new(&LogCursor::default());
        assert_eq!(admitted(&mut replay, &[1, 2, 2, 3, 1, 2, 2, 3, 3, 4]), [1, 2, 2, 3, 3, 4]);
        replay.again();
        assert_eq!(admitted(&mut replay, &[3, 3, 4, 5]), [5]);
    }

    /// Passes lines and parts of lines, each with its time, and returns what is new of them.
    fn lines(fine: bool, cursor: &LogCursor, shown: &[(i64, &'static str)]) -> Vec<&'static str> {
        let mut replay = Replay::new(cursor);
        replay.stdout.seen.clock_is_fine = fine;
        let piece = |(at_ns, text): &(i64, &'static str)| LogChunk {
            bytes: Bytes::from_static(text.as_bytes()),
            ..chunk(OutputStream::Stdout, *at_ns)
        };
        let mut new = |shown: &&(i64, &'static str)| {
            let known = replay.knows(&piece(shown));
            let admitted = replay.admit(piece(shown)).is_some();
            assert_eq!(known, !admitted, "both say the same of {shown:?}");
            admitted
        };
        shown.iter().filter(|shown| new(shown)).map(|(_, text)| *text).collect()
    }

    #[test]
    fn a_line_that_is_shown_twice_in_a_row_is_passed_on_once() {
        let none = LogCursor::default();
        assert_eq!(lines(true, &none, &[(1, "a\n"), (2, "b\n"), (2, "b\n"), (3, "b\n")]), ["a\n", "b\n", "b\n"]);
        assert_eq!(lines(true, &cursor(&[2]), &[(2, "b\n"), (2, "b\n"), (3, "c\n")]), ["c\n"], "by the next process");
        assert_eq!(lines(true, &none, &[(2, "b\n"), (2, "c\n"), (2, "c")]), ["b\n", "c\n", "c"], "others are no echo");
        assert_eq!(lines(true, &none, &[(2, "xx"), (2, "xx"), (2, "\n")]), ["xx", "xx", "\n"], "parts are none");
    }

    #[test]
    fn where_two_lines_may_have_one_time_none_is_taken_for_an_echo() {
        let none = LogCursor::default();
        assert_eq!(lines(false, &none, &[(2, "b\n"), (2, "b\n")]).len(), 2);
        assert_eq!(lines(true, &none, &[(5000, "b\n"), (5000, "b\n")]).len(), 2, "a stamp of whole microseconds");
    }

    #[test]
    fn the_streams_do_not_hide_each_other() {
        let mut replay = Replay::new(&cursor(&[23]));
        assert!(replay.admit(chunk(OutputStream::Stderr, 1)).is_some());
    }

    #[test]
    fn a_piece_that_was_delivered_in_part_is_completed() {
        let mut at = cursor(&[5]);
        at.stdout.next = Some(NextPiece { at_ns: 7, bytes: 2 });
        let piece = Replay::new(&at).admit(chunk(OutputStream::Stdout, 7)).expect("new");
        assert_eq!(piece.bytes.as_ref(), b"c\n");
        let other = Replay::new(&at).admit(chunk(OutputStream::Stdout, 8)).expect("new");
        assert_eq!(other.bytes.as_ref(), b"abc\n", "another piece stays whole");
    }

    #[test]
    fn after_the_clock_was_set_back_nothing_is_dropped_until_the_times_have_caught_up() {
        let mut replay = Replay::new(&cursor(&[100]));
        replay.stdout.loose_until = Some(110);
        assert_eq!(admitted(&mut replay, &[40, 41, 110, 111, 50]), [40, 41, 110, 111]);
    }
}
