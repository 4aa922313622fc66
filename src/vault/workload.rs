//! The identity that the orchestrator signed for a task, found as a file in the task's secrets directory.
//!
//! The task may write there, so that the file is read with suspicion: bounded, regular, no link, and only if its claims
//! name this very task. The signature is the server's to check.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::{FileError, file::read_untrusted};
use crate::domain::{SecretString, TaskMeta};

/// Largest identity that is read; real ones have about 1 KiB.
const JWT_MAX: u64 = 64 * 1024;
/// How often a file that is being rewritten is read again, and how far apart: the writing takes microseconds.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// How far the clocks of the one who signed and of this machine may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// What a job has to say to get the identity as a file.
const HINT: &str =
    r#"write in the task: identity { name = "vault_default" aud = ["vault.io"] file = true ttl = "1h" }"#;

/// A task's signed identity.
#[derive(Clone, Debug)]
pub struct WorkloadIdentity {
    /// The signed text.
    pub jwt: SecretString,
    /// When it ends; one without end can log in only shortly after it was signed.
    pub expires: Option<SystemTime>,
    /// Whom it is for.
    pub audience: Vec<String>,
}

/// Why a task's identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// There is no such file.
    #[error("workload identity {} is absent; {HINT}", .0.display())]
    Absent(PathBuf),
    /// The file cannot be taken.
    #[error("workload identity; {HINT}")]
    File(#[source] FileError),
    /// The file holds no signed identity, or only part of one.
    #[error("workload identity {} is not a whole JWT; {HINT}", .0.display())]
    Partial(PathBuf),
    /// It is another task's.
    #[error("workload identity {} has {claim} {found:?} where this task has {wanted:?}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Which claim differs.
        claim: &'static str,
        /// What it says.
        found: String,
        /// What it had to say.
        wanted: String,
    },
    /// It is over.
    #[error("workload identity {} has expired; give it a ttl, so that it is renewed: {HINT}", .0.display())]
    Expired(PathBuf),
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    nomad_allocation_id: String,
    #[serde(default)]
    nomad_task: String,
    exp: Option<f64>,
    #[serde(default)]
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// Returns where the orchestrator writes the identity `name` of a task with this secrets directory.
pub fn identity_file(secrets_dir: &Path, name: &str) -> PathBuf {
    match name {
        "default" => secrets_dir.join("nomad_token"),
        _ => secrets_dir.join(format!("nomad_{name}.jwt")),
    }
}

/// Reads the identity at `path` and checks that it is the task's own.
///
/// The orchestrator rewrites the file in place, so that a partial one is read again for a moment.
pub async fn read_identity(path: &Path, task: &TaskMeta) -> Result<WorkloadIdentity, WorkloadError> {
    for _ in 1..TRIES {
        match read_once(path, task, SystemTime::now()) {
            Err(WorkloadError::Partial(_)) => sleep(PAUSE).await,
            settled => return settled,
        }
    }
    read_once(path, task, SystemTime::now())
}

fn read_once(path: &Path, task: &TaskMeta, now: SystemTime) -> Result<WorkloadIdentity, WorkloadError> {
    let bytes = match read_untrusted(path, JWT_MAX) {
        Ok(bytes) => bytes,
        Err(FileError::Missing(path)) => return Err(WorkloadError::Absent(path)),
        Err(FileError::Empty(path)) => return Err(WorkloadError::Partial(path)),
        Err(other) => return Err(WorkloadError::File(other)),
    };
    let partial = || WorkloadError::Partial(path.to_owned());
    let jwt = std::str::from_utf8(&bytes).map_err(|_| partial())?.trim();
    let claims = decode(jwt).ok_or_else(partial)?;
    compare(path, "nomad_allocation_id", &claims.nomad_allocation_id, &task.alloc_id)?;
    compare(path, "nomad_task", &claims.nomad_task, &task.name)?;
    let expires =
        claims.exp.and_then(|exp| Duration::try_from_secs_f64(exp).ok()).map(|exp| SystemTime::UNIX_EPOCH + exp);
    if expires.is_some_and(|end| end + SKEW < now) {
        return Err(WorkloadError::Expired(path.to_owned()));
    }
    let audience = match claims.aud {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    };
    Ok(WorkloadIdentity { jwt: SecretString::new(jwt), expires, audience })
}

