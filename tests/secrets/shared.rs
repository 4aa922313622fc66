//! Tasks that read the same, with tokens of the same role.

use std::fs;

use serde_json::{Value, json};

use crate::{
    bed::{Bed, until},
    bed_with,
    jobs::{SLEEP, shell},
};

/// What the tasks of one group may read, by a policy that is the same for all of them.
async fn grant_by_group(bed: &Bed) {
    let mounts = bed.bao.ok("GET", "sys/auth", None).await;
    let accessor = mounts["jwt-strongbox/"]["accessor"].as_str().expect("an accessor");
    let group = format!("{{{{identity.entity.aliases.{accessor}.metadata.nomad_group}}}}");
    let text = format!("path \"kv/data/groups/{group}\" {{ capabilities = [\"read\"] }}");
    bed.bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": text }))).await;
}

async fn write(bed: &Bed, word: &str) {
    bed.bao.ok("POST", "kv/data/groups/web", Some(json!({"data": {"word": word}}))).await;
}

/// Returns the lines of the audit file on answers for the path.
fn obtained(bed: &Bed) -> Vec<Value> {
    let text = fs::read_to_string(bed.state_dir().join("audit.log")).unwrap_or_default();
    // The last line may be half written.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "obtained" && line["path"] == "kv/data/groups/web").collect()
}

/// Says whether every task's file holds `word`.
fn all_show(bed: &Bed, word: &str) -> bool {
    let shows = |mount: &String| fs::read_to_string(format!("{mount}/data/app/word")).is_ok_and(|text| text == word);
    bed.mounts().iter().all(shows)
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_role_share_a_read_and_one_whose_policy_does_not_allow_the_path_is_refused() {
    let bed = bed_with("allow {\n job = \"timeline\"\n paths = [\"kv/data/groups/*\"]\n }\n", "").await;
    grant_by_group(&bed).await;
    write(&bed, "one").await;
    let text = shell(SLEEP, "secret \"app\" { path = \"kv/data/groups/web\" }");
    let tasks = [bed.task(&text), bed.task(&text)];
    for task in &tasks {
        bed.run(task).await.expect("it starts");
    }
    assert!(all_show(&bed, "one") && bed.mounts().len() == 2);
    let is_shared = |line: &&Value| line["reason"].as_str().is_some_and(|why| why.starts_with("shared"));
    until("one takes the answer of the other's request", || async {
        let lines = obtained(&bed);
        let taken = lines.iter().filter(is_shared).find_map(|taken| {
            let asked = lines.iter().find(|line| line["request_id"] == taken["request_id"] && !is_shared(line))?;
            Some((asked["task_id"].clone(), taken["task_id"].clone()))
        });
        taken.is_some_and(|(asked, taken)| asked != taken)
    })
    .await;
    write(&bed, "two").await;
    until("both see the change", || async { all_show(&bed, "two") }).await;

    // The same role, the same names of policies, and an answer that lies ready for others: its own token may not.
    let stranger = bed.task(&text.replace("group \"web\"", "group \"other\""));
    let refused = bed.run(&stranger).await.expect_err("refused");
    assert!(refused.message().contains("permission denied"), "{}", refused.message());
    assert!(refused.message().contains("kv/data/groups/web"), "{}", refused.message());
    stranger.destroy(&bed.agent, true).await.ok();

    // Who could read and may no longer is not kept going by those who may.
    let text = "path \"kv/data/groups/none\" { capabilities = [\"read\"] }";
    bed.bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": text }))).await;
    let no_file =
        || async { bed.mounts().iter().all(|mount| !fs::exists(format!("{mount}/data/app/word")).unwrap_or(true)) };
    until("the files go", no_file).await;
    for task in &tasks {
        bed.end(task).await;
    }
    bed.is_clean().await;
}
