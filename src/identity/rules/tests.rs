//! What rules allow, and what they say when they do not.

use super::{super::identify::samples::meta, *};

const HOUR: Duration = Duration::from_secs(3600);

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
    assert_eq!(rules.check_role(&meta, "web"), Ok(1));
    assert_eq!(rules.check_role(&meta, "shared-x"), Ok(1));
    assert_eq!(rules.check_path(&meta, &path("kv/data/web")), Ok(1));
    assert_eq!(rules.check_path(&meta, &path("kv/data/web/db")), Ok(1));
    assert_eq!(rules.check_path(&meta, &path("database/creds/web-ro")), Ok(1));
    assert_eq!(rules.check_pki(&meta, "pki", "web", HOUR), Ok(1));
    for name in ["a.web.example", "A.WEB.example", "10.0.0.1", "t.svc"] {
        assert_eq!(rules.check_san(&meta, name), Ok(1), "{name}");
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
    assert!(
        rules.check_pki(&meta, "pki", "admin", HOUR).is_err() && rules.check_pki(&meta, "pki2", "web", HOUR).is_err()
    );
    for bad in ["web.example", "a.b.web.example", "*.web.example", "a,b.web.example", "10.0.0.2", "", "a\n.web.example"]
    {
        assert!(rules.check_san(&meta, bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_rule_is_for_its_own_tasks_only() {
    let rules = web();
    let wanted = path("kv/data/web/db");
    for (namespace, job) in [("other", "web"), ("default", "Web"), ("default", "web2"), ("default", "web/dispatch-1")] {
        assert!(rules.check_path(&meta(namespace, job, "g", "t"), &wanted).is_err(), "{namespace} {job}");
    }
    assert_eq!(rules.check_path(&meta("default", "web-admin", "g", "t"), &wanted), Ok(2));
    assert!(rules.check_role(&meta("default", "web-admin", "g", "t"), "web").is_err());
}

#[test]
fn principals_and_other_deliveries_need_a_grant() {
    let rule = Rule { principals: texts(&["{job}-*"]), deliver: texts(&["token"]), ..rule("web") };
    let (rules, meta) = (Rules::load(std::slice::from_ref(&rule)).expect("a rule"), meta("default", "web", "g", "t"));
    assert!(rules.check_principal(&meta, "web-ro").is_ok() && rules.check_principal(&meta, "root").is_err());
    assert!(rules.check_delivery(&meta, "token").is_ok() && rules.check_delivery(&meta, "env").is_err());
    let error = Rules::load(&[Rule { deliver: texts(&["mail"]), ..rule }]).expect_err("unknown").to_string();
    assert_eq!(error, "allow rule 1: deliver \"mail\" is unknown; give env, files, token");
}

#[test]
fn a_childs_rule_covers_the_child() {
    let rules = Rules::load(&[Rule { paths: texts(&["kv/data/{job}"]), ..rule("web/dispatch-*") }]).expect("a rule");
    let child = meta("default", "web/dispatch-1", "g", "t");
    assert_eq!(rules.check_path(&child, &path("kv/data/web--2fdispatch-1")), Ok(1));
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
    assert!(text.ends_with("add an allow block for this job with it in roles to the plugin's configuration"), "{text}");
    let child = meta("default", "web/periodic-1795898684", "g", "t");
    let text = web().check_role(&child, "r").expect_err("refused").to_string();
    assert!(text.contains("for this job's children (job = \"web/periodic-*\", and vault_role in the job)"), "{text}");
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

#[test]
fn a_life_beyond_the_rules_is_refused_by_its_number() {
    let short =
        Rule { pki: texts(&["pki/{job}"]), paths: texts(&["ssh/sign/{job}"]), max_ttl: Some(HOUR), ..rule("web") };
    let rules = Rules::load(std::slice::from_ref(&short)).expect("a rule");
    let meta = meta("default", "web", "g", "t");
    assert_eq!(rules.check_pki(&meta, "pki", "web", HOUR), Ok(1));
    let text = rules.check_pki(&meta, "pki", "web", HOUR * 2).expect_err("too long").to_string();
    assert!(
        text.contains("allow rule 1 grants it, but by its max_ttl not for 7200 s; ask for at most 3600 s"),
        "{text}"
    );
    let ssh = path("ssh/sign/web");
    assert_eq!(rules.check_ssh(&meta, &ssh, Some(HOUR)), Ok(1));
    assert!(rules.check_ssh(&meta, &ssh, Some(HOUR * 2)).is_err());
    let text = rules.check_ssh(&meta, &ssh, None).expect_err("any life").to_string();
    assert!(text.contains("as long as the server likes"), "{text}");
    let text = rules.check_pki(&meta, "pki", "other", HOUR).expect_err("another role").to_string();
    assert!(text.contains("add it to that rule's pki"), "{text}");
    // A second rule may be more generous.
    let long = Rule { max_ttl: None, ..short.clone() };
    let rules = Rules::load(&[short, long]).expect("rules");
    assert_eq!(rules.check_pki(&meta, "pki", "web", HOUR * 2), Ok(2));
}

#[test]
fn a_star_in_a_name_stays_within_its_label() {
    let rules =
        Rules::load(&[Rule { sans: texts(&["*.web.example", "api-*.example", "**.deep.example"]), ..rule("web") }])
            .expect("a rule");
    let meta = meta("default", "web", "g", "t");
    for good in ["a.web.example", "api-1.example", "a.b.deep.example"] {
        assert_eq!(rules.check_san(&meta, good), Ok(1), "{good}");
    }
    for bad in ["a.b.web.example", ".web.example", "api-1.x.example", "*.web.example", "web.example"] {
        assert!(rules.check_san(&meta, bad).is_err(), "{bad}");
    }
}

#[test]
fn a_rule_holds_at_the_default_server_unless_it_names_others() {
    let plain = Rule { roles: texts(&["r"]), ..rule("web") };
    let eu = Rule { roles: texts(&["eu"]), clusters: texts(&["eu"]), ..rule("web") };
    let team = Rule { roles: texts(&["t"]), vault_namespaces: texts(&["team/{job}"]), ..rule("web") };
    let (rules, meta) = (Rules::load(&[plain, eu, team]).expect("good"), meta("default", "web", "g", "t"));
    let at = |cluster, namespace, configured| rules.at(&meta, &Place { cluster, namespace, configured });
    let granted = |rules: &Rules| ["r", "eu", "t"].map(|role| rules.check_role(&meta, role).is_ok());
    assert_eq!(granted(&at("default", "root", true).expect("the default")), [true, false, false]);
    assert_eq!(granted(&at("eu", "root", true).expect("named")), [false, true, false]);
    assert_eq!(granted(&at("default", "team/web", false).expect("named")), [false, false, true]);
    let refused = |cluster, namespace, configured| at(cluster, namespace, configured).expect_err("refused");
    assert!(refused("us", "root", true).to_string().contains("vault_cluster \"us\""));
    assert!(refused("eu", "team/web", false).to_string().contains("vault_namespace"));
    assert!(refused("default", "team/other", false).to_string().contains("vault_namespaces"));
}
