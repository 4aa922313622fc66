//! A start: run to its end whether or not the agent still listens.
//!
//! An agent that dies during the call never learns of the task. What was started for it is removed again; otherwise a
//! container would run that nobody asks for.

use std::sync::Arc;

use tokio::sync::oneshot;
use tonic::Status;

use super::{
    convert, guard,
    proto::drivers::{StartTaskResponse, TaskConfig, start_task_response},
    status::status,
};
use crate::{
    domain::{TaskId, TaskSpec},
    driver::TaskDriver,
};

/// Starts the task and returns its handle.
pub(super) async fn start(driver: Arc<dyn TaskDriver>, task: TaskConfig) -> Result<StartTaskResponse, Status> {
    let spec = convert::task_spec(task.clone())?;
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let id = spec.meta.id.clone();
        let reply = guard::complete("StartTask", attempt(Arc::clone(&driver), task, spec)).await;
        if let Err(Ok(_)) = sender.send(reply) {
            undo(&driver, &id).await;
        }
    });
    receiver.await.unwrap_or_else(|_| Err(Status::internal("Internal: the start ended without an answer")))
}

async fn attempt(driver: Arc<dyn TaskDriver>, task: TaskConfig, spec: TaskSpec) -> Result<StartTaskResponse, Status> {
    let started = driver.start(spec).await.map_err(|error| status(&error))?;
    Ok(StartTaskResponse {
        result: start_task_response::Result::Success as i32,
        driver_error_msg: String::new(),
        handle: Some(convert::handle(task, &started)),
        network_override: started.network.map(convert::network),
    })
}

/// Removes a task whose handle nobody took.
async fn undo(driver: &Arc<dyn TaskDriver>, id: &TaskId) {
    tracing::warn!(task_id = %id, "The agent went away during the start; the task is removed again");
    if let Err(error) = driver.destroy(id, true).await {
        tracing::warn!(task_id = %id, %error, "The task could not be removed");
    }
}
