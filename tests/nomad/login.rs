//! Login with the identity that Nomad signs for the task.

use std::io::Write;

use crate::bed::{Bed, NAME, events, read, until};

/// How the operator chooses it.
const AUTH: &str = r#"method = "nomad""#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_task_logs_in_with_what_nomad_signed() {
    let bed = Bed::with_auth(|_| AUTH.to_owned()).await;
    if bed.agent.version().await < (1, 7, 0) {
        writeln!(std::io::stderr(), "identities with an audience begin with Nomad 1.7; this agent is older").ok();
        return;
    }
    // As the example's set-up does it; the agent has to run before the server can ask it for its keys.
    let keys = format!("jwks_url={}/.well-known/jwks.json", bed.agent.address());
    bed.bao.cli(&["write", "auth/jwt-nomad/config", &keys, "jwt_supported_algs=RS256,EdDSA,ES256"]);
    let task = bed.run("identity", &[]).await;
    bed.output(&task.alloc, "up").await;
    assert_eq!(read(&task.container, "app.env").trim(), "API_KEY=first-api-key");
    bed.stop().await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_job_without_the_identity_block_is_told_to_add_it() {
    let bed = Bed::with_auth(|_| AUTH.to_owned()).await;
    let alloc = bed.submit("timeline", &[]).await;
    let about = until("the allocation fails", async || {
        Some(bed.about(&alloc).await).filter(|about| about["TaskStates"][NAME]["State"] == "dead")
    })
    .await;
    let events = events(&about);
    assert!(events.iter().any(|event| event.contains("identity") && event.contains("vault_default")), "{events:#?}");
    bed.stop().await;
    bed.is_clean().await;
}
