//! Images: is it there, and if not, one pull for everybody who wants the same.

mod failure;
mod flight;
mod layers;
mod load;
mod remove;

use bollard::models::ImageInspect;

use crate::container::{
    Arrival, Credential, Docker, Error, Image, ImageNames, ImageRef, ImageWish, Keyring, Progress, Pull,
};

use super::client::{SHORT, is_missing, sorted};

use failure::refused;
pub(super) use flight::Pulls;

impl Docker {
    /// Returns the image, got in whatever way `wish` allows: what is here, the task's own file, the registry.
    pub(super) async fn have_image(
        &self,
        wish: &ImageWish,
        keys: &dyn Keyring,
        progress: &Progress,
    ) -> Result<Image, Error> {
        let found = match wish.pull {
            Pull::Always => None,
            Pull::Missing if wish.reference.is_latest() => None,
            Pull::Missing | Pull::Never => self.find_image(wish).await?,
        };
        match (found, &wish.load, wish.pull) {
            (Some(image), _, _) => Ok(image),
            (None, Some(file), _) => self.load_image(wish, file).await,
            (None, None, Pull::Never) => {
                Err(refused(&wish.reference, "it is not on this machine, and pull_policy \"never\" asks no registry"))
            }
            (None, None, Pull::Always | Pull::Missing) => self.pull_image(wish, keys, progress).await,
        }
    }

    /// Pulls the image and looks at what came.
    async fn pull_image(&self, wish: &ImageWish, keys: &dyn Keyring, progress: &Progress) -> Result<Image, Error> {
        let credential = keys.credential(&wish.reference).await?;
        let source = credential.as_ref().map(|credential| credential.source.to_string());
        tracing::info!(image = %wish.reference, credential = source.as_deref().unwrap_or("none"), "Pulling image");
        let pulled = self.pull(wish, credential.as_ref(), progress).await;
        pulled.map_err(|error| with_source(error, credential.as_ref()))?;
        let found = self.find_image(wish).await?;
        let image = found.ok_or_else(|| failure::vanished(wish))?;
        Ok(Image { arrival: Arrival::Pulled, ..image })
    }

    /// Describes an image that is on the machine and made for the wanted platform. An engine that does not answer is an
    /// error and not an absent image.
    async fn find_image(&self, wish: &ImageWish) -> Result<Option<Image>, Error> {
        let found = self.inspect_image(&wish.reference.to_string()).await?;
        Ok(found.filter(|found| suits(wish, found)).map(|found| described(&wish.reference, found)))
    }

    /// Tells the names of an image.
    pub(super) async fn names_of_image(&self, name: &str) -> Result<Option<ImageNames>, Error> {
        let found = self.inspect_image(name).await?;
        Ok(found.map(|found| ImageNames {
            id: found.id.unwrap_or_default(),
            tags: found.repo_tags.unwrap_or_default(),
            digests: found.repo_digests.unwrap_or_default(),
        }))
    }

    async fn inspect_image(&self, name: &str) -> Result<Option<ImageInspect>, Error> {
        let doing = format!("inspect image {name}");
        let api = self.api().await?;
        match tokio::time::timeout(SHORT, api.inspect_image(name)).await {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(failure)) if is_missing(&failure) => Ok(None),
            Ok(Err(failure)) => Err(sorted(&doing, failure)),
            Err(_) => Err(Error::EngineTimeout { doing, after: SHORT }),
        }
    }
}

fn suits(wish: &ImageWish, found: &ImageInspect) -> bool {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    wish.platform
        .as_ref()
        .is_none_or(|platform| platform.suits(&text(&found.os), &text(&found.architecture), &text(&found.variant)))
}

/// Says beside a registry's refusal what it was shown, since that is what an operator asks first.
fn with_source(error: Error, credential: Option<&Credential>) -> Error {
    match error {
        Error::ImageRefused { image, why } => {
            let shown = credential.map_or_else(
                || "no credential for its registry was found".to_owned(),
                |credential| format!("the registry was shown the credential of {}", credential.source),
            );
            Error::ImageRefused { image, why: format!("{why} ({shown})") }
        }
        other => other,
    }
}

fn described(reference: &ImageRef, found: ImageInspect) -> Image {
    let config = found.config.unwrap_or_default();
    Image {
        id: found.id.unwrap_or_default(),
        reference: reference.to_string(),
        user: config.user.unwrap_or_default(),
        stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        arrival: Arrival::Present,
    }
}
