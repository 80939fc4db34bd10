//! The database server that previews share. Pods and the worker reach it at one address.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    machine::{children::Children, folders, ports},
    services::{
        BERTH_NAMESPACE,
        postgres::{PASSWORD, READY_WITHIN, Release, Server, USER},
    },
};

/// The name of its process in the lab.
pub(crate) const POSTGRES: &str = "postgres";
/// The server's name in the app file.
const PREVIEWS: &str = "previews";
/// The Secret with the admin's credentials.
const ADMIN: &str = "postgres-previews";
/// The limit of each preview. A demo has two previews.
const CONNECTIONS_OF_A_PREVIEW: u32 = 30;
const CONNECTIONS: u32 = 200;

/// Starts the server on the machine's end of the veth pair, and restarts it when it ends.
///
/// Answers its address, and the authority of its certificate as PEM.
pub(crate) fn start(lab: &str, host: Ipv4Addr, children: &mut Children) -> Result<(SocketAddr, String)> {
    let address = SocketAddr::new(host.into(), ports::free(Ipv4Addr::LOCALHOST.into())?);
    let data = folders::server_data(lab)?.join("postgres");
    let server = Server { release: Release::Debian, address, data, max_connections: CONNECTIONS };
    let authority = server.initialize()?;
    let command = server.command(lab, &children.log(POSTGRES))?;
    children.start_with_restarts(POSTGRES, command)?;
    children.wait_until(POSTGRES, READY_WITHIN, || server.answers())?;
    Ok((address, authority))
}

/// Writes the file for the worker's `--database-servers`. JSON is YAML, too.
pub(crate) fn write_servers(data: &Path, address: SocketAddr) -> Result<PathBuf> {
    let file = data.join("database-servers.yaml");
    let servers = json!({PREVIEWS: {
        "host": address.ip(),
        "port": address.port(),
        "tls": "verify",
        "admin_secret": ADMIN,
        "connections": CONNECTIONS_OF_A_PREVIEW,
    }});
    fs::write(&file, format!("{servers:#}\n"))?;
    Ok(file)
}

/// Makes the Secret with the admin's credentials.
pub(crate) fn admin(authority: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ADMIN, "namespace": BERTH_NAMESPACE},
        "stringData": {"username": USER, "password": PASSWORD, "ca.crt": authority},
    })
}
