//! Templates: the engine alone beside Go's own, and with everything around it beside the secrets server's agent.

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use strongbox::template::{Dependency, Template};

use super::{
    figures::{Figure, Samples},
    go::{Go, Rates},
    ground::Ground,
    number, ours,
    peers::{self, Rendering},
};

/// Templates of the tests' corpus as jobs have them, each with what it stands for.
const TYPICAL: [(&str, &str); 6] = [
    ("001-env-lines", "lines of an env file"),
    ("004-whole-document-json", "a secret as JSON"),
    ("011-connection-string", "a connection string"),
    ("077-certificate-as-one-bundle", "a bundle of certificates"),
    ("099-properties", "properties in a loop"),
    ("128-yaml-by-json", "YAML made of JSON"),
];
/// Rounds, and how many milliseconds each template has in one.
const ROUNDS: usize = 5;
const MILLIS: u64 = 400;
/// Renderings between two looks at the clock.
const BATCH: u64 = 64;
/// Templates that are rendered and written in a row: so many that the clock of a file system tells the first from the last.
const ROW: usize = 400;
/// Templates of one task; no job may have many more.
const SET: usize = 60;
/// Each key of a secret with its value.
const SOURCE: &str = r#"{{ with secret "kv/data/timeline" }}{{ range $k, $v := .Data.data }}{{ $k }}={{ $v | toJSON }} {{ end }}{{ end }}"#;

/// A template with what it needs.
struct Sample {
    source: String,
    setup: Value,
    answers: BTreeMap<Dependency, Arc<Value>>,
}

/// All of it.
pub async fn figures(ground: &Ground) -> Vec<Figure> {
    let rounds = number("BENCH_ROUNDS", ROUNDS);
    let mut figures = engines(rounds);
    figures.push(in_a_row(ground, rounds));
    figures.push(set_of_a_task(ground, rounds).await);
    figures
}

/// Our engine beside Go's, a template at a time, and all of them parsed each time.
fn engines(rounds: usize) -> Vec<Figure> {
    let (go, time) = (Go::build(), Duration::from_millis(number("BENCH_MILLIS", MILLIS)));
    let paths: Vec<PathBuf> = TYPICAL.iter().map(|(name, _)| corpus(name).with_extension("tmpl")).collect();
    let samples: Vec<Sample> = TYPICAL.iter().map(|(name, _)| Sample::read(&corpus(name))).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(samples.iter().map(|sample| sample.rates(time)).collect::<Vec<Rates>>());
        theirs.push(go.rates(&paths, time));
    }
    let rendered = TYPICAL.iter().enumerate().map(|(at, (_, what))| {
        let of = |rounds: &[Vec<Rates>]| Samples(rounds.iter().map(|round| round[at].rendered).collect());
        Figure::of(&format!("templates a second: {what}"), "1/s", &of(&ours), &of(&theirs), "Go's text/template")
    });
    let parsed = |rounds: &[Vec<Rates>]| {
        // The time for one of each.
        let rate = |round: &Vec<Rates>| round.len() as f64 / round.iter().map(|rates| 1.0 / rates.parsed).sum::<f64>();
        Samples(rounds.iter().map(rate).collect())
    };
    let name = "templates a second: all of these, parsed each time";
    let last = Figure::of(name, "1/s", &parsed(&ours), &parsed(&theirs), "Go's text/template");
    rendered.chain([last]).collect()
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/good").join(name)
}

impl Sample {
    fn read(base: &Path) -> Self {
        let source = fs::read_to_string(base.with_extension("tmpl")).expect("a template");
        let setup: Value =
            serde_json::from_slice(&fs::read(base.with_extension("json")).expect("its answers")).expect("JSON");
        let known = |known: &Value| {
            let params = known["params"].as_object().into_iter().flatten();
            let params = params.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
            let path = known["path"].as_str().and_then(|path| path.parse().ok()).expect("a path");
            (Dependency::with(path, params.collect()), Arc::new(known["answer"].clone()))
        };
        let answers = setup["answers"].as_array().into_iter().flatten().map(known).collect();
        Self { source, setup, answers }
    }

    fn rates(&self, time: Duration) -> Rates {
        let template = self.parse();
        let rendered = rate(time, || self.render(&template));
        let parsed = rate(time, || self.render(&self.parse()));
        Rates { rendered, parsed }
    }

