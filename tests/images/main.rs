//! Images against a real engine and a real registry: who may pull, one pull for all, what the user is told, what is kept.

#[path = "../support/bao.rs"]
mod bao;
#[path = "../support/bed.rs"]
mod bed;
#[path = "../support/engine.rs"]
mod engine_proxy;
#[path = "../../examples/harness/mod.rs"]
mod harness;
#[allow(dead_code, reason = "other tests have other jobs")]
#[path = "../e2e/jobs.rs"]
mod jobs;
#[path = "../support/registry.rs"]
mod registry;

mod collect;
mod credentials;
mod pulls;
mod tasks;

use std::time::Duration;

use bao::parts;
use strongbox::container::{Docker, Image, ImageWish, Policy, Pull};

const LIMIT: Duration = Duration::from_secs(60);

/// Returns a client of the engine with a mark of its own.
fn engine() -> Docker {
    Docker::new(Policy::default(), format!("test-{:016x}", rand::random::<u64>()))
}

fn wish(name: &str) -> ImageWish {
    ImageWish::new(name.parse().expect("a reference"), Pull::Missing)
}

/// Says what the image is made of, for a test that only wants to know that it came.
fn is_whole(image: &Image) -> bool {
    image.id.starts_with("sha256:") && image.size > 0
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}
