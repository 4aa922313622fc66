//! The plugin is killed while it replaces what was revoked behind its back.

use serde_json::json;

use crate::{
    bao::psql,
    bed::{Bed, until},
    harness::runner::Run,
    jobs::{self, SLEEP},
};

/// A lease and nothing that is polled, so that each step is met by the refresh alone.
const DB: &str = "secret \"db\" {\n path = \"database/creds/timeline\"\n change_mode = \"noop\"\n }";

/// What somebody revokes, so that the task's keeper has to get another.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Lease,
    Token,
}

async fn lose(bed: &Bed, loss: Loss) {
    match loss {
        Loss::Lease => {
            for lease in bed.leases().await {
                let body = json!({ "lease_id": format!("database/creds/timeline/{lease}"), "sync": true });
                bed.bao.ok("POST", "sys/leases/revoke", Some(body)).await;
            }
        }
        Loss::Token => {
            for accessor in bed.tokens().await {
                bed.bao.ok("POST", "auth/token/revoke-accessor", Some(json!({ "accessor": accessor }))).await;
            }
        }
    }
}

/// Says whether the login that the task sees works.
async fn works(bed: &Bed, task: &Run) -> bool {
    let user = bed.sh(task, "cat /run/secrets/db/username").await;
    let password = bed.sh(task, "cat /run/secrets/db/password").await;
    psql(&user, &password, "select 1").is_ok()
}

async fn die_and_go_on(bed: &Bed, task: &Run, loss: Loss, step: &str) {
    lose(bed, loss).await;
    bed.anew(Some(step), &[task]).await;
    bed.is_dead(step).await;
    bed.anew(None, &[task]).await;
    until("the task has a login that works", || works(bed, task)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_refresh_leaves_nothing_alive_after_the_end() {
    // So long that nothing which is left would end by its own time.
    let bed = Bed::with_lives("", "1h", "1h").await;
    let task = bed.task(&jobs::shell(SLEEP, DB));
    bed.run(&task).await.expect("it starts");
    for (loss, step) in [
        (Loss::Lease, "journal-appended"),
        (Loss::Lease, "before-read"),
        (Loss::Lease, "after-read"),
        (Loss::Lease, "before-flip"),
        (Loss::Lease, "after-flip"),
        (Loss::Token, "before-login"),
        (Loss::Token, "before-read"),
        (Loss::Token, "after-read"),
        (Loss::Token, "after-flip"),
    ] {
        die_and_go_on(&bed, &task, loss, step).await;
    }
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_refresh_did_not_hear_of_dies_by_its_own_time() {
    let bed = Bed::with_lives("", "10s", "1h").await;
    let task = bed.task(&jobs::shell(SLEEP, DB));
    bed.run(&task).await.expect("it starts");
    die_and_go_on(&bed, &task, Loss::Token, "after-login").await;
    bed.end(&task).await;
    bed.is_clean().await;
}
