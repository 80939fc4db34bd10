//! The client of the API server: kube's, with time limits and with connections that are known to be alive.

use std::time::Duration;

use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client, Config,
    client::{
        Body, ConfigExt,
        retry::{InvalidBackoff, RetryPolicy},
    },
};
use tower::{ServiceBuilder, retry::RetryLayer};

use super::time_limits::TimeLimits;

/// The silence after which a connection is probed, and the time between probes. A connection to a lost node ends after
/// some 20 s, so that its watch is opened again before its own end.
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 2;
/// The time for which an unused connection is kept. After an outage each kept one may cost a request its time limit.
const UNUSED_FOR: Duration = Duration::from_secs(30);

/// The repetitions of a request that the API server asks for (429, 503, 504): some two seconds, and `Retry-After`. A
/// longer refusal is an error, which the caller reports.
const RETRIES: u32 = 5;
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

/// Returns a client in which every request ends within a time limit, also if the API server stops answering. Streams
/// without an end of their own (port-forwards, logs that are followed) have none.
///
/// # Errors
/// The configuration's certificates or credentials cannot be used, or it asks for a proxy.
pub fn kubernetes_client(config: Config) -> kube::Result<Client> {
    connect(config, TimeLimits::default())
}

fn connect(config: Config, limits: TimeLimits) -> kube::Result<Client> {
    if let Some(proxy_url) = &config.proxy_url {
        return Err(kube::Error::ProxyProtocolUnsupported { proxy_url: Box::new(proxy_url.clone()) });
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false); // TLS is the next layer's.
    tcp.set_connect_timeout(Some(limits.connect));
    tcp.set_keepalive(Some(PROBE_AFTER));
    tcp.set_keepalive_interval(Some(PROBE_EVERY));
    tcp.set_keepalive_retries(Some(PROBES));
    let pool = HttpClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(UNUSED_FOR)
        .build::<_, Body>(config.rustls_https_connector_with_connector(tcp)?);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(RetryLayer::new(retries().map_err(|error| kube::Error::Service(error.into()))?))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .layer(limits)
        .service(pool);
    Ok(Client::new(service, config.default_namespace))
}

fn retries() -> Result<RetryPolicy, InvalidBackoff> {
    RetryPolicy::new(FIRST_RETRY, LONGEST_RETRY, RETRIES, true)
}

#[cfg(test)]
mod tests;
