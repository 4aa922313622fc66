//! Where the server is and how long it may take: checked before anything is sent.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use reqwest::Url;

use super::{FileError, file::read_public};

/// Largest file of CA certificates; the world's whole public set is about 200 KiB.
const CA_MAX: u64 = 1024 * 1024;
/// Longest time limit that makes sense for one exchange.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// How to speak with the server. Nothing is taken from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Such as `https://vault.service.consul:8200`.
    pub address: String,
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
            ca_file: None,
            tls_server_name: None,
            namespace: None,
            allow_plain_http: false,
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(10),
            issue_timeout: Duration::from_secs(30),
            max_in_flight: 16,
        }
    }
}

impl Settings {
    /// Checks every setting, the CA file's content included.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.url()?;
        self.check_words()?;
        self.check_limits()?;
        self.ca_certificates().map(|_| ())
    }

    /// Returns the address as a URL, if the server may be spoken with there.
    pub(super) fn url(&self) -> Result<Url, SettingsError> {
        let url = Url::parse(&self.address).map_err(|_| {
            let why = "is not a URL; give one such as \"https://vault.example:8200\"";
            SettingsError::Address { address: "…".to_owned(), why }
        })?;
        match flaw(&url, self.allow_plain_http) {
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
        match self.max_in_flight {
            1..=1024 => Ok(()),
            other => Err(SettingsError::InFlight(other)),
        }
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

fn is_namespace(text: &str) -> bool {
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
