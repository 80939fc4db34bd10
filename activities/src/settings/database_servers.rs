//! The shared database servers, as the platform team lists them for the worker.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// A PostgreSQL server: one entry of the worker's `--database-servers` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The host name that pods and the worker connect to.
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// Whether connections are encrypted and the server's certificate is checked.
    #[serde(default)]
    pub tls: Tls,
    /// A Secret in berth's namespace with `username` and `password`, and `ca.crt` if a private authority signed the
    /// server's certificate. The user must have CREATEROLE and CREATEDB.
    pub admin_secret: String,
    /// The most connections of one environment. A Temporal server takes about 20, the app gets the rest.
    #[serde(default = "default_connections")]
    pub connections: u32,
}

impl Server {
    /// Returns whether connections to the server are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls == Tls::Verify
    }
}

/// The encryption of connections to a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Encrypted, with a certificate that is checked.
    #[default]
    Verify,
    /// Not encrypted: only for trusted networks.
    Disable,
}

fn default_port() -> u16 {
    5432
}

fn default_connections() -> u32 {
    30
}

/// The servers by name, as `preview.database.server` of an app file refers to them.
pub type Servers = BTreeMap<String, Server>;

/// Reads the worker's `--database-servers` file: YAML, a server under each name.
///
/// # Errors
/// The file cannot be read or parsed. The message names line and field.
pub fn read_servers(file: &Path) -> anyhow::Result<Servers> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_saphyr::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))
}
