//! Free ports, each handed out once per process.

use std::{
    collections::BTreeSet,
    net::{IpAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

/// A port that nothing listens on.
///
/// A port handed out before is not handed out again: its listener may not be up yet.
pub(crate) fn free(address: IpAddr) -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let listener =
            TcpListener::bind((address, 0)).with_context(|| format!("looking for a free port on {address}"))?;
        let port = listener.local_addr()?.port();
        if given.insert(port) {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ports_are_free_and_handed_out_once() {
        let ports: Vec<_> = (0..50).map(|_| free(Ipv4Addr::LOCALHOST.into()).unwrap()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
    }
}
