//! Where a secret of KV version 2 lies, when the job leaves `data` out of its path as users of consul-template may.
//!
//! The path is asked as it is written, and the mount's version only when that brings nothing: `404` where the token may
//! read the written path too, `403` where its policy names the true one. What was found once is asked straight away.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{AskError, Asker};
use crate::{
    domain::{SecretString, ServerPath},
    template::Dependency,
    vault::{self, Kind, KvMount, Reply},
};

/// The true paths of what was found elsewhere than it is written.
#[derive(Debug, Default)]
pub(super) struct TruePaths(Mutex<BTreeMap<Dependency, ServerPath>>);

impl TruePaths {
    fn of(&self, dependency: &Dependency) -> Option<ServerPath> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(dependency).cloned()
    }

    fn learn(&self, dependency: &Dependency, path: &ServerPath) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(dependency.clone(), path.clone());
    }

    fn forget(&self, dependency: &Dependency) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(dependency);
    }
}

impl Asker {
    /// Asks for `dependency` where it lies, and returns that path with the server's answer.
    ///
    /// # Errors
    /// No rule allows the path where it lies.
    pub(super) async fn request_found(
        &self,
        token: &SecretString,
        dependency: &Dependency,
    ) -> Result<(ServerPath, Result<Reply, vault::Error>), AskError> {
        if let Some(path) = self.true_paths.of(dependency) {
            let reply = self.request(token, dependency, &path).await;
            if reply.as_ref().is_err_and(may_lie_elsewhere) {
                self.true_paths.forget(dependency);
            }
            return Ok((path, reply));
        }
        let written = dependency.path.clone();
        let reply = self.request(token, dependency, &written).await;
        if dependency.is_write() || !reply.as_ref().is_err_and(may_lie_elsewhere) {
            return Ok((written, reply));
        }
        let Some(path) = self.true_path(token, dependency).await else { return Ok((written, reply)) };
        self.plan.rules.check_path(&self.plan.meta, &path).map_err(|refused| self.refused_by_rule(&path, refused))?;
        let reply = self.request(token, dependency, &path).await;
        if reply.is_ok() {
            self.true_paths.learn(dependency, &path);
        }
        Ok((path, reply))
    }

    /// Returns `<mount>/data/<rest>` for `<mount>/<rest>`, when that mount is KV version 2; nothing when it is no such
    /// mount, or the token may not know.
    async fn true_path(&self, token: &SecretString, dependency: &Dependency) -> Option<ServerPath> {
        let Ok(Some(KvMount { mount, version: 2 })) = self.vault.kv_version(token, &dependency.path).await else {
            return None;
        };
        let mount = mount.trim_end_matches('/');
        let rest = dependency.path.as_str().strip_prefix(mount)?.trim_start_matches('/');
        let within = if dependency.is_list() { "metadata" } else { "data" };
        let is_true = rest.split('/').next() == Some(within);
        (!is_true).then(|| format!("{mount}/{within}/{rest}").parse().ok()).flatten()
    }
}

fn may_lie_elsewhere(error: &vault::Error) -> bool {
    matches!(error.kind(), Kind::Denied | Kind::NotFound)
}