/// Returns the claims of a whole JWT, unverified.
fn decode(jwt: &str) -> Option<Claims> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, claims, signature] = parts[..] else { return None };
    for part in [header, signature] {
        URL_SAFE_NO_PAD.decode(part).ok().filter(|bytes| !bytes.is_empty())?;
    }
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
    serde_json::from_slice(&claims).ok()
}

fn compare(path: &Path, claim: &'static str, found: &str, wanted: &str) -> Result<(), WorkloadError> {
    if found == wanted {
        return Ok(());
    }
    let found = found.chars().take(80).collect();
    Err(WorkloadError::Foreign { path: path.to_owned(), claim, found, wanted: wanted.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn task() -> TaskMeta {
        TaskMeta {
            id: "a/web/1".parse().expect("an id"),
            name: "web".to_owned(),
            group: String::new(),
            job_id: String::new(),
            job_name: String::new(),
            namespace: String::new(),
            alloc_id: "a".to_owned(),
            node_id: String::new(),
            node_name: String::new(),
        }
    }

    fn jwt(claims: &Value) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part("{}"), part(&claims.to_string()), part("signature"))
    }

    fn read(content: &str) -> Result<WorkloadIdentity, WorkloadError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("written");
        read_once(file.path(), &task(), SystemTime::now())
    }

    #[test]
    fn the_tasks_own_identity_is_taken() {
        let claims =
            json!({"nomad_allocation_id": "a", "nomad_task": "web", "aud": "vault.io", "exp": 4_000_000_000_u64});
        let identity = read(&jwt(&claims)).expect("an identity");
        assert_eq!(identity.audience, ["vault.io"]);
        assert!(identity.expires.is_some());
        let claims = json!({"nomad_allocation_id": "a", "nomad_task": "web", "aud": ["x", "y"]});
        assert!(read(&(jwt(&claims) + "\n")).expect("an identity").expires.is_none());
    }

    #[test]
    fn another_tasks_identity_is_refused() {
        for claims in [json!({"nomad_allocation_id": "b", "nomad_task": "web"}), json!({"nomad_allocation_id": "a"})] {
            assert!(matches!(read(&jwt(&claims)), Err(WorkloadError::Foreign { .. })));
        }
    }

    #[test]
    fn an_identity_that_is_over_is_refused() {
        let claims = json!({"nomad_allocation_id": "a", "nomad_task": "web", "exp": 1});
        assert!(matches!(read(&jwt(&claims)), Err(WorkloadError::Expired(_))));
    }

    #[test]
    fn a_part_of_an_identity_is_none() {
        let whole = jwt(&json!({"nomad_allocation_id": "a", "nomad_task": "web"}));
        let last_dot = whole.rfind('.').expect("a dot");
        for length in 0..=last_dot + 1 {
            assert!(matches!(read(&whole[..length]), Err(WorkloadError::Partial(_))), "{length}");
        }
    }

    #[test]
    fn a_link_or_an_absent_file_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = identity_file(dir.path(), "vault_default");
        let error = read_once(&path, &task(), SystemTime::now()).expect_err("absent");
        assert!(error.to_string().contains("file = true"));
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("linked");
        assert!(matches!(read_once(&path, &task(), SystemTime::now()), Err(WorkloadError::File(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_rewritten_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = identity_file(dir.path(), "vault_default");
        fs::write(&path, "").expect("emptied");
        let whole = jwt(&json!({"nomad_allocation_id": "a", "nomad_task": "web"}));
        let writer = async {
            sleep(PAUSE * 3).await;
            fs::write(&path, whole).expect("written");
        };
        let task = task();
        let (identity, ()) = tokio::join!(read_identity(&path, &task), writer);
        assert!(identity.is_ok());
    }
}
