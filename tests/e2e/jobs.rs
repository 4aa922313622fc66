//! The jobs that the tests run.

/// A service that ends well when it is asked to; it notes nothing and prints nothing.
pub const SLEEP: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

/// Everything that the main job asks for.
pub const ONE_OF_EACH: &str = r#"
        certificate "server" {
          change_mode = "noop"
        }
        secret "db" {
          path = "database/creds/timeline"
        }
        template {
          destination = "app.env"
          data        = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
          change_mode = "noop"
        }"#;

/// Returns a job whose task runs a shell script with busybox; `config` is added to its config.
pub fn shell(script: &str, config: &str) -> String {
    job("strongbox/busybox:1", script, config)
}

/// As [`shell`], with another image.
pub fn job(image: &str, script: &str, config: &str) -> String {
    with_task(&format!(
        r#"
      config {{
        image   = {image:?}
        command = "sh"
        args    = ["-c", {script:?}]
        {config}
      }}"#
    ))
}

/// Returns a job with this body of its one task.
pub fn with_task(body: &str) -> String {
    format!(
        r#"
job "timeline" {{
  group "web" {{
    task "timeline" {{
      driver       = "strongbox"
      kill_timeout = "5s"
      {body}
    }}
  }}
}}"#
    )
}
