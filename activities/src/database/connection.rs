//! The connection to a shared database server, as its admin.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use berth_workflows::contract::verdict::FailureType;

use crate::{
    failure::Failure,
    settings::database_servers::{Server, Tls},
};

/// The time for a connection. A reachable server answers within it; without a limit an unreachable one would block for
/// minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The admin's credentials. No message contains them.
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) ca: Option<Vec<u8>>,
}

impl Credentials {
    /// Reads the credentials from their Secret.
    ///
    /// # Errors
    /// `DatabaseUnavailable` if a key is missing. Retried, since it may be added.
    pub fn from_secret(secret: &Secret) -> Result<Self, Failure> {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let bytes = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.clone());
        let text = |key: &str| {
            let value = bytes(key).and_then(|value| String::from_utf8(value).ok());
            value.ok_or_else(|| {
                unavailable(format!(
                    "Secret/{name} has no key {key}; it holds the credentials of the database server's admin"
                ))
            })
        };
        Ok(Self { user: text("username")?, password: text("password")?, ca: bytes("ca.crt") })
    }
}

impl Server {
    /// Connects as admin to the database `postgres`, which every server has.
    ///
    /// # Errors
    /// `DatabaseUnavailable`, retried: the server is unreachable, full, or refuses the admin.
    pub async fn connect(&self, credentials: &Credentials) -> Result<Client, Failure> {
        self.connect_to("postgres", credentials).await
    }

    pub(crate) async fn connect_to(&self, database: &str, credentials: &Credentials) -> Result<Client, Failure> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(database)
            .user(&credentials.user)
            .password(&credentials.password)
            .application_name("berth")
            .connect_timeout(CONNECT_TIMEOUT);
        let connected = match self.tls {
            Tls::Disable => spawned(config.ssl_mode(SslMode::Disable).connect(NoTls).await),
            Tls::Verify => {
                let tls = tls_config(credentials.ca.as_deref())
                    .map_err(|why| unavailable(format!("the database server at {}: {why}", self.host)))?;
                spawned(config.ssl_mode(SslMode::Require).connect(MakeRustlsConnect::new(tls)).await)
            }
        };
        connected
            .map_err(|error| unavailable(format!("the database server at {}: {}", self.host, describe_error(&error))))
    }
}

/// Runs the connection in a task of its own. It ends with the client.
fn spawned<S, T>(
    connected: Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>,
) -> Result<Client, tokio_postgres::Error>
where
    tokio_postgres::Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    let (client, connection) = connected?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %error, "A connection to a database server ended");
        }
    });
    Ok(client)
}

fn tls_config(ca: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| format!("ca.crt of its admin's Secret: {e}"))?;
                roots.add(certificate).map_err(|e| format!("ca.crt of its admin's Secret: {e}"))?;
            }
            if roots.is_empty() {
                return Err("ca.crt of its admin's Secret has no certificate in it".to_owned());
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

pub(crate) fn unavailable(message: String) -> Failure {
    Failure::transient(FailureType::DatabaseUnavailable, message)
}

/// Returns the server's own message. The crate's is only "db error".
pub(crate) fn describe_error(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(refusal), _) => format!("{} ({})", refusal.message(), refusal.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}
