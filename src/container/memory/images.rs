//! The images of the engine in memory: every registry has every image, and this machine has what was pulled.

use crate::container::{Arrival, Credential, Image, ImageNames, ImageRef, ImageRemoval, ImageWish, Pull};

use super::state::State;

impl State {
    /// Describes an image as its registry has it.
    pub(super) fn image(&self, reference: &ImageRef) -> Image {
        let name = reference.to_string();
        let made_up = || Image { id: format!("sha256:{name}"), reference: name.clone(), ..Image::default() };
        self.images.get(&name).cloned().unwrap_or_else(made_up)
    }

    /// Describes the image if it is here and need not be asked for.
    pub(super) fn present(&self, wish: &ImageWish) -> Option<Image> {
        let here = self.here.contains_key(&wish.reference.to_string());
        (here && wish.pull != Pull::Always).then(|| self.image(&wish.reference))
    }

    pub(super) fn pull(&mut self, reference: &ImageRef, shown: Option<Credential>) -> Image {
        let image = Image { arrival: Arrival::Pulled, ..self.image(reference) };
        self.here.insert(reference.to_string(), image.id.clone());
        self.pulls.push((reference.to_string(), shown));
        image
    }

    pub(super) fn names(&self, name: &str) -> Option<ImageNames> {
        let id = self.here.get(name).cloned().or_else(|| self.here.values().find(|id| *id == name).cloned())?;
        let tags = self.here.iter().filter(|(_, of)| **of == id).map(|(tag, _)| tag.clone()).collect();
        Some(ImageNames { id, tags, digests: Vec::new() })
    }

    pub(super) fn remove_image(&mut self, name: &str) -> ImageRemoval {
        let Some(names) = self.names(name) else { return ImageRemoval::NotFound };
        let used = self.made.iter().any(|made| made.image == names.id && self.has(&made.id));
        if used && names.tags.len() == 1 {
            return ImageRemoval::InUse;
        }
        self.here.retain(|tag, id| tag != name && id != name);
        ImageRemoval::Done
    }
}
