//! The gates of Temporal. They call the server at the address in force.
//!
//! It is the environment's own, in a pod of the new revision, through a port-forward: also where Doppler's
//! `TEMPORAL_SERVER_ADDRESS` has a name of the environment's namespace. If Doppler has another address, it is the server there:
//! with TLS and the system's authorities where it speaks TLS, and without a certificate of its own.

mod call;
mod own;
pub(super) mod poller;
pub(super) mod server;
mod worker;
pub(super) mod workflow;

use std::{borrow::Cow, io, sync::Mutex, time::Duration};

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use temporalio_common::protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tokio::time::{Instant, timeout_at};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::{
    attempt::{Miss, PodAndContainer},
    forward::{self, Forward},
};
use crate::{gates::checks::Checks, redaction::message::Message};
use berth_manifests::app::TemporalServerGate;

/// The time for one attempt. A server that is slower with these requests does not work.
const TRY: Duration = Duration::from_secs(10);

/// The time for a server to begin TLS, where the address does not say whether it does.
const TLS_ANSWERS: Duration = Duration::from_secs(2);

const UNTRUSTED: &str = "The server speaks TLS with a certificate that berth does not trust: sign it by a public authority, or by one that the worker's system knows.";
const NO_SERVER: &str =
    "No Temporal server answers there. Look at its log, and check that the gate has the server's workload and port.";
const NOT_AT_ADDRESS: &str = "No Temporal server answers there. Correct TEMPORAL_SERVER_ADDRESS in Doppler, or remove it to use the environment's own.";

