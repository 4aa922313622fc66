//! The node's login against a server in memory.

use std::{fs, os::unix::fs::OpenOptionsExt, path::PathBuf};

use serde_json::json;

use super::*;
use crate::vault::{ClientCert, Memory};

const LIFE: Duration = Duration::from_secs(600);

/// A node with its files.
struct Node {
    vault: Arc<Memory>,
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let vault = Arc::new(Memory::new());
        vault.application("approle", "node", "secret-1", LIFE);
        vault.token_role("shop", LIFE, true);
        Self { vault, folder: tempfile::tempdir_in("/dev/shm").expect("a folder in RAM") }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::remove_file(&path).ok();
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        std::io::Write::write_all(&mut file.expect("a file"), content.as_bytes()).expect("written");
        path
    }

    fn login(&self, mount: &str, credential: Credential) -> NodeLogin {
        NodeLogin::new(Arc::clone(&self.vault) as Arc<dyn Vault>, mount, credential)
    }

    fn by_secret_id(&self) -> NodeLogin {
        let file = self.file("secret-id", "secret-1\n");
        self.login("approle", Credential::AppRole { role_id: "node".to_owned(), file })
    }

    /// A login as a fresh process would make it.
    fn by_wrapped(&self) -> NodeLogin {
        let (file, store) = (self.folder.path().join("wrapped"), Store::below(self.folder.path(), "default"));
        self.login("approle", Credential::Wrapped { role_id: "node".to_owned(), file, store })
    }

    async fn mint(&self, login: &NodeLogin) -> Result<Session, AskError> {
        login.mint(&*self.vault, "shop", &json!({"policies": ["shop"]})).await
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_tasks_share_one_login() {
    let node = Node::new();
    let login = node.by_secret_id();
    let minted = futures_util::future::join_all((0..200).map(|_| node.mint(&login))).await;
    assert!(minted.iter().all(Result::is_ok));
    assert_eq!((node.vault.count("login"), node.vault.count("mint"), node.vault.live_tokens()), (1, 200, 201));
}

#[tokio::test(start_paused = true)]
async fn the_nodes_token_is_renewed_in_time_and_replaced_when_it_is_dead() {
    let node = Node::new();
    let login = node.by_secret_id();
    let first = login.token().await.expect("a token");
    tokio::time::advance(LIFE / 2).await;
    assert_eq!((login.token().await.expect("a token"), node.vault.count("renew")), (first.clone(), 0));
    tokio::time::advance(LIFE / 4).await;
    assert_eq!((login.token().await.expect("a token"), node.vault.count("renew")), (first.clone(), 1));
    node.vault.expire(&first);
    node.mint(&login).await.expect("the node logs in anew");
    assert_eq!(node.vault.count("login"), 2);
}

#[tokio::test(start_paused = true)]
async fn tasks_outlive_the_nodes_login() {
    let node = Node::new();
    let login = node.by_secret_id();
    let session = node.mint(&login).await.expect("a token");
    node.vault.expire(&login.token().await.expect("a token"));
    node.vault.lookup_token(&session.token).await.expect("the task's token lives");

    node.vault.token_role("shop", LIFE, false);
    let error = node.mint(&login).await.expect_err("it would not").to_string();
    assert!(error.contains("orphan = true"), "{error}");
    assert_eq!(node.vault.minted().len(), 1, "what was made is ended");
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_nothing_while_the_token_lives() {
    let node = Node::new();
    let login = node.by_secret_id();
    let first = login.token().await.expect("a token");
    node.vault.fail(Some(Kind::Sealed));
    tokio::time::advance(LIFE * 3 / 4).await;
    assert_eq!(login.token().await.expect("the old one"), first);
    tokio::time::advance(LIFE / 2).await;
    assert!(login.token().await.expect_err("over").is_transient());
    node.vault.fail(None);
    login.token().await.expect("a new one");
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_repeated_by_every_task() {
    let node = Node::new();
    let login = node.by_secret_id();
    node.file("secret-id", "wrong");
    for _ in 0..200 {
        let error = node.mint(&login).await.expect_err("refused");
        assert!(error.to_string().contains("invalid role or secret ID"), "{error}");
    }
    assert_eq!(node.vault.count("login"), 1);
    node.file("secret-id", "secret-1");
    tokio::time::advance(Duration::from_secs(120)).await;
    node.mint(&login).await.expect("the operator has mended it");
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_secret_id_is_taken_out_once_and_known_to_the_next_process() {
    let node = Node::new();
    let wrapping = node.vault.wrap("auth/approle/role/node/secret-id", json!({"secret_id": "secret-1"}));
    node.file("wrapped", wrapping.expose());
    let first = node.by_wrapped().token().await.expect("a token");
    let next = node.by_wrapped();
    assert_eq!(next.token().await.expect("the same token, which lives"), first);
    node.vault.expire(&first);
    node.by_wrapped().token().await.expect("by the secret id that was kept");
    fs::remove_file(node.folder.path().join("wrapped")).expect("removed");
    node.by_wrapped().token().await.expect("the file may be gone");
    assert_eq!((node.vault.count("unwrap"), next.alarm()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_used_wrapping_token_is_an_alarm_that_says_what_to_do() {
    let node = Node::new();
    let wrapping = node.vault.wrap("auth/approle/role/node/secret-id", json!({"secret_id": "secret-1"}));
    node.vault.unwrap(&wrapping).await.expect("a thief");
    node.file("wrapped", wrapping.expose());
    let login = node.by_wrapped();
    let error = login.token().await.expect_err("used up").to_string();
    let alarm = login.alarm().expect("an alarm");
    assert!(error.contains("used up") && alarm.contains("destroy the secret ids"), "{error} {alarm}");
    assert!(!error.contains(wrapping.expose()) && !alarm.contains(wrapping.expose()));
    let fresh = node.vault.wrap("auth/approle/role/node/secret-id", json!({"secret_id": "secret-1"}));
    node.file("wrapped", fresh.expose());
    tokio::time::advance(Duration::from_secs(120)).await;
    login.token().await.expect("a fresh one is taken");
    assert_eq!(login.alarm(), None);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_wrapping_token_is_not_unwrapped() {
    let node = Node::new();
    let wrapping = node.vault.wrap("sys/wrapping/wrap", json!({"secret_id": "of-an-attacker"}));
    node.file("wrapped", wrapping.expose());
    let login = node.by_wrapped();
    let error = login.token().await.expect_err("foreign").to_string();
    assert!(error.contains("sys/wrapping/wrap") && login.alarm().is_some(), "{error}");
    assert_eq!((node.vault.count("unwrap"), node.vault.count("login")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_logs_in_and_one_that_is_replaced_logs_in_anew() {
    let node = Node::new();
    node.vault.certificate_login("cert", LIFE);
    let files = ClientCert { cert_file: node.file("cert.pem", "one"), key_file: node.file("key.pem", "its key") };
    let login = node.login("cert", Credential::Certificate { role: Some("node".to_owned()), files: files.clone() });
    node.mint(&login).await.expect("a token");
    fs::remove_file(&files.key_file).expect("removed");
    node.mint(&login).await.expect("files that are being exchanged are no change");
    assert_eq!(node.vault.count("login"), 1);
    node.file("key.pem", "the next one's key");
    node.mint(&login).await.expect("a token");
    node.mint(&login).await.expect("a token");
    assert_eq!(node.vault.count("login"), 2);

    let stranger = node.login("elsewhere", Credential::Certificate { role: None, files: files.clone() });
    let error = stranger.token().await.expect_err("no certificate").to_string();
    let file = format!("client_cert_file {}", files.cert_file.display());
    assert!(error.contains("no client certificate") && error.contains(&file), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_there_yet_is_named_and_taken_once_it_is() {
    let node = Node::new();
    node.vault.certificate_login("cert", LIFE);
    let at = |name: &str| node.folder.path().join(name);
    let files = ClientCert { cert_file: at("cert.pem"), key_file: at("key.pem") };
    let login = node.login("cert", Credential::Certificate { role: None, files: files.clone() });
    let flaw = login.flaw().expect("it is not there");
    assert!(flaw.contains("client_cert_file") && flaw.contains(&*files.cert_file.to_string_lossy()), "{flaw}");
    let error = login.token().await.expect_err("no certificate").to_string();
    assert!(error.contains(&flaw), "{error}");
    assert_eq!(node.vault.count("login"), 0);
    node.file("cert.pem", "one");
    assert!(login.flaw().is_some_and(|flaw| flaw.contains("client_key_file")));
    node.file("key.pem", "its key");
    assert_eq!(login.flaw(), None);
    while login.token().await.is_err() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(node.vault.count("login"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_file_is_read_anew_when_it_has_changed() {
    let node = Node::new();
    let (one, two) = (node.vault.operator_token(LIFE), node.vault.operator_token(LIFE));
    let file = node.file("token", one.expose());
    let login = node.login("token", Credential::Token { file });
    assert_eq!(login.token().await.expect("a token"), one);
    node.file("token", two.expose());
    assert_eq!(login.token().await.expect("a token"), two);
    node.file("token", "s.nonsense");
    assert_eq!(login.token().await.expect("the one that lives"), two);
    fs::set_permissions(node.folder.path().join("token"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("opened");
    assert_eq!(login.token().await.expect("an open file is no change"), two);
}
