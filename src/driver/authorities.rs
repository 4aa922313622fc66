//! Follows the issuers of the mounts that a task has certificates from, so that a new root is trusted before the first
//! certificate of it.
//!
//! The mount tells its issuers to everybody, so this needs no line in a policy. What a change of them means for the files is
//! [`Trust`]'s affair.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use rand::Rng;
use sha2::{Digest, Sha256};

use super::{
    asker::{AskError, Asker},
    keeper::{Item, Keeper},
    plan::Plan,
    settings::Settings,
};
use crate::{
    domain::{RelPath, SecretString},
    lease,
    pki::{self, ISSUERS_MAX, IssuedCertificate, Trust},
    vault::Kind,
};

/// How many looks a new root is published before a certificate of it is asked for, so that every task has seen it.
const SETTLE_LOOKS: u32 = 2;

/// A mount's issuers as they are now.
pub(super) struct Issuers {
    ids: BTreeSet<String>,
    new: BTreeMap<String, BTreeSet<String>>,
}

/// Returns the mounts whose issuers are followed, each once.
pub(super) fn mounts(settings: &Settings, plan: &Plan) -> BTreeSet<String> {
    match settings.pki.follow {
        true => plan.certificates.iter().map(|certificate| certificate.mount.clone()).collect(),
        false => BTreeSet::new(),
    }
}

/// Learns every mount's issuers for a start. One that cannot be learnt now is learnt later: the certificate itself brings the
/// root above it.
pub(super) async fn learn_all(asker: &Asker, token: &SecretString) -> BTreeMap<String, Trust> {
    let mounts = mounts(&asker.parts.settings, &asker.plan);
    let asked = mounts.into_iter().map(|mount| async move {
        let mut trust = Trust::default();
        match learn(asker, token, &mount, &trust).await {
            Ok(issuers) => _ = take(&mut trust, issuers, SystemTime::now()),
            Err(error) => {
                tracing::info!(task_id = %asker.plan.meta.id, mount, %error, "The issuers could not be learnt yet");
            }
        }
        (mount, trust)
    });
    join_all(asked).await.into_iter().collect()
}

/// Asks which issuers `mount` has, and for the roots above those that `known` does not have. Servers that know no list of
/// issuers are asked for the chain of the one that they have.
async fn learn(asker: &Asker, token: &SecretString, mount: &str, known: &Trust) -> Result<Option<Issuers>, AskError> {
    let listed = asker.read_public(token, &format!("{mount}/issuers"), true).await?;
    let Some(listed) = listed else { return learn_chain(asker, token, mount, known).await };
    let keys = listed["keys"].as_array().into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned));
    let ids: BTreeSet<String> = keys.take(ISSUERS_MAX).collect();
    let mut new = BTreeMap::new();
    for id in ids.iter().filter(|id| !known.knows(id)) {
        let issuer = asker.read_public(token, &format!("{mount}/issuer/{id}/json"), false).await?;
        if let Some(issuer) = issuer.filter(|issuer| issuer["revocation_time"].as_i64().unwrap_or_default() == 0) {
            new.insert(id.clone(), roots(asker, mount, &issuer));
        }
    }
    Ok(Some(Issuers { ids, new }))
}

async fn learn_chain(
    asker: &Asker,
    token: &SecretString,
    mount: &str,
    known: &Trust,
) -> Result<Option<Issuers>, AskError> {
    let Some(issuer) = asker.read_public(token, &format!("{mount}/cert/ca_chain"), false).await? else {
        return Ok(None);
    };
    let roots = roots(asker, mount, &issuer);
    let id = hex::encode(roots.iter().fold(Sha256::new(), |digest, root| digest.chain_update(root)).finalize());
    let new = if known.knows(&id) { BTreeMap::new() } else { [(id.clone(), roots)].into() };
    Ok(Some(Issuers { ids: [id].into(), new }))
}

fn roots(asker: &Asker, mount: &str, issuer: &serde_json::Value) -> BTreeSet<String> {
    pki::roots_of(issuer, SystemTime::now()).unwrap_or_else(|error| {
        tracing::warn!(task_id = %asker.plan.meta.id, mount, %error, "An issuer cannot be read and is not trusted");
        BTreeSet::new()
    })
}

