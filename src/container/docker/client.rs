//! The connection: dialect, limits, and the engine's answers sorted into our errors.

use std::{path::Path, time::Duration};

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, errors::Error as Failure};

use crate::container::{Docker, Error};

/// Limit of a short call.
pub(super) const SHORT: Duration = Duration::from_secs(30);
/// Limit of making or starting a container.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// The client library's own limit. Ours are shorter, except that of a stop, whose grace the job chooses.
const LIBRARY_SECONDS: u64 = 7 * 24 * 3600;
/// Longest sentence of the engine's that is passed on.
const SENTENCE: usize = 600;

/// A client that speaks the dialect that it agreed upon with the engine.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) api: bollard::Docker,
    pub(super) version: String,
}

impl Docker {
    /// Returns the client, agreeing upon a dialect first when there is none yet.
    pub(super) async fn api(&self) -> Result<bollard::Docker, Error> {
        if let Some(client) = self.client.read().await.as_ref() {
            return Ok(client.api.clone());
        }
        let client = connect(self.socket()).await?;
        Ok(self.client.write().await.insert(client).api.clone())
    }

    /// Agrees upon a dialect anew: the engine may have been replaced by another version meanwhile.
    pub(super) async fn renegotiate(&self) -> Result<bollard::Docker, Error> {
        let client = connect(self.socket()).await?;
        let mut known = self.client.write().await;
        if known.as_ref().is_none_or(|known| known.version != client.version) {
            *known = Some(client.clone());
        }
        Ok(client.api)
    }

    /// Returns `path` in the dialect that was agreed upon, for a connection that the library does not make.
    pub(super) async fn versioned_path(&self, path: &str) -> String {
        let client = self.client.read().await;
        client.as_ref().map_or_else(|| path.to_owned(), |client| format!("/{}{path}", client.version))
    }

    /// Returns the dialect that was agreed upon, as major and minor number.
    pub(super) async fn dialect(&self) -> Option<(u32, u32)> {
        let client = self.client.read().await;
        let (major, minor) = client.as_ref()?.version.strip_prefix('v')?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Sends one request and sorts its failure.
    pub(super) async fn call<T, F>(
        &self,
        doing: &str,
        limit: Duration,
        request: impl FnOnce(bollard::Docker) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let api = self.api().await?;
        bounded(doing, limit, request(api)).await
    }
}

/// Waits for an answer no longer than `limit` and sorts its failure.
pub(super) async fn bounded<T>(
    doing: &str,
    limit: Duration,
    request: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|failure| sorted(doing, failure)),
        Err(_) => Err(Error::EngineTimeout { doing: doing.to_owned(), after: limit }),
    }
}

async fn connect(socket: &Path) -> Result<Client, Error> {
    let doing = format!("connect to {}", socket.display());
    let path = socket.to_string_lossy();
    let plain = bollard::Docker::connect_with_unix(&path, LIBRARY_SECONDS, API_DEFAULT_VERSION)
        .map_err(|failure| sorted(&doing, failure))?;
    let api = bounded(&doing, SHORT, plain.negotiate_version()).await?;
    let ClientVersion { major_version, minor_version } = api.client_version();
    let version = format!("v{major_version}.{minor_version}");
    let prefix = version.clone();
    Ok(Client { api: api.with_request_modifier(move |request| url_safe(versioned(request, &prefix))), version })
}

/// Puts the dialect back into the path: the library agrees upon one and then leaves it out, so that a newer engine
/// would answer in a shape that the library does not know.
fn versioned(mut request: BollardRequest, version: &str) -> BollardRequest {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.authority())
        && let Ok(full) = format!("{scheme}://{host}/{version}{path}").parse()
    {
        *request.uri_mut() = full;
    }
    request
}

/// Spells a registry's credential as the engine reads it: the library uses the alphabet with `+` and `/`, and an engine
/// that cannot read a credential goes on without one.
fn url_safe(mut request: BollardRequest) -> BollardRequest {
    for name in ["x-registry-auth", "x-registry-config"] {
        let Some(value) = request.headers_mut().get_mut(name) else { continue };
        let spelt: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(mut spelt) = http::HeaderValue::from_bytes(&spelt) {
            spelt.set_sensitive(true);
            *value = spelt;
        }
    }
    request
}

/// Sorts a failure by what the caller may do about it.
pub(super) fn sorted(doing: &str, failure: Failure) -> Error {
    let doing = doing.to_owned();
    match failure {
        Failure::DockerResponseServerError { status_code, message } => answered(doing, status_code, &message),
        Failure::DockerStreamError { error } => answered(doing, 500, &error),
        Failure::RequestTimeoutError => Error::EngineTimeout { doing, after: Duration::from_secs(LIBRARY_SECONDS) },
        Failure::JsonDataError { .. } | Failure::JsonSerdeError { .. } | Failure::StrParseError { .. } => {
            Error::EngineRefused { doing, why: "its answer is not of a known shape".into(), passing: true }
        }
        other => Error::EngineUnavailable { doing, why: chain(&other) },
    }
}

pub(super) fn answered(doing: String, status: u16, message: &str) -> Error {
    let why = sentence(message);
    match status {
        502..=504 => Error::EngineUnavailable { doing, why },
        _ => Error::EngineRefused { doing, passing: is_passing(status, &why), why },
    }
}

/// Lack of space and things in use may be over the next time; what the runtime or a rule refuses will not.
fn is_passing(status: u16, why: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "no space left",
        "disk quota exceeded",
        "port is already allocated",
        "address already in use",
        "removal of container",
        "resource temporarily unavailable",
        "cannot allocate memory",
    ];
    let lower = why.to_lowercase();
    status == 409 || SIGNS.iter().any(|sign| lower.contains(sign))
}

/// Returns the engine's sentence on one line, cut.
pub(super) fn sentence(message: &str) -> String {
    let line: String = message.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(SENTENCE).collect()
}

/// Returns an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    sentence(&text)
}

/// Says whether the engine answered that there is no such thing.
pub(super) fn is_missing(failure: &Failure) -> bool {
    matches!(failure, Failure::DockerResponseServerError { status_code: 404, .. })
}

/// Says whether the engine answered that something is in the way.
pub(super) fn is_conflict(failure: &Failure) -> bool {
    matches!(failure, Failure::DockerResponseServerError { status_code: 409, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> Error {
        sorted("start container x", Failure::DockerResponseServerError { status_code, message: message.into() })
    }

    #[test]
    fn lack_of_space_passes_and_a_missing_program_does_not() {
        assert!(answer(500, "write: no space left on device").recoverable());
        assert!(answer(409, "Conflict").recoverable());
        assert!(!answer(400, "exec: \"nope\": executable file not found in $PATH").recoverable());
    }

    #[test]
    fn the_engines_sentence_comes_on_one_line_and_cut() {
        let text = answer(400, &format!("a\nb\u{1b}[31m{}", "x".repeat(5000))).to_string();
        assert!(text.len() < 800 && !text.contains(['\n', '\u{1b}']), "{text}");
    }

    #[tokio::test]
    async fn an_absent_socket_is_an_engine_that_is_away() {
        let error = connect(Path::new("/nonexistent/docker.sock")).await.err().expect("nothing is there");
        assert!(matches!(error, Error::EngineUnavailable { .. }), "{error}");
    }
}
