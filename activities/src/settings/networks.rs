//! The cluster's networks, as the worker is told.

use berth_manifests::network::{self, NODE_LOCAL_DNS};
use ipnet::IpNet;
use serde_json::Value;

/// The networks that no manifest and no app file can know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// Networks that are closed to previews besides the private ones: nodes, an API server or a Temporal with public addresses.
    pub closed: Vec<IpNet>,
    /// The networks that DNS is answered from. Empty: pods of kube-system, and the usual address of a node's cache.
    pub dns: Vec<IpNet>,
}

impl Networks {
    /// All networks that are closed to previews.
    pub(crate) fn all_closed(&self) -> Vec<IpNet> {
        network::closed(&self.closed)
    }

    /// The peers that answer DNS.
    pub(crate) fn dns_peers(&self) -> Vec<Value> {
        if !self.dns.is_empty() {
            return network::peers(&self.dns, &[]);
        }
        [vec![network::namespace("kube-system")], network::peers([&NODE_LOCAL_DNS], &[])].concat()
    }
}
