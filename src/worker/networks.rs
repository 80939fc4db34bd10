//! The cluster's networks, as flags of the worker.

use berth_activities::{Networks, database::Servers};
use berth_manifests::network::Network;
use clap::Args;

/// Networks that no app file knows.
#[derive(Debug, Args)]
pub(super) struct NetworkArgs {
    /// Networks that are closed to previews besides the private ones, for example of nodes, an API server or a Temporal with
    /// public addresses
    #[arg(long, env = "BERTH_CLOSED_NETWORKS", value_delimiter = ',', value_name = "NETWORKS")]
    closed_networks: Vec<Network>,
    /// The networks that environments get DNS from. Without it: pods of kube-system, and 169.254.20.10
    #[arg(long, env = "BERTH_DNS_NETWORKS", value_delimiter = ',', value_name = "NETWORKS")]
    dns_networks: Vec<Network>,
}

impl NetworkArgs {
    /// The networks. Warns about each database server that must stay open at every address.
    pub(super) fn networks(&self, servers: &Servers) -> Networks {
        for (name, server) in servers.iter().filter(|(_, server)| server.networks().is_empty()) {
            let port = server.port;
            tracing::warn!(
                database.server = %name,
                "Previews with a database on {name} may connect to port {port} of every address: give the server's `networks` \
                 in the file of --database-servers"
            );
        }
        let networks = |given: &[Network]| given.iter().map(|network| network.0).collect();
        Networks { closed: networks(&self.closed_networks), dns: networks(&self.dns_networks) }
    }
}
