//! A task's output through kills of the plugin: whole, once, and without the task's own secrets.

use std::{collections::BTreeSet, fs};

use serde_json::json;

use crate::{
    bed::{Bed, LIMIT, until},
    canary::Canaries,
    harness::{
        feed::{Event, Stream},
        runner::Run,
    },
    jobs::{self, ONE_OF_EACH},
};

/// Prints all that it has in all forms that its tools know, each time that it is told to, and what it had at first once more.
const CHATTERBOX: &str = r#"trap 'exit 0' TERM
cd /run/secrets
first=$(cat app.env)
say() {
  cat $1; echo; echo "x=$(cat $1)" >&2; base64 $1
  hexdump -ve '1/1 "%02x"' $1; echo; hexdump -ve '1/1 "%02X"' $1; echo
}
n=0
until false; do
  if [ -e /local/say$n ]; then
    for file in app.env db/password server/key.pem; do say $file; done
    for before in a ab abc; do echo -n "$before$(cat db/password)" | base64; done
    echo "first $first, and in parts: "; head -c 30000 /dev/zero | tr '\0' .; echo "$first"
    echo said $n; echo said $n >&2; n=$((n+1))
  fi
  sleep 0.1
done
"#;

/// Adds what the task holds now.
fn learn(canaries: &mut Canaries, bed: &Bed, at: &str) {
    let ram = bed.ram();
    let read = |path: &str| fs::read_to_string(ram.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    canaries.add(&format!("{at} key"), read("data/app.env").trim_start_matches("API_KEY="));
    canaries.add(&format!("{at} password"), &read("data/db/password"));
    canaries.add_pem(&format!("{at} private key"), &read("data/server/key.pem"));
}

async fn write_key(bed: &Bed) -> String {
    let key = format!("canary-{}", hex::encode(rand::random::<[u8; 24]>()));
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": key } }))).await;
    key
}

/// Has the task print everything, and waits until all of it has come.
async fn say(bed: &Bed, task: &Run, nth: usize) {
    fs::write(task.dir.local.join(format!("say{nth}")), "").expect("written");
    until("all was said on both streams", || async {
        output(bed).iter().filter(|line| **line == format!("said {nth}")).count() == 2
    })
    .await;
}

fn output(bed: &Bed) -> Vec<String> {
    bed.agent.feed.lines("timeline")
}

/// Returns the events that tell of a printed secret.
fn told(bed: &Bed) -> Vec<String> {
    let events = bed.agent.feed.since(0).into_iter().filter_map(|entry| match entry.what {
        Event::TaskEvent { message, .. } if message.starts_with("Task printed its secret") => Some(message),
        _ => None,
    });
    events.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_prints_of_its_secrets_is_masked_also_of_those_before_and_after_a_kill() {
    let bed = Bed::new("").await;
    write_key(&bed).await;
    let task = bed.task(&jobs::shell(CHATTERBOX, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let mut canaries = Canaries::default();
    learn(&mut canaries, &bed, "first");
    say(&bed, &task, 0).await;

    let key = write_key(&bed).await;
    let shown = bed.ram().join("data/app.env");
    until("the new key is shown", || async { fs::read_to_string(&shown).is_ok_and(|text| text.contains(&key)) }).await;
    learn(&mut canaries, &bed, "second");
    say(&bed, &task, 1).await;
    bed.anew(None, &[&task]).await;
    say(&bed, &task, 2).await;

    let text = output(&bed).join("\n");
    let hits: Vec<String> = canaries.scan("the output", text.as_bytes()).iter().map(ToString::to_string).collect();
    assert!(hits.is_empty(), "{}\n{}", hits.join("\n"), &text[..text.len().min(4000)]);
    let names = ["kv/data/timeline/api_key", "db/password", "server/key.pem"];
    for name in names {
        assert!(text.contains(&format!("[redacted:{name}]")), "{name}");
        let count = told(&bed).iter().filter(|event| event.contains(&format!("secret {name};"))).count();
        assert!((2..=3).contains(&count), "{name} is told once a generation and process, not {count} times");
    }
    // Three times: as it is on both streams, in base64 by itself and behind three others, in hexadecimal twice.
    assert!(text.matches("[redacted:db/password]").count() >= 3 * 8, "all forms came");
    assert!(told(&bed).iter().all(|event| canaries.scan("an event", event.as_bytes()).is_empty()));
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_have_output_handed_over_as_it_is() {
    let bed = Bed::new("logging { redact = false }").await;
    let key = write_key(&bed).await;
    let task = bed.task(&jobs::shell("cat /run/secrets/app.env; echo; sleep 1000", ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    until("the line has come", || async { output(&bed).contains(&format!("API_KEY={key}")) }).await;
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_goes_on_behind_the_last_byte_when_the_plugin_is_killed() {
    const KILLS: usize = 4;
    let bed = Bed::new("").await;
    let script =
        "i=0; while [ ! -e /local/stop ]; do echo line $i; echo line $i >&2; i=$((i+1)); usleep 200; done; exit 3";
    let task = bed.task(&jobs::shell(script, ""));
    bed.run(&task).await.expect("it starts");
    for _ in 0..KILLS {
        let before = output(&bed).len();
        until("output has come", || async { output(&bed).len() > before + 500 }).await;
        bed.anew(None, &[&task]).await;
    }
    fs::write(task.dir.local.join("stop"), "").expect("written");
    let (exit, _) = tokio::time::timeout(LIMIT, task.wait(&bed.agent)).await.expect("in time").expect("an end");
    assert_eq!(exit.exit_code, 3);
    for stream in [Stream::Out, Stream::Err] {
        let numbers = || numbers(&bed, stream);
        let different = || numbers().into_iter().collect::<BTreeSet<usize>>();
        let whole = |numbers: BTreeSet<usize>| numbers.last().is_some_and(|last| numbers.len() == last + 1);
        until("each line has come", || async { whole(different()) }).await;
        let all = numbers();
        let repeated = all.len() - different().len();
        // A kill may fall between a write and its note; no reader can tell that write from one that never was.
        assert!(repeated <= KILLS * 64, "{repeated} of {} lines came twice", all.len());
    }
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}

/// Returns the numbers that came on a stream. A line that a kill cut in two comes as two.
fn numbers(bed: &Bed, stream: Stream) -> Vec<usize> {
    let text: String = bed
        .agent
        .feed
        .since(0)
        .into_iter()
        .filter_map(|entry| match entry.what {
            Event::TaskLog { stream: of, line, .. } if of == stream => Some(line),
            _ => None,
        })
        .collect();
    text.split("line ").filter_map(|number| number.parse().ok()).collect()
}
