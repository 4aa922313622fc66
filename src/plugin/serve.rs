//! Serves all services on one socket until the agent asks the process to end.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::{
    accept,
    base::Base,
    goplugin::GoPlugin,
    handshake::{HandshakeError, Launch},
    leftovers, log, process,
    proto::{
        base::base_plugin_server::BasePluginServer,
        drivers::driver_server::DriverServer,
        goplugin::{
            grpc_broker_server::GrpcBrokerServer, grpc_controller_server::GrpcControllerServer,
            grpc_stdio_server::GrpcStdioServer,
        },
    },
    service::Service,
    socket::{Socket, SocketError},
    ticks::Ticks,
};
use crate::driver::TaskDriver;

/// Largest request that is taken; tonic's own limit of 4 MiB is too small for a large environment.
const REQUEST_MAX: usize = 16 << 20;
/// Time for open streams to end after the answer to a shutdown; the agent kills after two seconds.
const LEAVE: Duration = Duration::from_millis(500);

/// Why the plugin did not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The launching program asks for something that we do not do.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// There is no socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// Answers the agent that launched this process until it asks us to end. Tasks live on.
///
/// # Errors
/// The handshake cannot be made; nothing has been written to stdout then.
pub async fn serve(driver: Arc<dyn TaskDriver>) -> Result<(), ServeError> {
    let launch = Launch::read(|name| std::env::var_os(name))?;
    let flusher = log::init();
    process::harden();
    process::ignore_interrupt();
    let (socket, listener) = Socket::bind(launch.socket_dir.as_deref())?;
    let ending = CancellationToken::new();
    let running = tokio::spawn(run(driver, listener, ending.clone()));
    launch.announce(socket.path(), io::stdout())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "Plugin serves");
    // The agent waits for the line above and for nothing here.
    let parent = socket.parent().to_owned();
    tokio::task::spawn_blocking(move || leftovers::remove(&parent, SystemTime::now()));

    tokio::select! {
        () = ending.cancelled() => {}
        () = process::terminated() => tracing::info!("The plugin was told to end"),
    }
    ending.cancel();
    running.await.ok();
    socket.remove();
    flusher.flush();
    Ok(())
}

/// Serves `driver` on `listener` until `ending`, and half a second longer for what is still open. Tasks live on.
pub async fn run(driver: Arc<dyn TaskDriver>, listener: UnixListener, ending: CancellationToken) {
    let server = server(&driver, &ending)
        .await
        .serve_with_incoming_shutdown(accept::incoming(listener), ending.clone().cancelled_owned());
    let leave = async {
        ending.cancelled().await;
        // Calls such as a pending wait never end by themselves; the process ends all the same.
        let both = async { tokio::join!(driver.shutdown(), std::future::pending::<()>()) };
        tokio::time::timeout(LEAVE, both).await.ok();
    };
    tokio::select! {
        served = server => {
            if let Err(error) = served {
                tracing::error!(%error, "Serving ended by itself");
            }
            driver.shutdown().await;
        }
        () = leave => {}
    }
}

/// Puts the services together.
async fn server(driver: &Arc<dyn TaskDriver>, ending: &CancellationToken) -> tonic::transport::server::Router {
    let ticks = Ticks::default();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    let base = BasePluginServer::new(Base::new(Arc::clone(driver), ticks.clone()));
    let service = DriverServer::new(Service::new(Arc::clone(driver), ticks, ending.clone()));
    let goplugin = GoPlugin::new(ending.clone());
    Server::builder()
        .add_service(health)
        .add_service(base.max_decoding_message_size(REQUEST_MAX))
        .add_service(service.max_decoding_message_size(REQUEST_MAX))
        .add_service(GrpcControllerServer::new(goplugin.clone()))
        .add_service(GrpcStdioServer::new(goplugin.clone()))
        .add_service(GrpcBrokerServer::new(goplugin))
}
