//! The operator's sources, in their order.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Credential, HelperName, LookupError, Source,
    config_file::{ConfigFile, Found},
    helper::LIMIT,
    names::{canonical_host, server},
};
use crate::{container::ImageRef, domain::ServerPath};

/// Largest auth file that is read.
const FILE_MAX: u64 = 1 << 20;

/// Where the operator keeps registries' credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Whether a job may write a password into its own `auth` block.
    pub allow_inline: bool,
    /// A file as `docker login` writes it, read anew for each pull.
    pub auth_file: Option<PathBuf>,
    /// A helper that is asked about every registry.
    pub helper: Option<HelperName>,
    /// Where helpers are looked for; this process's own `PATH` when absent.
    pub helper_path: Option<String>,
    /// What holds for single registries, by host.
    pub hosts: BTreeMap<String, HostSettings>,
}

/// What holds for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// A helper for this registry.
    pub helper: Option<HelperName>,
    /// Where the secrets server keeps this registry's credential.
    pub vault: Option<ServerPath>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { allow_inline: true, auth_file: None, helper: None, helper_path: None, hosts: BTreeMap::new() }
    }
}

impl RegistrySettings {
    /// Returns what holds for the registry of `image`.
    pub fn host(&self, image: &ImageRef) -> Option<&HostSettings> {
        self.hosts.get(&canonical_host(image.registry()))
    }

    /// Looks in the operator's file and helpers; `None` when none of them has anything.
    ///
    /// With `soft` a source that fails is passed over and told in `failures`.
    ///
    /// # Errors
    /// A source that should know could not say, and `soft` is off.
    pub async fn look_up(
        &self,
        image: &ImageRef,
        soft: bool,
        failures: &mut Vec<LookupError>,
    ) -> Result<Option<Credential>, LookupError> {
        for step in [Step::File, Step::HostHelper, Step::Helper] {
            match self.step(step, image).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) if soft => failures.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn step(&self, step: Step, image: &ImageRef) -> Result<Option<Credential>, LookupError> {
        match step {
            Step::File => match &self.auth_file {
                Some(path) => self.in_file(path, image).await,
                None => Ok(None),
            },
            Step::HostHelper => self.by_helper(self.host(image).and_then(|host| host.helper.as_ref()), image).await,
            Step::Helper => self.by_helper(self.helper.as_ref(), image).await,
        }
    }

    async fn in_file(&self, path: &Path, image: &ImageRef) -> Result<Option<Credential>, LookupError> {
        let failed = |why: String| LookupError::File { path: path.to_owned(), why };
        let bytes = read(path).map_err(|error| failed(error.to_string()))?;
        let found = ConfigFile::parse(&bytes).and_then(|file| file.find(image)).map_err(failed)?;
        match found {
            Found::Ask(helper) => self.by_helper(Some(&helper), image).await,
            Found::Held(login) => Ok(Some(Credential { login, source: Source::File(path.to_owned()) })),
            Found::Nothing => Ok(None),
        }
    }

    async fn by_helper(
        &self,
        helper: Option<&HelperName>,
        image: &ImageRef,
    ) -> Result<Option<Credential>, LookupError> {
        let Some(helper) = helper else { return Ok(None) };
        let host = canonical_host(image.registry());
        helper.ask(server(&host), self.helper_path.as_deref(), LIMIT).await
    }
}

/// The operator's sources in their order.
#[derive(Clone, Copy)]
enum Step {
    File,
    HostHelper,
    Helper,
}

pub(super) fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::{container::Login, domain::SecretString};

    /// A directory with helpers `one`, `two` and `broken`, and an auth file.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new(file: &str) -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            fs::write(dir.path().join("config.json"), file).expect("written");
            for (name, line) in [
                ("one", r#"echo '{"Username":"one","Secret":"w"}'"#),
                ("two", r#"echo '{"Username":"two","Secret":"w"}'"#),
                ("empty", "echo 'credentials not found in native keychain'; exit 1"),
                ("broken", "exit 2"),
            ] {
                let path = dir.path().join(format!("docker-credential-{name}"));
                fs::write(&path, format!("#!/bin/sh\n{line}\n")).expect("written");
                fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("ours");
            }
            Self(dir)
        }

        fn settings(&self) -> RegistrySettings {
            RegistrySettings {
                auth_file: Some(self.0.path().join("config.json")),
                helper_path: Some(format!("{}:/usr/bin:/bin", self.0.path().display())),
                ..RegistrySettings::default()
            }
        }
    }

    fn name(text: &str) -> Option<HelperName> {
        Some(text.parse().expect("a name"))
    }

    async fn user(settings: &RegistrySettings, image: &str) -> Option<String> {
        let image = image.parse().expect("a reference");
        match settings.look_up(&image, false, &mut Vec::new()).await.expect("looked up")?.login {
            Login::Password { username, .. } => Some(username),
            other => Some(format!("{other:?}")),
        }
    }

    #[tokio::test]
    async fn the_file_goes_before_its_stores_and_those_before_the_helpers() {
        let place = Place::new(
            r#"{"auths": {"held.example": {"auth": "bWU6dw=="}}, "credHelpers": {"kept.example": "one", "none.example": "empty"}}"#,
        );
        let own = HostSettings { helper: name("one"), vault: None };
        let settings = RegistrySettings {
            helper: name("two"),
            hosts: [("own.example".to_owned(), own)].into(),
            ..place.settings()
        };
        assert_eq!(user(&settings, "held.example/a").await.as_deref(), Some("me"));
        assert_eq!(user(&settings, "kept.example/a").await.as_deref(), Some("one"));
        assert_eq!(user(&settings, "own.example/a").await.as_deref(), Some("one"));
        assert_eq!(user(&settings, "none.example/a").await.as_deref(), Some("two"), "nothing found means go on");
        assert_eq!(user(&place.settings(), "other.example/a").await, None, "nobody else is asked");
    }

    #[tokio::test]
    async fn a_source_that_fails_is_passed_over_only_softly() {
        let place = Place::new(r#"{"credsStore": "broken"}"#);
        let settings = RegistrySettings { helper: name("two"), ..place.settings() };
        let image = "r.example/a".parse().expect("a reference");
        let mut failures = Vec::new();
        let error = settings.look_up(&image, false, &mut failures).await.expect_err("broken");
        assert!(error.to_string().contains("broken"), "{error}");
        let found = settings.look_up(&image, true, &mut failures).await.expect("softly").expect("the next source");
        assert_eq!(found.source, Source::Helper("two".parse().expect("a name")));
        assert_eq!(failures, [error]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
        let place = Place::new(r#"{"auths": {"r.example": {"auth": "hunter2"}}"#);
        let image = "r.example/a".parse().expect("a reference");
        let error = place.settings().look_up(&image, false, &mut Vec::new()).await.expect_err("cut off").to_string();
        assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
        let absent = RegistrySettings { auth_file: Some("/nonexistent/x".into()), ..RegistrySettings::default() };
        assert!(absent.look_up(&image, false, &mut Vec::new()).await.is_err());
    }

    #[test]
    fn settings_show_no_value() {
        let credential =
            Credential { login: Login::RegistryToken(SecretString::new("hunter2")), source: Source::File("/x".into()) };
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}
