//! The end of an allocation's network.

use super::{Record, key_of};
use crate::{
    container::Role,
    domain::TaskKey,
    driver::{Class, DriverError, parts::Parts, tasks::Tasks},
};

/// Removes the network of an allocation, found by its marks; one that is not there is fine.
///
/// # Errors
/// The engine cannot be reached, or somebody else is at work on the network.
pub(in crate::driver) async fn destroy(parts: &Parts, tasks: &Tasks, alloc_id: &str) -> Result<(), DriverError> {
    let key = key_of(alloc_id)?;
    let busy =
        || DriverError::new(Class::StateUnavailable, format!("the network of allocation {alloc_id} is being made"));
    let _claim = tasks.claim_soon(&key).await.ok_or_else(busy)?;
    remove(parts, alloc_id, &key).await?;
    parts.networks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(alloc_id);
    Ok(())
}

/// Removes the pause containers and the notes of an allocation.
pub(super) async fn remove(parts: &Parts, alloc_id: &str, key: &TaskKey) -> Result<(), DriverError> {
    let ours = parts.engine.list_ours().await?;
    let held = ours.iter().filter(|found| found.role == Role::Pause && found.alloc_id.as_deref() == Some(alloc_id));
    for found in held {
        parts.engine.remove(&found.id).await?;
        tracing::info!(alloc_id, container = %found.id, "Group network removed");
    }
    Record::remove(parts, key);
    parts.images.release(key);
    Ok(())
}
