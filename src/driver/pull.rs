//! Gets a task's image: the first of those it names that can be had.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Class, DriverError, keys::Keys, parts::Parts, pull_events::Teller};
use crate::{
    container::{self, Image, ImageWish},
    domain::{TaskEvent, TaskSpec},
};

/// Gets the image, telling the user when it has to be pulled, and notes that the task uses it.
///
/// # Errors
/// None of the named images can be had; trying again may help when it might for one of them.
pub(super) async fn image(parts: &Arc<Parts>, spec: &TaskSpec, keys: &Keys<'_>) -> Result<Image, DriverError> {
    let wishes = container::wishes(spec, &parts.settings.container, &parts.settings.images.pull)?;
    let mut errors = Vec::new();
    for wish in &wishes {
        match one(parts, spec, keys, wish).await {
            Ok(image) => return Ok(image),
            Err(error) if wishes.len() == 1 || !passes_over(&error) => return Err(error),
            Err(error) => {
                parts.tell(TaskEvent::new(&spec.meta, format!("Image {} not to be had: {error}", wish.reference)));
                errors.push(error);
            }
        }
    }
    Err(together(&errors))
}

async fn one(parts: &Arc<Parts>, spec: &TaskSpec, keys: &Keys<'_>, wish: &ImageWish) -> Result<Image, DriverError> {
    // Held until the use is noted, so that the image is not taken away in between.
    let _reservation = parts.images.reserve(&wish.reference).await;
    if wish.load.is_some() {
        let before = parts.engine.look_at_image(&wish.reference.to_string()).await?;
        parts.images.announce(&wish.reference, before.map(|before| before.id));
    }
    let (teller, progress) = (Teller::new(parts, &spec.meta, &wish.reference), watch::Sender::new(None));
    let seen = progress.subscribe();
    let report = move |now| {
        progress.send_replace(Some(now));
    };
    let image = teller.accompany(parts.engine.ensure_image(wish, keys, &report), seen).await;
    let image = image.map_err(|error| keys.explain(error))?;
    parts.images.take(&spec.meta.id.key(), &wish.reference, &image);
    Ok(image)
}

/// Says whether another image may be had where this one is not: not when it is the engine that is in trouble.
fn passes_over(error: &DriverError) -> bool {
    !matches!(error.class(), Class::EngineUnavailable | Class::EngineTimeout | Class::Internal | Class::PathRefused)
}

fn together(errors: &[DriverError]) -> DriverError {
    let class = if errors.iter().any(DriverError::recoverable) { Class::ImageUnavailable } else { Class::ImageRefused };
    let messages: Vec<&str> = errors.iter().map(DriverError::message).collect();
    DriverError::new(class, format!("none of the images can be had: {}", messages.join("; ")))
}
