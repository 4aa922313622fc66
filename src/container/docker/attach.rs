//! The connection that carries a command's streams.
//!
//! The client library's own reader takes a terminal's output for framed output when it begins with a low byte, and keeps
//! a whole frame in memory; so this one connection is spoken by hand: one request, one answer, then raw streams.

use std::{io, path::Path};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::container::{Error, ExecChunk, ExecChunks, OutputStream};

use super::answer::{Answer, Source, unavailable};

/// Most that is read at a time.
const PIECE: usize = 32 << 10;
/// Bytes in front of every piece of output without a terminal: the stream, three zeros, the length.
const HEAD: usize = 8;

/// Both halves of an attached connection.
pub(super) struct Attached {
    pub(super) input: OwnedWriteHalf,
    reader: BufReader<OwnedReadHalf>,
}

/// Sends the request that starts a command and hands its streams over.
pub(super) async fn attach(socket: &Path, path: &str, body: &str, doing: &str) -> Result<Attached, Error> {
    let away = |error: io::Error| unavailable(doing, &error);
    let (read, mut input) = UnixStream::connect(socket).await.map_err(away)?.into_split();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    input.write_all(request.as_bytes()).await.map_err(away)?;
    let mut reader = BufReader::with_capacity(PIECE, read);
    let answer = Answer::read(&mut reader).await.map_err(away)?;
    // 101 where the upgrade is taken up, 200 where it is not and the connection is taken over all the same.
    match answer.status {
        101 | 200 => Ok(Attached { input, reader }),
        _ => Err(answer.refusal(reader, doing).await),
    }
}

impl Attached {
    /// Parts the connection into what is written to and what is read from.
    pub(super) fn split(self, tty: bool, doing: &str) -> (OwnedWriteHalf, ExecChunks) {
        let pieces = Pieces { reader: self.reader, tty, frame: None };
        (self.input, pieces.stream(doing.to_owned()))
    }
}

struct Pieces {
    reader: BufReader<OwnedReadHalf>,
    tty: bool,
    /// What is left of the frame being read.
    frame: Option<(OutputStream, usize)>,
}

impl Source for Pieces {
    type Piece = ExecChunk;

    async fn next(&mut self) -> io::Result<Option<ExecChunk>> {
        if self.tty {
            let bytes = self.read(PIECE).await?;
            return Ok(bytes.map(|bytes| ExecChunk { stream: OutputStream::Stdout, bytes }));
        }
        loop {
            let Some((stream, left)) = self.frame.filter(|(_, left)| *left > 0) else {
                match self.frame_head().await? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
                continue;
            };
            let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the output breaks off");
            let bytes = self.read(left.min(PIECE)).await?.ok_or_else(cut)?;
            self.frame = Some((stream, left - bytes.len()));
            return Ok(Some(ExecChunk { stream, bytes }));
        }
    }
}

impl Pieces {
    async fn frame_head(&mut self) -> io::Result<Option<(OutputStream, usize)>> {
        if self.reader.fill_buf().await?.is_empty() {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.reader.read_exact(&mut head).await?;
        let stream = if head[0] == 2 { OutputStream::Stderr } else { OutputStream::Stdout };
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        Ok(Some((stream, usize::try_from(length).unwrap_or(usize::MAX))))
    }

    /// Returns what is there, up to `most`; nothing at the end.
    async fn read(&mut self, most: usize) -> io::Result<Option<Bytes>> {
        let mut bytes = BytesMut::with_capacity(most);
        let length = (&mut self.reader).take(most as u64).read_buf(&mut bytes).await?;
        Ok((length > 0).then(|| bytes.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::net::UnixListener;

    use super::*;

    /// Attaches to a server that says `answer`, and gathers what comes.
    async fn attached(answer: &'static [u8], tty: bool) -> Result<Vec<(OutputStream, Vec<u8>)>, Error> {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).expect("bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let (read, mut write) = stream.split();
            let mut request = BufReader::new(read).lines();
            while request.next_line().await.expect("a request").is_some_and(|line| !line.is_empty()) {}
            write.write_all(answer).await.expect("taken");
        });
        let (_input, output) = attach(&socket, "/exec/x/start", "{}", "run").await?.split(tty, "run");
        let chunks: Vec<_> = output.collect().await;
        chunks.into_iter().map(|chunk| chunk.map(|chunk| (chunk.stream, chunk.bytes.to_vec()))).collect()
    }

    #[tokio::test]
    async fn frames_are_told_apart() {
        let answer = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\x01\0\0\0\0\0\0\x02ab\x02\0\0\0\0\0\0\x01c\x01\0\0\0\0\0\0\0";
        let chunks = attached(answer, false).await.expect("attached");
        assert_eq!(chunks, [(OutputStream::Stdout, b"ab".to_vec()), (OutputStream::Stderr, b"c".to_vec())]);
    }

    #[tokio::test]
    async fn a_terminals_output_is_taken_as_it_is() {
        let chunks = attached(b"HTTP/1.1 101 UPGRADED\r\n\r\n\x01\0\0\0\0\0\0\x02ab", true).await.expect("attached");
        assert_eq!(chunks.concat_bytes(), b"\x01\0\0\0\0\0\0\x02ab");
    }

    #[tokio::test]
    async fn a_frame_that_breaks_off_is_an_error() {
        let error = attached(b"HTTP/1.1 101 UPGRADED\r\n\r\n\x01\0\0\0\0\0\0\x05ab", false).await.expect_err("cut");
        assert!(error.to_string().contains("breaks off"), "{error}");
    }

    #[tokio::test]
    async fn the_engines_refusal_is_told() {
        let answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 35\r\n\r\n{\"message\":\"Container x is paused\"}\n";
        let error = attached(answer, false).await.expect_err("refused");
        assert!(error.to_string().contains("Container x is paused"), "{error}");
    }

    trait Concat {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl Concat for Vec<(OutputStream, Vec<u8>)> {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
        }
    }
}
