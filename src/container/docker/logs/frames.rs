//! Takes an engine's output apart into pieces with their streams and times.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::container::{LogChunk, OutputStream};

/// Bytes in front of every piece of output without a terminal: the stream, three zeros, the length.
const HEAD: usize = 8;
/// Longest time in front of a piece.
const TIME_MAX: usize = 40;
/// Most of one frame that is kept in memory; longer ones come in pieces of this size. Engines of today cut at 16 KiB.
const PIECE_MAX: usize = 64 << 10;

/// Takes pieces off the front of a body.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What is left of a frame whose first part was taken, with its stream and time.
    rest: Option<(OutputStream, i64, usize)>,
    times: Times,
    /// Time of the last line of a terminal.
    last_ns: i64,
}

impl Frames {
    /// Takes all whole pieces off `body`. At the `end` an unfinished line of a terminal is one too.
    pub(super) fn take(&mut self, body: &mut BytesMut, end: bool) -> io::Result<Vec<LogChunk>> {
        let mut pieces = Vec::new();
        while !body.is_empty() {
            let more = match self.rest {
                Some(rest) => self.go_on(rest, body, &mut pieces),
                // The first byte of a frame is the stream's number, the first of a terminal's line a digit of a time.
                None if body[0] > 2 => self.line(body, end, &mut pieces),
                None => self.frame(body, &mut pieces)?,
            };
            if !more {
                break;
            }
        }
        Ok(pieces)
    }

    fn frame(&mut self, body: &mut BytesMut, pieces: &mut Vec<LogChunk>) -> io::Result<bool> {
        if body.len() < HEAD {
            return Ok(false);
        }
        let stream = if body[0] == 2 { OutputStream::Stderr } else { OutputStream::Stdout };
        let length = u32::from_be_bytes([body[4], body[5], body[6], body[7]]) as usize;
        if body.len() - HEAD < length.min(TIME_MAX + PIECE_MAX) {
            return Ok(false);
        }
        let payload = &body[HEAD..body.len().min(HEAD + length)];
        // What has no time is no output of a process.
        let Some((at_ns, text)) = self.times.split(payload) else {
            let why = "a piece of output bears no time";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        body.advance(HEAD + text);
        Ok(self.go_on((stream, at_ns, length - text), body, pieces))
    }

    /// Takes what is there of a frame, in parts that do not depend on how the bytes came in.
    fn go_on(
        &mut self,
        (stream, at_ns, left): (OutputStream, i64, usize),
        body: &mut BytesMut,
        pieces: &mut Vec<LogChunk>,
    ) -> bool {
        let part = left.min(PIECE_MAX);
        if body.len() < part {
            self.rest = Some((stream, at_ns, left));
            return false;
        }
        pieces.push(LogChunk { stream, at_ns, bytes: body.split_to(part).freeze() });
        self.rest = (left > part).then_some((stream, at_ns, left - part));
        true
    }

    fn line(&mut self, body: &mut BytesMut, end: bool, pieces: &mut Vec<LogChunk>) -> bool {
        let length = match body.iter().position(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if end || body.len() > TIME_MAX + PIECE_MAX => body.len(),
            None => return false,
        };
        let mut bytes: Bytes = body.split_to(length).freeze();
        if let Some((at_ns, text)) = self.times.split(&bytes) {
            self.last_ns = at_ns;
            bytes.advance(text);
        }
        pieces.push(LogChunk { stream: OutputStream::Stdout, at_ns: self.last_ns, bytes });
        true
    }
}

/// Reads times, most of which are of the same second as the one before.
#[derive(Debug, Default)]
struct Times {
    second: [u8; SECOND],
    second_ns: i64,
}

/// Length of `2026-11-24T08:32:41`.
const SECOND: usize = 19;

impl Times {
    /// Returns the time at the front and where the text behind it begins.
    fn split(&mut self, piece: &[u8]) -> Option<(i64, usize)> {
        let space = piece.iter().take(TIME_MAX).position(|byte| *byte == b' ')?;
        Some((self.read(&piece[..space])?, space + 1))
    }

