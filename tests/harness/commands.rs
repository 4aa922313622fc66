//! The commands, around the real plugin.

use std::{fs, process::Output};

use rustix::process::Signal;

use crate::playing::{Place, Playing, example, harness, plugin, printed};

/// A job of one shell script.
fn job(script: &str) -> String {
    format!(
        r#"job "hello" {{
  group "g" {{
    task "hello" {{
      driver       = "strongbox"
      kill_timeout = "5s"
      config {{
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "{script}"]
      }}
    }}
  }}
}}
"#
    )
}

const SERVICE: &str = "trap 'exit 3' TERM; trap 'echo told' HUP; echo up; while :; do sleep 0.1; done";

fn run(arguments: &[&str]) -> Output {
    harness().args(arguments).output().expect("the harness runs")
}

/// Waits for the task's word and the plugin's: the first can be heard before the second, and a plugin that is killed in
/// between has not started anything.
fn up(playing: &Playing) {
    playing.is_up();
    playing.line("hello   * started");
}

#[test]
fn every_example_job_is_right_by_the_plugins_schema() {
    let folder = fs::read_dir(example("")).expect("the examples");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let jobs: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".nomad.hcl")).collect();
    assert!(jobs.len() >= 3, "{jobs:?}");
    for job in jobs {
        let output = run(&["validate", "--plugin", plugin(), &job.to_string_lossy()]);
        assert!(output.status.success(), "{}", printed(&output));
    }
}

#[test]
fn the_example_of_an_operators_block_is_right() {
    let file = example("plugin.hcl");
    let output = run(&["encode", "--plugin", plugin(), "--plugin-config", &file.to_string_lossy()]);
    assert!(output.status.success(), "{}", printed(&output));
    let check = std::process::Command::new(plugin()).args(["check", "--config"]).arg(file).output().expect("it runs");
    assert!(printed(&check).contains("rules: 2 allow rules"), "{}", printed(&check));
}

