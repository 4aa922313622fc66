//! Every form is read back by the programs that it is for: a shell, Python's libraries, Java.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    bao::parts::part,
    bed::until,
    bed_with,
    jobs::{SLEEP, shell},
    path_of, put, run,
};

/// Values that forms like to get wrong.
const HARD: [&str; 36] = [
    "",
    " ",
    "plain",
    " lead",
    "trail ",
    "\ttab\t",
    "line\nbreak",
    "\n",
    "crlf\r\nend",
    "it's",
    "'",
    "''",
    "\"",
    "a\"b",
    "$HOME",
    "${x}",
    "$(id)",
    "`id`",
    "back\\slash",
    "\\",
    "\\n",
    "\\u0041",
    "a=b",
    "a: b",
    "#no comment",
    "a #b",
    "!bang",
    "no",
    "null",
    "~",
    "1e3",
    "2024-01-01",
    "é😀\u{7f}",
    "- x",
    "{a: 1}",
    "\u{2028}\u{85}\u{feff}",
];

fn values() -> BTreeMap<String, String> {
    named(HARD.iter())
}

/// Returns the same values under other names.
fn changed() -> BTreeMap<String, String> {
    named(HARD.iter().rev())
}

fn named<'a>(values: impl Iterator<Item = &'a &'a str>) -> BTreeMap<String, String> {
    values.enumerate().map(|(nth, value)| (format!("K{nth}"), (*value).to_owned())).collect()
}

fn parsed(bytes: &[u8]) -> BTreeMap<String, String> {
    serde_json::from_slice(bytes).expect("a JSON object of texts")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_by_the_programs_it_is_for_before_and_after_a_change() {
    let bed = bed_with("", "").await;
    put(&bed, "hard", json!(values())).await;
    let path = path_of("hard");
    let block = |format: &str| {
        format!("secret \"{format}\" {{\n path = \"{path}\"\n format = \"{format}\"\n file = \"all.{format}\"\n }}\n")
    };
    let config: String = ["json", "yaml", "properties", "dotenv"].map(block).concat();
    let task = bed.task(&shell(SLEEP, &config));
    bed.run(&task).await.expect("it starts");
    let dir = bed.ram().join("data");
    are_read(&dir, &values());
    put(&bed, "hard", json!(changed())).await;
    let is_new = || fs::read(dir.join("all.json")).is_ok_and(|bytes| parsed(&bytes) == changed());
    until("the change is shown", || async { is_new() }).await;
    // All forms are of one set, so that none has to be waited for.
    are_read(&dir, &changed());
    bed.end(&task).await;

    put(&bed, "names", json!({"a-b": "x", "good": "y", "1st": "hunter2"})).await;
    let wrong = bed
        .task(&shell(SLEEP, &format!("secret \"x\" {{\n path = \"{}\"\n format = \"dotenv\"\n }}", path_of("names"))));
    let refused = bed.run(&wrong).await.expect_err("refused");
    let text = refused.message();
    assert!(text.contains("fields \"1st\", \"a-b\" are no name") && !text.contains("hunter2"), "{text}");
    wrong.destroy(&bed.agent, true).await.ok();
    bed.is_clean().await;
}

const YAML: &str = "import yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))";

/// Reads each form with the programs that it is for.
fn are_read(dir: &Path, values: &BTreeMap<String, String>) {
    let at = |format: &str| dir.join(format!("all.{format}"));
    assert_eq!(parsed(&fs::read(at("json")).expect("a file")), *values);
    assert_eq!(by_python(YAML, &at("yaml")), *values);
    assert_eq!(by_shell("sh", &at("dotenv"), values), *values);
    assert_eq!(by_shell("busybox", &at("dotenv"), values), *values);
    // Python's library reads files with its own idea of line ends.
    let library = "import dotenv; print(json.dumps(dotenv.dotenv_values(sys.argv[1], interpolate=False)))";
    let as_read: BTreeMap<_, _> =
        values.iter().map(|(name, value)| (name.clone(), value.replace("\r\n", "\n"))).collect();
    assert_eq!(by_python(library, &at("dotenv")), as_read);
    assert_eq!(by_java(&at("properties")), *values);
}

fn by_shell(shell: &str, file: &Path, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let show: String = values.keys().map(|name| format!("printf '%s\\000' \"${name}\"; ")).collect();
    let script = format!(". {}; {show}", file.display());
    let args: &[&str] = if shell == "busybox" { &["sh", "-c", &script] } else { &["-c", &script] };
    let said = String::from_utf8(run(shell, args)).expect("text");
    values.keys().cloned().zip(said.split('\0').map(str::to_owned)).collect()
}

fn by_python(program: &str, file: &Path) -> BTreeMap<String, String> {
    let program = format!("import json, sys\n{program}");
    parsed(&run(&part("STRONGBOX_PYTHON"), &["-c", &program, &file.display().to_string()]))
}

/// Reads with `java.util.Properties`, from a stream and from a reader, which must agree. A machine whose Java runs programs only
/// and compiles none reads with our own model of it.
fn by_java(file: &Path) -> BTreeMap<String, String> {
    let modules = Command::new("java").arg("--list-modules").output().expect("java runs; run `make setup`");
    if !String::from_utf8_lossy(&modules.stdout).contains("jdk.compiler") {
        return by_model(&fs::read_to_string(file).expect("a file"));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("Show.java");
    fs::write(&source, JAVA).expect("written");
    let said = run("java", &[&source.display().to_string(), &file.display().to_string()]);
    let lines = String::from_utf8(said).expect("text");
    let text = |hex: &str| String::from_utf8(hex::decode(hex).expect("hex")).expect("text");
    lines.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (text(name), text(value))).collect()
}

fn by_model(text: &str) -> BTreeMap<String, String> {
    let unescape = |text: &str| {
        let mut units: Vec<u16> = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let plain = if c == '\\' { chars.next().expect("something follows") } else { c };
            match (c, plain) {
                ('\\', 'u') => {
                    let hex: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&hex, 16).expect("hex"));
                }
                ('\\', escape) => {
                    let meant = match escape {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        'f' => '\x0c',
                        other => other,
                    };
                    units.extend(meant.encode_utf16(&mut [0; 2]).iter());
                }
                (_, other) => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        String::from_utf16(&units).expect("text")
    };
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (unescape(name), unescape(value)))
        .collect()
}

