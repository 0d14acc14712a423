//! Where a server listens.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted: one that does not fit is tried again by its client after a second.
const BACKLOG: u32 = 4096;
/// Milliseconds that a client may leave what is sent to it unread, or unacknowledged, before the kernel ends the
/// connection (`TCP_USER_TIMEOUT`, tcp(7)); connections have it of the socket that they were accepted by.
const UNREAD_LIMIT: u32 = 10_000;

/// Where to listen: an address, or a port of all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Every address of both IP versions that there are.
    Everywhere(u16),
    /// This one.
    At(SocketAddr),
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Everywhere(port) => write!(f, ":{port}"),
            Listen::At(address) => address.fmt(f),
        }
    }
}

impl std::str::FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let everywhere = text.strip_prefix(':').and_then(|port| port.parse().ok());
        let at = || text.parse().ok().map(Listen::At);
        let expected = "expected an IP address and a port, or :PORT";
        everywhere.map(Listen::Everywhere).or_else(at).ok_or(expected)
    }
}

impl Listen {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the address is unavailable.
    pub fn bind(self) -> io::Result<TcpListener> {
        match self {
            Listen::At(address) => listen(address),
            Listen::Everywhere(port) => match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
                // A kernel without IPv6.
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    listen((Ipv4Addr::UNSPECIFIED, port).into())
                }
                bound => bound,
            },
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Another process may take the port over at once.
    socket.set_reuseaddr(true)?;
    setsockopt(&socket, TcpUserTimeout, &UNREAD_LIMIT)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_has_one() {
        for text in [":9443", "[::1]:1", "127.0.0.1:0"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for wrong in ["", ":", "9443", "localhost:1", "127.0.0.1"] {
            wrong.parse::<Listen>().unwrap_err();
        }
    }
}
