//! The example of two tasks that talk mutual TLS, as its own words say it is run.

use std::fs;

use crate::{
    bao::{Bao, Setup},
    playing::{Place, example},
};

/// Returns the example's operator's block, with this place's directories and this server's address in it.
fn operators(place: &Place, bao: &Bao) -> std::path::PathBuf {
    let text = fs::read_to_string(example("plugin.hcl")).expect("the example");
    let own = |name: &str| place.data().with_file_name(name).display().to_string();
    let replaced = [
        ("/var/lib/nomad-driver-strongbox", own("state")),
        ("/run/strongbox", own("run")),
        ("http://127.0.0.1:8200", bao.address().to_owned()),
    ];
    let text = replaced.into_iter().fold(text, |text, (old, new)| {
        assert!(text.contains(old), "{old} is not in the example any more");
        text.replace(old, &new)
    });
    place.file("plugin.hcl", &text)
}

#[test]
fn two_tasks_of_a_group_talk_mutual_tls() {
    let bao = Bao::configured_with(&Setup { job: "mtls".into(), database: false, ..Setup::default() });
    let place = Place::new();
    let key = bao.nomad_key_file();
    let words = ["--key", &*key.to_string_lossy()];
    let (code, text) = place.play_with(&example("mtls.nomad.hcl"), &operators(&place, &bao), &words).end();
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "client  | talked with server.pair.mtls.default.strongbox.internal",
        "client  * ended with code 0",
        "server  * ended with code 0",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // The server has asked for a certificate and was shown one that our CA has signed for the other task.
    assert!(text.contains("client.pair.mtls.default.strongbox.internal"), "{text}");
    assert_eq!((place.containers(), place.mounts()), (vec![], vec![]));
}
