//! Where the server is and how long it may take: checked before anything is sent.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use reqwest::Url;
use sha2::{Digest, Sha256};

use super::{
    FileError,
    file::{read_private, read_public},
};

/// Largest file of CA certificates; the world's whole public set is about 200 KiB.
const CA_MAX: u64 = 1024 * 1024;
/// Longest time limit that makes sense for one exchange.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// How to speak with the server. Nothing is taken from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Such as `https://vault.service.consul:8200`.
    pub address: String,
    /// Further servers of the same cluster, asked in their order when the one that is used does not answer.
    pub other_addresses: Vec<String>,
    /// The certificate and key that the node shows to the server.
    pub client_cert: Option<ClientCert>,
    /// The CA certificates to trust, in PEM; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// The name that the server's certificate must bear, when it is not the address's host.
    pub tls_server_name: Option<String>,
    /// The server's namespace.
    pub namespace: Option<String>,
    /// Allows `http://` to a loopback address.
    pub allow_plain_http: bool,
    /// Limit for reaching the server.
    pub connect_timeout: Duration,
    /// Limit for a whole exchange.
    pub request_timeout: Duration,
    /// Limit for a whole exchange that makes a credential.
    pub issue_timeout: Duration,
    /// Most exchanges at the same time.
    pub max_in_flight: usize,
    /// Most exchanges a second in the long run; one second's worth may go at once.
    pub max_rate: u32,
}

/// With what the node proves who it is on the connection itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCert {
    /// The certificate and its chain, PEM.
    pub cert_file: PathBuf,
    /// The private key, PEM, readable by its owner only.
    pub key_file: PathBuf,
}

impl ClientCert {
    /// Looks whether both files can be taken now.
    ///
    /// # Errors
    /// One of them cannot; the setting that names it, and why.
    pub fn check(&self) -> Result<(), (&'static str, FileError)> {
        read_public(&self.cert_file, CA_MAX).map_err(|error| ("client_cert_file", error))?;
        read_private(&self.key_file, CA_MAX).map_err(|error| ("client_key_file", error))?;
        Ok(())
    }

    /// Returns a digest of both files, to tell when one has changed; nothing while one of them cannot be taken.
    pub fn digest(&self) -> Option<String> {
        let cert = read_public(&self.cert_file, CA_MAX).ok()?;
        let key = read_private(&self.key_file, CA_MAX).ok()?;
        let mut digest = Sha256::new();
        for bytes in [cert, key] {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(&*bytes);
        }
        Some(hex::encode(digest.finalize()))
    }
}

/// Why the server cannot be spoken with as configured; each names its setting.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `address` is no URL of a server.
    #[error("vault address {address:?} {why}")]
    Address {
        /// As it was written, without a password.
        address: String,
        /// What is wrong and what to write.
        why: &'static str,
    },
    /// The CA file cannot be taken.
    #[error("vault ca_file")]
    CaFile(#[source] FileError),
    /// The CA file holds no certificate.
    #[error("vault ca_file {} holds no certificate in PEM", .0.display())]
    CaContent(PathBuf),
    /// A file of the node's certificate cannot be taken.
    #[error("auth {setting}")]
    ClientFile {
        /// Which setting.
        setting: &'static str,
        /// Why.
        #[source]
        source: FileError,
    },
    /// The node's certificate and key are no pair in PEM.
    #[error("auth client_cert_file {} and client_key_file {} hold no certificate with its key in PEM", .0.display(), .1.display())]
    ClientContent(PathBuf, PathBuf),
    /// One address is written twice.
    #[error("vault addresses have {0:?} twice; remove one")]
    Twice(String),
    /// `tls_server_name` is no host name.
    #[error("vault tls_server_name {0:?} is not a DNS name")]
    ServerName(String),
    /// `namespace` cannot be sent.
    #[error("vault namespace {0:?} is empty or has a character other than letters, digits and \"-_/.\"")]
    Namespace(String),
    /// A time limit is out of range.
    #[error("vault {setting} is {value:?}; give 1 ms to 10 min")]
    Timeout {
        /// Which limit.
        setting: &'static str,
        /// What was given.
        value: Duration,
    },
    /// `max_in_flight` is out of range.
    #[error("vault max_in_flight is {0}; give 1 to 1024")]
    InFlight(usize),
    /// `max_rate` is out of range.
    #[error("vault max_rate is {0}; give 1 to 10000 requests a second")]
    Rate(u32),
    /// The HTTP client cannot be made.
    #[error(
        "vault connection cannot be set up ({0}); give a ca_file when the machine has no CA certificates of its own"
    )]
    Build(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: String::new(),
            other_addresses: Vec::new(),
            client_cert: None,
            ca_file: None,
            tls_server_name: None,
            namespace: None,
            allow_plain_http: false,
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(10),
            issue_timeout: Duration::from_secs(30),
            max_in_flight: 16,
            max_rate: 50,
        }
    }
}