/// The place of the server in force.
enum Place<'a> {
    /// In a pod of the environment.
    Own(Cow<'a, TemporalServerGate>),
    /// At an address of Doppler's.
    Elsewhere(&'a str),
}

impl<'a> Place<'a> {
    fn new(checks: &'a Checks<'_>, gate: &'a TemporalServerGate) -> Self {
        let Some(address) = &checks.check.temporal_server_address else { return Self::Own(Cow::Borrowed(gate)) };
        let namespace = &checks.check.environment.namespace;
        match own::own_server(address, namespace, &checks.release.objects, gate) {
            Some(own) => Self::Own(Cow::Owned(own)),
            None => Self::Elsewhere(address),
        }
    }
}

/// Connects with TLS, verified by the system's authorities. The miss is final if the server speaks TLS all the same.
async fn over_tls(host: &str, until: Instant) -> Result<Channel, Miss> {
    let endpoint = Endpoint::from_shared(format!("https://{host}"))
        .and_then(|endpoint| endpoint.tls_config(ClientTlsConfig::new().with_native_roots()));
    let endpoint = endpoint.map_err(|error| failed(call::with_causes(error)))?;
    let connected = timeout_at(until, endpoint.connect()).await;
    let connected = connected.map_err(|_| Miss { timed_out: true, ..failed("it did not answer".to_owned()) })?;
    connected.map_err(|error| {
        let why = call::with_causes(error);
        if why.contains("certificate") { failed(why).advise(UNTRUSTED).finally() } else { failed(why) }
    })
}

fn failed(why: String) -> Miss {
    Miss::new(format!("it cannot be reached: {why}")).advise(NOT_AT_ADDRESS)
}

/// A connected server.
struct TemporalServer {
    channel: Channel,
    /// The port-forward and its pod, unless the server is outside the environment.
    pod: Option<(Forward, PodAndContainer)>,
}

impl TemporalServer {
    /// Connects to the server at the address in force.
    ///
    /// # Errors
    /// No server answers.
    async fn reach(checks: &Checks<'_>, server: &TemporalServerGate, until: Instant) -> Result<Self, Miss> {
        match Place::new(checks, server) {
            Place::Elsewhere(address) => Self::at(address, until).await,
            Place::Own(server) => Self::in_pod(checks, &server, until).await,
        }
    }

    async fn at(address: &str, until: Instant) -> Result<Self, Miss> {
        let (is_tls, uri) = match address.split_once("://") {
            Some((scheme, _)) => (Some(scheme.eq_ignore_ascii_case("https")), address.to_owned()),
            None => (None, format!("http://{address}")),
        };
        if is_tls != Some(false) {
            let host = address.split_once("://").map_or(address, |(_, host)| host);
            // A server without TLS closes the connection at once.
            let limit = if is_tls.is_some() { until } else { until.min(Instant::now() + TLS_ANSWERS) };
            match over_tls(host, limit).await {
                Ok(channel) => return Ok(Self { channel, pod: None }),
                Err(miss) if miss.is_final || is_tls.is_some() => return Err(Miss { is_final: false, ..miss }),
                Err(_) => {}
            }
        }
        let endpoint = Endpoint::from_shared(uri).map_err(|error| failed(call::with_causes(error)))?;
        let connected = timeout_at(until, endpoint.connect()).await;
        let connected = connected.map_err(|_| Miss { timed_out: true, ..failed("it did not answer".to_owned()) })?;
        Ok(Self { channel: connected.map_err(|error| failed(call::with_causes(error)))?, pod: None })
    }

    async fn in_pod(checks: &Checks<'_>, server: &TemporalServerGate, until: Instant) -> Result<Self, Miss> {
        let chosen = forward::ready_pod(checks, &server.workload, server.port, until).await?;
        let connect = async {
            let (mut forward, stream) = Forward::open(checks, &chosen.0, server.port).await?;
            // A single connection: when the port-forward ends, the attempt ends.
            let stream = Mutex::new(Some(TokioIo::new(stream)));
            let connector = tower::service_fn(move |_| {
                let stream = stream.lock().ok().and_then(|mut stream| stream.take());
                async { stream.ok_or_else(|| io::Error::other("the connection has ended")) }
            });
            // The name is only sent to the server. It is not looked up.
            let endpoint = Endpoint::from_static("http://temporal-server");
            let connecting = async {
                endpoint.connect_with_connector(connector).await.map_err(|error| {
                    let why = call::with_causes(error);
                    Miss::new(format!("pod {} does not speak gRPC there: {why}", chosen.0)).advise(NO_SERVER)
                })
            };
            let channel = forward.or_error(connecting).await.map_err(|miss| miss.advise(NO_SERVER))?;
            Ok((channel, forward))
        };
        let miss = || Miss::new(format!("pod {} did not answer", chosen.0)).advise(NO_SERVER);
        let late = || Miss { timed_out: true, ..miss() };
        match timeout_at(until, connect).await.unwrap_or_else(|_| Err(late())) {
            Ok((channel, forward)) => Ok(Self { channel, pod: Some((forward, chosen)) }),
            Err(miss) => Err(Miss { pod: Some(chosen), ..miss }),
        }
    }

    fn client(&self) -> WorkflowServiceClient<Channel> {
        WorkflowServiceClient::new(self.channel.clone())
    }

    /// Waits for a call, or for the error of the port-forward.
    async fn await_call<T>(&mut self, call: BoxFuture<'_, Result<T, Miss>>) -> Result<T, Miss> {
        let Some((forward, chosen)) = &mut self.pod else { return call.await };
        forward.or_error(call).await.map_err(|miss| {
            let pod = miss.pod.clone().or_else(|| Some(chosen.clone()));
            let message = if pod.as_ref() == Some(&*chosen) {
                Message::from(format!("pod {}: ", chosen.0)).join(miss.message)
            } else {
                miss.message
            };
            Miss { pod, message, ..miss }
        })
    }
}

/// Describes the server's address.
fn describe_address(checks: &Checks<'_>, server: &TemporalServerGate) -> String {
    let doppler = |address: &str| format!("{address} (TEMPORAL_SERVER_ADDRESS in Doppler)");
    match (Place::new(checks, server), &checks.check.temporal_server_address) {
        (Place::Elsewhere(address), _) => doppler(address),
        (Place::Own(own), Some(address)) => {
            format!("{}, which is port {} of {}", doppler(address), own.port, own.workload)
        }
        (Place::Own(own), None) => format!("port {} of {}", own.port, own.workload),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio_rustls::{TlsAcceptor, rustls};

    use super::*;

    /// Serves TLS with a certificate of its own, and returns the port.
    async fn serve_tls() -> u16 {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![signed.cert.der().clone()], key).unwrap();
        let (acceptor, listener) =
            (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn server_without_tls_is_reached_without_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let mut first = [0];
                let is_tls = stream.peek(&mut first).await.is_ok() && first == [0x16];
                open.extend((!is_tls).then_some(stream));
            }
        });
        assert!(TemporalServer::at(&address, Instant::now() + TRY).await.is_ok());
    }

    #[tokio::test]
    async fn certificate_that_is_not_trusted_is_blamed() {
        let port = serve_tls().await;
        for address in [format!("localhost:{port}"), format!("https://localhost:{port}")] {
            let miss = TemporalServer::at(&address, Instant::now() + TRY).await.err().unwrap();
            assert_eq!(miss.advice.as_deref(), Some(UNTRUSTED), "{address}: {miss:?}");
        }
    }
}
