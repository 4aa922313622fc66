//! The operator's blocks about images: `registry`, `pull`, `gc`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::fields::{Fields, quoted};
use crate::{
    container::{HostSettings, PullSettings, RegistrySettings, canonical_host},
    driver::{Collect, CollectSettings, ImageSettings},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads how images are got and kept.
pub(super) fn images(fields: &mut Fields<'_>) -> ImageSettings {
    ImageSettings { pull: pull(fields), registry: registry(fields), collect: collect(fields) }
}

fn collect(fields: &mut Fields<'_>) -> CollectSettings {
    let default = CollectSettings::default();
    let mut block = fields.block_or_empty("gc");
    let settings = CollectSettings {
        collect: which(&mut block).unwrap_or(default.collect),
        delay: block.duration("image_delay", Duration::ZERO..=DAY * 365).unwrap_or(default.delay),
        keep: block.texts("image_keep"),
    };
    block.finish();
    settings
}

/// The peers' yes and no are taken too.
fn which(block: &mut Fields<'_>) -> Option<Collect> {
    match block.text("image")?.as_str() {
        "any" => Some(Collect::Any),
        "none" | "false" => Some(Collect::Nothing),
        "pulled" | "true" => Some(Collect::Pulled),
        other => {
            block.flaw("image", format_args!("{} is unknown; give \"pulled\", \"any\" or \"none\"", quoted(other)));
            None
        }
    }
}

fn registry(fields: &mut Fields<'_>) -> RegistrySettings {
    let default = RegistrySettings::default();
    let mut block = fields.block_or_empty("registry");
    let file = block.text("auth_file");
    let settings = RegistrySettings {
        allow_inline: block.flag("allow_inline").unwrap_or(default.allow_inline),
        auth_file: file.and_then(|path| absolute(&block, "auth_file", path)),
        helper: block.parsed("helper"),
        helper_path: block.text("helper_path"),
        hosts: hosts(&mut block),
    };
    block.finish();
    settings
}

fn absolute(block: &Fields<'_>, name: &str, path: String) -> Option<PathBuf> {
    if path.starts_with('/') {
        return Some(path.into());
    }
    block.flaw(name, format_args!("{} is no absolute path", quoted(&path)));
    None
}

fn hosts(block: &mut Fields<'_>) -> BTreeMap<String, HostSettings> {
    let mut hosts = BTreeMap::new();
    for (host, mut fields) in block.labelled("host") {
        let settings = HostSettings { helper: fields.parsed("helper"), vault: fields.parsed("vault") };
        if !is_host(&host) {
            fields.flaw("", "is no registry's host; write it as in image names, such as \"registry.example.com:5000\"");
        }
        if settings == HostSettings::default() {
            fields.flaw("", "says nothing; give vault or helper");
        }
        fields.finish();
        if hosts.insert(canonical_host(&host), settings).is_some() {
            block.flaw("host", format_args!("{} stands twice under different names", quoted(&host)));
        }
    }
    hosts
}

fn is_host(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(good)
}

fn pull(fields: &mut Fields<'_>) -> PullSettings {
    let default = PullSettings::default();
    let mut block = fields.block_or_empty("pull");
    let most = block.whole("max_parallel", 1..=256).and_then(|most| usize::try_from(most).ok());
    let settings = PullSettings {
        activity_timeout: block.duration("activity_timeout", MINUTE..=DAY).unwrap_or(default.activity_timeout),
        always: block.flag("always").unwrap_or(default.always),
        max_parallel: most.unwrap_or(default.max_parallel),
        progress_interval: block
            .duration("progress_interval", SECOND..=MINUTE * 10)
            .unwrap_or(default.progress_interval),
        timeout: block.duration("timeout", SECOND..=DAY).unwrap_or(default.timeout),
    };
    block.finish();
    settings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plugin::config::settings;

    fn read(config: Value) -> Result<ImageSettings, String> {
        let bytes = rmp_serde::to_vec(&config).expect("it can be encoded");
        settings(&bytes).map(|settings| settings.images).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_operator_says_about_images_is_taken() {
        let images = read(json!({
            "registry": {
                "allow_inline": false,
                "auth_file": "/etc/docker.json",
                "helper": "pass",
                "host": { "index.docker.io": { "vault": "kv/data/hub" }, "r.example:5000": { "helper": "ecr-login" } },
            },
            "pull": { "always": true, "max_parallel": 2, "timeout": "1h", "activity_timeout": "1m", "progress_interval": "30s" },
            "gc": { "image": "any", "image_delay": "1h", "image_keep": ["r.example/*"] },
        }))
        .expect("good");
        let hub = images.registry.host(&"busybox".parse().expect("a reference")).expect("known by any name");
        assert_eq!(hub.vault.as_ref().map(ToString::to_string).as_deref(), Some("kv/data/hub"));
        assert_eq!((images.registry.allow_inline, images.pull.always, images.pull.max_parallel), (false, true, 2));
        assert_eq!((images.collect.collect, images.collect.delay), (Collect::Any, Duration::from_secs(3600)));
        assert_eq!(read(json!({})).expect("empty"), ImageSettings::default());
    }

    #[test]
    fn the_peers_words_for_collection_are_taken() {
        for (word, collect) in [("true", Collect::Pulled), ("false", Collect::Nothing), ("none", Collect::Nothing)] {
            assert_eq!(read(json!({ "gc": { "image": word } })).expect("good").collect.collect, collect, "{word}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_name() {
        let error = read(json!({
            "registry": {
                "auth_file": "docker.json",
                "helper": "../sh",
                "host": { "r.example/team": { "vault": "sys/raw" }, "empty.example": {} },
                "auth_fil": "x",
            },
            "pull": { "max_parallel": 0, "activity_timeout": "59s", "timeout": "soon" },
            "gc": { "image": "some", "image_delay": "-1s" },
        }))
        .expect_err("all wrong");
        for word in [
            "registry.auth_file",
            "registry.helper",
            "r.example/team",
            "sys",
            "empty.example",
            "did you mean \"auth_file\"",
            "pull.max_parallel",
            "pull.activity_timeout",
            "pull.timeout",
            "gc.image",
            "gc.image_delay",
        ] {
            assert!(error.contains(word), "{word} is not in {error}");
        }
    }
}
