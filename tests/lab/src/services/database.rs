//! The database server that previews share: reached by pods and by the worker at one address, with an admin for the worker.

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
        postgres::{PASSWORD, READY_WITHIN, Server, USER},
    },
};

/// Its process in the lab.
pub(crate) const POSTGRES: &str = "postgres";
/// Its name in the app file, and its admin's Secret.
const PREVIEWS: &str = "previews";
const ADMIN: &str = "postgres-previews";
/// A preview may hold 30, and a demo has two.
const CONNECTIONS_OF_A_PREVIEW: u32 = 30;
const CONNECTIONS: u32 = 200;

/// Started on the machine's end of the cable. It is started again when it ends. Answers its address, and the authority
/// that its certificate is of.
pub(crate) fn start(lab: &str, host: Ipv4Addr, children: &mut Children) -> Result<(SocketAddr, String)> {
    let address = SocketAddr::new(host.into(), ports::free(Ipv4Addr::LOCALHOST.into())?);
    let server = Server { address, data: folders::server_data(lab)?.join("postgres"), max_connections: CONNECTIONS };
    let authority = server.initialize()?;
    let command = server.command(lab, &children.log(POSTGRES))?;
    children.start_with_restarts(POSTGRES, command)?;
    children.wait_until(POSTGRES, READY_WITHIN, || server.answers())?;
    Ok((address, authority))
}

/// The file that a worker takes with `--database-servers`: JSON is YAML, too.
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

/// The admin's Secret.
pub(crate) fn admin(authority: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ADMIN, "namespace": BERTH_NAMESPACE},
        "stringData": {"username": USER, "password": PASSWORD, "ca.crt": authority},
    })
}
