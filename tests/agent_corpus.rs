//! What becomes of a task's config: the harness's own encoder against the libraries that an agent is made of, byte by byte.
//!
//! `tests/agent/corpus/good` holds configs that pass, `bad` those that are refused; the first line of each says why it is there. The
//! judge of `tests/agent/rpcs` encodes all of them with the plugin's description of its options, and so does the harness. Beside them
//! stand `kinds_good` and `kinds_bad`, for a made-up description that has a part of every kind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "../examples/harness/mod.rs"]
mod harness;
#[path = "support/judge.rs"]
mod judge;
#[path = "support/parts.rs"]
mod parts;

use harness::{
    agent::PluginConfig,
    feed::Feed,
    hcl::value::{Node, Value},
    process::{Process, Program},
    report::Source,
    spec::{self, Spec},
};
use prost::Message;
use strongbox::plugin::proto::{
    drivers::TaskConfigSchemaRequest,
    hclspec::{self as wire, spec::Block},
};

/// What a client knows when it reads a config; dots make levels.
const NAMES: [(&str, &str); 8] = [
    ("GREETING", "good day"),
    ("NOMAD_PORT_https", "20443"),
    ("NOMAD_TASK_NAME", "web"),
    ("TRUE", "true"),
    ("attr.kernel.name", "linux"),
    ("meta.rack", "r7"),
    ("node.class", "c"),
    ("node.unique.name", "n1"),
];

/// Whole numbers beyond 64 bits that a float holds exactly: older agents send the float, newer ones the digits, as we do.
const FLOATS_BEFORE: [&str; 3] = ["number_1e21.hcl", "number_2_63.hcl", "number_2_64.hcl"];

