//! The shared database servers, as the platform team lists them for the worker.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    path::Path,
};

use anyhow::Context;
use berth_manifests::network::Network;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The databases that an admin connects to by default, the first that exists. Every server has one of them: the first
/// is PostgreSQL's own, the second that of managed servers.
const ADMIN_DATABASES: [&str; 3] = ["postgres", "defaultdb", TEMPLATE];
/// The database that PostgreSQL copies for a new one, unless another is named.
pub(crate) const TEMPLATE: &str = "template1";

/// A PostgreSQL server: one entry of the worker's `--database-servers` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The host name or the address that pods and the worker connect to. An IPv6 address may be in brackets.
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// Whether connections are encrypted and the server's certificate is checked.
    #[serde(default)]
    pub tls: Tls,
    /// The name in the server's certificate, if it is another than `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The database that the admin connects to. Default: the first of `postgres`, `defaultdb` and `template1` that it
    /// can connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// A Secret in berth's namespace with `username` and `password`, and `ca.crt` if a private authority signed the
    /// server's certificate. The user must have CREATEROLE and CREATEDB.
    pub admin_secret: String,
    /// The most connections of one environment. A Temporal server takes about 20, the app gets the rest.
    #[serde(default = "default_connections")]
    pub connections: u32,
    /// The networks of the server's addresses. Previews may connect to its port there. Default: the host, if it is an address.
    #[serde(default)]
    pub networks: Vec<Network>,
}

impl Server {
    /// Returns whether connections to the server are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls == Tls::Verify
    }

    /// Returns the host without the brackets of an IPv6 address.
    pub(crate) fn bare_host(&self) -> &str {
        let inner = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(&self.host)
    }

    /// Returns the host as it stands in a URL: an IPv6 address in brackets.
    pub(crate) fn url_host(&self) -> Cow<'_, str> {
        let host = self.bare_host();
        match host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{host}]").into(),
            Err(_) => host.into(),
        }
    }

    /// Returns the databases that the admin may connect to, in the order in which they are tried.
    pub(crate) fn admin_databases(&self) -> Vec<&str> {
        self.database.as_ref().map_or_else(|| ADMIN_DATABASES.to_vec(), |database| vec![database])
    }

    /// The networks of the server's addresses. Empty: they are not known.
    pub fn networks(&self) -> Vec<IpNet> {
        let address = || self.bare_host().parse::<IpAddr>().ok().map(IpNet::from);
        match self.networks.as_slice() {
            [] => address().into_iter().collect(),
            given => given.iter().map(|network| network.0).collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Server {
        serde_saphyr::from_str(&format!("{{admin_secret: admin, {text}}}")).unwrap()
    }

    #[test]
    fn ipv6_host_has_brackets_in_a_url_only() {
        for (host, bare, url) in [
            ("db.example.com", "db.example.com", "db.example.com"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("fd00::1", "fd00::1", "[fd00::1]"),
            ("[fd00::1]", "fd00::1", "[fd00::1]"),
        ] {
            let server = server(&format!("host: '{host}'"));
            assert_eq!((server.bare_host(), &*server.url_host()), (bare, url));
        }
    }

    #[test]
    fn named_database_replaces_the_default_ones() {
        assert_eq!(server("host: db").admin_databases(), ["postgres", "defaultdb", "template1"]);
        assert_eq!(server("host: db, database: admin").admin_databases(), ["admin"]);
    }
}
