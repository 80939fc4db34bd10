//! A TCP relay that lets pods reach a server on loopback, such as the Temporal dev server.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpStream};

/// Relays connections to `from` on to `to`, on a thread of its own until the process ends.
///
/// A connection that cannot be relayed is closed.
pub(crate) fn start(from: SocketAddr, to: SocketAddr) -> Result<()> {
    let listener = std::net::TcpListener::bind(from).with_context(|| format!("listening on {from}"))?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, to));
            }
            Ok::<_, std::io::Error>(())
        })
    })?;
    Ok(())
}

async fn relay(mut client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Ipv4Addr, TcpListener},
    };

    use super::*;
    use crate::machine::ports;

    #[test]
    fn bytes_are_relayed_in_both_directions() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = server.local_addr().unwrap();
        let from = SocketAddr::new(to.ip(), ports::free(to.ip()).unwrap());
        start(from, to).unwrap();
        let mut client = std::net::TcpStream::connect(from).unwrap();
        client.write_all(b"ping").unwrap();
        let (mut served, _) = server.accept().unwrap();
        let mut heard = [0; 4];
        served.read_exact(&mut heard).unwrap();
        served.write_all(b"pong").unwrap();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!((&heard, &answer), (b"ping", b"pong"));
    }
}