/// Takes the issuers; an answer without one changes nothing. Returns whether anything changed.
fn take(trust: &mut Trust, issuers: Option<Issuers>, now: SystemTime) -> bool {
    issuers.is_some_and(|issuers| trust.update(&issuers.ids, issuers.new, now))
}

/// Looks at a mount again. Returns whether the task trusts something else now.
pub(super) async fn look(keeper: &mut Keeper, mount: &str) -> Result<bool, AskError> {
    schedule(keeper, mount);
    let token = keeper.asker.token(&keeper.holdings).map_err(AskError::Driver)?;
    let known = keeper.holdings.trust.get(mount).cloned().unwrap_or_default();
    let issuers = learn(&keeper.asker, &token, mount, &known).await?;
    let now = SystemTime::now();
    let trust = keeper.holdings.trust.entry(mount.to_owned()).or_default();
    let ended = trust.drop_ended(now);
    let changed = take(trust, issuers, now);
    if changed {
        tracing::info!(task_id = %keeper.asker.plan.meta.id, mount, "The issuers of the mount have changed");
        replace_orphans(keeper, mount);
    }
    Ok(changed || ended)
}

/// Plans the first look at each mount.
pub(super) fn schedule_all(keeper: &mut Keeper) {
    for mount in mounts(&keeper.asker.parts.settings, &keeper.asker.plan) {
        schedule(keeper, &mount);
    }
}

/// Plans the next look.
fn schedule(keeper: &mut Keeper, mount: &str) {
    let after = lease::poll_after(keeper.asker.parts.settings.refresh.kv_poll, rand::rng().random());
    keeper.agenda.set_in(Item::Authorities(mount.to_owned()), after);
}

/// Has the certificates replaced whose root has left the mount, once the new roots have settled.
fn replace_orphans(keeper: &mut Keeper, mount: &str) {
    let Some(trust) = keeper.holdings.trust.get(mount) else { return };
    let plans = keeper.asker.plan.certificates.iter().filter(|plan| plan.mount == mount);
    let orphans = plans.filter(|plan| {
        keeper
            .holdings
            .certificates
            .get(&plan.request.name)
            .is_some_and(|held: &IssuedCertificate| trust.has_left(held))
    });
    let settle = settle(keeper);
    for name in orphans.map(|plan| plan.request.name.clone()).collect::<Vec<_>>() {
        let after = settle + settle.mul_f64(rand::rng().random());
        keeper.agenda.set_in(Item::Certificate(name), after);
    }
}

/// Looks at the mount before a certificate of it is asked for. Returns how long to wait for a new root to be known everywhere
/// and shown in the task's own files; nothing when there is none, or when the held certificate does not live that long.
pub(super) async fn wait_before(keeper: &mut Keeper, mount: &str, name: &RelPath) -> (bool, Option<Duration>) {
    if !keeper.asker.parts.settings.pki.follow {
        return (false, None);
    }
    let changed = look(keeper, mount).await.unwrap_or_else(|error| {
        let kind: Option<Kind> = error.kind();
        tracing::debug!(task_id = %keeper.asker.plan.meta.id, mount, ?kind, %error, "The issuers were not looked at");
        false
    });
    let Some(held) = keeper.holdings.certificates.get(name) else { return (changed, None) };
    let Some(trust) = keeper.holdings.trust.get(mount) else { return (changed, None) };
    let (settle, now) = (settle(keeper), SystemTime::now());
    let mut at = trust.settled_at(settle);
    // An action that is under way holds the next set back, with the root in it.
    if at != SystemTime::UNIX_EPOCH && keeper.has_unshown() {
        at = at.max(now + settle);
    }
    let rest = at.duration_since(now).unwrap_or_default();
    let lives_on = held.not_after > at + settle;
    (changed, (lives_on && !rest.is_zero()).then_some(rest))
}

/// Returns how long it takes until every task has a new root in its files: a look may come late and its set may gather more.
fn settle(keeper: &Keeper) -> Duration {
    let timing = &keeper.asker.parts.settings.refresh;
    (timing.kv_poll * SETTLE_LOOKS).max(lease::poll_after(timing.kv_poll, 1.0) + timing.longest)
}
