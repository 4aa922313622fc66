//! Looks whether the operator's sources of credentials are usable, without asking any of them for one.

use std::{env, ffi::OsString, path::Path};

use super::{HelperName, RegistrySettings, config_file::ConfigFile, lookup::read};

impl RegistrySettings {
    /// Says in a few words which sources there are.
    ///
    /// # Errors
    /// Names the file that cannot be read, or the helper that is not there.
    pub fn examine(&self) -> Result<String, String> {
        let mut sources = Vec::new();
        if let Some(path) = &self.auth_file {
            examine_file(path)?;
            sources.push(format!("file {}", path.display()));
        }
        let own = self.hosts.values().filter_map(|host| host.helper.as_ref());
        for helper in own.chain(&self.helper) {
            self.examine_helper(helper)?;
            sources.push(format!("helper {helper}"));
        }
        let paths = self.hosts.values().filter(|host| host.vault.is_some()).count();
        if paths > 0 {
            sources.push(format!("{paths} on the secrets server"));
        }
        Ok(if sources.is_empty() { "the jobs' own only".to_owned() } else { sources.join(", ") })
    }

    fn examine_helper(&self, helper: &HelperName) -> Result<(), String> {
        let path = self.helper_path.clone().map(OsString::from).or_else(|| env::var_os("PATH")).unwrap_or_default();
        let program = format!("docker-credential-{helper}");
        let found = env::split_paths(&path).any(|folder| folder.join(&program).is_file());
        found
            .then_some(())
            .ok_or_else(|| format!("{program} is not on the path; install it or set registry.helper_path"))
    }
}

fn examine_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let bytes = read(path).map_err(|error| format!("{shown}: {error}; mend registry.auth_file"))?;
    ConfigFile::parse(&bytes).map(|_| ()).map_err(|why| format!("{shown} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let settings =
            RegistrySettings { helper: Some("absent".parse().expect("a name")), ..RegistrySettings::default() };
        assert!(settings.examine().expect_err("no such program").contains("docker-credential-absent"));
        let settings =
            RegistrySettings { auth_file: Some("/nonexistent/x.json".into()), ..RegistrySettings::default() };
        assert!(settings.examine().expect_err("no such file").contains("/nonexistent/x.json"));
        assert_eq!(RegistrySettings::default().examine().as_deref(), Ok("the jobs' own only"));
    }
}
