//! The JVM's own programs, reading key stores that lie in a directory as the driver writes them.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::bao::parts::part;

/// Lists a store with `keytool`.
///
/// # Panics
/// The program refuses it.
pub fn keytool(dir: &Path, store: &str, more: &[&str]) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    let mut command = Command::new(part("STRONGBOX_KEYTOOL"));
    command.args(["-J-XX:TieredStopAtLevel=1", "-J-Duser.language=en", "-list", "-keystore", &at(store)]);
    command.args(["-storepass:file", &at("store.password")]).args(more);
    let output = command.output().expect("keytool runs; run `make setup`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{store}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Has a client in Java ask the server called `name` at `port`, with the stores of `dir`.
pub fn asks(dir: &Path, suffix: &str, port: u16, name: &str) -> Result<String, String> {
    let output = java("ask", dir, suffix).args([&port.to_string(), name]).output().expect("java runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // By TLS 1.3 a client learns of its refusal only when it reads.
    let welcome = text(&output.stdout).contains("welcome");
    if output.status.success() && welcome { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A server in Java that demands a certificate; ends with the value.
pub struct Server {
    child: Child,
    /// Where it listens on loopback.
    pub port: u16,
}

impl Server {
    /// Starts one with the stores of `dir`.
    pub fn start(dir: &Path, suffix: &str) -> Self {
        let mut child = java("serve", dir, suffix)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("java runs; run `make setup`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("the port that it listens on");
        Self { child, port }
    }

    /// Asks it with OpenSSL and the PEM files of `dir`.
    pub fn ask_openssl(&self, dir: &Path, name: &str) -> Result<String, String> {
        let at = |name: &str| dir.join(name).display().to_string();
        let mut command = Command::new(part("STRONGBOX_OPENSSL"));
        command.args(["s_client", "-connect", &format!("127.0.0.1:{}", self.port), "-ign_eof"]);
        command.args(["-CAfile", &at("ca.pem"), "-verify_hostname", name, "-verify_return_error"]);
        command.args(["-cert", &at("cert.pem"), "-cert_chain", &at("cert.pem"), "-key", &at("key.pem")]);
        let output = command.stdin(Stdio::null()).output().expect("openssl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Java's own launcher, which compiles the one file as it starts; it lies beside `keytool`.
fn java(verb: &str, dir: &Path, suffix: &str) -> Command {
    let program = PathBuf::from(part("STRONGBOX_KEYTOOL")).with_file_name("java");
    let mut command = Command::new(program);
    command.args(["-XX:TieredStopAtLevel=1", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/TlsPeer.java")]);
    command.arg(verb).arg(dir).arg(suffix);
    command
}