#[test]
fn a_wrong_job_is_refused_with_all_its_mistakes_and_their_places() {
    let place = Place::new();
    let file = place.file("bad.nomad.hcl", &job("true").replace("image ", "imago ").replace("args  ", "argo  "));
    let output = run(&["validate", "--plugin", plugin(), &file.to_string_lossy()]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["bad.nomad.hcl:7:9", "bad.nomad.hcl:9:9", "\"imago\"", "\"argo\"", "\"image\" is required"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_variable_is_given_as_name_and_value() {
    let file = example("timeline.nomad.hcl");
    let file = file.to_string_lossy();
    let validate = |pair| run(&["validate", "--plugin", plugin(), "--var", pair, &file]);
    assert!(validate("certificate_ttl=1h").status.success());
    assert!(printed(&validate("nobody=1")).contains("declares no variable"));
    assert!(printed(&validate("certificate_ttl")).contains("NAME=VALUE"));
}

#[test]
fn encode_prints_the_bytes_or_what_is_wrong() {
    let place = Place::new();
    let good = place.file("good.hcl", "config {\n  image = \"a\"\n}");
    let bad = place.file("bad.hcl", "config {\n  image = [1]\n}");
    let output = run(&["encode", "--plugin", plugin(), "--task", &good.to_string_lossy(), &bad.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("text");
    let (first, second) = text.split_once('\n').expect("two lines");
    let bytes = hex::decode(first).expect("hexadecimal");
    let value = rmpv::decode::read_value(&mut &bytes[..]).expect("msgpack");
    let member = |name: &str| value.as_map().and_then(|map| map.iter().find(|(key, _)| key.as_str() == Some(name)));
    assert_eq!(member("image").and_then(|(_, value)| value.as_str()), Some("a"));
    assert!(member("command").is_some_and(|(_, value)| value.is_nil()));
    assert!(second.starts_with("error: ") && second.contains("bad.hcl:2:11: ") && second.contains("image"), "{second}");
}

#[test]
fn jwks_makes_a_key_once() {
    let place = Place::new();
    let key = place.file("x", "").with_file_name("key.pem");
    let key = key.to_string_lossy();
    let first = printed(&run(&["jwks", "--key", &key]));
    assert!(first.contains("\"kty\":\"RSA\""), "{first}");
    assert_eq!(printed(&run(&["jwks", "--key", &key])), first);
}

#[test]
fn a_run_ends_with_the_tasks_code_and_shows_what_it_said() {
    let place = Place::new();
    let file = place.file("job.nomad.hcl", &job("echo one; echo two >&2; exit 7"));
    let (code, text) = place.play(&file, &place.config("")).end();
    assert_eq!(code, Some(7), "{text}");
    for line in ["hello   | one", "hello   ! two", "hello   * ended with code 7"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours into a pipe: {text}");
    assert_eq!((place.containers(), place.mounts()), (vec![], vec![]));
}

#[test]
fn a_task_that_cannot_start_ends_the_run() {
    let place = Place::new();
    let file = place.file("job.nomad.hcl", &job("true").replace("strongbox/busybox:1", "strongbox/nosuch:1"));
    let (code, text) = place.play(&file, &place.config("")).end();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("failed: ") && text.contains("nosuch"), "{text}");
}

#[test]
fn a_running_job_is_reached_from_outside() {
    let place = Place::new();
    let file = place.file("job.nomad.hcl", &job(SERVICE));
    let playing = place.play(&file, &place.config(""));
    up(&playing);

    let output = place.ask("exec", &["hello", "--", "sh", "-c", "echo inside; echo badly >&2; exit 4"]);
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "inside");
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "badly");

    assert!(place.ask("signal", &["hello", "SIGHUP"]).status.success());
    playing.line("| told");

    let stats = printed(&place.ask("stats", &["hello", "--samples", "1"]));
    assert!(stats.contains("cpu ") && stats.contains(" MiB") && stats.lines().count() == 1, "{stats}");

    let wrong = place.ask("signal", &["nobody", "SIGHUP"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(printed(&wrong).contains("no task \"nobody\" runs here; there are: hello"), "{}", printed(&wrong));

    playing.signal(Signal::INT);
    let (code, text) = playing.end();
    assert_eq!(code, Some(3), "{text}");
    assert!(printed(&place.ask("kill-plugin", &[])).contains("no harness runs in"));
}

#[test]
fn a_user_attends_a_command_of_a_running_job() {
    let place = Place::new();
    let file = place.file("job.nomad.hcl", &job(SERVICE));
    let playing = place.play(&file, &place.config(""));
    up(&playing);

    let sum = "sha256sum; echo badly >&2; exit 4";
    let output = place.type_into("exec", &["-i", "hello", "--", "sh", "-c", sum], &vec![b'x'; 3 << 20]);
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(vec![b'x'; 3 << 20]));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("{digest}  -"));
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "badly");

    // Without a terminal on this side, its end of input is the other side's.
    let output = place.type_into("exec", &["-t", "hello", "--", "sh", "-c", "test -t 0 && echo tty >&2; exit 5"], b"");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), b"tty\r\n".as_slice()));

    let wrong = place.type_into("exec", &["-i", "nobody", "--", "true"], b"");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(printed(&wrong).contains("there are: hello"), "{}", printed(&wrong));
    playing.signal(Signal::INT);
    assert_eq!(playing.end().0, Some(3));
}

#[test]
fn a_killed_plugin_is_replaced_and_the_task_lives_on() {
    let place = Place::new();
    let file = place.file("job.nomad.hcl", &job(SERVICE));
    let playing = place.play(&file, &place.config(""));
    up(&playing);
    let before = place.containers();

    let answer = place.ask("kill-plugin", &[]);
    assert!(answer.status.success() && printed(&answer).contains("took over"), "{}", printed(&answer));
    playing.line("hello   * recovered");
    assert_eq!(place.containers(), before);
    assert!(place.ask("exec", &["hello", "--", "true"]).status.success());

    playing.signal(Signal::INT);
    let (code, text) = playing.end();
    assert_eq!(code, Some(3), "{text}");
    assert_eq!((text.matches("| up").count(), place.containers().len()), (1, 0), "{text}");
}