#[tokio::test]
async fn the_newest_agent_and_the_harness_make_the_same_of_the_corpus() {
    let differences = differences(&Corpus::of_the_plugin().await, "go.mod", |_| false);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn the_oldest_agent_differs_in_whole_numbers_beyond_64_bits_alone() {
    let corpus = Corpus::of_the_plugin().await;
    let differences = differences(&corpus, "go-old.mod", |name| FLOATS_BEFORE.contains(&name));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let theirs = judged("go-old.mod", &corpus);
    for name in FLOATS_BEFORE {
        let bytes = hex::decode(theirs[name].as_ref().expect("bytes")).expect("hexadecimal");
        assert!(shown(&bytes).contains("\"pids_limit\": F64("), "{name}: {}", shown(&bytes));
    }
}

#[test]
fn every_kind_of_description_means_the_same_to_all() {
    for modfile in ["go.mod", "go-old.mod"] {
        let differences = differences(&Corpus::of_all_kinds(), modfile, |_| false);
        assert!(differences.is_empty(), "{modfile}\n{}", differences.join("\n"));
    }
}

#[test]
fn the_corpus_is_large_and_each_file_says_why_it_is_there() {
    assert!(files("good").len() >= 100 && files("bad").len() >= 60);
    for file in ["good", "bad", "kinds_good", "kinds_bad"].into_iter().flat_map(files) {
        let text = fs::read_to_string(&file).expect("readable");
        assert!(text.starts_with("# ") && text.lines().next().is_some_and(|line| line.ends_with('.')), "{file:?}");
    }
}

/// Folders with configs, and the description by which they are read.
struct Corpus {
    good: &'static str,
    bad: &'static str,
    schema: wire::Spec,
}

impl Corpus {
    async fn of_the_plugin() -> Self {
        Self { good: "good", bad: "bad", schema: schema().await }
    }

    fn of_all_kinds() -> Self {
        Self { good: "kinds_good", bad: "kinds_bad", schema: kinds() }
    }
}

/// Describes a part of every kind.
fn kinds() -> wire::Spec {
    let of = |block| wire::Spec { block: Some(block) };
    let attr =
        |name: &str, ty: &str, required| of(Block::Attr(wire::Attr { name: name.into(), r#type: ty.into(), required }));
    let inside = || {
        let members = [("a", attr("a", "string", true)), ("n", attr("", "number", false))];
        let attributes = members.map(|(name, spec)| (name.to_owned(), spec)).into();
        Some(Box::new(of(Block::Object(wire::Object { attributes }))))
    };
    let literal = |value: &str| of(Block::Literal(wire::Literal { value: value.into() }));
    let default = |primary, fallback: &str| {
        let (primary, default) = (Some(Box::new(primary)), Some(Box::new(literal(fallback))));
        of(Block::Default(Box::new(wire::Default { primary, default })))
    };
    let block = |name: &str, required| {
        of(Block::BlockValue(Box::new(wire::Block { name: name.into(), required, nested: inside() })))
    };
    let attrs = |name: &str, ty: &str| {
        of(Block::BlockAttrs(wire::BlockAttrs { name: name.into(), r#type: ty.into(), required: false }))
    };
    let list = wire::BlockList { name: "list".into(), min_items: 0, max_items: 2, nested: inside() };
    let least = wire::BlockList { name: "least".into(), min_items: 1, max_items: 0, nested: inside() };
    let set = wire::BlockSet { name: "set".into(), min_items: 0, max_items: 0, nested: inside() };
    let labels = vec!["kind".to_owned(), "name".to_owned()];
    let map = wire::BlockMap { name: "map".into(), labels, nested: inside() };
    let array =
        wire::Array { values: vec![attr("first", "string", false), literal("5"), attr("second", "bool", false)] };
    let parts = [
        ("any", attr("any", "any", false)),
        ("array", of(Block::Array(array))),
        ("attrs", attrs("attrs", "string")),
        ("block", block("block", false)),
        ("bools", attr("bools", "list(bool)", false)),
        ("defaulted", default(attr("defaulted", "string", false), "\"ten\"")),
        ("defaulted_block", default(block("defaulted_block", false), "{ a = \"b\", n = null }")),
        ("inner", attr("inner", "list(list(string))", false)),
        ("least", of(Block::BlockList(Box::new(least)))),
        ("list", of(Block::BlockList(Box::new(list)))),
        ("literal", literal("[1, \"x\", upper(\"y\")]")),
        ("map", of(Block::BlockMap(Box::new(map)))),
        ("maps", attr("maps", "list(map(number))", false)),
        ("numbers", attr("numbers", "set(number)", false)),
        ("object", attr("object", "list(object({ a = string, b = number }))", false)),
        ("renamed", attr("other", "string", false)),
        ("set", of(Block::BlockSet(Box::new(set)))),
        ("texts", attr("texts", "set(string)", false)),
        ("tuple", attr("tuple", "tuple([string, number, bool])", false)),
        ("values", attrs("values", "number")),
    ];
    let attributes = parts.map(|(name, spec)| (name.to_owned(), spec)).into();
    of(Block::Object(wire::Object { attributes }))
}

/// Returns a line for each file about which the two are not of one mind.
fn differences(corpus: &Corpus, modfile: &str, passed_over: impl Fn(&str) -> bool) -> Vec<String> {
    let spec = Spec::from_wire(&corpus.schema).expect("understood");
    let theirs = judged(modfile, corpus);
    let mut lines = Vec::new();
    for (folder, good) in [(corpus.good, true), (corpus.bad, false)] {
        for file in files(folder) {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            let (theirs, ours) = (&theirs[&name], encoded(&spec, &file));
            let agree = match (theirs, &ours) {
                (Ok(theirs), Ok(ours)) => good && *theirs == hex::encode(ours),
                (Err(_), Err(_)) => !good,
                _ => false,
            };
            if !agree && !passed_over(&name) {
                let theirs = theirs.as_ref().map(|hex| shown(&hex::decode(hex).expect("hexadecimal")));
                let ours = ours.as_ref().map(|bytes| shown(bytes));
                lines.push(format!("{folder}/{name}\n  agent:   {theirs:?}\n  harness: {ours:?}"));
            }
        }
    }
    lines
}

/// Asks the plugin for its description of a task's options.
async fn schema() -> wire::Spec {
    let program = Program { binary: env!("CARGO_BIN_EXE_nomad-driver-strongbox").into(), env: Vec::new() };
    let process = Process::launch(&program, &Feed::default()).await.expect("a launch");
    let answer = process.driver().task_config_schema(TaskConfigSchemaRequest {}).await.expect("an answer");
    assert!(process.shutdown().await, "it ends");
    answer.into_inner().spec.expect("a schema")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/corpus").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn encoded(spec: &Spec, file: &Path) -> Result<Vec<u8>, String> {
    let config = Source::read(file).and_then(PluginConfig::parse_task).map_err(|report| report.to_string())?;
    let value = spec::decode(spec, &config.body, &names());
    value
        .map(|value| value.encode())
        .map_err(|problems| problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; "))
}

/// Returns the names as the harness has them: `env` holds all, the others are found by their steps.
fn names() -> BTreeMap<String, Node> {
    let text = |value: &str| Value::from(value);
    let all = Value::map(NAMES.map(|(name, value)| (name, text(value))), &(0..0));
    let level = |names: &[(&str, &str)]| Value::map(names.iter().map(|(name, value)| (*name, text(value))), &(0..0));
    let mut names: BTreeMap<String, Value> = NAMES
        .iter()
        .filter(|(name, _)| !name.contains('.'))
        .map(|(name, value)| ((*name).to_owned(), text(value)))
        .collect();
    names.insert("env".to_owned(), all);
    names.insert("attr".to_owned(), Value::map([("kernel", level(&[("name", "linux")]))], &(0..0)));
    names.insert("meta".to_owned(), level(&[("rack", "r7")]));
    let unique = [("class", text("c")), ("unique", level(&[("name", "n1")]))];
    names.insert("node".to_owned(), Value::map(unique, &(0..0)));
    names.into_iter().map(|(name, value)| (name, Node::new(value, 0..0))).collect()
}

/// Has the judge encode all of a corpus; bytes are hexadecimal.
fn judged(modfile: &str, corpus: &Corpus) -> BTreeMap<String, Result<String, String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut schema = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut schema, &corpus.schema.encode_to_vec()).expect("written");
    let mut command = Command::new(judge::built(&parts::part("STRONGBOX_GO"), modfile));
    command.arg("encode-all").arg("--schema").arg(schema.path()).arg("--protos").arg(root.join("proto"));
    for (name, value) in NAMES {
        command.args(["--name", &format!("{name}={value}")]);
    }
    let folders = [corpus.good, corpus.bad].map(|folder| root.join("tests/agent/corpus").join(folder));
    let output = command.args(folders).output().expect("the judge runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(answer).collect()
}

fn answer(line: &str) -> (String, Result<String, String>) {
    let (name, answer) = line.split_once(' ').expect("a name and an answer");
    let answer = answer.strip_prefix("error: ").map_or_else(|| Ok(answer.to_owned()), |error| Err(error.to_owned()));
    (name.to_owned(), answer)
}

/// Returns the bytes as the value that they are.
fn shown(mut bytes: &[u8]) -> String {
    rmpv::decode::read_value(&mut bytes).map_or_else(|error| error.to_string(), |value| debugged(&value))
}

fn debugged(value: &rmpv::Value) -> String {
    match value {
        rmpv::Value::Map(members) => {
            let set = members.iter().filter(|(_, value)| !value.is_nil());
            format!(
                "{{{}}}",
                set.map(|(key, value)| format!("{key}: {}", debugged(value))).collect::<Vec<_>>().join(", ")
            )
        }
        rmpv::Value::F64(f) => format!("F64({f})"),
        rmpv::Value::Array(items) => format!("[{}]", items.iter().map(debugged).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
