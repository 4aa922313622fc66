//! The start of talk: what the launching agent's environment asks, and the one line that answers it.
//!
//! Pure but for the printing of the line. It does not know what is served.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The variable and value by which an agent says that it, and no person, launches us.
const COOKIE: (&str, &str) =
    ("NOMAD_PLUGIN_MAGIC_COOKIE", "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255");
/// The version of go-plugin's own protocol.
const CORE_VERSION: u32 = 1;
/// The versions of the orchestrator's protocol that we speak, lowest first.
const APP_VERSIONS: [u32; 1] = [2];

/// What the launching side asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The protocol version to answer with.
    pub version: u32,
    /// Where the socket's directory is to be made, when the agent says.
    pub socket_dir: Option<PathBuf>,
}

/// Why the plugin does not begin to serve.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The agent demands encryption, which we cannot give; serving in clear would break its trust.
    #[error(
        "PLUGIN_CLIENT_CERT is set: the launching program asks for AutoMTLS, which this plugin does not speak; launch it without"
    )]
    ClientCertificate,
    /// The line could not be written: nobody would ever connect.
    #[error("write the handshake line to stdout")]
    Line(#[source] io::Error),
}

/// Says whether an agent launched this process.
pub fn launched_by_agent() -> bool {
    env::var_os(COOKIE.0).is_some_and(|value| value == COOKIE.1)
}

impl Launch {
    /// Reads the agent's wishes by means of `var`, such as [`env::var_os`].
    ///
    /// # Errors
    /// The agent asks for encryption, in whatever form.
    pub fn read(var: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, HandshakeError> {
        if var("PLUGIN_CLIENT_CERT").is_some() {
            return Err(HandshakeError::ClientCertificate);
        }
        let offered = var("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
        let socket_dir = var("PLUGIN_UNIX_SOCKET_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Ok(Self { version: choose(&offered.to_string_lossy()), socket_dir })
    }

    /// Tells the agent where to connect. Nothing may be written to stdout before or after: the agent takes the first
    /// line for the handshake, and stops reading at a later one that is too long.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn announce(&self, socket: &Path, mut out: impl Write) -> Result<(), HandshakeError> {
        out.write_all(self.line(socket).as_bytes()).and_then(|()| out.flush()).map_err(HandshakeError::Line)
    }

    /// Returns the line. The sixth field, a certificate, must stay empty: an agent without TLS dies of it.
    fn line(&self, socket: &Path) -> String {
        format!("{CORE_VERSION}|{}|unix|{}|grpc|\n", self.version, socket.display())
    }
}

/// Returns the highest version that both speak; our lowest where there is none, so that the agent can name both in its
/// complaint. What is no number is passed over.
fn choose(offered: &str) -> u32 {
    let offered: Vec<u32> = offered.split(',').filter_map(|text| text.trim().parse().ok()).collect();
    let common = APP_VERSIONS.iter().rev().find(|version| offered.contains(version));
    *common.unwrap_or(&APP_VERSIONS[0])
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Launch, HandshakeError> {
        Launch::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn odd_version_lists_get_the_lowest_version_we_speak() {
        for list in ["2", "1,2,3", " 2 ", "", "x", "99", "2,abc", "-1,,", "18446744073709551616"] {
            assert_eq!(choose(list), 2, "{list:?}");
        }
    }

    #[test]
    fn the_line_has_five_fields_and_an_empty_sixth() {
        let launch = read(&[]).expect("no wishes");
        let mut out = Vec::new();
        launch.announce(Path::new("/tmp/s/plugin.sock"), &mut out).expect("written");
        assert_eq!(out, b"1|2|unix|/tmp/s/plugin.sock|grpc|\n");
    }

    #[test]
    fn a_client_certificate_of_any_kind_is_refused() {
        for value in ["", "garbage", "-----BEGIN PRIVATE KEY-----"] {
            assert!(read(&[("PLUGIN_CLIENT_CERT", value)]).is_err(), "{value:?}");
        }
    }

    #[test]
    fn an_empty_socket_directory_is_none() {
        assert_eq!(read(&[("PLUGIN_UNIX_SOCKET_DIR", "")]).expect("fine").socket_dir, None);
    }
}
