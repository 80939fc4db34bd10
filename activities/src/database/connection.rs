//! The connection to a shared database server, as its admin.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use tokio_postgres::{Client, Config, NoTls, Socket, config::SslMode, error::SqlState, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::answer::{self, unavailable};
use crate::{
    failure::Failure,
    settings::database_servers::{Server, TEMPLATE, Tls},
};

/// The time for a connection. A reachable server answers within it; without a limit an unreachable one would block for
/// minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The admin's credentials. No message contains them.
#[derive(PartialEq, Eq)]
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

/// A connection as admin.
pub struct Admin {
    client: Client,
    /// The name of the admin.
    pub(super) user: String,
    /// The database to copy for a new one. While somebody is connected to it, the server copies it for nobody else.
    pub(super) template: &'static str,
}

impl std::ops::Deref for Admin {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The reason that there is no connection.
pub(super) struct NotConnected {
    pub(super) failure: Failure,
    /// Whether the server refuses the admin's name or password, which may just have been changed.
    pub(super) is_login: bool,
}

impl From<Failure> for NotConnected {
    fn from(failure: Failure) -> Self {
        Self { failure, is_login: false }
    }
}

impl Server {
    /// Connects as admin to the first of the server's databases that it can connect to.
    ///
    /// # Errors
    /// `DatabaseUnavailable`: permanent if the server refuses, its certificate does not fit, or there is no such
    /// database. Retried if it is unreachable or full.
    pub async fn connect(&self, credentials: &Credentials) -> Result<Admin, Failure> {
        self.try_connect(credentials).await.map_err(|refused| refused.failure)
    }

    pub(super) async fn try_connect(&self, credentials: &Credentials) -> Result<Admin, NotConnected> {
        let mut refused: Option<NotConnected> = None;
        for database in self.admin_databases() {
            let error = match self.connect_in_time(database, credentials).await? {
                Ok(client) => {
                    let template = if database == TEMPLATE { "template0" } else { TEMPLATE };
                    return Ok(Admin { client, user: credentials.user.clone(), template });
                }
                Err(error) => error,
            };
            let refusal = NotConnected {
                failure: answer::refused_connection(self, &error),
                is_login: answer::is_refused_login(&error),
            };
            if !answer::is_about_database(&error) {
                return Err(refusal);
            }
            // An answer that says more than that there is no such database is the one to be told.
            let is_absent = error.code() == Some(&SqlState::INVALID_CATALOG_NAME);
            if refused.is_none() || !is_absent {
                refused = Some(refusal);
            }
        }
        let unnamed = || unavailable(format!("no database of the server at {} is named", self.host)).into();
        Err(refused.unwrap_or_else(unnamed))
    }

    /// Connects within [`CONNECT_TIMEOUT`]. The inner result is the server's answer.
    async fn connect_in_time(
        &self,
        database: &str,
        credentials: &Credentials,
    ) -> Result<Result<Client, tokio_postgres::Error>, Failure> {
        let failed = |why: String| unavailable(format!("the database server at {}: {why}", self.host));
        let mut config = Config::new();
        config
            .host(self.bare_host())
            .port(self.port)
            .dbname(database)
            .user(&credentials.user)
            .password(&credentials.password)
            .application_name("berth")
            .connect_timeout(CONNECT_TIMEOUT);
        let connecting = async {
            Ok(match self.tls {
                Tls::Disable => spawned(config.ssl_mode(SslMode::Disable).connect(NoTls).await),
                Tls::Verify => {
                    let tls = tls_config(credentials.ca.as_deref()).map_err(failed)?;
                    let tls = NamedTls { name: self.server_name.clone(), tls: MakeRustlsConnect::new(tls) };
                    spawned(config.ssl_mode(SslMode::Require).connect(tls).await)
                }
            })
        };
        // The crate's own limit ends with the TCP connection.
        let connected = tokio::time::timeout(2 * CONNECT_TIMEOUT, connecting).await;
        connected.unwrap_or_else(|_| Err(failed("it accepts a connection and does not answer".to_owned())))
    }
}

/// TLS that expects another name in the certificate than the host's.
#[derive(Clone)]
struct NamedTls {
    name: Option<String>,
    tls: MakeRustlsConnect,
}

impl MakeTlsConnect<Socket> for NamedTls {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        let name = self.name.as_deref().unwrap_or(host);
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.tls, name)
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