    fn read(&mut self, text: &[u8]) -> Option<i64> {
        let (second, fraction) = text.split_at_checked(SECOND)?;
        let digits = fraction.strip_prefix(b".").and_then(|rest| rest.strip_suffix(b"Z"));
        let Some(digits) = digits.filter(|digits| digits.len() == 9) else { return slowly(text) };
        let nanos = digits
            .iter()
            .try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))?;
        if self.second != second {
            self.second_ns = slowly(&[second, b"Z"].concat())?;
            self.second.copy_from_slice(second);
        }
        Some(self.second_ns + nanos)
    }
}

fn slowly(text: &[u8]) -> Option<i64> {
    let at = OffsetDateTime::parse(std::str::from_utf8(text).ok()?, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn the_time_is_taken_off_and_the_rest_left_as_it_was() {
        let mut times = Times::default();
        let mut split = |text: &str| times.split(text.as_bytes()).map(|(at, text)| (at % 10_000_000_000, text));
        assert_eq!(split("2026-11-24T08:32:41.678946787Z a b\n"), Some((1_678_946_787, 31)));
        assert_eq!(split("2026-11-24T08:32:41.000000001Z \n"), Some((1_000_000_001, 31)));
        assert_eq!(split("2026-11-24T08:32:42.678946787Z a b\n"), Some((2_678_946_787, 31)));
        assert_eq!(split("2026-11-24T08:32:42Z \n"), Some((2_000_000_000, 21)));
        assert_eq!(split("2026-11-24T09:32:43.5+01:00 x\n"), Some((3_500_000_000, 28)));
        assert_eq!(split("no time"), None);
        assert_eq!(split("2026-11-24T08:32:4x.678946787Z a"), None);
    }

    #[test]
    fn frames_are_told_apart_wherever_the_bytes_are_cut() {
        let at = "2026-11-24T08:32:41.000000001Z ";
        let all = [frame(1, &format!("{at}ab\n")), frame(2, &format!("{at}c\n")), frame(1, at)].concat();
        for cut in 0..=all.len() {
            let (mut frames, mut body, mut pieces) = (Frames::default(), BytesMut::new(), Vec::new());
            for part in [&all[..cut], &all[cut..]] {
                body.extend_from_slice(part);
                pieces.extend(frames.take(&mut body, false).expect("well formed"));
            }
            let seen: Vec<_> = pieces.iter().map(|piece| (piece.stream, piece.bytes.as_ref())).collect();
            let (out, err) = (OutputStream::Stdout, OutputStream::Stderr);
            assert_eq!(seen, [(out, &b"ab\n"[..]), (err, b"c\n"), (out, b"")], "cut at {cut}");
        }
    }

    #[test]
    fn a_long_frame_comes_in_pieces_that_do_not_depend_on_the_cuts() {
        let text = "x".repeat(2 * PIECE_MAX + 7);
        let all = frame(1, &format!("2026-11-24T08:32:41.000000001Z {text}"));
        for step in [1000, 70_000, all.len()] {
            let (mut frames, mut body, mut pieces) = (Frames::default(), BytesMut::new(), Vec::new());
            for part in all.chunks(step) {
                body.extend_from_slice(part);
                pieces.extend(frames.take(&mut body, false).expect("well formed"));
            }
            let lengths: Vec<usize> = pieces.iter().map(|piece| piece.bytes.len()).collect();
            assert_eq!(lengths, [PIECE_MAX, PIECE_MAX, 7], "in steps of {step}");
        }
    }

    #[test]
    fn a_terminals_lines_are_told_apart_by_their_ends() {
        let at = "2026-11-24T08:32:41.000000001Z ";
        let mut body = BytesMut::from(format!("{at}ab\r\n{at}c").as_bytes());
        let mut frames = Frames::default();
        let pieces = frames.take(&mut body, false).expect("well formed");
        assert_eq!(pieces[0].bytes.as_ref(), b"ab\r\n");
        assert_eq!((pieces.len(), frames.take(&mut body, true).expect("the end")[0].bytes.as_ref()), (1, &b"c"[..]));
    }
}
