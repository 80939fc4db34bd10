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
/// How long connections are taken after SIGTERM. Proxies learn within seconds that the process is not ready, and a webhook that they
/// send meanwhile comes no second time.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// How long requests may go on after that. It exceeds the 30 seconds of a job's wait, and the 20 of an update.
const DRAIN: Duration = Duration::from_secs(35);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exchange::{question::MAX_WAIT, unsent::UPDATE},
        hooks::health::TEMPORAL,
    };

    const DEPLOYMENT: &str = include_str!("../../manifests/hooks/deployment.yaml");

    /// The first number behind a name in the manifest, in seconds.
    fn seconds(text: &str, name: &str) -> Duration {
        let (_, rest) = text.split_once(&format!("{name}: ")).unwrap();
        Duration::from_secs(rest.split_whitespace().next().unwrap().parse().unwrap())
    }

    #[test]
    fn pod_lives_until_every_request_has_its_answer() {
        assert!(DRAIN > MAX_WAIT && DRAIN > UPDATE);
        assert!(seconds(DEPLOYMENT, "terminationGracePeriodSeconds") > LINGER + DRAIN);
    }

    #[test]
    fn kubelet_waits_for_a_temporal_that_is_slow() {
        let (_, readiness) = DEPLOYMENT.split_once("readinessProbe:").unwrap();
        assert!(TEMPORAL > Duration::from_secs(1) && seconds(readiness, "timeoutSeconds") > TEMPORAL);
    }
}
