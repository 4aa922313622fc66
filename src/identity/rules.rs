//! The operator's rules: which task may ask for what. What none covers is refused.
//!
//! A task's own fields are held against a rule's globs as they are. In what a rule grants, variables stand for the task's names: in
//! paths as a person would write them (plain ones as they are, others encoded), elsewhere encoded, as in the identity.

use std::net::IpAddr;

use super::{
    glob::Glob,
    pattern::PatternError,
    settings::IdentityError,
    values::{Variable, label, path_name},
};
use crate::domain::{ServerPath, TaskMeta};

/// Longest value of a variable outside paths; the same as in the identity.
const LABEL_MAX: usize = 63;
/// What rules can name: everything that tells tasks apart.
const VARIABLES: [Variable; 6] =
    [Variable::Namespace, Variable::Job, Variable::Group, Variable::Task, Variable::Alloc, Variable::Node];

/// One `allow` block as the operator wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Which namespaces.
    pub namespace: String,
    /// Which jobs' ids; a dispatched or periodic child has its parent's, a slash, and its own.
    pub job: String,
    /// Which groups.
    pub group: String,
    /// Which tasks.
    pub task: String,
    /// Roles to log in with.
    pub roles: Vec<String>,
    /// Paths on the server, whole, as they are asked for.
    pub paths: Vec<String>,
    /// PKI engines and their roles, as `mount/role`.
    pub pki: Vec<String>,
    /// DNS names and addresses for certificates beside the identity's own; `*` stays within a label.
    pub sans: Vec<String>,
    /// Says that globs which cover everything are meant.
    pub any: bool,
}

/// All rules, read and found fit. Without any, nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Checked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Checked {
    namespace: Glob,
    job: Glob,
    group: Glob,
    task: Glob,
    roles: Vec<Glob>,
    paths: Vec<Glob>,
    pki: Vec<Glob>,
    sans: Vec<Glob>,
    any: bool,
}

/// What is wrong with the rules, all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", flaws.join("; "))]
pub struct RulesError {
    /// One sentence for each.
    pub flaws: Vec<String>,
}

/// No rule covers what a task asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no allow rule for {task} covers {what} {which:?}; {hint}")]
pub struct PolicyRefused {
    /// What kind of thing: a role, a path, a PKI role, a name.
    pub what: &'static str,
    /// Which one.
    pub which: String,
    /// What the operator can do.
    pub hint: String,
    task: String,
}

impl Rules {
    /// Reads the rules; all mistakes are told together.
    pub fn load(rules: &[Rule]) -> Result<Self, RulesError> {
        let mut flaws = Vec::new();
        let mut checked = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            match Checked::read(rule) {
                Ok(rule) => checked.push(rule),
                Err(of_this) => flaws.extend(of_this.into_iter().map(|flaw| format!("allow rule {}: {flaw}", at + 1))),
            }
        }
        if flaws.is_empty() { Ok(Self { rules: checked }) } else { Err(RulesError { flaws }) }
    }

    /// Returns how many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Says whether nothing at all is allowed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the numbers, from 1, of the rules that say `any`, which deserve a warning.
    pub fn wide(&self) -> impl Iterator<Item = usize> {
        self.rules.iter().enumerate().filter(|(_, rule)| rule.any).map(|(at, _)| at + 1)
    }

    /// Says whether a task may log in with `role`.
    pub fn check_role(&self, meta: &TaskMeta, role: &str) -> Result<(), PolicyRefused> {
        let granted = |rule: &Checked| covered(&rule.roles, role, meta, as_label);
        self.check(meta, granted, Wish { what: "role", list: "roles", which: role })
    }

    /// Says whether a task may ask for `path`, which is the whole path that is sent.
    pub fn check_path(&self, meta: &TaskMeta, path: &ServerPath) -> Result<(), PolicyRefused> {
        let granted = |rule: &Checked| covered(&rule.paths, path.as_str(), meta, as_path_name);
        self.check(meta, granted, Wish { what: "path", list: "paths", which: path.as_str() })
    }

    /// Says whether a task may have certificates of the engine at `mount` with its role `role`.
    pub fn check_pki(&self, meta: &TaskMeta, mount: &str, role: &str) -> Result<(), PolicyRefused> {
        let which = format!("{mount}/{role}");
        let granted = |rule: &Checked| covered(&rule.pki, &which, meta, as_label);
        self.check(meta, granted, Wish { what: "PKI role", list: "pki", which: &which })
    }

    /// Says whether a task may have `name`, a DNS name or an address, in a certificate. A wildcard is never granted.
    pub fn check_san(&self, meta: &TaskMeta, name: &str) -> Result<(), PolicyRefused> {
        let lower = name.to_ascii_lowercase();
        let granted = |rule: &Checked| is_name(&lower) && covered(&rule.sans, &lower, meta, as_label);
        self.check(meta, granted, Wish { what: "certificate name", list: "sans", which: name })
    }

    fn check(&self, meta: &TaskMeta, granted: impl Fn(&Checked) -> bool, wish: Wish<'_>) -> Result<(), PolicyRefused> {
        let of_task = || self.rules.iter().enumerate().filter(|(_, rule)| rule.is_for(meta));
        if of_task().any(|(_, rule)| granted(rule)) {
            return Ok(());
        }
        Err(wish.refused(meta, of_task().next().map(|(at, rule)| (at + 1, rule))))
    }
}

