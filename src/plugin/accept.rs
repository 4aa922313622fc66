//! Which connections reach the server.
//!
//! Each must come from our own user and must begin as HTTP/2 does, within a time limit; others are dropped before the
//! server sees them. So strangers, port scanners and half-open connections cost a few bytes for a few seconds. The accept loop
//! itself survives everything: without it the agent would take the plugin for dead and restart healthy tasks.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::process::geteuid;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream, unix::UCred},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// What every HTTP/2 client sends first (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A client of this machine sends its preface at once; a stopped one gets a while.
const PREFACE_TIME: Duration = Duration::from_secs(10);
/// Connections that have been accepted and not yet taken; the agent opens one.
const BACKLOG: usize = 16;
/// Rest after a failed accept, as for want of descriptors, so that the loop does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A connection whose preface has been read ahead.
pub struct Greeted {
    stream: UnixStream,
    unread: &'static [u8],
}

/// Returns the connections worth serving. The loop ends when the stream is dropped.
pub fn incoming(listener: UnixListener) -> ReceiverStream<io::Result<Greeted>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(greet(stream, sender.clone()))),
                    Err(error) => {
                        tracing::warn!(%error, "A connection could not be accepted");
                        sleep(ACCEPT_REST).await;
                    }
                },
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Passes `stream` on when it is from our own user and speaks HTTP/2.
async fn greet(mut stream: UnixStream, sender: mpsc::Sender<io::Result<Greeted>>) {
    if !stream.peer_cred().is_ok_and(|peer| is_ours(&peer)) {
        tracing::warn!("A connection of another user was refused");
        return;
    }
    let mut preface = [0; PREFACE.len()];
    match timeout(PREFACE_TIME, stream.read_exact(&mut preface)).await {
        Ok(Ok(_)) if &preface == PREFACE => {
            sender.send(Ok(Greeted { stream, unread: PREFACE })).await.ok();
        }
        _ => tracing::debug!("A connection that speaks no HTTP/2 was dropped"),
    }
}

fn is_ours(peer: &UCred) -> bool {
    peer.uid() == 0 || peer.uid() == geteuid().as_raw()
}

impl Connected for Greeted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buf.remaining()));
        buf.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
