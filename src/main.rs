//! The plugin's binary: serves the agent that launched it, and is an operator's tool otherwise.

use std::{process::ExitCode, sync::Arc};

use strongbox::{cli, driver::Driver, plugin};

fn main() -> ExitCode {
    if !plugin::handshake::launched_by_agent() {
        return cli::run();
    }
    match runtime().map(|runtime| runtime.block_on(plugin::serve(Arc::new(Driver::new())))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => cli::fail(&error),
        Err(error) => cli::fail(&error),
    }
}

/// Two threads serve hundreds of tasks that mostly wait; one more would only cost memory.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
