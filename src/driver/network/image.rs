//! The image of the containers that hold networks: got like any other, and counted as used while a network lives.

use async_trait::async_trait;

use super::key_of;
use crate::{
    container::{self, ContainerState, Credential, Image, ImageRef, ImageWish, Keyring, Operator, Pull, Role, Summary},
    domain::TaskKey,
    driver::{DriverError, parts::Parts},
};

/// Gets the image and notes that the network of `key` uses it.
pub(super) async fn take(parts: &Parts, key: &TaskKey) -> Result<Image, DriverError> {
    let settings = &parts.settings.network;
    let wish = ImageWish {
        timeout: settings.infra_image_pull_timeout,
        ..ImageWish::new(settings.infra_image.clone(), Pull::Missing)
    };
    // Held until the use is noted, so that the image is not taken away in between.
    let _reservation = parts.images.reserve(&wish.reference).await;
    let keys = Keys { parts, operator: Operator(parts.settings.images.registry.clone()) };
    let image = parts.engine.ensure_image(&wish, &keys, &|_| ()).await?;
    parts.images.take(key, &wish.reference, &image);
    Ok(image)
}

/// Notes the same of a network that was found: the list may have been lost, or be of a release that did not count it.
pub(super) fn retake(parts: &Parts, key: &TaskKey, state: &ContainerState) {
    let image = Image { id: state.image.clone(), ..Image::default() };
    parts.images.take(key, &parts.settings.network.infra_image, &image);
}

/// Returns under which keys the networks that are there, or were asked for, use their image.
pub(in crate::driver) fn users(parts: &Parts, ours: &[Summary]) -> Vec<TaskKey> {
    let asked = parts.networks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let held = ours.iter().filter(|found| found.role == Role::Pause).filter_map(|found| found.alloc_id.clone());
    asked.into_iter().chain(held).filter_map(|alloc_id| key_of(&alloc_id).ok()).collect()
}

/// The operator's credentials. Being asked for one is the first sign that the registry will be, so that the name is noted
/// as being brought.
struct Keys<'a> {
    parts: &'a Parts,
    operator: Operator,
}

#[async_trait]
impl Keyring for Keys<'_> {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>, container::Error> {
        let before = self.parts.engine.look_at_image(&image.to_string()).await?;
        self.parts.images.announce(image, before.map(|before| before.id));
        self.operator.credential(image).await
    }
}
