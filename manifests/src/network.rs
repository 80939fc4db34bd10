//! Networks that are closed to a preview's pods, and blocks of a `NetworkPolicy` without them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(first: u16, second: u16, last: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, last), prefix))
}

/// Every address.
pub const EVERYWHERE: [IpNet; 2] = [v4(0, 0, 0, 0, 0), v6(0, 0, 0, 0)];

/// The address of a node's cache for DNS.
pub const NODE_LOCAL_DNS: IpNet = v4(169, 254, 20, 10, 32);

/// The clouds' metadata services. A pod that reaches one can take over its node's identity.
pub const METADATA: [IpNet; 7] = [
    v4(169, 254, 0, 0, 16),     // link-local: AWS, Google, Azure, Oracle, DigitalOcean and others
    v4(168, 63, 129, 16, 32),   // Azure's agent
    v4(100, 100, 100, 200, 32), // Alibaba
    v4(192, 0, 0, 192, 32),     // Oracle's older machines
    v6(0xfe80, 0, 0, 10),
    v6(0xfd00, 0xec2, 0x254, 128), // AWS
    v6(0xfd20, 0xce, 0x254, 128),  // Google
];

/// Networks that are not the internet, besides [`METADATA`]: those of RFC 1918, of carriers (RFC 6598), and IPv6's unique local
/// ones.
const PRIVATE: [IpNet; 5] =
    [v4(10, 0, 0, 0, 8), v4(172, 16, 0, 0, 12), v4(192, 168, 0, 0, 16), v4(100, 64, 0, 0, 10), v6(0xfc00, 0, 0, 7)];

/// The networks that are closed to a preview's pods: those that are not the internet, and `further` ones.
pub fn closed(further: &[IpNet]) -> Vec<IpNet> {
    let all: Vec<IpNet> = METADATA.iter().chain(&PRIVATE).chain(further).map(IpNet::trunc).collect();
    IpNet::aggregate(&all)
}

/// The `ipBlock` of a `NetworkPolicy` for a network without the closed ones; `None` if nothing is left.
pub fn ip_block(network: IpNet, closed: &[IpNet]) -> Option<Value> {
    if closed.iter().any(|closed| closed.contains(&network)) {
        return None;
    }
    let except: Vec<_> = closed.iter().filter(|closed| network.contains(*closed)).map(ToString::to_string).collect();
    let network = network.to_string();
    Some(if except.is_empty() { json!({"cidr": network}) } else { json!({"cidr": network, "except": except}) })
}

/// The peers of a `NetworkPolicy` for these networks without the closed ones.
pub fn peers<'a>(networks: impl IntoIterator<Item = &'a IpNet>, closed: &[IpNet]) -> Vec<Value> {
    let blocks = networks.into_iter().filter_map(|network| ip_block(*network, closed));
    blocks.map(|block| json!({"ipBlock": block})).collect()
}

/// The peer of a `NetworkPolicy` that is every pod of a namespace.
pub fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

/// A network as a file or a flag has it: `10.20.0.0/16`, or the address of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| format!("`{text}` is not a network such as 10.20.0.0/16"))?,
        };
        match network.trunc() {
            truncated if truncated == network => Ok(Self(network)),
            truncated => Err(format!("`{text}` has bits behind its prefix: write {truncated}")),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> IpNet {
        text.parse::<Network>().unwrap().0
    }

    #[test]
    fn addresses_that_are_not_the_internet_are_closed() {
        let closed = closed(&[network("203.0.113.0/24")]);
        let is_closed = |address: &str| closed.iter().any(|closed| closed.contains(&network(address)));
        for address in [
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fc00::1",
            "203.0.113.9",
        ] {
            assert!(is_closed(address), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "198.51.100.7", "168.63.129.17", "2606:4700::1111"] {
            assert!(!is_closed(address), "{address}");
        }
    }

    #[test]
    fn block_is_left_without_the_closed_networks() {
        let closed = [network("10.0.0.0/8"), network("169.254.0.0/16"), network("fc00::/7")];
        for (text, expected) in [
            ("0.0.0.0/0", Some(json!({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "169.254.0.0/16"]}))),
            ("::/0", Some(json!({"cidr": "::/0", "except": ["fc00::/7"]}))),
            ("8.0.0.0/6", Some(json!({"cidr": "8.0.0.0/6", "except": ["10.0.0.0/8"]}))),
            ("1.1.1.1", Some(json!({"cidr": "1.1.1.1/32"}))),
            ("10.0.0.0/8", None),
            ("10.20.0.5", None),
            ("fd00::/8", None),
        ] {
            assert_eq!(ip_block(network(text), &closed), expected, "{text}");
        }
    }

    #[test]
    fn network_is_written_without_bits_behind_its_prefix() {
        for text in ["10.20.0.0/16", "fd00::/8", "1.2.3.4/32"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("1.2.3.4").to_string(), "1.2.3.4/32");
        for (text, part) in [
            ("10.20.0.5/16", "write 10.20.0.0/16"),
            ("10.20.0.0/33", "is not a network"),
            ("db.example.com", "is not a network"),
            ("", "is not a network"),
        ] {
            let refused = text.parse::<Network>().unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
