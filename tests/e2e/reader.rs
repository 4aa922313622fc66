//! A reader in a container sees whole sets while they change as fast as can be.

use std::{fs, path::Path};

use serde_json::json;
use strongbox::{
    domain::{FileSet, Generation, OutputFile, Owner, SecretBytes, TaskId},
    tmpfs::{Settings, Tmpfs},
};

use crate::{
    bed::{Bed, docker, inside, until},
    jobs, times,
};

/// Sets that are shown, unless `ROTATIONS` says how many.
const ROTATIONS: u64 = 1000;
/// Files of a set, one of them in a folder.
const FILES: [&str; 4] = ["one", "two", "deep/three", "four"];
/// Length of each file's one line; shorter is torn.
const LENGTH: usize = 300;

/// Enters the shown generation once, reads all files of it and compares. Counts good reads in `/out/good`; what is wrong
/// goes to `/out/bad`. The shell's own `read` needs no process, so that this runs some thousand times a second.
const READER: &str = r#"
n=0
while [ ! -e /out/end ]; do
  cd -P /run/secrets/..data || { echo "no set" >>/out/bad; continue; }
  a=; b=; c=; d=
  read -r a <one; read -r b <two; read -r c <deep/three; read -r d <four
  if [ "$a" != "$b" ] || [ "$a" != "$c" ] || [ "$a" != "$d" ]; then echo "mixed or missing: $a $b $c $d" >>/out/bad; fi
  if [ ${#a} != 300 ]; then echo "short: $a" >>/out/bad; fi
  n=$((n+1)); echo $n >/out/good
done
"#;

/// A container that reads, gone with the value.
struct Reader {
    container: String,
    out: tempfile::TempDir,
}

impl Reader {
    fn start(secrets: &Path) -> Self {
        let out = tempfile::tempdir().expect("a folder");
        let binds = [format!("{}:/run/secrets:ro", secrets.display()), format!("{}:/out", out.path().display())];
        let words = ["run", "-d", "--network", "none", "-v", &binds[0], "-v", &binds[1], "strongbox/busybox:1"];
        let container = docker(&[&words[..], &["sh", "-c", READER]].concat());
        Self { container, out }
    }

    fn good(&self) -> u64 {
        fs::read_to_string(self.out.path().join("good")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn bad(&self) -> String {
        fs::read_to_string(self.out.path().join("bad")).unwrap_or_default()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        std::process::Command::new("docker").args(["rm", "-f", &self.container]).output().ok();
    }
}

fn set(generation: u64) -> FileSet {
    let line = format!("{generation:0LENGTH$}\n");
    let file = || OutputFile::new(SecretBytes::new(line.as_bytes()), 0o400);
    FileSet { files: FILES.iter().map(|name| (name.parse().expect("a name"), file())).collect() }
}

/// The directory is driven by itself: the driver asks for a change ten times a second at most, so that a thousand changes
/// by way of the server would take minutes and hit the reader no harder.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_whole_sets_over_a_thousand_rotations() {
    let root = tempfile::Builder::new().prefix("strongbox-e2e-").tempdir_in("/var/tmp").expect("a directory");
    let tmpfs = Tmpfs::new(Settings { runtime_dir: root.path().join("run"), ..Settings::default() });
    let key = "alloc/reader/00000001".parse::<TaskId>().expect("an id").key();
    let dir = tmpfs.create(&key).expect("a directory in RAM");
    let owner = Owner { uid: 0, gid: 0 };
    dir.publish(&set(1), owner, Generation(1)).expect("shown");
    let rotations = times("ROTATIONS", ROTATIONS);
    {
        let reader = Reader::start(&dir.bind_source());
        until("the reader reads", || async { reader.good() > 0 }).await;
        for generation in 2..=rotations + 1 {
            let before = reader.good();
            dir.publish(&set(generation), owner, Generation(generation)).expect("shown");
            // A reader that the machine does not let run cannot keep up; three older sets are kept for it.
            while generation % 2 == 0 && reader.good() == before {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        fs::write(reader.out.path().join("end"), "").expect("written");
        docker(&["wait", &reader.container]);
        assert_eq!(reader.bad(), "");
        assert!(reader.good() >= rotations / 2, "{} reads", reader.good());
    }
    dir.remove().expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_and_certificate_match_in_every_generation() {
    let bed = Bed::new("").await;
    // The server cuts the life to this, whereupon the driver replaces the certificate about every second.
    bed.bao.ok("POST", "pki_int/roles/timeline", Some(patched(&bed).await)).await;
    let script = r#"
trap 'exit 0' TERM
while :; do
  cd -P /run/secrets/..data/server || { echo "no set" >>/local/bad; continue; }
  a=$(openssl x509 -in cert.pem -noout -pubkey) b=$(openssl pkey -in key.pem -pubout)
  c=$(openssl pkey -in bundle.pem -pubout) d=$(openssl x509 -in bundle.pem -noout -pubkey)
  if [ -z "$a" ] || [ "$a" != "$b" ] || [ "$a" != "$c" ] || [ "$a" != "$d" ]; then echo "no match: $a $b $c $d" >>/local/bad; fi
  openssl x509 -in cert.pem -noout -serial >>/local/serials
done"#;
    let task = bed.task(&jobs::job("strongbox/tls:1", script, "certificate \"server\" { change_mode = \"noop\" }"));
    bed.run(&task).await.expect("it starts");
    let serials = || {
        let text = fs::read_to_string(task.dir.local.join("serials")).unwrap_or_default();
        let mut serials: Vec<String> = text.lines().map(str::to_owned).collect();
        serials.dedup();
        serials.len()
    };
    until("twelve certificates are seen", || async { serials() >= 12 }).await;
    assert_eq!(fs::read_to_string(task.dir.local.join("bad")).unwrap_or_default(), "");
    let container = task.container(&bed.agent).await.expect("a container");
    assert!(inside(&container, "cat /run/secrets/manifest.json").contains("\"generation\""));
    bed.end(&task).await;
    bed.is_clean().await;
}

/// Returns the PKI role with a life of seconds.
async fn patched(bed: &Bed) -> serde_json::Value {
    let mut role = bed.bao.ok("GET", "pki_int/roles/timeline", None).await;
    role["max_ttl"] = json!("3s");
    role["ttl"] = json!("3s");
    role
}
