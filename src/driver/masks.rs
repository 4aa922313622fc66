//! Which values are masked in a task's output.
//!
//! All that the task holds: fields of secrets, whatever its templates were answered, private keys, the token. And what it held
//! before, because output is read late and a program may print what it has just replaced. The names say where a value is
//! delivered, or where on the server it is.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{asks::Asks, files, holdings::Holdings, parts::Parts, record::Record};
use crate::{
    container::{NamedSecret, Redactions},
    domain::{Encoding, SecretBytes, TaskEvent, TaskMeta},
};

/// How many replaced values are remembered, how long one may be, and all together.
const FORMER: (usize, usize, usize) = (512, 16 << 10, 128 << 10);
/// Fields of answers that are public and would be met in any output.
const PUBLIC: [&str; 7] =
    ["key-cert.pub", "key.pub", "last_vault_rotation", "private_key_type", "public_key", "serial_number", "signed_key"];
/// What stands in PEM and is for everybody.
const PUBLIC_PEM: [&str; 6] =
    ["CERTIFICATE", "CERTIFICATE REQUEST", "PUBLIC KEY", "RSA PUBLIC KEY", "TRUSTED CERTIFICATE", "X509 CRL"];
/// What lines of public SSH keys and certificates begin with.
const PUBLIC_SSH: [&str; 5] = ["ecdsa-sha2-", "sk-ecdsa-sha2-", "sk-ssh-ed25519", "ssh-ed25519", "ssh-rsa"];

/// What is masked in one task's output; clones are handles to the same. Without a switch for it nothing is.
#[derive(Clone, Default)]
pub(super) struct Masks(Option<Arc<Inner>>);

struct Inner {
    redactions: Arc<Redactions>,
    task: String,
    shown: Mutex<Vec<NamedSecret>>,
}

/// Values that were replaced, newest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Former(Vec<NamedSecret>);

impl Masks {
    /// Begins with no values.
    pub(super) fn new(parts: &Arc<Parts>, meta: &TaskMeta) -> Self {
        let policy = &parts.settings.container.logging;
        if !policy.redact || !policy.collect {
            return Self(None);
        }
        let (teller, task) = (Arc::clone(parts), meta.clone());
        let redactions = Redactions::new(move |name| {
            let text = format!("Task printed its secret {name}; it is masked in the task's output");
            teller.tell(TaskEvent::new(&task, text).with("secret", name));
        });
        let task = meta.id.to_string();
        Self(Some(Arc::new(Inner { redactions: Arc::new(redactions), task, shown: Mutex::default() })))
    }

    /// Returns what the output is held against.
    pub(super) fn redactions(&self) -> Option<Arc<Redactions>> {
        self.0.as_ref().map(|inner| Arc::clone(&inner.redactions))
    }

    /// Masks what `record` knows from now on; to be called before the task can see it.
    pub(super) fn mask(&self, record: &Record) {
        self.mask_values(values(&record.asks, &record.holdings), &record.former);
    }

    /// As [`Masks::mask`], for values that were found already.
    pub(super) fn mask_values(&self, mut values: Vec<NamedSecret>, former: &Former) {
        let Some(inner) = &self.0 else { return };
        values.extend(former.0.iter().cloned());
        let mut shown = inner.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown == values {
            return;
        }
        let skipped = inner.redactions.set(&values);
        if !skipped.is_empty() {
            tracing::warn!(
                task_id = inner.task,
                values = skipped.join(", "),
                "Values too short to be masked in the task's output"
            );
        }
        *shown = values;
    }
}

impl Former {
    /// Remembers what of `before` is not held `now`.
    pub(super) fn remember(&mut self, before: Vec<NamedSecret>, now: &[NamedSecret]) {
        let held: BTreeSet<&[u8]> = now.iter().map(|secret| secret.value.expose()).collect();
        let is_new = |secret: &NamedSecret| {
            !held.contains(secret.value.expose()) && self.0.iter().all(|old| old.value != secret.value)
        };
        let gone: Vec<NamedSecret> = before.into_iter().filter(is_new).collect();
        self.0.splice(0..0, gone);
        let (count, longest, mut room) = FORMER;
        self.0.truncate(count);
        self.0.retain(|secret| {
            let length = secret.value.expose().len();
            let fits = length <= longest.min(room);
            room -= if fits { length } else { 0 };
            fits
        });
    }
}

/// Returns all values that a task holds; one that is held under several names has the first.
pub(super) fn values(asks: &Asks, holdings: &Holdings) -> Vec<NamedSecret> {
    let mut found = Found::default();
    for request in &asks.secrets {
        let answers = holdings.answers.iter().filter(|(dependency, _)| dependency.path == request.path);
        for (_, answer) in answers {
            let fields = Value::Object(files::fields(&answer.value));
            found.leaves(request.name.as_str(), &fields, request.encoding == Encoding::Base64);
        }
    }
    for (name, certificate) in &holdings.certificates {
        found.add(format!("{name}/key.pem"), certificate.key_pem.clone());
    }
    for (dependency, answer) in &holdings.answers {
        found.leaves(dependency.path.as_str(), &Value::Object(files::fields(&answer.value)), false);
    }
    if let Some(password) = &holdings.store_password {
        found.add("store.password".to_owned(), password.clone().into());
    }
    if let Some(token) = holdings.token() {
        found.add("vault_token".to_owned(), token.clone().into());
    }
    found.distinct()
}

