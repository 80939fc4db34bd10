//! The server that faces the internet: HTTP/1.1 with a bound on connections, headers and time. An ingress controller in front of it
//! speaks TLS.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// The most connections. Each may hold one buffer.
const MAX_CONNECTIONS: usize = 1024;
/// The size of a connection's buffer, in bytes. All headers of a request must fit: a token has about 2 KB.
const BUFFER: usize = 16 * 1024;
/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(10);
/// How long requests may go on after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);
/// The pause after an error that is not of one connection, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, and then until the requests in flight have their answers.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (stream, slot) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "Could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(BUFFER)
            // A proxy that reuses a connection may meet its end, and GitHub does not send a webhook again.
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is its sender's matter.
            let _ = connection.await;
            drop(slot);
        });
    }
    // New connections are refused while those that are open end.
    drop(listener);
    if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
        tracing::warn!("Some requests were not answered within {DRAIN:?}");
    }
}

/// Takes the next connection, once there is room for it.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}
