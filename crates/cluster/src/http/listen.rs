//! Where a server listens.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

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
    pub async fn bind(self) -> io::Result<TcpListener> {
        match self {
            Listen::At(address) => TcpListener::bind(address).await,
            Listen::Everywhere(port) => {
                match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                    // A kernel without IPv6.
                    Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                    }
                    bound => bound,
                }
            }
        }
    }
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
