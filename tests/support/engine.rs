//! A socket before the engine's own, at which a test can cut the talk.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinHandle,
};

/// The engine's own socket.
const ENGINE: &str = "/var/run/docker.sock";

/// A proxy for as long as it is held.
pub struct Proxy {
    dir: tempfile::TempDir,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    down: watch::Sender<bool>,
    /// First lines of the requests so far.
    requests: watch::Sender<Vec<String>>,
    swallow: Mutex<Option<String>>,
}

impl Proxy {
    /// Begins to pass requests on.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket");
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { dir, shared, task }
    }

    /// Returns where it listens.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// Cuts what is open and passes nothing on.
    pub fn down(&self) {
        self.shared.down.send_replace(true);
    }

    /// Passes requests on again.
    pub fn up(&self) {
        self.shared.down.send_replace(false);
    }

    /// Lets the engine do the next request whose first line holds `part`, and loses its answer.
    pub fn swallow_reply(&self, part: &str) {
        *self.shared.swallow.lock().expect("no test panics with it") = Some(part.to_owned());
    }

    /// Returns the first lines of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.borrow().clone()
    }

    /// Waits until a request was passed on whose first line holds `part`.
    pub async fn asked(&self, part: &str) {
        let mut requests = self.shared.requests.subscribe();
        let seen = requests.wait_for(|requests| requests.iter().any(|request| request.contains(part)));
        seen.await.expect("the proxy is there");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let mut down = shared.down.subscribe();
            let cut = async move { down.wait_for(|down| *down).await.map(|_| ()).ok() };
            tokio::select! {
                biased;
                _ = cut => {}
                _ = pass(client, &shared) => {}
            }
        });
    }
}

async fn pass(mut client: UnixStream, shared: &Shared) -> io::Result<()> {
    let mut head = vec![0; 64 << 10];
    let read = client.read(&mut head).await?;
    let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
    let mut engine = UnixStream::connect(ENGINE).await?;
    engine.write_all(&head[..read]).await?;
    shared.requests.send_modify(|requests| requests.push(line.clone()));
    if swallows(shared, &line) {
        // Whatever else belongs to the request goes through; the first byte of the answer says that it was done.
        let (mut from, mut to) = client.split();
        let (mut answer, mut ask) = engine.split();
        tokio::select! {
            _ = tokio::io::copy(&mut from, &mut ask) => {}
            _ = answer.read_u8() => {}
        }
        return to.shutdown().await;
    }
    copy_bidirectional(&mut client, &mut engine).await.map(|_| ())
}

fn swallows(shared: &Shared, line: &str) -> bool {
    let mut swallow = shared.swallow.lock().expect("no test panics with it");
    let hit = swallow.as_ref().is_some_and(|part| line.contains(part.as_str()));
    if hit {
        *swallow = None;
    }
    hit
}
