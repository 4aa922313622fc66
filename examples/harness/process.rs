//! One launch of the plugin's binary: from exec to the last byte of its stderr.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use strongbox::plugin::proto::{
    base::base_plugin_client::BasePluginClient,
    drivers::driver_client::DriverClient,
    goplugin::{Empty, grpc_controller_client::GrpcControllerClient},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::{oneshot, watch},
};
use tonic::transport::{Channel, Endpoint, Uri};

use super::{
    feed::{Event, Feed},
    handshake::{self, Address, HandshakeError},
    hclog,
};

/// Key and value by which a plugin knows that an agent started it.
const COOKIE: (&str, &str) =
    ("NOMAD_PLUGIN_MAGIC_COOKIE", "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255");
/// An agent waits this long for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// And this long for the process to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// The binary.
    pub binary: PathBuf,
    /// Further environment.
    pub env: Vec<(String, String)>,
}

/// A running process of the plugin.
pub struct Process {
    /// Where it listens.
    pub address: Address,
    /// How long it took from exec to the handshake.
    pub startup: Duration,
    pid: u32,
    channel: Channel,
    kill: watch::Sender<bool>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// Why a launch failed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("start {binary}", binary = .0.display())]
    Exec(PathBuf, #[source] std::io::Error),
    #[error("plugin exited before we could connect; its stderr says why")]
    Exited,
    #[error("timeout while waiting for plugin to start")]
    Timeout,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("connect to the plugin")]
    Connect(#[from] tonic::transport::Error),
}

impl Process {
    /// Starts the binary and connects to it.
    pub async fn launch(program: &Program, feed: &Feed) -> Result<Self, LaunchError> {
        let begin = Instant::now();
        let mut child = command(program).spawn().map_err(|e| LaunchError::Exec(program.binary.clone(), e))?;
        let pid = child.id().ok_or(LaunchError::Exited)?;
        let (said, first) = oneshot::channel();
        let out = child.stdout.take().map(|pipe| tokio::spawn(stdout(pipe, said, feed.clone())));
        let err = child.stderr.take().map(|pipe| tokio::spawn(stderr(pipe, feed.clone())));
        let (kill, killed) = watch::channel(false);
        let (end, ended) = watch::channel(None);
        tokio::spawn(reap(child, killed, out.into_iter().chain(err).collect(), end));
        let connected = connect(first).await;
        let (address, channel) = connected.inspect_err(|_| _ = kill.send(true))?;
        Ok(Self { address, startup: begin.elapsed(), pid, channel, kill, ended })
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the connection.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Returns a client of the base service.
    pub fn base(&self) -> BasePluginClient<Channel> {
        BasePluginClient::new(self.channel()).max_decoding_message_size(i32::MAX as usize)
    }

    /// Returns a client of the driver service.
    pub fn driver(&self) -> DriverClient<Channel> {
        DriverClient::new(self.channel()).max_decoding_message_size(i32::MAX as usize)
    }

    /// Returns whether the process has ended and both its pipes are closed, which is when an agent believes it.
    pub fn is_dead(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits until the process is seen dead.
    pub async fn dead(&self) -> Option<ExitStatus> {
        // The sender is dropped only after it has sent.
        self.ended.clone().wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }

    /// Ends the process as an agent does; says whether it went by itself.
    pub async fn shutdown(&self) -> bool {
        let asked = GrpcControllerClient::new(self.channel()).shutdown(Empty {}).await;
        let gone = tokio::time::timeout(GRACE, self.dead()).await.is_ok();
        if !gone {
            self.kill_9().await;
        }
        asked.is_ok() && gone
    }

    /// Kills the process and waits until it is seen dead.
    pub async fn kill_9(&self) {
        self.kill.send_replace(true);
        self.dead().await;
    }
}

/// The environment is the harness's own with the handshake's entries after it, as for an agent.
fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.binary);
    command
        .env(COOKIE.0, COOKIE.1)
        .env("PLUGIN_MIN_PORT", "10000")
        .env("PLUGIN_MAX_PORT", "25000")
        .env("PLUGIN_PROTOCOL_VERSIONS", "2")
        .envs(program.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn connect(first: oneshot::Receiver<String>) -> Result<(Address, Channel), LaunchError> {
    let line = tokio::time::timeout(HANDSHAKE, first)
        .await
        .map_err(|_| LaunchError::Timeout)?
        .map_err(|_| LaunchError::Exited)?;
    let address = handshake::parse(&line)?;
    let channel = dial(&address).await?;
    Ok((address, channel))
}

/// Connects to a plugin; the authority is the one that an agent sends.
pub async fn dial(address: &Address) -> Result<Channel, tonic::transport::Error> {
    let target = match address {
        Address::Unix(path) => format!("unix://{}", path.display()),
        Address::Tcp(at) => format!("http://{at}"),
    };
    Endpoint::from_shared(target)?.origin(Uri::from_static("http://unused")).connect().await
}

async fn stdout(pipe: impl AsyncRead + Unpin, first: oneshot::Sender<String>, feed: Feed) {
    let mut lines = BufReader::new(pipe).lines();
    if let Ok(Some(line)) = lines.next_line().await {
        // Whoever launched may have given up already.
        let _ = first.send(line);
    }
    while let Ok(Some(line)) = lines.next_line().await {
        feed.push(Event::Fault(format!("the plugin wrote to stdout after the handshake: {line}")));
    }
}

async fn stderr(pipe: impl AsyncRead + Unpin, feed: Feed) {
    let (mut lines, mut reader) = (BufReader::new(pipe).split(b'\n'), hclog::Reader::default());
    while let Ok(Some(bytes)) = lines.next_segment().await {
        if bytes.len() > 64 * 1024 {
            feed.push(Event::Fault(format!("a line of {} bytes on stderr is logged in pieces", bytes.len())));
        }
        match reader.line(&String::from_utf8_lossy(&bytes)) {
            Ok(line) => feed.push(Event::PluginLog(line)),
            Err(fatal) => feed.push(Event::Fault(fatal.to_string())),
        }
    }
}

/// Waits for the end of the process and of both pipes, killing when asked.
async fn reap(
    mut child: Child,
    mut kill: watch::Receiver<bool>,
    pipes: Vec<tokio::task::JoinHandle<()>>,
    end: watch::Sender<Option<ExitStatus>>,
) {
    // An error means that nobody can ask any more, which is a reason to end it, too.
    let asked = async { drop(kill.wait_for(|asked| *asked).await) };
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = asked => None,
    };
    let status = match ended {
        Some(status) => status,
        None => {
            let _ = child.start_kill();
            child.wait().await
        }
    };
    for pipe in pipes {
        let _ = pipe.await;
    }
    end.send_replace(Some(status.unwrap_or_default()));
}