/// Says whether `now` certainly has the values of `before`, as after a renewal, which changes times alone. Answers are told
/// apart by where they lie: one that came anew is not the same, even if it says the same.
pub(super) fn are_same(before: &Holdings, now: &Holdings) -> bool {
    before.answers.len() == now.answers.len()
        && before.certificates.len() == now.certificates.len()
        && before
            .answers
            .iter()
            .zip(&now.answers)
            .all(|((path, answer), (new_path, new))| path == new_path && Arc::ptr_eq(&answer.value, &new.value))
        && before
            .certificates
            .iter()
            .zip(&now.certificates)
            .all(|((name, certificate), (new_name, new))| name == new_name && certificate.key_pem == new.key_pem)
        && before.store_password == now.store_password
        && before.token() == now.token()
}

#[derive(Default)]
struct Found {
    list: Vec<NamedSecret>,
}

impl Found {
    fn add(&mut self, name: String, value: SecretBytes) {
        if !value.expose().is_empty() {
            self.list.push(NamedSecret { name, value });
        }
    }

    /// Returns what was found, each value under its first name.
    fn distinct(self) -> Vec<NamedSecret> {
        let mut known = HashSet::new();
        let first: Vec<bool> = self.list.iter().map(|secret| known.insert(secret.value.expose())).collect();
        drop(known);
        self.list.into_iter().zip(first).filter_map(|(secret, is_first)| is_first.then_some(secret)).collect()
    }

    /// Adds every text in an answer that is not for everybody.
    fn leaves(&mut self, name: &str, value: &Value, encoded: bool) {
        match value {
            Value::String(text) if is_public(text) => {}
            Value::String(text) => {
                self.add(name.to_owned(), SecretBytes::new(text.as_bytes()));
                // What the server hands out in base64 is delivered as what it means.
                if (encoded || name.ends_with("/plaintext"))
                    && let Ok(bytes) = STANDARD.decode(text.trim())
                {
                    self.add(name.to_owned(), SecretBytes::new(bytes));
                }
            }
            Value::Array(list) => list.iter().for_each(|value| self.leaves(name, value, encoded)),
            Value::Object(map) => {
                for (field, value) in map.iter().filter(|(field, _)| !PUBLIC.contains(&field.as_str())) {
                    self.leaves(&format!("{name}/{field}"), value, encoded);
                }
            }
            // Numbers and yes or no are met in any output.
            Value::Bool(_) | Value::Null | Value::Number(_) => {}
        }
    }
}