const JAVA: &str = r#"
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class Show {
    static String hex(String s) {
        StringBuilder b = new StringBuilder();
        for (byte x : s.getBytes(StandardCharsets.UTF_8)) b.append(String.format("%02x", x));
        return b.toString();
    }
    public static void main(String[] args) throws Exception {
        Properties stream = new Properties(), reader = new Properties();
        try (InputStream in = new FileInputStream(args[0])) { stream.load(in); }
        try (Reader in = new InputStreamReader(new FileInputStream(args[0]), StandardCharsets.UTF_8)) { reader.load(in); }
        if (!stream.equals(reader)) throw new Exception("stream and reader differ");
        for (String name : stream.stringPropertyNames()) System.out.println(hex(name) + "=" + hex(stream.getProperty(name)));
    }
}
"#;

/// What chance writes, always the same unless `SEED` says otherwise: names of variables in the one, any names in the other.
fn by_chance() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut chance = StdRng::seed_from_u64(seed);
    let hard: Vec<char> = HARD.concat().chars().chain('\u{1}'..='\u{1f}').chain('\u{80}'..='\u{a1}').collect();
    let mut text = |least: usize| -> String {
        let length = chance.random_range(least..20);
        let one = |chance: &mut StdRng| match chance.random_bool(0.7) {
            true => hard[chance.random_range(0..hard.len())],
            false => chance.random_range('\u{1}'..char::MAX),
        };
        (0..length).map(|_| one(&mut chance)).collect()
    };
    let variables = (0..200).map(|nth| (format!("K{nth}"), text(0))).collect();
    let any = (0..200).map(|_| (text(1), text(0) + "\0" + &text(0))).collect();
    (variables, any)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_chance_writes_is_read_by_the_programs_it_is_for() {
    let bed = bed_with("", "").await;
    let (variables, any) = by_chance();
    put(&bed, "variables", json!(variables)).await;
    put(&bed, "any", json!(any)).await;
    let block = |name: &str, format: &str| {
        let path = path_of(name);
        format!(
            "secret \"{name}-{format}\" {{\n path = \"{path}\"\n format = \"{format}\"\n file = \"{name}.{format}\"\n }}\n"
        )
    };
    let any_of = ["json", "yaml", "properties"].map(|format| block("any", format)).concat();
    let task = bed.task(&shell(SLEEP, &(any_of + &block("variables", "dotenv"))));
    bed.run(&task).await.expect("it starts");
    let at = |name: &str| bed.ram().join("data").join(name);
    assert_eq!(parsed(&fs::read(at("any.json")).expect("a file")), any);
    assert_eq!(by_python(YAML, &at("any.yaml")), any);
    assert_eq!(by_java(&at("any.properties")), any);
    for shell in ["sh", "busybox"] {
        assert_eq!(by_shell(shell, &at("variables.dotenv"), &variables), variables, "{shell}");
    }
    bed.end(&task).await;
    bed.is_clean().await;
}

#[test]
fn the_model_of_javas_reader_knows_its_escapes() {
    let read: Value = json!(by_model("a\\ b=x \\= 1\\n\\u00e9\\ud83d\\ude00\n"));
    assert_eq!(read, json!({"a b": "x = 1\né😀"}));
}
