//! Asks a program of the operator's for a credential.
//!
//! The usual protocol: `docker-credential-<name> get` with the server on standard input answers a JSON object, or fails
//! with a sentence on standard output. Not having a credential is one of those sentences, and no failure here.

use std::{
    fmt,
    process::{ExitStatus, Stdio},
    str::FromStr,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};
use zeroize::Zeroizing;

use super::{Credential, LookupError, Source};
use crate::domain::SecretString;

/// How long a helper may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Most bytes that are read of what a helper says.
const OUTPUT_MAX: u64 = 64 << 10;
/// Longest name.
const NAME_MAX: usize = 64;
/// What a helper says when it has nothing.
const NOT_FOUND: &str = "credentials not found";
/// Credentials of ours or of the agent's that are none of a helper's business.
const HIDDEN: [&str; 5] = ["VAULT_TOKEN", "BAO_TOKEN", "NOMAD_TOKEN", "CONSUL_HTTP_TOKEN", "CONSUL_TOKEN"];

/// The end of a helper's file name, `docker-credential-<this>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HelperName(String);

/// The text cannot be part of a program's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "credential helper {0:?} is no name; give letters, digits, \".\", \"_\" or \"-\", without \"docker-credential-\""
)]
pub struct HelperNameError(String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: SecretString,
}

impl HelperName {
    /// Asks the helper for `server`; `None` when it has nothing. Programs are looked for in `search_path`, a list with
    /// colons, or in this process's own `PATH`.
    ///
    /// # Errors
    /// It cannot be run, fails, takes longer than `limit`, or does not answer in the usual form.
    pub(super) async fn ask(
        &self,
        server: &str,
        search_path: Option<&str>,
        limit: Duration,
    ) -> Result<Option<Credential>, LookupError> {
        let failed = |why: String| LookupError::Helper { name: self.clone(), why };
        let mut child = self.command(search_path).spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
        let Ok(said) = tokio::time::timeout(limit, talk(&mut child, server)).await else {
            end(&mut child).await;
            return Err(LookupError::HelperTimeout { name: self.clone(), limit });
        };
        let (output, status) = said.map_err(|error| failed(error.to_string()))?;
        self.read(&output, status)
    }

    fn command(&self, search_path: Option<&str>) -> Command {
        let mut command = Command::new(format!("docker-credential-{self}"));
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        // A group of its own, so that what it starts ends with it.
        command.process_group(0);
        HIDDEN.iter().for_each(|name| {
            command.env_remove(name);
        });
        if let Some(path) = search_path {
            command.env("PATH", path);
        }
        command
    }

    fn read(&self, output: &[u8], status: ExitStatus) -> Result<Option<Credential>, LookupError> {
        let failed = |why: String| LookupError::Helper { name: self.clone(), why };
        if !status.success() {
            let text = String::from_utf8_lossy(output);
            let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
            return match line.to_lowercase() {
                lower if lower.contains(NOT_FOUND) => Ok(None),
                // An answer in braces may hold a secret.
                lower if lower.is_empty() || lower.contains('{') => Err(failed(format!("failed with {status}"))),
                _ => Err(failed(format!("failed with {status}: {}", line.escape_debug()))),
            };
        }
        let answer: Answer = serde_json::from_slice(output)
            .map_err(|_| failed("does not answer with Username and Secret in JSON".to_owned()))?;
        if answer.secret.expose().is_empty() {
            return Ok(None);
        }
        Ok(Some(Credential::of_pair(answer.username, answer.secret, Source::Helper(self.clone()))))
    }
}

/// Says the server's name and listens to the end.
async fn talk(child: &mut Child, server: &str) -> std::io::Result<(Zeroizing<Vec<u8>>, ExitStatus)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not listen may have gone already; its answer tells what happened.
        stdin.write_all(server.as_bytes()).await.ok();
    }
    let mut output = Zeroizing::new(Vec::new());
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT_MAX).read_to_end(&mut output).await?;
    }
    Ok((output, child.wait().await?))
}

/// Ends a helper that took too long, with what it has started.
async fn end(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        kill_process_group(group, Signal::KILL).ok();
    }
    child.wait().await.ok();
}

impl FromStr for HelperName {
    type Err = HelperNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let named = !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(good);
        if named { Ok(Self(text.to_owned())) } else { Err(HelperNameError(text.chars().take(NAME_MAX).collect())) }
    }
}

impl fmt::Display for HelperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HelperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::Path};

    use super::*;
    use crate::container::Login;

    /// Runs a helper that is this script, in a directory of its own.
    async fn run(script: &str, limit: Duration) -> Result<Option<Credential>, LookupError> {
        let dir = tempfile::tempdir().expect("a directory");
        write(&dir.path().join("docker-credential-test"), script);
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let name: HelperName = "test".parse().expect("a name");
        name.ask("r.example:5000", Some(&path), limit).await
    }

    fn write(path: &Path, script: &str) {
        std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("ours");
    }

    #[tokio::test]
    async fn a_helper_is_asked_for_the_server() {
        let script =
            r#"read -r server; printf '{"ServerURL":"%s","Username":"%s","Secret":"w"}' "$server" "$1-$server""#;
        let found = run(script, LIMIT).await.expect("an answer").expect("a credential");
        let login = Login::Password { username: "get-r.example:5000".into(), password: SecretString::new("w") };
        assert_eq!(found.login, login);
    }

    #[tokio::test]
    async fn a_helpers_token_user_gives_an_identity_token() {
        let found = run(r#"echo '{"Username":"<token>","Secret":"t"}'"#, LIMIT).await.expect("an answer");
        assert_eq!(found.expect("a token").login, Login::IdentityToken(SecretString::new("t")));
    }

    #[tokio::test]
    async fn having_nothing_is_no_failure() {
        let nothing = run("echo 'credentials not found in native keychain'; exit 1", LIMIT).await;
        assert_eq!(nothing, Ok(None));
    }

    #[tokio::test]
    async fn a_failing_helper_is_told_without_what_it_may_have_let_slip() {
        let error = run("echo 'no session'; exit 3", LIMIT).await.expect_err("failed").to_string();
        assert!(error.contains("no session") && error.contains("test"), "{error}");
        let error = run(r#"echo '{"Secret":"hunter2"}'; exit 1"#, LIMIT).await.expect_err("failed").to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let error = run("echo hunter2", LIMIT).await.expect_err("no JSON").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_helper_that_hangs_is_ended_with_its_children() {
        let limit = Duration::from_millis(300);
        let error = run("sleep 600 & sleep 600", limit).await.expect_err("hangs");
        assert!(matches!(error, LookupError::HelperTimeout { .. }), "{error}");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in ["", "a/b", "../x", "a b", "a\0", "ä", "$(x)", &"x".repeat(65)] {
            assert!(bad.parse::<HelperName>().is_err(), "{bad:?}");
        }
        assert!("ecr-login".parse::<HelperName>().is_ok());
    }
}
