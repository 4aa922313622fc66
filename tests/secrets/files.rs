//! Owners and permission bits.

use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::{
    bed_with, file,
    jobs::{SLEEP, job},
    path_of, put,
};

#[tokio::test(flavor = "multi_thread")]
async fn files_belong_to_whom_the_image_knows() {
    let bed = bed_with("", "").await;
    put(&bed, "app", json!({"word": "one"})).await;
    let path = path_of("app");
    let config = format!(
        r#"
        secret "plain" {{ path = "{path}" }}
        secret "named" {{
          path  = "{path}"
          owner = "app"
          perms = "0600"
        }}
        secret "both" {{
          path  = "{path}"
          owner = "1234"
          group = "app"
          perms = "0440"
        }}
        template {{
          destination = "t/numbers"
          data        = "x"
          owner       = "1234:5678"
        }}
        certificate "server" {{
          group = "5678"
          perms = "0440"
        }}"#
    );
    let task = bed.task(&job("strongbox/app:1", SLEEP, &config));
    bed.run(&task).await.expect("it starts");
    let about = |name: &str| {
        let meta = std::fs::metadata(file(&bed, name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    };
    assert_eq!(about("plain/word"), (10001, 10001, 0o400));
    assert_eq!(about("named/word"), (10001, 10001, 0o600));
    assert_eq!(about("both/word"), (1234, 10001, 0o440));
    assert_eq!(about("t/numbers"), (1234, 5678, 0o400));
    assert_eq!(about("server/key.pem"), (10001, 5678, 0o440));
    // The container's user reads its own, and not what is another's alone.
    assert_eq!(bed.sh(&task, "cat /run/secrets/plain/word").await.trim_end(), "one");
    let denied = bed.sh(&task, "cat /run/secrets/t/numbers 2>/dev/null || echo denied").await;
    assert_eq!(denied.trim_end(), "denied");
    let container = task.container(&bed.agent).await.expect("a container");
    let other = String::from_utf8(crate::run(
        "docker",
        &[
            "exec",
            "-u",
            "1234:5678",
            &container,
            "sh",
            "-c",
            "cat /run/secrets/t/numbers; ls /run/secrets 2>/dev/null || echo hidden",
        ],
    ));
    assert_eq!(other.expect("text"), "xhidden\n");
    bed.end(&task).await;

    let unknown = bed.task(&job(
        "strongbox/app:1",
        SLEEP,
        &format!("secret \"x\" {{\n path = \"{path}\"\n owner = \"nosuch\"\n }}"),
    ));
    let refused = bed.run(&unknown).await.expect_err("refused");
    assert!(refused.message().contains("nosuch"), "{}", refused.message());
    unknown.destroy(&bed.agent, true).await.ok();
    bed.is_clean().await;
}