impl Settings {
    /// Checks every setting, the CA file's content included, and the node's certificate once it is there.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.urls()?;
        self.check_words()?;
        self.check_limits()?;
        self.ca_certificates()?;
        self.to_begin_with().identity().map(|_| ())
    }

    /// Returns these settings without the node's certificate while that is not there: somebody may bring it later, and an
    /// agent whose plugin refuses its settings does not start at all.
    pub(super) fn to_begin_with(&self) -> Self {
        let missing = |cert: &ClientCert| matches!(cert.check(), Err((_, FileError::Missing(_))));
        Self { client_cert: self.client_cert.clone().filter(|cert| !missing(cert)), ..self.clone() }
    }

    /// Returns the addresses as URLs, if the servers may be spoken with there.
    pub(super) fn urls(&self) -> Result<Vec<Url>, SettingsError> {
        let mut urls: Vec<Url> = Vec::new();
        for address in std::iter::once(&self.address).chain(&self.other_addresses) {
            let url = self.url(address)?;
            if urls.contains(&url) {
                return Err(SettingsError::Twice(without_password(url)));
            }
            urls.push(url);
        }
        Ok(urls)
    }

    fn url(&self, address: &str) -> Result<Url, SettingsError> {
        let url = Url::parse(address).map_err(|_| {
            let why = "is not a URL; give one such as \"https://vault.example:8200\"";
            SettingsError::Address { address: "…".to_owned(), why }
        })?;
        let without_tls = "is plain http, where no certificate is shown; use https with auth method \"cert\" and its client_cert_file";
        let shows_none = url.scheme() == "http" && self.client_cert.is_some();
        match flaw(&url, self.allow_plain_http).or_else(|| shows_none.then_some(without_tls)) {
            None => Ok(url),
            Some(why) => Err(SettingsError::Address { address: without_password(url), why }),
        }
    }

    fn check_words(&self) -> Result<(), SettingsError> {
        if let Some(name) = self.tls_server_name.as_ref().filter(|name| !is_dns_name(name)) {
            return Err(SettingsError::ServerName(name.clone()));
        }
        match self.namespace.as_ref().filter(|name| !is_namespace(name)) {
            Some(name) => Err(SettingsError::Namespace(name.clone())),
            None => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), SettingsError> {
        let limits = [
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("issue_timeout", self.issue_timeout),
        ];
        for (setting, value) in limits {
            if value < Duration::from_millis(1) || value > TIMEOUT_MAX {
                return Err(SettingsError::Timeout { setting, value });
            }
        }
        match (self.max_in_flight, self.max_rate) {
            (1..=1024, 1..=10_000) => Ok(()),
            (1..=1024, rate) => Err(SettingsError::Rate(rate)),
            (other, _) => Err(SettingsError::InFlight(other)),
        }
    }

    /// Returns the certificate and key that the node shows, when it has one.
    pub(super) fn identity(&self) -> Result<Option<reqwest::Identity>, SettingsError> {
        let Some(ClientCert { cert_file, key_file }) = &self.client_cert else { return Ok(None) };
        let failed = |setting| move |source| SettingsError::ClientFile { setting, source };
        let mut pem = read_public(cert_file, CA_MAX).map_err(failed("client_cert_file"))?;
        let key = read_private(key_file, CA_MAX).map_err(failed("client_key_file"))?;
        pem.push(b'\n');
        pem.extend_from_slice(&key);
        let identity = reqwest::Identity::from_pem(&pem);
        identity.map(Some).map_err(|_| SettingsError::ClientContent(cert_file.clone(), key_file.clone()))
    }

    /// Returns a digest of the files that decide about trust, to tell when one has changed. An absent file is a content too.
    pub(super) fn digest_of_files(&self) -> Vec<u8> {
        let cert = self.client_cert.iter().flat_map(|cert| [&cert.cert_file, &cert.key_file]);
        let mut digest = Sha256::new();
        for path in self.ca_file.iter().chain(cert) {
            let bytes = read_public(path, CA_MAX).unwrap_or_default();
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(&*bytes);
        }
        digest.finalize().to_vec()
    }

    /// Returns the CA file's certificates, or none when the system's are to be trusted.
    pub(super) fn ca_certificates(&self) -> Result<Option<Vec<reqwest::Certificate>>, SettingsError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let pem = read_public(path, CA_MAX).map_err(SettingsError::CaFile)?;
        match reqwest::Certificate::from_pem_bundle(&pem) {
            Ok(certificates) if !certificates.is_empty() => Ok(Some(certificates)),
            _ => Err(SettingsError::CaContent(path.clone())),
        }
    }
}