#[test]
fn a_signal_to_the_harness_kills_the_plugin_as_well() {
    let place = Place::new();
    let file = place.file("job.nomad.hcl", &job(SERVICE));
    let playing = place.play(&file, &place.config(""));
    up(&playing);
    playing.signal(Signal::USR1);
    playing.line("hello   * recovered");
    playing.signal(Signal::TERM);
    assert_eq!(playing.end().0, Some(3));
}

#[test]
fn the_smallest_example_needs_no_server() {
    let place = Place::new();
    let (code, text) = place.play(&example("hello.nomad.hcl"), &place.config("")).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("| hello from hello"), "{text}");
}

#[test]
fn the_tasks_of_a_group_share_a_directory_and_ports() {
    let place = Place::new();
    let task = |name: &str, script: &str| {
        format!(
            r#"
    task "{name}" {{
      driver = "strongbox"
      config {{
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "{script}"]
      }}
    }}"#
        )
    };
    let giver =
        task("giver", "echo $NOMAD_ALLOC_ID ${NOMAD_PORT_web} >/alloc/data/x; mv /alloc/data/x /alloc/data/word");
    let taker = task(
        "taker",
        "until read word </alloc/data/word; do sleep 0.1; done 2>/dev/null; [ \\\"$word\\\" = \\\"$NOMAD_ALLOC_ID ${NOMAD_PORT_web}\\\" ] && echo same",
    );
    let job = format!(
        "job \"j\" {{\n  group \"g\" {{\n    network {{\n      port \"web\" {{}}\n    }}{giver}{taker}\n  }}\n}}\n"
    );
    let (code, text) = place.play(&place.file("job.nomad.hcl", &job), &place.config("")).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("taker   | same"), "{text}");
}

#[test]
fn a_config_may_name_the_nodes_attributes_and_what_the_driver_told_of_it() {
    let place = Place::new();
    let script = "echo on ${attr.kernel.name} ${attr.driver.strongbox.version} ${node.unique.name}";
    let (code, text) = place.play(&place.file("job.nomad.hcl", &job(script)), &place.config("")).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("| on linux {} harness", env!("CARGO_PKG_VERSION"))), "{text}");
}

#[test]
fn what_is_said_of_the_node_goes_before_what_was_found() {
    let place = Place::new();
    let script = "echo ${attr.kernel.name} ${attr.storage.disk} ${meta.rack} ${attr.cpu.numcores}";
    let file = place.file("job.nomad.hcl", &job(script));
    let words = ["--attr", "kernel.name=plan9", "--attr", "storage.disk=ssd", "--meta", "rack=r1"];
    let (code, text) = place.play_with(&file, &place.config(""), &words).end();
    assert_eq!(code, Some(0), "{text}");
    let cores = std::thread::available_parallelism().expect("a count");
    assert!(text.contains(&format!("| plan9 ssd r1 {cores}")), "{text}");
}

#[test]
fn a_word_that_the_node_does_not_have_is_an_error_where_it_stands() {
    let place = Place::new();
    for (reference, message) in [
        ("attr.kernel.nam", "${attr.kernel.nam}: there is no \"nam\" here; there are: arch, name, version"),
        ("meta.rack", "${meta.rack}: there is no \"rack\" here, nor anything else"),
        ("node.unique.nam", "${node.unique.nam}: there is no \"nam\" here; there are: id, name"),
    ] {
        let file = place.file("job.nomad.hcl", &job(&format!("echo ${{{reference}}}")));
        let output = run(&["validate", "--plugin", plugin(), &file.to_string_lossy()]);
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(message) && said.contains("job.nomad.hcl:9:"), "{reference}: {said}");
    }
}
