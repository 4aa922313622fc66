//! Takes images away, never by force: what something uses stays.

use bollard::{auth::DockerCredentials, query_parameters::RemoveImageOptions};

use crate::container::{
    Docker, Error, ImageRemoval,
    docker::client::{LONG, is_conflict, is_missing, sorted},
};

impl Docker {
    /// Takes away a name, and with the last one the image.
    pub(in crate::container::docker) async fn take_image_away(&self, name: &str) -> Result<ImageRemoval, Error> {
        let doing = format!("remove image {name}");
        let api = self.api().await?;
        let options = RemoveImageOptions { force: false, noprune: false, platforms: None };
        let request = api.remove_image(name, Some(options), None::<DockerCredentials>);
        match tokio::time::timeout(LONG, request).await {
            Ok(Ok(_)) => Ok(ImageRemoval::Done),
            Ok(Err(failure)) if is_missing(&failure) => Ok(ImageRemoval::NotFound),
            Ok(Err(failure)) if is_conflict(&failure) => Ok(ImageRemoval::InUse),
            Ok(Err(failure)) => Err(sorted(&doing, failure)),
            Err(_) => Err(Error::EngineTimeout { doing, after: LONG }),
        }
    }
}