    fn parse(&self) -> Template {
        let delimiter = |side: &str| self.setup[side].as_str().unwrap_or_default();
        Template::from_source("t", &self.source, delimiter("left"), delimiter("right")).expect("it parses")
    }

    fn render(&self, template: &Template) {
        let rendered = template.render(&self.answers, &BTreeMap::new()).expect("it renders");
        assert!(black_box(rendered).is_complete());
    }
}

fn rate(time: Duration, work: impl Fn()) -> f64 {
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < time {
        (0..BATCH).for_each(|_| work());
        done += BATCH;
    }
    done as f64 / begin.elapsed().as_secs_f64()
}

/// Many templates parsed, rendered and written in a row as the agent does it, without log-in and fetching. Both write to RAM.
fn in_a_row(ground: &Ground, rounds: usize) -> Figure {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in RAM");
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        let agent = peers::agent(&ground.bao, folder.path(), &format!("row-{round}")).start(&renderings(ROW));
        agent.wait_for_files(Duration::from_secs(60));
        theirs.add(ROW as f64 / first_to_last(&agent.outputs).as_secs_f64());
        ours.add(ROW as f64 / written(&folder.path().join(format!("ours-{round}")), ROW).as_secs_f64());
    }
    let name = format!("templates a second: {ROW} parsed, rendered and written");
    Figure::of(&name, "1/s", &ours, &theirs, "bao agent, first file to last")
}

fn renderings(count: usize) -> Vec<Rendering> {
    (0..count).map(|n| Rendering::new(format!("t-{n}.env"), SOURCE)).collect()
}

fn first_to_last(files: &[PathBuf]) -> Duration {
    let times: Vec<SystemTime> =
        files.iter().map(|path| fs::metadata(path).and_then(|meta| meta.modified()).expect("a time")).collect();
    let (first, last) = (times.iter().min().expect("files"), times.iter().max().expect("files"));
    last.duration_since(*first).unwrap_or_default()
}

/// Our engine with a file written aside, synced and renamed for each template.
fn written(folder: &Path, count: usize) -> Duration {
    fs::create_dir_all(folder).expect("a folder");
    let path = "kv/data/timeline".parse().expect("a path");
    let answer = json!({ "data": { "data": { "api_key": "bench" } } });
    let answers = BTreeMap::from([(Dependency::read(path), Arc::new(answer))]);
    let begin = Instant::now();
    for n in 0..count {
        let template = Template::from_source("t", SOURCE, "", "").expect("it parses");
        let rendered = template.render(&answers, &BTreeMap::new()).expect("it renders");
        let mut file = tempfile::NamedTempFile::new_in(folder).expect("a file");
        file.write_all(rendered.text.expose()).expect("written");
        file.as_file().sync_all().expect("synced");
        file.persist(folder.join(format!("t-{n}.env"))).expect("renamed");
    }
    begin.elapsed()
}

/// A task's whole set, from the request to the files, everything included; the agent is a process of the task's own.
async fn set_of_a_task(ground: &Ground, rounds: usize) -> Figure {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in RAM");
    let (job, mut theirs) = (job(SET), Samples::default());
    let mut tasks = std::collections::BTreeSet::new();
    for round in 0..rounds {
        tasks.insert(ours::start(&ground.bed, &job).await.task_id);
        let agent = peers::agent(&ground.bao, folder.path(), &format!("set-{round}")).start(&renderings(SET));
        theirs.add(SET as f64 / agent.wait_for_files(Duration::from_secs(60)).as_secs_f64());
    }
    let took = ours::files_ms(&ground.bed.agent.feed, &tasks);
    let ours = Samples(took.0.iter().map(|millis| SET as f64 / millis * 1000.0).collect());
    let name = format!("templates a second: {SET} of a task, log-in to files");
    Figure::of(&name, "1/s", &ours, &theirs, "bao agent, exec to files")
}

fn job(templates: usize) -> String {
    let block = |n: usize| {
        format!(
            "        template {{\n          destination = \"t-{n}.env\"\n          data = <<-EOT\n{SOURCE}\nEOT\n        }}\n"
        )
    };
    let blocks: String = (0..templates).map(block).collect();
    ours::EMPTY.replace("        command = \"sleep\"\n", &format!("        command = \"sleep\"\n{blocks}"))
}