/// Says whether a text is for everybody by its form: certificates and public keys, and nothing beside them.
fn is_public(text: &str) -> bool {
    let is_pem = |label: &str| PUBLIC_PEM.contains(&label);
    let mut labels = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    if let Some(first) = labels.next() {
        return text.trim_start().starts_with("-----BEGIN ") && is_pem(first) && labels.all(is_pem);
    }
    let is_ssh = |line: &str| {
        let mut words = line.split(' ');
        let kind = words.next().is_some_and(|kind| PUBLIC_SSH.iter().any(|known| kind.starts_with(known)));
        kind && words.next().is_some_and(|key| key.starts_with("AAAA"))
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    lines.peek().is_some() && lines.all(is_ssh)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        domain::{ChangeAction, Lease, LeaseId, SecretRequest, SecretString, Session},
        driver::holdings::{Answer, Timed},
        template::Dependency,
    };

    const LIFE: Duration = Duration::from_secs(60);

    fn holdings(path: &str, value: Value) -> Holdings {
        let answer = Answer { value: Arc::new(value), ..Answer::absent() };
        let mut holdings = Holdings::default();
        holdings.answers.insert(Dependency::read(path.parse().expect("a path")), answer);
        holdings
    }

    fn names(values: &[NamedSecret]) -> Vec<(&str, String)> {
        let pair = |secret: &NamedSecret| String::from_utf8_lossy(secret.value.expose()).into_owned();
        values.iter().map(|secret| (secret.name.as_str(), pair(secret))).collect()
    }

    #[test]
    fn a_value_is_named_by_the_block_that_delivers_it_or_by_its_path() {
        let answer = json!({ "data": { "data": { "user": "web-user", "deep": { "key": ["deep-key"] }, "n": 123_456 }, "metadata": { "version": 1 } } });
        let held = holdings("kv/data/db", answer);
        let request = SecretRequest::new(
            "db".parse().expect("a name"),
            "kv/data/db".parse().expect("a path"),
            ChangeAction::Noop,
        );
        let asks = Asks { secrets: vec![request], ..Asks::default() };
        let expected = |top: &str| vec![(format!("{top}/user"), "web-user"), (format!("{top}/deep/key"), "deep-key")];
        for (asks, top) in [(asks, "db"), (Asks::default(), "kv/data/db")] {
            let values = values(&asks, &held);
            let mut found: Vec<_> = names(&values).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let mut wanted: Vec<_> = expected(top).into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn certificates_are_public_and_what_was_encoded_is_known_in_clear() {
        let held = holdings(
            "transit/decrypt/x",
            json!({ "data": { "plaintext": "aGVsbG8gd29ybGQ=", "certificate": "-----BEGIN CERTIFICATE-----\nMII\n" } }),
        );
        let values = values(&Asks::default(), &held);
        let name = "transit/decrypt/x/plaintext";
        assert_eq!(names(&values), [(name, "aGVsbG8gd29ybGQ=".to_owned()), (name, "hello world".to_owned())]);
    }

    #[test]
    fn what_is_for_everybody_is_not_masked_and_what_stands_beside_a_private_key_is() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
        let (cert, key) = (pem("CERTIFICATE"), pem("PRIVATE KEY"));
        let answer = json!({ "data": {
            "key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n",
            "key.pub": "ssh-ed25519 AAAAC3Nz web\n",
            "key-cert.pub": "ssh-ed25519-cert-v01@openssh.com AAAAIHNz web\n",
            "ca": [cert, pem("X509 CRL")],
            "chain": format!("{cert}{cert}"),
            "known": "ssh-rsa AAAAB3Nz a\necdsa-sha2-nistp256 AAAAE2Vj b\n",
            "csr": pem("CERTIFICATE REQUEST"),
            "public": pem("PUBLIC KEY"),
            "both": format!("{cert}{key}"),
            "noted": format!("my password is hush\n{cert}"),
            "phrase": "ssh-rsa is old",
        } });
        let values = values(&Asks::default(), &holdings("kv/x", answer));
        let mut found: Vec<&str> = values.iter().map(|secret| secret.name.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, ["kv/x/both", "kv/x/key", "kv/x/noted", "kv/x/phrase"]);
    }

    #[test]
    fn a_value_under_several_names_has_the_first() {
        let answer = json!({ "data": { "again": "word", "also": "word", "other": "text" } });
        let values = values(&Asks::default(), &holdings("kv/x", answer));
        assert_eq!(names(&values), [("kv/x/again", "word".to_owned()), ("kv/x/other", "text".to_owned())]);
    }

    #[test]
    fn a_renewal_changes_no_value_and_whatever_brings_one_is_seen() {
        let mut held = holdings("kv/x", json!({ "data": { "password": "one" } }));
        let (x, y) =
            (Dependency::read("kv/x".parse().expect("a path")), Dependency::read("kv/y".parse().expect("a path")));
        let lease = Lease { id: LeaseId("kv/x/1".into()), duration: LIFE, renewable: true };
        held.answers.get_mut(&x).expect("an answer").lease = Some(Timed::granted(lease, LIFE));
        let mut renewed = held.clone();
        let answer = renewed.answers.get_mut(&x).expect("an answer");
        answer.lease.as_mut().expect("a lease").renewed(LIFE * 2);
        assert!(are_same(&held, &renewed));

        let login = Session {
            token: SecretString::new("s.token"),
            accessor: None,
            duration: LIFE,
            renewable: true,
            policies: Vec::new(),
        };
        let changes: [fn(&mut Holdings, &Dependency, &Dependency, Session); 4] = [
            |held, x, _, _| {
                held.answers.get_mut(x).expect("an answer").value = Arc::new(json!({ "data": { "password": "two" } }));
            },
            |held, x, y, _| {
                let answer = held.answers.remove(x).expect("an answer");
                held.answers.insert(y.clone(), answer);
            },
            |held, _, _, login| held.session = Some(Timed::granted(login, LIFE)),
            |held, _, _, _| held.store_password = Some(SecretString::new("store-password")),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut changed = held.clone();
            change(&mut changed, &x, &y, login.clone());
            assert!(!are_same(&held, &changed) && !are_same(&changed, &held), "change {n}");
        }
    }

    #[test]
    fn the_password_of_key_stores_is_one_too() {
        let held = Holdings { store_password: Some(SecretString::new("store-password")), ..Holdings::default() };
        assert_eq!(names(&values(&Asks::default(), &held)), [("store.password", "store-password".to_owned())]);
    }

    #[test]
    fn what_was_replaced_is_remembered_within_bounds() {
        let secret = |text: &str| NamedSecret { name: "x".into(), value: SecretBytes::new(text.as_bytes()) };
        let mut former = Former::default();
        former.remember(vec![secret("one"), secret("stays")], &[secret("two"), secret("stays")]);
        former.remember(vec![secret("two"), secret("stays")], &[secret("six"), secret("stays")]);
        former.remember(vec![secret("six"), secret(&"x".repeat(FORMER.1 + 1))], &[]);
        let texts: Vec<String> = names(&former.0).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["six", "two", "one"]);
        for n in 0..100 {
            former.remember(vec![secret(&format!("{n}").repeat(5000))], &[]);
        }
        let all: usize = former.0.iter().map(|secret| secret.value.expose().len()).sum();
        assert!(all <= FORMER.2 && former.0.len() > 5, "{all} bytes");
    }
}
