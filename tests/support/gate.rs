//! A gate before the server, on loopback: open it passes on, shut it refuses connections as a dead server does.

use std::{net::SocketAddr, sync::Mutex};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A gate for as long as it is held.
pub struct Gate {
    at: SocketAddr,
    to: String,
    shut: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Gate {
    /// Opens a gate before the server at `address`, which is `http://host:port`.
    pub async fn before(address: &str) -> Self {
        let to = address.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        let gate = Self { at, to, shut: watch::Sender::new(false), task: Mutex::default() };
        gate.serve(listener);
        gate
    }

    /// Returns the address to give to clients.
    pub fn address(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Cuts what is open and refuses what comes.
    pub async fn shut(&self) {
        self.shut.send_replace(true);
        let task = self.task.lock().expect("no test panics with it").take();
        if let Some(task) = task {
            task.abort();
            // The listener is closed once the task is gone.
            task.await.ok();
        }
    }

    /// Passes on again.
    pub async fn open(&self) {
        self.shut.send_replace(false);
        let listener = TcpListener::bind(self.at).await.expect("the same port");
        self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) {
        let task = tokio::spawn(accept(listener, self.to.clone(), self.shut.clone()));
        *self.task.lock().expect("no test panics with it") = Some(task);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shut.send_replace(true);
        if let Ok(Some(task)) = self.task.lock().map(|mut task| task.take()) {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, to: String, shut: watch::Sender<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (to, mut shut) = (to.clone(), shut.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = shut.wait_for(|shut| *shut) => {}
                _ = pass(client, &to) => {}
            }
        });
    }
}

async fn pass(mut client: TcpStream, to: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
