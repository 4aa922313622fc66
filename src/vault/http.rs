//! The transport: one HTTP exchange with a bound on its time, its size and its destination.
//!
//! The library's own way of reading keeps whole bodies in its errors and follows redirects with the token in hand, so that
//! only its parts are used: endpoints, middleware and the client's frame.

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use rustify::errors::ClientError;
use vaultrs::{
    api::EndpointMiddleware,
    client::{VaultClient, VaultClientSettings},
};
use zeroize::{Zeroize, Zeroizing};

use super::{Kind, Settings, SettingsError, error::chain};
use crate::domain::SecretString;

/// Largest answer that is read.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Why an exchange brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The time for the whole exchange is over.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server was not reached, so that it has heard nothing.
    #[error("{0}")]
    Connect(String),
    /// The connection broke; nobody knows what the server has heard.
    #[error("{0}")]
    Broken(String),
    /// The server was reached and could not prove who it is.
    #[error("{0}")]
    Tls(String),
    /// The server was reached and does not take the certificate that it was shown, or was shown none.
    #[error("{0}")]
    Refused(String),
    /// The answer was cut off.
    #[error("the answer was cut off: {0}")]
    Cut(String),
    /// The answer is too large.
    #[error("larger than {} MiB", BODY_MAX / 1024 / 1024)]
    TooLarge,
    /// The request could not be formed.
    #[error("the request cannot be formed")]
    Request,
}

impl TransportError {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Timeout(_) | Self::Broken(_) | Self::Connect(_) | Self::Cut(_) => Kind::Unavailable,
            Self::Tls(_) => Kind::Tls,
            Self::Refused(_) => Kind::ClientRefused,
            Self::TooLarge => Kind::TooLarge,
            Self::Request => Kind::Invalid,
        }
    }
}

/// An answer as it came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Returns the library's client for the server at `url`, with each setting said and none taken from the environment.
pub(super) fn vault_client(settings: &Settings, url: &Url) -> Result<VaultClient, SettingsError> {
    let base = base_url(url, settings.tls_server_name.as_deref());
    let http = http_client(settings, url)?;
    Ok(VaultClient {
        http: rustify::clients::reqwest::Client::new(base.as_str(), http),
        middle: middleware("", settings.namespace.as_deref()),
        settings: VaultClientSettings {
            address: base,
            ca_certs: Vec::new(),
            identity: None,
            timeout: Some(settings.request_timeout),
            token: String::new(),
            verify: true,
            version: 1,
            wrapping: false,
            namespace: settings.namespace.clone(),
            proxy: None,
        },
    })
}

/// Returns what is added to each request: the API's version, the token, the namespace.
fn middleware(token: &str, namespace: Option<&str>) -> EndpointMiddleware {
    EndpointMiddleware {
        token: token.to_owned(),
        version: "v1".to_owned(),
        wrap: None,
        namespace: namespace.map(str::to_owned),
    }
}

/// A request's middleware with its token, which is overwritten when the request is done.
pub(super) struct Headers(pub(super) EndpointMiddleware);

impl Headers {
    /// Returns the middleware for a request with `token`; `None` when no header can hold the token.
    pub(super) fn new(namespace: Option<&str>, token: Option<&SecretString>) -> Option<Self> {
        let token = token.map(SecretString::expose).unwrap_or_default();
        let fits = token.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(middleware(token, namespace)))
    }

    /// Asks for a wrapped answer.
    pub(super) fn wrapping(mut self, wrap: Option<Duration>) -> Self {
        self.0.wrap = wrap.map(|wrap| format!("{}s", wrap.as_secs()));
        self
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        self.0.token.zeroize();
    }
}

/// Returns the URL to speak with: under the name of the certificate, where that is another than the host's.
fn base_url(url: &Url, server_name: Option<&str>) -> Url {
    let mut base = url.clone();
    if let Some(name) = server_name {
        // The name was checked, and a URL of this scheme takes any host.
        base.set_host(Some(name)).ok();
    }
    base
}

fn http_client(settings: &Settings, url: &Url) -> Result<reqwest::Client, SettingsError> {
    let mut builder = reqwest::ClientBuilder::new()
        .tls_backend_rustls()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .tls_danger_accept_invalid_certs(false)
        .tls_danger_accept_invalid_hostnames(false)
        .tls_sslkeylogfile(false)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // With one exchange per connection a silent peer costs that connection and no other exchange.
        .http1_only()
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.issue_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(settings.max_in_flight)
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
    if let Some(certificates) = settings.ca_certificates()? {
        builder = builder.tls_certs_only(certificates);
    } else if url.scheme() == "http" {
        // Without TLS nothing is to be trusted, and a machine without CA certificates is none the worse.
        builder = builder.tls_certs_only(Vec::new());
    }
    if let Some(identity) = settings.identity()? {
        builder = builder.identity(identity);
    }
    if settings.tls_server_name.is_some() {
        builder = builder.dns_resolver(std::sync::Arc::new(Pinned::new(url)));
    }
    builder.build().map_err(|error| SettingsError::Build(chain(&error)))
}

