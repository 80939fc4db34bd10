//! The gates of Temporal. They ask the server whose address is in force: the environment's own, in a pod of the new
//! revision, through a port-forward; or, where Doppler has a `TEMPORAL_SERVER_ADDRESS`, the server there, in plain text as the
//! app's own clients that are told no more than an address.

mod call;
pub(super) mod poller;
pub(super) mod server;
mod worker;
pub(super) mod workflow;

use std::{io, sync::Mutex, time::Duration};

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use temporalio_common::protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tokio::time::{Instant, timeout_at};
use tonic::transport::{Channel, Endpoint};

use super::{
    attempt::{Miss, PodAndContainer},
    forward::{self, Forward},
};
use crate::gates::checks::Checks;
use berth_manifests::app::TemporalServerGate;

/// One try: a server that takes longer over what these gates ask does not work.
const TRY: Duration = Duration::from_secs(10);

const NOBODY_THERE: &str =
    "No Temporal server answers there: see its log, and that the gate names the server's workload and port.";
const NOT_AT_ADDRESS: &str = "No Temporal server answers there: correct TEMPORAL_SERVER_ADDRESS in Doppler, or remove it to use the environment's own.";

/// A server that can be asked.
struct TemporalServer {
    channel: Channel,
    /// The way to it and the pod that it is in, unless it is elsewhere.
    pod: Option<(Forward, PodAndContainer)>,
}

impl TemporalServer {
    /// Connects to the server whose address is in force.
    ///
    /// # Errors
    /// There is nobody.
    async fn reach(checks: &Checks<'_>, server: &TemporalServerGate, until: Instant) -> Result<Self, Miss> {
        match &checks.check.temporal_server_address {
            Some(address) => Self::at(address, until).await,
            None => Self::in_pod(checks, server, until).await,
        }
    }

    async fn at(address: &str, until: Instant) -> Result<Self, Miss> {
        let failed = |why: String| Miss::new(format!("it cannot be reached: {why}")).advise(NOT_AT_ADDRESS);
        let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(uri).map_err(|error| failed(call::with_causes(error)))?;
        let connected = timeout_at(until, endpoint.connect()).await;
        let connected = connected.map_err(|_| failed("it did not answer".to_owned()))?;
        Ok(Self { channel: connected.map_err(|error| failed(call::with_causes(error)))?, pod: None })
    }

    async fn in_pod(checks: &Checks<'_>, server: &TemporalServerGate, until: Instant) -> Result<Self, Miss> {
        let chosen = forward::ready_pod(checks, &server.workload, server.port, until).await?;
        let connect = async {
            let (mut forward, stream) = Forward::open(checks, &chosen.0, server.port).await?;
            // One connection: a port-forward that has ended is the end of the try.
            let stream = Mutex::new(Some(TokioIo::new(stream)));
            let connector = tower::service_fn(move |_| {
                let stream = stream.lock().ok().and_then(|mut stream| stream.take());
                async { stream.ok_or_else(|| io::Error::other("the connection has ended")) }
            });
            // The name is what the server is told; nothing looks it up.
            let endpoint = Endpoint::from_static("http://temporal-server");
            let connecting = async {
                endpoint.connect_with_connector(connector).await.map_err(|error| {
                    let why = call::with_causes(error);
                    Miss::new(format!("pod {} does not speak gRPC there: {why}", chosen.0)).advise(NOBODY_THERE)
                })
            };
            let channel = forward.or_error(connecting).await.map_err(|miss| miss.advise(NOBODY_THERE))?;
            Ok((channel, forward))
        };
        let late = || Miss::new(format!("pod {} did not answer", chosen.0)).advise(NOBODY_THERE);
        match timeout_at(until, connect).await.unwrap_or_else(|_| Err(late())) {
            Ok((channel, forward)) => Ok(Self { channel, pod: Some((forward, chosen)) }),
            Err(miss) => Err(Miss { pod: Some(chosen), ..miss }),
        }
    }

    fn client(&self) -> WorkflowServiceClient<Channel> {
        WorkflowServiceClient::new(self.channel.clone())
    }

    /// What the server says, or why it can no longer be asked.
    async fn hear<T>(&mut self, said: BoxFuture<'_, Result<T, Miss>>) -> Result<T, Miss> {
        let Some((forward, chosen)) = &mut self.pod else { return said.await };
        forward.or_error(said).await.map_err(|miss| {
            let pod = miss.pod.clone().or_else(|| Some(chosen.clone()));
            let said =
                if pod.as_ref() == Some(&*chosen) { format!("pod {}: {}", chosen.0, miss.said) } else { miss.said };
            Miss { pod, said, ..miss }
        })
    }
}

/// Where the server is, in words.
fn place(checks: &Checks<'_>, server: &TemporalServerGate) -> String {
    match &checks.check.temporal_server_address {
        Some(address) => format!("{address} (TEMPORAL_SERVER_ADDRESS as Doppler has it)"),
        None => format!("port {} of {}", server.port, server.workload),
    }
}
