//! Tasks of several clusters and namespaces, and tasks whose tokens the node makes.

use super::*;
use crate::{
    domain::ServerName,
    driver::{ChildSettings, ClusterSettings, PkiSettings},
    vault,
};

/// Settings with a second cluster, `eu`, at which the node logs in with an application role.
fn settings(bench: &Bench) -> Settings {
    let file = bench.path("secret-id");
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"secret-1"))
        .expect("written");
    let child =
        ChildSettings { policies: vec!["{job}".into()], ttl: Some(Duration::from_secs(900)), ..Default::default() };
    let auth = AuthSettings {
        mount: "approle".into(),
        method: AuthMethod::AppRole { role_id: "node".into(), file, wrapped: false },
        child,
    };
    let eu = ClusterSettings { vault: vault::Settings::default(), auth, pki: PkiSettings::default() };
    let all = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rule = |clusters: &[&str], namespaces: &[&str]| Rule {
        namespace: "default".into(),
        job: "shop".into(),
        group: "*".into(),
        task: "*".into(),
        roles: all(&["shop"]),
        paths: all(&[KV, DB]),
        clusters: all(clusters),
        vault_namespaces: all(namespaces),
        ..Rule::default()
    };
    let rules = Rules::load(&[rule(&[], &[]), rule(&["eu"], &["root", "team/{job}"])]).expect("good rules");
    Settings {
        vault: Some(vault::Settings::default()),
        clusters: [("eu".to_owned(), eu)].into(),
        rules,
        ..bench.settings()
    }
}

fn driver(bench: &Bench, eu: &Arc<Memory>) -> Driver {
    let settings = settings(bench);
    let journal = Journal::open(&settings.journal).expect("a journal");
    let default = Some(Arc::clone(&bench.vault) as Arc<dyn Vault>);
    let parts = Parts::new(settings, Arc::new(bench.engine.clone()), default, journal).expect("parts");
    let eu = [("eu".to_owned(), Arc::clone(eu) as Arc<dyn Vault>)];
    Driver::over(parts.with_clusters(eu).expect("a cluster"))
}

fn europe() -> Arc<Memory> {
    let vault = Arc::new(Memory::new());
    vault.application("approle", "node", "secret-1", Duration::from_secs(3600));
    vault.token_role("shop", Duration::from_secs(900), true);
    for place in ["", "team/shop/"] {
        vault.put_kv(&format!("{place}{KV}"), json!({ "api_key": "european" }));
        let account = json!({ "username": "user-{n}", "password": "word-{n}" });
        vault.lend(&format!("{place}{DB}"), account, Duration::from_secs(600));
    }
    vault
}

fn spec_at(bench: &Bench, suffix: &str, cluster: Option<&str>, namespace: Option<&str>) -> TaskSpec {
    let server = ServerName { cluster: cluster.map(str::to_owned), namespace: namespace.map(str::to_owned) };
    TaskSpec { server, ..bench.spec(suffix) }
}

#[tokio::test]
async fn a_task_of_another_cluster_has_its_token_from_the_node_and_gives_it_back_there() {
    let (bench, eu) = (Bench::new(), europe());
    let driver = driver(&bench, &eu);
    for (suffix, namespace) in [("1", None), ("2", Some("team/shop"))] {
        let spec = spec_at(&bench, suffix, Some("eu"), namespace);
        driver.start(spec.clone()).await.expect("it starts");
        assert_eq!((eu.minted().len(), eu.live_leases().len()), (1, 1));
        let terms = eu.minted().remove(0);
        assert_eq!((&terms["policies"], &terms["ttl"]), (&json!(["shop"]), &json!("900s")));
        assert_eq!(terms["meta"]["nomad_task"], "web");
        assert!(terms["meta"]["nomad_allocation_id"].is_string() && terms.get("period").is_none());
        driver.destroy(&spec.meta.id, true).await.expect("destroyed");
        until("all is given back", || eu.minted().is_empty() && eu.live_leases().is_empty()).await;
    }
    assert_eq!((eu.count("login"), eu.live_tokens()), (1, 1), "the node's own login is used by both");
    assert_eq!(bench.vault.count("login") + bench.vault.count("read"), 0, "the default server was not asked");
}

#[tokio::test]
async fn what_another_process_left_is_given_back_at_its_own_cluster() {
    let (bench, eu) = (Bench::new(), europe());
    let spec = spec_at(&bench, "1", Some("eu"), Some("team/shop"));
    let first = driver(&bench, &eu);
    let started = first.start(spec.clone()).await.expect("it starts");
    drop((first, started));
    assert_eq!(eu.minted().len(), 1);
    let second = driver(&bench, &eu);
    // The same attempt once more: what the dead process made is undone first.
    second.start(spec.clone()).await.expect("it starts again");
    until("only the new token lives", || eu.minted().len() == 1 && eu.live_leases().len() == 1).await;
    second.destroy(&spec.meta.id, true).await.expect("destroyed");
    until("all is given back", || eu.minted().is_empty() && eu.live_leases().is_empty()).await;
}

#[tokio::test]
async fn a_server_that_no_rule_gives_is_refused_unasked() {
    let (bench, eu) = (Bench::new(), europe());
    let driver = driver(&bench, &eu);
    for (cluster, namespace, word) in [
        (Some("us"), None, "us"),
        (Some("eu"), Some("team/other"), "vault_namespace"),
        (None, Some("team/shop"), "vault_cluster"),
    ] {
        let error = driver.start(spec_at(&bench, "1", cluster, namespace)).await.expect_err("refused");
        assert_eq!(error.class(), Class::PolicyRefused, "{error}");
        assert!(error.to_string().contains(word) || namespace.is_some(), "{error}");
    }
    assert_eq!(eu.count("login") + bench.vault.count("login"), 0);
}