/// What a task asks for, in words.
struct Wish<'a> {
    what: &'static str,
    list: &'static str,
    which: &'a str,
}

impl Wish<'_> {
    fn refused(&self, meta: &TaskMeta, nearest: Option<(usize, &Checked)>) -> PolicyRefused {
        let list = self.list;
        let hint = match nearest {
            Some((number, rule)) => {
                format!(
                    "allow rule {number} (job {:?}) is for this task; add it to that rule's {list}",
                    rule.job.as_str()
                )
            }
            None => format!("add an allow block for this job with it in {list} to the plugin's configuration"),
        };
        PolicyRefused {
            what: self.what,
            which: self.which.to_owned(),
            hint,
            task: format!(
                "namespace {:?} job {:?} group {:?} task {:?}",
                meta.namespace, meta.job_id, meta.group, meta.name
            ),
        }
    }
}

impl Checked {
    fn read(rule: &Rule) -> Result<Self, Vec<String>> {
        let mut reader = Reader { any: rule.any, flaws: Vec::new() };
        let subjects =
            [("namespace", &rule.namespace), ("job", &rule.job), ("group", &rule.group), ("task", &rule.task)]
                .map(|(field, text)| reader.subject(field, text));
        let roles = reader.list("roles", &rule.roles, '/');
        let paths = reader.list("paths", &rule.paths, '/');
        let pki = reader.list("pki", &rule.pki, '/');
        let sans = reader.list("sans", &lower(&rule.sans), '.');
        if subjects.iter().all(|glob| glob.as_ref().is_some_and(Glob::is_any)) {
            reader.needs_any("covers every task; name a namespace or a job");
        }
        if let Some(flat) = pki.iter().find(|glob| !glob.as_str().contains('/')) {
            reader.flaws.push(format!("pki {:?} is no \"mount/role\"", flat.as_str()));
        }
        match (subjects, reader.flaws) {
            ([Some(namespace), Some(job), Some(group), Some(task)], flaws) if flaws.is_empty() => {
                Ok(Self { namespace, job, group, task, roles, paths, pki, sans, any: rule.any })
            }
            (_, flaws) => Err(flaws),
        }
    }

    fn is_for(&self, meta: &TaskMeta) -> bool {
        let none = |variable: Variable| Err(variable);
        self.namespace.covers(&meta.namespace, none)
            && self.job.covers(&meta.job_id, none)
            && self.group.covers(&meta.group, none)
            && self.task.covers(&meta.name, none)
    }
}

/// Reads a rule's globs and gathers what is wrong with them.
struct Reader {
    any: bool,
    flaws: Vec<String>,
}

