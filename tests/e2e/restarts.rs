//! A restart after a change whose container the engine cannot start again.

use crate::{
    bed::{Bed, LIMIT},
    jobs, put_word,
};

const CONFIG: &str = r#"
        mount {
          type   = "bind"
          source = "local/data"
          target = "/data"
        }
        template {
          destination = "word"
          data        = "{{ with secret \"kv/data/timeline\" }}{{ .Data.data.word }}{{ end }}"
          change_mode = "restart"
          splay       = "0s"
        }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_its_own_doing_keeps_from_starting_again_has_failed_and_says_why() {
    let bed = Bed::new("").await;
    put_word(&bed, "one").await;
    let task = bed.task(&jobs::shell(jobs::SLEEP, CONFIG));
    std::fs::create_dir(task.dir.local.join("data")).expect("a directory");
    bed.run(&task).await.expect("it starts");
    bed.sh(&task, "rmdir /local/data && ln -s /etc /local/data").await;

    put_word(&bed, "two").await;
    let ended = tokio::time::timeout(LIMIT, task.wait(&bed.agent)).await.expect("it ends");
    let (_, why) = ended.expect("an end");
    assert!(why.contains("could not be started again") && why.contains("leads somewhere else"), "{why}");
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}
