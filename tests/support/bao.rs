//! A real OpenBao of one's own: in memory, on a free port of loopback, gone with the value.
//!
//! Take it into a test with `#[path = "support/bao.rs"] mod bao;`. [`Bao::start`] gives an empty server,
//! [`Bao::configured`] one that the example's own `setup.sh` has configured for job `timeline`: KV, a root and an
//! intermediate CA, JWT login for Nomad's identities and for ours, and the database engine on the real PostgreSQL.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use strongbox::vault::NodeKey;
use tempfile::TempDir;

#[path = "parts.rs"]
pub mod parts;
use parts::part;

/// How long a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server.
pub struct Bao {
    child: Child,
    address: String,
    root_token: String,
    dir: TempDir,
    tls: bool,
    /// Where it insists on a client's certificate.
    strict: Option<String>,
    /// Whether accounts were made in PostgreSQL, which have to go before the server does.
    lends_accounts: bool,
    nomad: Option<NomadKey>,
    node: Option<NodeKey>,
}

/// What [`Bao::configured_with`] is to set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The job whose role, policy and paths are made.
    pub job: String,
    /// Life of a task's token between renewals.
    pub token_period: String,
    /// Life of a database account between renewals.
    pub db_ttl: String,
    /// Whether the database engine is wanted.
    pub database: bool,
    /// Whether the server speaks TLS, and asks for a client's certificate without insisting on one.
    pub tls: bool,
    /// Whether a Ctrl-C in the terminal is kept from the server, for a caller that cleans up after one by itself.
    pub apart: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            job: "timeline".into(),
            token_period: "15m".into(),
            db_ttl: "1h".into(),
            database: true,
            tls: false,
            apart: false,
        }
    }
}

/// A key that signs identities as a Nomad cluster does.
pub struct NomadKey {
    key: EncodingKey,
}

impl Bao {
    /// Starts an empty server on plain HTTP.
    pub fn start() -> Self {
        Self::start_as(false, false)
    }

    /// Starts an empty server with TLS; [`Bao::ca_file`] is its CA.
    pub fn start_tls() -> Self {
        Self::start_as(true, false)
    }

    /// Starts an empty server that has a second door, [`Bao::strict_address`], which insists on a client's certificate: the one
    /// in `client.pem` of its directory. The server's own, to be trusted there, is `strict.pem`.
    pub fn start_strict() -> Self {
        let tries = (0..5).find_map(|_| Self::try_start(false, false, true));
        tries.expect("bao starts within its time; see its log above")
    }

    /// Returns where the server insists on a client's certificate.
    pub fn strict_address(&self) -> &str {
        self.strict.as_deref().expect("the server has such a door")
    }

    /// Starts a server and configures it for job `timeline`, the database included.
    pub fn configured() -> Self {
        Self::configured_with(&Setup::default())
    }

    /// Starts a server and configures it.
    pub fn configured_with(setup: &Setup) -> Self {
        let mut bao = Self::start_as(setup.tls, setup.apart);
        bao.set_up(setup);
        bao
    }