/// Returns what is wrong with `url` as the address of a server.
fn flaw(url: &Url, allow_plain_http: bool) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some("has another scheme than https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds a user or password; remove it");
    }
    if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
        return Some("has no host or port 0");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Some("has something after the port; give scheme, host and port only");
    }
    if url.scheme() == "http" && !is_loopback(url) {
        return Some("is plain http to another machine; use https");
    }
    if url.scheme() == "http" && !allow_plain_http {
        return Some("is plain http; use https, or set allow_plain_http for a server on this machine");
    }
    None
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn without_password(mut url: Url) -> String {
    // Both fail only for URLs that cannot hold a password in the first place.
    url.set_password(None).ok();
    url.set_username("").ok();
    url.set_query(None);
    url.to_string()
}

fn is_dns_name(text: &str) -> bool {
    let label = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    text.len() <= 253 && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}

/// Says whether `text` can name a namespace.
pub fn is_namespace(text: &str) -> bool {
    !text.is_empty() && text.len() <= 512 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(address: &str, allow_plain_http: bool) -> Result<(), SettingsError> {
        Settings { address: address.to_owned(), allow_plain_http, ..Settings::default() }.check()
    }

    #[test]
    fn addresses_that_would_leak_or_mislead_are_refused() {
        for bad in [
            "",
            "vault:8200",
            "file:///etc/passwd",
            "unix:///run/vault",
            "http://10.0.0.1:8200",
            "http://vault.example:8200",
            "https://user:password@vault.example",
            "https://vault.example:0",
            "https://vault.example:70000",
            "https://vault.example:8200/v1",
            "https://vault.example:8200/?x=1",
        ] {
            assert!(checked(bad, true).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_http_needs_loopback_and_consent() {
        for good in ["http://127.0.0.1:8200", "http://[::1]:8200", "http://localhost:8200/"] {
            assert!(checked(good, true).is_ok(), "{good:?}");
            assert!(checked(good, false).is_err(), "{good:?}");
        }
        assert!(checked("https://vault.example:8200", false).is_ok());
    }

    #[test]
    fn no_error_shows_the_password_of_an_address() {
        let error = checked("https://user:hunter2@vault.example", false).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn limits_have_a_range() {
        let good = Settings { address: "https://v:8200".to_owned(), ..Settings::default() };
        assert!(Settings { request_timeout: Duration::ZERO, ..good.clone() }.check().is_err());
        assert!(Settings { issue_timeout: Duration::from_secs(4000), ..good.clone() }.check().is_err());
        assert!(Settings { max_in_flight: 0, ..good.clone() }.check().is_err());
        assert!(Settings { namespace: Some("a b".to_owned()), ..good.clone() }.check().is_err());
        assert!(Settings { tls_server_name: Some("10.0.0.1".to_owned()), ..good }.check().is_err());
    }

    #[test]
    fn every_address_is_checked_and_none_may_stand_twice() {
        let good = Settings { address: "https://a:8200".to_owned(), ..Settings::default() };
        let with = |other: &str| Settings { other_addresses: vec![other.to_owned()], ..good.clone() }.check();
        assert!(with("https://b:8200").is_ok());
        assert!(with("http://b:8200").is_err());
        assert!(matches!(with("https://a:8200/"), Err(SettingsError::Twice(_))));
        assert!(matches!(Settings { max_rate: 0, ..good.clone() }.check(), Err(SettingsError::Rate(0))));
    }

    #[test]
    fn a_ca_file_must_hold_a_certificate() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "hello").expect("written");
        let settings = Settings {
            address: "https://v:8200".to_owned(),
            ca_file: Some(file.path().to_owned()),
            ..Settings::default()
        };
        assert!(matches!(settings.check(), Err(SettingsError::CaContent(_))));
    }
}
