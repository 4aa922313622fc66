//! A template names the variables of its task.

use std::fs;

use crate::{
    bed::{Bed, until},
    jobs, put_word,
};

const CONFIG: &str = r#"
        template {
          destination = "app.env"
          data        = "{{ env \"NOMAD_META_owner\" }} {{ env \"COLOUR\" }} {{ env \"NOMAD_JOB_ID\" }} {{ with secret \"kv/data/timeline\" }}{{ .Data.data.word }}{{ end }}"
          change_mode = "noop"
        }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_template_names_the_variables_of_its_task_also_after_a_kill() {
    let bed = Bed::new("").await;
    put_word(&bed, "one").await;
    let script = jobs::SLEEP;
    let body = format!(
        "meta {{\n owner = \"team a\"\n }}\n env {{\n COLOUR = \"blue\"\n NOMAD_JOB_ID = \"forged\"\n }}\n \
         config {{\n image = \"strongbox/busybox:1\"\n command = \"sh\"\n args = [\"-c\", {script:?}]\n {CONFIG}\n }}"
    );
    let task = bed.task(&jobs::with_task(&body));
    bed.run(&task).await.expect("it starts");
    assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await, "team a blue timeline one");

    bed.anew(None, &[&task]).await;
    put_word(&bed, "two").await;
    let shown = bed.ram().join("data/app.env");
    until("the new word is shown", || async {
        fs::read_to_string(&shown).is_ok_and(|text| text == "team a blue timeline two")
    })
    .await;
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_the_task_does_not_have_is_told_before_anything_is_asked() {
    let bed = Bed::new("").await;
    let task = bed.task(&jobs::shell(jobs::SLEEP, CONFIG));
    let refused = bed.run(&task).await.expect_err("refused");
    let text = refused.message();
    assert!(
        text.contains("TemplateInvalid")
            && text.contains("app.env")
            && text.contains("has no variable \"NOMAD_META_owner\""),
        "{text}"
    );
    assert_eq!(bed.tokens().await, [""; 0]);
    bed.is_clean().await;
}
