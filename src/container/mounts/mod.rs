//! What a job mounts beside its own directories.
//!
//! Two steps: [`plan`] decides from text alone what is meant and whether the operator allows it; [`settle`] looks at the disk,
//! follows links, and makes sure that what a path leads to is still where the plan said.

mod plan;
mod sources;

pub(super) use plan::{Planned, Source, plan};
pub(super) use sources::{settle, unmoved};