impl Reader {
    fn subject(&mut self, field: &str, text: &str) -> Option<Glob> {
        let glob = Glob::parse(text, '/', &[]);
        self.keep(field, glob)
    }

    fn list(&mut self, field: &str, texts: &[String], separator: char) -> Vec<Glob> {
        let mut globs = Vec::new();
        for text in texts {
            let Some(glob) = self.keep(field, Glob::parse(text, separator, &VARIABLES)) else { continue };
            if glob.is_any() {
                self.needs_any(&format!("{field} {text:?} covers everything"));
            }
            globs.push(glob);
        }
        globs
    }

    fn keep(&mut self, field: &str, glob: Result<Glob, PatternError>) -> Option<Glob> {
        glob.map_err(|flaw| self.flaws.push(format!("{field}: {flaw}"))).ok()
    }

    fn needs_any(&mut self, flaw: &str) {
        if !self.any {
            self.flaws.push(format!("{flaw}, or say any = true if that is meant"));
        }
    }
}

fn lower(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}

/// Says whether one of `globs` covers `text`, with the task's fields as `form` writes them.
fn covered(
    globs: &[Glob],
    text: &str,
    meta: &TaskMeta,
    form: fn(&str, Variable) -> Result<String, IdentityError>,
) -> bool {
    let value = |variable: Variable| form(variable.of(meta).unwrap_or_default(), variable);
    globs.iter().any(|glob| glob.covers(text, value))
}

fn as_label(text: &str, variable: Variable) -> Result<String, IdentityError> {
    label(text, variable, LABEL_MAX)
}

fn as_path_name(text: &str, variable: Variable) -> Result<String, IdentityError> {
    path_name(text, variable)
}

