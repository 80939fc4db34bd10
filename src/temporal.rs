//! Finding Temporal: as every Temporal tool does, by `TEMPORAL_*` and temporal.toml.

use std::time::Duration;

use anyhow::{Context, anyhow};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, envconfig::LoadClientConfigProfileOptions,
};

/// The longest pause between two attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Connects once.
///
/// # Errors
/// The configuration is wrong, or nobody answers there.
pub(crate) async fn connect() -> anyhow::Result<Client> {
    let (connection, client) = configured()?;
    let address = connection.target.to_string();
    let connected = Connection::connect(connection).await;
    let connected = connected.with_context(|| format!("connecting to Temporal at {address} (TEMPORAL_ADDRESS)"))?;
    Ok(Client::new(connected, client)?)
}

/// Connects, and tries again for as long as it takes: a worker may start before its server.
pub(crate) async fn connect_until_there(identity: &str) -> anyhow::Result<Client> {
    let mut pause = Duration::from_millis(200);
    loop {
        let (mut connection, client) = configured()?;
        connection.identity = identity.to_owned();
        let address = connection.target.to_string();
        match Connection::connect(connection).await {
            Ok(connected) => return Ok(Client::new(connected, client)?),
            Err(error) => {
                tracing::warn!(temporal.address = %address, error = %error, "Waiting for Temporal at {address}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

fn configured() -> anyhow::Result<(ConnectionOptions, ClientOptions)> {
    ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())
        .map_err(|e| anyhow!("{e}"))
        .context("reading Temporal's configuration (TEMPORAL_* and temporal.toml)")
}
