//! Looks at a machine and says whether the driver would work on it, without starting anything or taking a lock.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    fingerprint::flaw,
    login::Login,
    node::Store,
    settings::{AuthSettings, Settings},
};
use crate::{
    container::{Docker, Engine, EngineInfo},
    domain::{ServerName, TaskId},
    tmpfs::Tmpfs,
    vault::{self, Vault},
};

/// Longest wait for an engine or a server.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// What was found when it is fine, or what to do when it is not.
    pub verdict: Result<String, String>,
}

/// Looks at everything the driver needs.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![root(), state_dir(&settings.journal.state_dir), ram(settings)];
    findings.push(engine(settings).await);
    findings.extend(logins(settings));
    findings.push(server(settings).await);
    findings.push(rules(settings));
    findings.push(Finding { what: "registry credentials", verdict: settings.images.registry.examine() });
    findings
}

fn root() -> Finding {
    let verdict = match rustix::process::geteuid().is_root() {
        true => Ok("running as root".to_owned()),
        false => Err("not root: the driver mounts tmpfs directories; run the agent as root".to_owned()),
    };
    Finding { what: "user", verdict }
}

fn state_dir(path: &Path) -> Finding {
    let shown = path.display();
    let verdict = match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(format!("{shown} is there")),
        Ok(_) => Err(format!("{shown} is no directory; set state_dir to one")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(format!("{shown} will be made at the first start"))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    };
    Finding { what: "state directory", verdict }
}

/// Mounts a tmpfs as for a task and takes it away again.
fn ram(settings: &Settings) -> Finding {
    let tmpfs = Tmpfs::new(settings.tmpfs.clone());
    let key = format!("doctor/{}", hex::encode(rand::random::<[u8; 8]>())).parse::<TaskId>().map(|id| id.key());
    let verdict = match key
        .map_err(|error| error.to_string())
        .and_then(|key| tmpfs.create(&key).map_err(|error| error.to_string()))
    {
        Ok(dir) => {
            let swap = if dir.swap_exposed() { "this kernel may swap it out" } else { "never swapped out" };
            dir.remove().map(|()| format!("a tmpfs can be mounted, {swap}")).map_err(|error| error.to_string())
        }
        Err(error) => Err(error),
    };
    Finding { what: "secrets in RAM", verdict }
}

async fn engine(settings: &Settings) -> Finding {
    let docker = Docker::new(settings.container.clone(), "doctor");
    let verdict = match tokio::time::timeout(PATIENCE, docker.info()).await {
        Ok(Ok(info)) => flaw(&info).map_or_else(|| Ok(summary(&info)), Err),
        Ok(Err(error)) => Err(format!("{error}; start it or set engine.socket")),
        Err(_) => Err(format!("no answer within {} s; look at the engine's log", PATIENCE.as_secs())),
    };
    Finding { what: "container engine", verdict }
}

fn summary(info: &EngineInfo) -> String {
    let EngineInfo { version, api_version, cgroup_version, storage_driver, .. } = info;
    format!("{version}, API {api_version}, cgroup v{cgroup_version}, {storage_driver}")
}

/// Looks at the login of each cluster.
fn logins(settings: &Settings) -> Vec<Finding> {
    let runtime_dir = &settings.tmpfs.runtime_dir;
    let default = match &settings.vault {
        Some(vault) => login(vault, &settings.auth, Store::below(runtime_dir, ServerName::DEFAULT)),
        None => Err("no vault block in the configuration; add one with an address".to_owned()),
    };
    let others = settings.clusters.iter().map(|(name, cluster)| {
        let found = login(&cluster.vault, &cluster.auth, Store::below(runtime_dir, name));
        let named = |text| format!("cluster {name:?}: {text}");
        found.map(named).map_err(named)
    });
    std::iter::once(default).chain(others).map(|verdict| Finding { what: "login", verdict }).collect()
}

fn login(vault: &vault::Settings, auth: &AuthSettings, store: Store) -> Result<String, String> {
    let client = vault::Client::new(vault.clone()).map_err(|error| error.to_string())?;
    let login = Login::new(auth, &(Arc::new(client) as Arc<dyn Vault>), store).map_err(|error| error.to_string())?;
    match login.of_node().and_then(|node| node.flaw()) {
        Some(flaw) => Err(format!("the node cannot log in yet: {flaw}")),
        None => Ok(format!("at auth/{} {}", login.mount, login.describe())),
    }
}

async fn server(settings: &Settings) -> Finding {
    let verdict = match &settings.vault {
        None => Err("not configured".to_owned()),
        Some(vault) => match vault::Client::new(vault.clone()) {
            Err(error) => Err(error.to_string()),
            Ok(client) => ask(&(Arc::new(client) as Arc<dyn Vault>), &vault.address).await,
        },
    };
    Finding { what: "secrets server", verdict }
}

async fn ask(vault: &Arc<dyn Vault>, address: &str) -> Result<String, String> {
    match tokio::time::timeout(PATIENCE, vault.health()).await {
        Ok(Ok(health)) if !health.initialized => {
            Err(format!("{address} is not initialised; run `operator init` there"))
        }
        Ok(Ok(health)) if health.sealed => Err(format!("{address} is sealed; unseal it")),
        Ok(Ok(health)) => Ok(format!("{address} answers, version {}", health.version)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("{address} gave no answer within {} s", PATIENCE.as_secs())),
    }
}

fn rules(settings: &Settings) -> Finding {
    let verdict = match settings.rules.len() {
        0 => Err("no allow rule: no job may ask for anything; add an allow block".to_owned()),
        1 => Ok("1 allow rule".to_owned()),
        many => Ok(format!("{many} allow rules")),
    };
    Finding { what: "rules", verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{AuthMethod, ClusterSettings, PkiSettings};

    #[test]
    fn a_credential_that_is_not_where_the_settings_say_is_told_for_each_cluster() {
        let vault = vault::Settings { address: "http://127.0.0.1:8200".to_owned(), ..vault::Settings::default() };
        let vault = vault::Settings { allow_plain_http: true, ..vault };
        let auth = |name: &str| AuthSettings {
            method: AuthMethod::Token { file: format!("/nonexistent/{name}").into() },
            ..AuthSettings::default()
        };
        let cluster = ClusterSettings { vault: vault.clone(), auth: auth("far"), pki: PkiSettings::default() };
        let mut settings = Settings { vault: Some(vault), auth: auth("near"), ..Settings::default() };
        settings.clusters.insert("east".to_owned(), cluster);
        let told: Vec<_> = logins(&settings).into_iter().map(|found| found.verdict.expect_err("no file")).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("/nonexistent/near does not exist"), "{told:?}");
        assert!(told[1].contains("cluster \"east\"") && told[1].contains("/nonexistent/far"), "{told:?}");
    }
}
