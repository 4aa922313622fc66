//! A real registry of one's own: on a free port, with or without a password and TLS, gone with the value.
//!
//! Goes into a test beside `parts.rs`. [`Registry::offer`] puts an image there that is nowhere else. [`Lane`] is a way to it that is slow or stands still.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};

use super::parts::part;

/// Who may pull from a registry with a password. In the usual base64 the password has both letters, `+` and `/`, that a
/// header spells differently.
pub const USER: &str = "puller";
pub const PASSWORD: &str = "right>>>>>??????? words";
/// The password's bcrypt hash, which is the only kind that the registry reads.
const HASH: &str = "$2b$05$YbFU7D815bP.sIbz130oDeSbtal3XzOoc627F2JLTxl/QcbjijaPG";
/// How long a registry may take to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// How a registry is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// Whether it asks for a password.
    pub password: bool,
    /// Whether it speaks TLS, on an address that the engine does not take for its own machine's.
    pub tls: bool,
}

/// A running registry.
pub struct Registry {
    child: Child,
    kind: Kind,
    host: String,
    dir: TempDir,
    /// Names of images that were made for it.
    names: Mutex<Vec<String>>,
}

impl Registry {
    /// Starts one that anybody may pull from.
    pub fn open() -> Self {
        Self::start(Kind::default())
    }

