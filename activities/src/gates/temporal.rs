//! The gates of Temporal. They call the server at the address in force.
//!
//! It is the environment's own, in a pod of the new revision, through a port-forward: also where Doppler's
//! `TEMPORAL_SERVER_ADDRESS` has a name of the environment's namespace. If Doppler has another address, it is the server there,
//! without TLS, as an app connects that gets no more than an address.

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
use tonic::transport::{Channel, Endpoint};

use super::{
    attempt::{Miss, PodAndContainer},
    forward::{self, Forward},
};
use crate::{gates::checks::Checks, redaction::message::Message};
use berth_manifests::app::TemporalServerGate;

/// The time for one attempt. A server that is slower with these requests does not work.
const TRY: Duration = Duration::from_secs(10);

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
        let failed = |why: String| Miss::new(format!("it cannot be reached: {why}")).advise(NOT_AT_ADDRESS);
        let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
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
