//! A range of addresses that this machine does not route, and the lab's addresses in it.

use std::{fmt, fs, net::Ipv4Addr};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The network `10.<n>.0.0/16`: the lower half for pods, the end for the veth pair between the machine and its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subnet(u8);

/// The range of Services. It exists only inside the node, so it may overlap with networks outside.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
pub(crate) const KUBERNETES_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
pub(crate) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

impl Subnet {
    pub(crate) fn free() -> Result<Self> {
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        Self::unrouted(&parse(&routes))
            .context("every network from 10.100.0.0/16 to 10.254.0.0/16 is routed somewhere: none is left for the lab")
    }

    fn unrouted(routes: &[Route]) -> Option<Self> {
        (100..=254).rev().map(Self).find(|subnet| !routes.iter().any(|route| route.overlaps(*subnet)))
    }

    /// The machine's end: pods reach it, and through it the API server and the registry.
    pub(crate) fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.0, 255, 1)
    }

    /// The node's end: its kubelet listens there, and pods are behind it.
    pub(crate) fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.0, 255, 2)
    }

    pub(crate) fn pods(self) -> String {
        format!("10.{}.0.0/17", self.0)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "10.{}.0.0/16", self.0)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Route {
    network: u32,
    mask: u32,
}

impl Route {
    /// The default route overlaps with no network.
    fn overlaps(&self, subnet: Subnet) -> bool {
        let network = u32::from(Ipv4Addr::new(10, subnet.0, 0, 0));
        let mask = self.mask & 0xffff_0000;
        self.mask != 0 && self.network & mask == network & mask
    }
}

/// Reads /proc/net/route: a heading, then columns, with hexadecimal addresses in the machine's byte order.
fn parse(routes: &str) -> Vec<Route> {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_be);
    let columns = routes.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns.filter_map(|line| Some(Route { network: number(line.get(1)?)?, mask: number(line.get(7)?)? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(network: [u8; 4], bits: u32) -> Route {
        let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
        Route { network: Ipv4Addr::from(network).into(), mask }
    }

    #[test]
    fn routed_network_is_passed_over() {
        let taken = [route([0, 0, 0, 0], 0), route([10, 254, 255, 0], 30), route([10, 253, 0, 0], 16)];
        assert_eq!(Subnet::unrouted(&taken), Some(Subnet(252)));
    }

    #[test]
    fn no_subnet_is_left_where_all_of_10_is_routed() {
        assert_eq!(Subnet::unrouted(&[route([10, 0, 0, 0], 8)]), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn route_table_is_read_in_host_byte_order() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
                     eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n\
                     eth0\t0000FE0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n";
        assert_eq!(parse(table), [route([0, 0, 0, 0], 0), route([10, 254, 0, 0], 16)]);
    }
}