    /// Starts one of that kind.
    pub fn start(kind: Kind) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let address = if kind.tls { spare_address() } else { "127.0.0.1".to_owned() };
        let port =
            TcpListener::bind((address.as_str(), 0)).and_then(|socket| socket.local_addr()).expect("a port").port();
        let host = format!("{address}:{port}");
        if kind.tls {
            make_certificate(dir.path(), &address);
        }
        fs::write(dir.path().join("passwords"), format!("{USER}:{HASH}\n")).expect("written");
        fs::write(dir.path().join("config.yml"), config(dir.path(), kind, &host)).expect("written");
        let child = run(dir.path());
        let registry = Self { child, kind, host, dir, names: Mutex::default() };
        if kind.tls {
            registry.trust();
        }
        registry.wait_until_it_listens();
        registry
    }

    /// Returns host and port, as image names have them.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Makes an image of about so many bytes that nobody else has, and puts it into the registry only. It has busybox's
    /// programs. Returns its name.
    pub fn offer(&self, bytes: usize) -> String {
        self.offer_as(&format!("strongbox-test/{}:1", hex::encode(rand::random::<[u8; 6]>())), bytes)
    }

    /// The same for an image of a given name. Returns it with the registry's address.
    pub fn offer_as(&self, name: &str, bytes: usize) -> String {
        let name = format!("{}/{name}", self.host);
        self.make(&name, bytes);
        self.push(&name);
        docker(&["rmi", &name]);
        name
    }

    /// Puts an image into the registry only that does what the machine's image `like` does and is no other's content.
    pub fn offer_like(&self, like: &str) -> String {
        let unique = hex::encode(rand::random::<[u8; 6]>());
        let name = format!("{}/strongbox-test/{unique}:1", self.host);
        let container = docker(&["create", "--network", "none", like]);
        docker(&["commit", "--change", &format!("LABEL unique={unique}"), &container, &name]);
        docker(&["rm", &container]);
        self.expect_name(&name);
        self.push(&name);
        docker(&["rmi", &name]);
        name
    }

    /// Makes an image with busybox's programs on this machine.
    pub fn make(&self, name: &str, bytes: usize) {
        make_image(name, bytes);
        self.names.lock().expect("no test panics with it").push(name.to_owned());
    }

    /// Lets the broom know of a name that a test will make.
    pub fn expect_name(&self, name: &str) {
        self.names.lock().expect("no test panics with it").push(name.to_owned());
    }

    /// Pushes an image by its name.
    pub fn push(&self, name: &str) {
        let config = self.dir.path().join("client");
        fs::create_dir_all(&config).expect("made");
        let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let json = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, self.host);
        fs::write(config.join("config.json"), json).expect("written");
        docker(&["--config", &config.to_string_lossy(), "push", "-q", name]);
    }

    /// Returns what the registry has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Stops answering for good.
    pub fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Lets the engine trust the registry's certificate.
    pub fn trust(&self) {
        let place = trust_dir(&self.host);
        fs::create_dir_all(&place).expect("root makes it");
        fs::copy(self.dir.path().join("ca.pem"), place.join("ca.crt")).expect("copied");
    }

    /// Lets the engine forget it again.
    pub fn distrust(&self) {
        fs::remove_dir_all(trust_dir(&self.host)).ok();
    }

    fn wait_until_it_listens(&self) {
        let end = Instant::now() + LIMIT;
        while std::net::TcpStream::connect(&self.host).is_err() {
            assert!(Instant::now() < end, "the registry does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.end();
        for name in self.names.get_mut().expect("no test panics with it") {
            Command::new("docker").args(["rmi", "-f", name]).output().ok();
        }
        if self.kind.tls {
            self.distrust();
            let address = self.host.split(':').next().unwrap_or_default();
            Command::new("ip").args(["addr", "del", &format!("{address}/32"), "dev", "lo"]).output().ok();
        }
    }
}

/// Gives the loopback interface one more address. The engine verifies no certificate of 127.0.0.0/8, so that a registry
/// that is to be verified needs another; this range is set apart for tests and never routed.
fn spare_address() -> String {
    let address = format!("198.18.{}.{}", rand::random::<u8>(), rand::random::<u8>().clamp(1, 254));
    let output = Command::new("ip").args(["addr", "add", &format!("{address}/32"), "dev", "lo"]).output();
    let output = output.expect("ip runs; run `make setup`");
    assert!(output.status.success(), "ip: {}", String::from_utf8_lossy(&output.stderr));
    address
}

fn trust_dir(host: &str) -> PathBuf {
    Path::new("/etc/docker/certs.d").join(host)
}

fn make_certificate(dir: &Path, address: &str) {
    let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
    fs::write(dir.join("ext"), format!("subjectAltName=IP:{address}\n")).expect("written");
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let (ca_key, ca, key, csr, cert, ext) =
        (at("ca.key"), at("ca.pem"), at("key.pem"), at("csr"), at("cert.pem"), at("ext"));
    openssl(
        &[&["req", "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", &ca_key, "-out", &ca], &ec[..]].concat(),
    );
    openssl(&[&["req", "-subj", "/CN=registry", "-keyout", &key, "-out", &csr], &ec[..]].concat());
    let sign = ["x509", "-req", "-days", "2", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
    openssl(&[&sign[..], &["-extfile", &ext, "-out", &cert]].concat());
}

fn openssl(words: &[&str]) {
    let output = Command::new(part("STRONGBOX_OPENSSL")).args(words).output().expect("openssl runs; run `make setup`");
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn config(dir: &Path, kind: Kind, host: &str) -> String {
    let dir = dir.display();
    let tls = format!("\n  tls:\n    certificate: {dir}/cert.pem\n    key: {dir}/key.pem");
    let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {dir}/passwords\n");
    format!(
        "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {dir}/store\nhttp:\n  addr: {host}{}\n{}",
        if kind.tls { &tls } else { "" },
        if kind.password { &auth } else { "" },
    )
}

fn run(dir: &Path) -> Child {
    let log = fs::File::create(dir.join("log")).expect("a log");
    let mut command = Command::new(part("STRONGBOX_REGISTRY"));
    command.arg("serve").arg(dir.join("config.yml")).env_clear().env("HOME", dir).env("OTEL_TRACES_EXPORTER", "none");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("docker-registry does not run ({error}); run `make setup`"))
}

/// Makes an image on this machine: busybox's programs and so many bytes that no other image has. In it `$IMAGE` is the last
/// part of its name.
pub fn make_image(name: &str, bytes: usize) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let noise: Vec<u8> = (0..bytes.max(16)).map(|_| rand::random()).collect();
    file.write_all(&noise).expect("written");
    let container = docker(&["create", "--network", "none", "strongbox/busybox:1", "true"]);
    docker(&["cp", "-q", &file.path().to_string_lossy(), &format!("{container}:/noise")]);
    let says = format!("ENV IMAGE={}", name.rsplit('/').next().unwrap_or_default());
    docker(&["commit", "--change", &says, &container, name]);
    docker(&["rm", &container]);
}

/// Says whether the engine has an image of that name.
pub fn is_here(name: &str) -> bool {
    Command::new("docker").args(["image", "inspect", name]).output().is_ok_and(|output| output.status.success())
}

/// Runs `docker` and returns what it printed.
///
/// # Panics
/// It fails.
pub fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("docker runs; run `make setup`");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "docker {words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A way to a registry through which so many bytes pass in a second; with none, what is under way stands still.
pub struct Lane {
    host: String,
    speed: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Lane {
    /// Opens a lane to `registry`.
    pub async fn to(registry: &Registry, speed: u64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let (speed, seen) = watch::channel(speed);
        let target = registry.host().to_owned();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), seen.clone()));
            }
        });
        Self { host, speed, task }
    }

    /// Returns the name under which an image of the registry is reached through the lane.
    pub fn through(&self, registry: &Registry, name: &str) -> String {
        let name = name.replacen(registry.host(), &self.host, 1);
        registry.expect_name(&name);
        name
    }

    /// Sets how many bytes pass in a second.
    pub fn set(&self, speed: u64) {
        self.speed.send_replace(speed);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, target: String, mut speed: watch::Receiver<u64>) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_registry, mut to_registry) = TcpStream::connect(target).await?.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_registry).await });
    let mut piece = vec![0; 8 << 10];
    loop {
        let read = from_registry.read(&mut piece).await?;
        if read == 0 {
            return to_client.shutdown().await;
        }
        let now = *speed.wait_for(|speed| *speed > 0).await.map_err(std::io::Error::other)?;
        to_client.write_all(&piece[..read]).await?;
        tokio::time::sleep(Duration::from_secs_f64(read as f64 / now as f64)).await;
    }
}