/// Finds the configured host, whatever name is asked for: the name in the URL is only the certificate's.
struct Pinned {
    host: String,
    port: u16,
}

impl Pinned {
    fn new(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        Self { host: host.to_owned(), port: url.port_or_known_default().unwrap_or(443) }
    }
}

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// One exchange. It stands in for the library's own sender, and keeps the answer instead of turning it into an error.
pub(super) struct Exchange<'a> {
    client: &'a VaultClient,
    limit: Duration,
    failure: Mutex<Option<(TransportError, bool)>>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(client: &'a VaultClient, limit: Duration) -> Self {
        Self { client, limit, failure: Mutex::new(None) }
    }

    /// Returns why the exchange failed, once it has, and whether the server has certainly heard nothing of it.
    pub(super) fn failure(self) -> (TransportError, bool) {
        let failure = self.failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        failure.unwrap_or((TransportError::Request, true))
    }

    async fn talk(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, (TransportError, bool)> {
        let mut request = reqwest::Request::try_from(request).map_err(|_| (TransportError::Request, true))?;
        *request.timeout_mut() = Some(self.limit);
        dress(request.headers_mut());
        let mut answer = self.client.http.http.execute(request).await.map_err(|error| self.name(error))?;
        let mut head = Response::new(Vec::new());
        *head.status_mut() = answer.status();
        *head.headers_mut() = std::mem::take(answer.headers_mut());
        *head.body_mut() = self.body(answer).await?;
        Ok(head)
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, (TransportError, bool)> {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(part) = answer.chunk().await.map_err(|error| self.name(error))? {
            if body.len() + part.len() > BODY_MAX {
                return Err((TransportError::TooLarge, false));
            }
            body.extend_from_slice(&part);
        }
        Ok(std::mem::take(&mut *body))
    }

    /// Names the failure in our words, and says whether the request was certainly not sent; the library's text is kept
    /// without the URL, which the action names already.
    fn name(&self, error: reqwest::Error) -> (TransportError, bool) {
        let error = error.without_url();
        let unsent = error.is_connect();
        if error.is_timeout() && !unsent {
            return (TransportError::Timeout(self.limit), false);
        }
        let text = chain(&error);
        let about_trust = about_trust(&error);
        let named = if about_trust.is_some_and(is_refusal) {
            TransportError::Refused(text)
        } else if about_trust.is_some() {
            TransportError::Tls(text)
        } else if error.is_body() || error.is_decode() {
            TransportError::Cut(text)
        } else if unsent {
            TransportError::Connect(text)
        } else {
            TransportError::Broken(text)
        };
        (named, unsent)
    }
}

/// Adds what each request says about itself, and keeps the token out of anything that prints headers.
fn dress(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(token) = headers.get_mut("X-Vault-Token") {
        token.set_sensitive(true);
    }
}

/// Returns the cause, when it is the server's certificate or the TLS between us.
fn about_trust(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        // An I/O error that carries another one names that one's cause as its own, and so leaves it out.
        let carried = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = carried.map_or_else(|| cause.source(), |carried| Some(carried));
    }
    None
}

/// Says whether it is the server that does not trust us.
fn is_refusal(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}

#[async_trait]
impl rustify::client::Client for Exchange<'_> {
    fn base(&self) -> &str {
        &self.client.http.base
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        match self.talk(request).await {
            Ok(answer) => Ok(answer),
            Err(failure) => {
                *self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(failure);
                Err(ClientError::ServerResponseError { code: 0, content: None })
            }
        }
    }

    /// Sends and returns any answer: a refusal has a body that says what it means.
    async fn execute(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        self.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificates_name_replaces_only_the_host() {
        let url = Url::parse("https://10.0.0.5:8200").expect("a URL");
        assert_eq!(base_url(&url, Some("vault.example")).as_str(), "https://vault.example:8200/");
        assert_eq!(base_url(&url, None), url);
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_not_sent() {
        assert!(Headers::new(None, Some(&SecretString::new("s.x\r\nX-Other: 1"))).is_none());
        assert!(Headers::new(None, Some(&SecretString::new("s.x"))).is_some());
    }

    #[test]
    fn the_header_with_the_token_prints_no_token() {
        let mut headers = HeaderMap::new();
        headers.insert("X-Vault-Token", HeaderValue::from_static("s.hunter2"));
        dress(&mut headers);
        assert!(!format!("{headers:?}").contains("hunter2"));
    }
}
