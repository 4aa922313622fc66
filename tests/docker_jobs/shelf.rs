//! The registry of one file, with the images that it offers.

use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    registry::{Kind, Registry},
    script::Shelf,
};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Images are as small as may be; what is in them is not the point.
const BYTES: usize = 64;

/// Starts it and puts everything in. It is gone with the value.
pub async fn fill(wanted: &Shelf) -> Result<Registry, String> {
    let all = wanted.clone();
    // Other files are being played meanwhile.
    let stocked = tokio::task::spawn_blocking(move || stocked(&all)).await;
    let registry = stocked.map_err(|error| format!("no registry: {error}"))?;
    for (name, machines) in wanted.images.iter().filter(|(_, machines)| !machines.is_empty()) {
        let spread = Shop::of(&registry, name).spread(machines).await;
        spread.map_err(|error| format!("{name} for {machines:?}: {error}"))?;
    }
    Ok(registry)
}

/// Ends it.
pub async fn clear(registry: Option<Registry>) {
    // A panic in there is one of a broom, and has been printed.
    tokio::task::spawn_blocking(move || drop(registry)).await.ok();
}

fn stocked(wanted: &Shelf) -> Registry {
    let registry = Registry::start(Kind { password: wanted.password, tls: wanted.tls });
    for (name, _) in &wanted.images {
        registry.offer_as(name, BYTES);
    }
    registry
}

/// A name in a registry that wants neither password nor TLS, spoken to as a builder of images does.
struct Shop {
    client: Client,
    url: String,
    tag: String,
}

impl Shop {
    fn of(registry: &Registry, name: &str) -> Self {
        let (path, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let url = format!("http://{}/v2/{path}", registry.host());
        Self { client: Client::new(), url, tag: tag.to_owned() }
    }

    /// Replaces the image by a list of images that differ in the machine they are said to be for, and say so. None of them
    /// is really for another machine, so that all of them run here.
    async fn spread(&self, machines: &[String]) -> reqwest::Result<()> {
        let manifest: Value = self.get(&format!("manifests/{}", self.tag), MANIFEST).await?.json().await?;
        let digest = manifest["config"]["digest"].as_str().unwrap_or_default();
        let config: Value = self.get(&format!("blobs/{digest}"), "*/*").await?.json().await?;
        let mut list = Vec::new();
        for machine in machines {
            list.push(self.put_image(&manifest, &config, machine).await?);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": list });
        self.put_manifest(&self.tag, INDEX, index.to_string()).await
    }

    /// Returns what the list says of it.
    async fn put_image(&self, manifest: &Value, config: &Value, machine: &str) -> reqwest::Result<Value> {
        let (mut manifest, mut config) = (manifest.clone(), config.clone());
        config["architecture"] = json!(machine);
        config["config"]["Env"] = json!([format!("IMAGE={machine}")]);
        let text = config.to_string();
        manifest["config"]["digest"] = json!(digest_of(&text));
        manifest["config"]["size"] = json!(text.len());
        self.put_blob(text).await?;
        let text = manifest.to_string();
        let (digest, size) = (digest_of(&text), text.len());
        self.put_manifest(&digest, MANIFEST, text).await?;
        let platform = json!({ "os": "linux", "architecture": machine });
        Ok(json!({ "mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform }))
    }

    async fn get(&self, path: &str, kind: &str) -> reqwest::Result<Response> {
        let request = self.client.get(format!("{}/{path}", self.url)).header(header::ACCEPT, kind);
        request.send().await?.error_for_status()
    }

    async fn put_blob(&self, text: String) -> reqwest::Result<()> {
        let begun = self.client.post(format!("{}/blobs/uploads/", self.url)).send().await?.error_for_status()?;
        let place = begun.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        let place = format!("{}&digest={}", place.unwrap_or_default(), digest_of(&text));
        self.client.put(place).body(text).send().await?.error_for_status().map(drop)
    }

    async fn put_manifest(&self, name: &str, kind: &str, text: String) -> reqwest::Result<()> {
        let request = self.client.put(format!("{}/manifests/{name}", self.url)).header(header::CONTENT_TYPE, kind);
        request.body(text).send().await?.error_for_status().map(drop)
    }
}

fn digest_of(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}
