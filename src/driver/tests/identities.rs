//! Tasks that log in with what the orchestrator has signed for them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    changes::{heard, overhear},
    *,
};

/// Writes the identity of the bench's task, as an agent does before it asks the driver.
fn sign(bench: &Bench, end: Option<u64>) {
    let mut claims = json!({ "nomad_allocation_id": "550e8400", "nomad_task": "web", "aud": "vault.io" });
    if let Some(end) = end {
        claims["exp"] = Value::from(end);
    }
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let jwt = format!("{}.{}.{}", part("{}"), part(&claims.to_string()), part("signature"));
    fs::write(bench.path("alloc/web/secrets/nomad_vault_default.jwt"), jwt).expect("written");
}

fn driver(bench: &Bench) -> Driver {
    let method = AuthMethod::Nomad { identity: "vault_default".into() };
    let auth = AuthSettings { mount: "jwt".into(), method, ..AuthSettings::default() };
    bench.driver_with(Settings { auth, ..bench.settings() })
}

#[tokio::test]
async fn an_identity_without_end_logs_in_at_once_and_the_tasks_history_warns_once() {
    for (end, warnings) in [(None, 1), (Some(4_000_000_000), 0)] {
        let bench = Bench::new();
        sign(&bench, end);
        let driver = driver(&bench);
        let events = overhear(&driver);
        let spec = bench.spec("1");
        driver.start(spec.clone()).await.expect("it starts");
        assert_eq!(bench.vault.count("login"), 1);

        bench.vault.expire_all();
        until("it has logged in again", || bench.vault.count("login") > 1 && bench.vault.live_leases().len() == 1)
            .await;
        bench.vault.put_kv(KV, json!({ "api_key": "second" }));
        until("a later event is heard", || !heard(&events, "app.env").is_empty()).await;
        let warned = heard(&events, "no second login can be expected");
        assert_eq!(warned.len(), warnings, "{warned:?}");
        assert!(warned.iter().all(|text| text.contains("\"vault_default\"") && text.contains("ttl = \"1h\"")));
        driver.destroy(&spec.meta.id, true).await.expect("destroyed");
        bench.is_clean().await;
    }
}
