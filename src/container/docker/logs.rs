//! A container's output as the engine keeps it.
//!
//! The engine sends each line by itself, so a flood is many small chunks. The client library hands them over one by one from one
//! task to another, which costs more than all else together; so this connection is spoken by hand: what has come in is
//! read at a stroke and handed over as one batch.

mod chunked;
mod frames;

use std::{
    io,
    path::{Path, PathBuf},
};

use bollard::models::ContainerInspectResponse;
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use crate::container::{ContainerId, Docker, Error, Extent, LogChunk, LogCursor, LogStream};

use super::{
    answer::{Answer, Source, unavailable},
    client::SHORT,
};

use chunked::{Body, State};
use frames::Frames;

/// Most that is read at a time.
const PIECE: usize = 64 << 10;

impl Docker {
    pub(super) async fn output(&self, id: &ContainerId, from: &LogCursor, extent: Extent) -> Result<LogStream, Error> {
        let doing = format!("read the output of container {id}");
        // The dialect must be known before its path is spelt.
        self.api().await?;
        let path = self.versioned_path(&format!("/containers/{id}/logs?{}", query(from, extent))).await;
        match tokio::time::timeout(SHORT, open(self.socket(), &path, id, &doing)).await {
            Ok(output) => Ok(output?.stream(doing)),
            Err(_) => Err(Error::EngineTimeout { doing, after: SHORT }),
        }
    }

    pub(super) async fn output_file(&self, id: &ContainerId) -> Option<PathBuf> {
        output_file(&self.look_at(id).await.ok()?).filter(|path| path.exists())
    }
}

/// The engine tells the file of one log driver only; that of the other lies beside the container's further files.
fn output_file(found: &ContainerInspectResponse) -> Option<PathBuf> {
    let told = |path: &Option<String>| path.clone().filter(|path| !path.is_empty()).map(PathBuf::from);
    let driver = found.host_config.as_ref()?.log_config.as_ref()?.typ.as_deref()?;
    match driver {
        "json-file" => told(&found.log_path),
        "local" => Some(told(&found.hostname_path)?.parent()?.join("local-logs/container.log")),
        _ => None,
    }
}

fn query(from: &LogCursor, extent: Extent) -> String {
    let since = from.since_ns();
    let since = format!("since={}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
    let extent = match extent {
        Extent::Follow => format!("follow=1&{since}"),
        Extent::Rest => since,
        Extent::Tail(pieces) => format!("tail={pieces}"),
    };
    format!("stdout=1&stderr=1&timestamps=1&{extent}")
}

/// The connection and what has come in.
struct Output {
    stream: UnixStream,
    raw: BytesMut,
    body: BytesMut,
    coding: Body,
    frames: Frames,
}

async fn open(socket: &Path, path: &str, id: &ContainerId, doing: &str) -> Result<Output, Error> {
    let away = |error: io::Error| unavailable(doing, &error);
    let mut stream = UnixStream::connect(socket).await.map_err(away)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(away)?;
    let mut reader = BufReader::with_capacity(PIECE, stream);
    let answer = Answer::read(&mut reader).await.map_err(away)?;
    match answer.status {
        200 => {}
        404 => return Err(Error::NotFound(id.to_string())),
        _ => return Err(answer.refusal(reader, doing).await),
    }
    let raw = BytesMut::from(reader.buffer());
    let coding = if answer.chunked { Body::Chunked(State::Length) } else { Body::Plain };
    Ok(Output { stream: reader.into_inner(), raw, body: BytesMut::new(), coding, frames: Frames::default() })
}

impl Source for Output {
    type Piece = Vec<LogChunk>;

    /// Returns all pieces that have come in, at least one; nothing at the end.
    async fn next(&mut self) -> io::Result<Option<Vec<LogChunk>>> {
        loop {
            self.coding.decode(&mut self.raw, &mut self.body)?;
            let pieces = self.frames.take(&mut self.body, false)?;
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
            self.raw.reserve(PIECE);
            if self.stream.read_buf(&mut self.raw).await? == 0 {
                return self.rest();
            }
        }
    }
}

impl Output {
    fn rest(&mut self) -> io::Result<Option<Vec<LogChunk>>> {
        if !self.coding.may_end() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the output breaks off"));
        }
        let pieces = self.frames.take(&mut self.body, true)?;
        Ok((!pieces.is_empty()).then_some(pieces))
    }
}