    /// Returns an operator's config for this server: login with the node's key, rules for the job `timeline`, everything below
    /// `root`, and `more` blocks. `address` is where the driver is to look for the server, when that is not its own.
    pub fn operator_config(&self, root: &Path, address: Option<&str>, more: &str) -> String {
        format!(
            r#"config {{
  state_dir   = "{root}/state"
  runtime_dir = "{root}/run"
  vault {{
    address          = "{address}"
    allow_plain_http = true
    {trust}
  }}
  auth {{
    method   = "driver"
    mount    = "jwt-strongbox"
    key_file = "{key}"
  }}
  allow {{
    job   = "timeline"
    roles = ["timeline"]
    paths = ["kv/data/timeline", "kv/data/timeline/**", "database/creds/timeline"]
    pki   = ["pki_int/timeline"]
  }}
  {more}
}}"#,
            root = root.display(),
            address = address.unwrap_or(&self.address),
            trust = self.trust(),
            key = self.node_key_file().display(),
        )
    }

    /// Returns the line of a server's block that says which CA to trust; nothing without TLS.
    pub fn trust(&self) -> String {
        if self.tls { format!("ca_file = \"{}\"", self.ca_file().display()) } else { String::new() }
    }

    /// Returns where the server is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns a token that may do everything.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Returns the CA of a server with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("vault-ca.pem")
    }

    /// Returns a directory that goes with the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the file of the key that signs as Nomad would.
    pub fn nomad_key_file(&self) -> PathBuf {
        self.dir.path().join("nomad.pem")
    }

    /// Returns the key that signs as Nomad would.
    pub fn nomad(&self) -> &NomadKey {
        self.nomad.as_ref().expect("the server is configured")
    }

    /// Returns the key that the server trusts to sign as the driver.
    pub fn node(&self) -> &NodeKey {
        self.node.as_ref().expect("the server is configured")
    }

    /// Returns the file of the key that the server trusts to sign as the driver.
    pub fn node_key_file(&self) -> PathBuf {
        self.dir.path().join("node.pem")
    }

    /// Runs the server's own command line and returns what it printed.
    ///
    /// # Panics
    ///
    /// When the command fails.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = self.command().args(args).output().expect("bao runs");
        said(&format!("bao {}", args.join(" ")), &output)
    }

    /// Runs the server's own command line with `input` for its standard input.
    pub fn cli_with(&self, args: &[&str], input: &str) -> String {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("bao runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("bao reads");
        said(&format!("bao {}", args.join(" ")), &child.wait_with_output().expect("bao ends"))
    }

    /// Calls the API as root and returns status and body.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let ca = self.tls.then(|| fs::read(self.ca_file()).expect("the CA"));
        let certificates = ca.iter().map(|pem| reqwest::Certificate::from_pem(pem).expect("a certificate"));
        let client = reqwest::Client::builder().no_proxy().tls_certs_only(certificates).build().expect("a client");
        let method = method.parse().expect("a method");
        let request =
            client.request(method, format!("{}/v1/{path}", self.address)).header("X-Vault-Token", &self.root_token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.expect("the server answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Calls the API as root and returns the answer's `data`.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.api(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer.get("data").cloned().unwrap_or_default()
    }

    /// Says whether a token is alive, asked by its accessor.
    pub async fn knows_accessor(&self, accessor: &str) -> bool {
        let (status, _) = self.api("POST", "auth/token/lookup-accessor", Some(json!({"accessor": accessor}))).await;
        status == 200
    }

    /// Says whether a lease is alive.
    pub async fn knows_lease(&self, lease: &str) -> bool {
        self.api("POST", "sys/leases/lookup", Some(json!({"lease_id": lease}))).await.0 == 200
    }

    /// Returns the accessors of all living tokens that a login made.
    pub async fn logins(&self) -> Vec<String> {
        let mut logins = Vec::new();
        for accessor in self.list("auth/token/accessors").await {
            let (_, about) = self.api("POST", "auth/token/lookup-accessor", Some(json!({"accessor": accessor}))).await;
            if about["data"]["path"].as_str().is_some_and(|path| path.starts_with("auth/jwt")) {
                logins.push(accessor);
            }
        }
        logins
    }

    /// Returns the living leases of the database role `timeline`.
    pub async fn leases(&self) -> Vec<String> {
        self.list("sys/leases/lookup/database/creds/timeline").await
    }

    async fn list(&self, path: &str) -> Vec<String> {
        let (_, all) = self.api("LIST", path, None).await;
        let keys = all["data"]["keys"].as_array().into_iter().flatten();
        keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
    }

    fn start_as(tls: bool, apart: bool) -> Self {
        // Between the choice of a port and the server's use of it somebody else may take it.
        let tries = (0..5).find_map(|_| Self::try_start(tls, apart, false));
        tries.expect("bao starts within its time; see its log above")
    }

    fn try_start(tls: bool, apart: bool, strict: bool) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let root_token = format!("root-{}", hex::encode(rand::random::<[u8; 12]>()));
        let log = fs::File::create(dir.path().join("server.log")).expect("a log");
        let mut command = Command::new(part("STRONGBOX_BAO"));
        command.args(["server", "-dev", "-dev-no-store-token", "-log-level=warn"]);
        command.arg(format!("-dev-root-token-id={root_token}")).arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        if tls {
            command.args(["-dev-tls", &format!("-dev-tls-cert-dir={}", dir.path().display())]);
        }
        let strict = strict.then(|| strict_door(dir.path()));
        if strict.is_some() {
            command.arg(format!("-config={}", dir.path().join("strict.hcl").display()));
        }
        command.env_clear().env("HOME", dir.path()).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        if apart {
            command.process_group(0);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("bao does not run ({error}); run `make setup`"));
        let address = format!("{}://127.0.0.1:{port}", if tls { "https" } else { "http" });
        let bao = Self { child, address, root_token, dir, tls, strict, lends_accounts: false, nomad: None, node: None };
        bao.wait_until_ready()
    }

    /// Waits for the server's first good answer; `None` when it has ended instead.
    fn wait_until_ready(mut self) -> Option<Self> {
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end && self.child.try_wait().expect("a child").is_none() {
            // The token's own lookup also says that the server that answers is ours.
            if self.command().args(["token", "lookup"]).output().is_ok_and(|output| output.status.success()) {
                return Some(self);
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        let log = fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default();
        writeln!(std::io::stderr(), "{log}").ok();
        None
    }

    fn command(&self) -> Command {
        let mut command = Command::new(part("STRONGBOX_BAO"));
        command.env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin");
        command.env("BAO_ADDR", &self.address).env("BAO_TOKEN", &self.root_token);
        if self.tls {
            command.env("BAO_CACERT", self.ca_file());
        }
        command
    }

    fn set_up(&mut self, setup: &Setup) {
        let nomad_public = self.dir.path().join("nomad.pub");
        let node_public = self.dir.path().join("node.pub");
        self.nomad = Some(NomadKey::make(self.dir.path(), &nomad_public));
        self.node = Some(make_node_key(&self.node_key_file(), &node_public));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/vault/setup.sh");
        let mut command = Command::new(script);
        command.env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("BAO_ADDR", &self.address).env("BAO_TOKEN", &self.root_token).env("CLI", part("STRONGBOX_BAO"));
        command.env("NOMAD_PUBKEY", nomad_public).env("NODE_PUBKEY", node_public);
        command.env("JOB", &setup.job).env("TOKEN_PERIOD", &setup.token_period).env("DB_TTL", &setup.db_ttl);
        if self.tls {
            command.env("VAULT_CACERT", self.ca_file());
        }
        if setup.database {
            for name in ["HOST", "PORT", "USER", "PASSWORD"] {
                command.env(format!("PG_{name}"), part(&format!("STRONGBOX_PG_{name}")));
            }
            command.env("PSQL", part("STRONGBOX_PSQL"));
            self.lends_accounts = true;
        }
        said("examples/vault/setup.sh", &command.output().expect("setup.sh runs"));
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        if self.lends_accounts {
            self.command().args(["lease", "revoke", "-prefix", "-sync", "database/creds"]).output().ok();
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl NomadKey {
    fn make(dir: &Path, public: &Path) -> Self {
        let private = dir.join("nomad.pem");
        openssl(&[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            &private.to_string_lossy(),
        ]);
        openssl(&["pkey", "-in", &private.to_string_lossy(), "-pubout", "-out", &public.to_string_lossy()]);
        let pem = fs::read(private).expect("the key");
        Self { key: EncodingKey::from_rsa_pem(&pem).expect("an RSA key") }
    }

    /// Signs the identity that Nomad would give to a task, with `more` claims on top.
    pub fn sign(&self, job: &str, task: &str, alloc: &str, more: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut claims = json!({
            "aud": ["vault.io"],
            "sub": format!("global:default:{job}:group:{task}:vault_default"),
            "iat": now, "nbf": now, "exp": now + 3600,
            "jti": hex::encode(rand::random::<[u8; 16]>()),
            "nomad_namespace": "default",
            "nomad_job_id": job,
            "nomad_task": task,
            "nomad_allocation_id": alloc,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).expect("signed")
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// Configures a door that insists on a client's certificate, and returns where it is.
fn strict_door(dir: &Path) -> String {
    self_signed(dir, "strict");
    self_signed(dir, "client");
    let (port, dir) = (free_port(), dir.display());
    let text = format!(
        r#"listener "tcp" {{
  address                            = "127.0.0.1:{port}"
  tls_cert_file                      = "{dir}/strict.pem"
  tls_key_file                       = "{dir}/strict.key"
  tls_client_ca_file                 = "{dir}/client.pem"
  tls_require_and_verify_client_cert = true
}}"#
    );
    fs::write(format!("{dir}/strict.hcl"), text).expect("written");
    format!("https://127.0.0.1:{port}")
}

/// Makes a key and a certificate that it has signed itself, for loopback: `<name>.key` and `<name>.pem`.
pub fn self_signed(dir: &Path, name: &str) {
    let at = |ending: &str| dir.join(format!("{name}.{ending}")).display().to_string();
    let (key, cert, subject) = (at("key"), at("pem"), format!("/CN={name}"));
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", &subject];
    let extensions = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"];
    openssl(&[&["req", "-x509", "-keyout", &key, "-out", &cert], &curve[..], &extensions[..]].concat());
}

fn make_node_key(private: &Path, public: &Path) -> NodeKey {
    let pem = NodeKey::generate().expect("a key");
    write_private(private, pem.expose());
    let key = NodeKey::load(private).expect("the same key");
    fs::write(public, key.public_pem()).expect("written");
    key
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

/// Runs `openssl` and returns what it printed.
///
/// # Panics
///
/// When the command fails.
pub fn openssl(args: &[&str]) -> String {
    let output = Command::new(part("STRONGBOX_OPENSSL")).args(args).output().expect("openssl runs; run `make setup`");
    said(&format!("openssl {}", args.join(" ")), &output)
}

/// Returns the server's program.
pub fn program() -> PathBuf {
    part("STRONGBOX_BAO").into()
}

/// Runs one SQL command as a user of PostgreSQL; `Err` holds what the server said.
pub fn psql(user: &str, password: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(part("STRONGBOX_PSQL"))
        .args(["-qAtX", "-h", &part("STRONGBOX_PG_HOST"), "-p", &part("STRONGBOX_PG_PORT"), "-U", user])
        .args(["-d", "postgres", "-c", sql])
        .env("PGPASSWORD", password)
        .env("PGCONNECT_TIMEOUT", "10")
        .output()
        .expect("psql runs; run `make setup`");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn said(what: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}\n{}", text(&output.stderr), text(&output.stdout));
    text(&output.stdout)
}

/// A server that the tests of one file share while any of them runs; the last one ends it.
///
/// ```ignore
/// static SHARED: Shared = Shared::new();
/// let bao = SHARED.get(Bao::configured);
/// ```
pub struct Shared(Mutex<std::sync::Weak<Bao>>);

impl Shared {
    /// Returns a place for a server that is started when the first test asks for it.
    pub const fn new() -> Self {
        Self(Mutex::new(std::sync::Weak::new()))
    }

    /// Returns the server, made by `start` when none runs.
    pub fn get(&self, start: impl FnOnce() -> Bao) -> std::sync::Arc<Bao> {
        let mut shared = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let bao = std::sync::Arc::new(start());
            *shared = std::sync::Arc::downgrade(&bao);
            bao
        })
    }
}
