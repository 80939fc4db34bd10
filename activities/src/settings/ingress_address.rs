//! The address of the ingress controller, as the worker reaches it.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// A host with a port, or without one: then the scheme's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressAddress {
    host: String,
    port: Option<u16>,
}

impl IngressAddress {
    /// An address without a port of its own.
    pub(crate) fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), port: None }
    }

    /// The host: a name or an IP address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port for URLs of this scheme.
    pub(crate) fn port(&self, scheme: &str) -> u16 {
        self.port.unwrap_or(if scheme == "https" { 443 } else { 80 })
    }
}

impl FromStr for IngressAddress {
    type Err = String;

    /// Parses `host`, `host:port`, `[::1]:80` or `::1`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self::new(text));
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(format!("{text:?} is not a host or host:port"));
        }
        let port = port.map(|port| port.parse().map_err(|_| format!("{port:?} is not a port"))).transpose()?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for IngressAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_has_a_port_of_its_own_or_the_schemes() {
        for (text, host, https, http) in [
            ("traefik.ingress.svc", "traefik.ingress.svc", 443, 80),
            ("10.0.0.5:30080", "10.0.0.5", 30080, 30080),
            ("[fd00::1]:8443", "fd00::1", 8443, 8443),
            ("fd00::1", "fd00::1", 443, 80),
        ] {
            let address: IngressAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port("https"), address.port("http")), (host, https, http));
            assert_eq!(address.to_string(), text);
        }
        for wrong in ["", ":80", "https://traefik", "traefik:http", "traefik:99999", "a b", "traefik/x"] {
            assert!(wrong.parse::<IngressAddress>().is_err(), "{wrong}");
        }
    }
}
