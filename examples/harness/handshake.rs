//! The one line that a plugin says on stdout.

use std::path::PathBuf;

/// Where the plugin listens.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

/// Why an agent would refuse the line.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum HandshakeError {
    #[error("unrecognized remote plugin message: {0:?}; the first line on stdout must be the handshake")]
    Unrecognized(String),
    #[error("incompatible core API version {0:?}; an agent speaks 1")]
    Core(String),
    #[error("incompatible API version with plugin: it speaks {0:?}, the agent 2")]
    App(String),
    #[error("unknown address type {0:?}; unix or tcp is known")]
    Network(String),
    #[error("plugin uses {0:?}, an agent allows grpc only")]
    Protocol(String),
    #[error("field 6 holds a certificate, which an agent without TLS does not survive")]
    Certificate,
    #[error("the socket path {0:?} has more than 107 bytes")]
    Long(String),
}

/// Reads the line as strictly as an agent does.
pub fn parse(line: &str) -> Result<Address, HandshakeError> {
    use HandshakeError as E;
    let line = line.trim();
    let parts: Vec<&str> = line.splitn(6, '|').collect();
    let [core, app, network, address, rest @ ..] = &parts[..] else { return Err(E::Unrecognized(line.to_owned())) };
    if core.parse() != Ok(1_u32) {
        return Err(E::Core((*core).to_owned()));
    }
    if app.parse() != Ok(2_u32) {
        return Err(E::App((*app).to_owned()));
    }
    let protocol = rest.first().copied().unwrap_or("netrpc");
    if protocol != "grpc" {
        return Err(E::Protocol(protocol.to_owned()));
    }
    if rest.get(1).is_some_and(|field| field.len() > 50) {
        return Err(E::Certificate);
    }
    match *network {
        "unix" if address.len() > 107 => Err(E::Long((*address).to_owned())),
        "unix" => Ok(Address::Unix(address.into())),
        "tcp" => Ok(Address::Tcp((*address).to_owned())),
        other => Err(E::Network(other.to_owned())),
    }
}