/// Says whether a lower-case text is a DNS name without wildcard, or an address.
fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let dns = text.len() <= 253
        && text.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.chars().all(good));
    dns || text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{super::identify::samples::meta, *};

    fn rule(job: &str) -> Rule {
        let [namespace, group, task] = ["default", "*", "*"].map(str::to_owned);
        Rule { namespace, job: job.to_owned(), group, task, ..Rule::default() }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn path(text: &str) -> ServerPath {
        text.parse().expect("a path")
    }

    fn web() -> Rules {
        let web = Rule {
            roles: texts(&["{job}", "shared-*"]),
            paths: texts(&["kv/data/{job}", "kv/data/{job}/*", "database/creds/{job}-ro"]),
            pki: texts(&["pki/{job}"]),
            sans: texts(&["*.web.example", "10.0.0.1", "{task}.svc"]),
            ..rule("web")
        };
        let admin = Rule { paths: texts(&["kv/**"]), ..rule("web-admin") };
        Rules::load(&[web, admin]).expect("good rules")
    }

    #[test]
    fn what_a_rule_grants_is_allowed() {
        let (rules, meta) = (web(), meta("default", "web", "g", "t"));
        assert_eq!(rules.check_role(&meta, "web"), Ok(()));
        assert_eq!(rules.check_role(&meta, "shared-x"), Ok(()));
        assert_eq!(rules.check_path(&meta, &path("kv/data/web")), Ok(()));
        assert_eq!(rules.check_path(&meta, &path("kv/data/web/db")), Ok(()));
        assert_eq!(rules.check_path(&meta, &path("database/creds/web-ro")), Ok(()));
        assert_eq!(rules.check_pki(&meta, "pki", "web"), Ok(()));
        for name in ["a.web.example", "A.WEB.example", "10.0.0.1", "t.svc"] {
            assert_eq!(rules.check_san(&meta, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn nothing_else_is_allowed() {
        let (rules, meta) = (web(), meta("default", "web", "g", "t"));
        assert!(Rules::default().check_role(&meta, "web").is_err());
        assert!(rules.check_role(&meta, "web-admin").is_err());
        for bad in ["kv/data/web-admin", "kv/data/web/a/b", "kv/web", "kv/metadata/web", "database/creds/web"] {
            assert!(rules.check_path(&meta, &path(bad)).is_err(), "{bad}");
        }
        assert!(rules.check_pki(&meta, "pki", "admin").is_err() && rules.check_pki(&meta, "pki2", "web").is_err());
        for bad in
            ["web.example", "a.b.web.example", "*.web.example", "a,b.web.example", "10.0.0.2", "", "a\n.web.example"]
        {
            assert!(rules.check_san(&meta, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_rule_is_for_its_own_tasks_only() {
        let rules = web();
        let wanted = path("kv/data/web/db");
        for (namespace, job) in
            [("other", "web"), ("default", "Web"), ("default", "web2"), ("default", "web/dispatch-1")]
        {
            assert!(rules.check_path(&meta(namespace, job, "g", "t"), &wanted).is_err(), "{namespace} {job}");
        }
        assert_eq!(rules.check_path(&meta("default", "web-admin", "g", "t"), &wanted), Ok(()));
        assert!(rules.check_role(&meta("default", "web-admin", "g", "t"), "web").is_err());
    }

    #[test]
    fn a_childs_rule_covers_the_child() {
        let rules =
            Rules::load(&[Rule { paths: texts(&["kv/data/{job}"]), ..rule("web/dispatch-*") }]).expect("a rule");
        let child = meta("default", "web/dispatch-1", "g", "t");
        assert_eq!(rules.check_path(&child, &path("kv/data/web--2fdispatch-1")), Ok(()));
        assert!(rules.check_path(&child, &path("kv/data/web/dispatch-1")).is_err());
    }

    #[test]
    fn a_hostile_name_is_no_glob() {
        let rules = Rules::load(&[Rule { paths: texts(&["kv/data/{job}"]), ..rule("**") }]).expect("a rule");
        for job in ["*", "**", "{task}", ".."] {
            assert!(rules.check_path(&meta("default", job, "g", "t"), &path("kv/data/web")).is_err(), "{job}");
        }
    }

    #[test]
    fn a_refusal_names_the_thing_and_what_to_do() {
        let text =
            web().check_path(&meta("default", "web", "g", "t"), &path("kv/data/x")).expect_err("refused").to_string();
        assert_eq!(
            text,
            "no allow rule for namespace \"default\" job \"web\" group \"g\" task \"t\" covers path \"kv/data/x\"; \
             allow rule 1 (job \"web\") is for this task; add it to that rule's paths"
        );
        let text = web().check_role(&meta("default", "new", "g", "t"), "r").expect_err("refused").to_string();
        assert!(
            text.ends_with("add an allow block for this job with it in roles to the plugin's configuration"),
            "{text}"
        );
    }

    #[test]
    fn a_rule_that_covers_everything_needs_to_say_so() {
        let all = Rule { namespace: "*".to_owned(), ..rule("*") };
        assert!(Rules::load(std::slice::from_ref(&all)).is_err());
        let rules = Rules::load(&[rule("web"), Rule { any: true, ..all }]).expect("it is meant");
        assert_eq!(rules.wide().collect::<Vec<_>>(), [2]);
        for wide in ["*", "**", "*/*"] {
            let rule = Rule { paths: texts(&[wide]), ..rule("web") };
            let error = Rules::load(std::slice::from_ref(&rule)).expect_err(wide).to_string();
            assert!(error.contains("allow rule 1: paths") && error.contains("any = true"), "{error}");
            assert!(Rules::load(&[Rule { any: true, ..rule }]).is_ok());
        }
    }

    #[test]
    fn all_mistakes_are_told_together() {
        let bad = Rule {
            namespace: String::new(),
            paths: texts(&["kv/{jop}", "kv/{job"]),
            pki: texts(&["pki"]),
            ..rule("{job}")
        };
        let error = Rules::load(&[rule("web"), bad]).expect_err("four mistakes");
        assert_eq!(error.flaws.len(), 5, "{error}");
        assert!(error.flaws.iter().all(|flaw| flaw.starts_with("allow rule 2: ")), "{error}");
    }
}
