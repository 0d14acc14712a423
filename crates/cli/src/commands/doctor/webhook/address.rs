//! Where something is served over TLS.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// Parts of an `https` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Without a slash at its end.
    pub(super) path: String,
    /// The name that the certificate must have, if it is not the host.
    pub(super) name: Option<String>,
}

impl Address {
    /// The name that the certificate must have.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.host)
    }

    /// Tries all addresses that the host has.
    pub(super) fn connect(&self, patience: Duration) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(patience))?;
                    stream.set_write_timeout(Some(patience))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let rest =
            url.strip_prefix("https://").ok_or("expected a URL that begins with https://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon may be one of an address in brackets.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("{port:?} is no port"))?)
            }
            _ => (authority, 443),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['@', '?', '#', ' ']) {
            return Err("expected a host and no more".to_owned());
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { host: host.to_owned(), port, path, name: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, path) in [
            ("https://10.0.0.1:6443", "10.0.0.1", 6443, ""),
            (
                "https://api.example.com/k8s/clusters/c-1/",
                "api.example.com",
                443,
                "/k8s/clusters/c-1",
            ),
            ("https://[::1]:9443/pods", "::1", 9443, "/pods"),
            ("https://[fd00::1]", "fd00::1", 443, ""),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(
                (address.host.as_str(), address.port, address.path.as_str()),
                (host, port, path)
            );
        }
        for url in [
            "",
            "http://a",
            "https://",
            "https://:1",
            "https://a:x",
            "https://a:70000",
            "https://u@a",
        ] {
            assert!(url.parse::<Address>().is_err(), "{url}");
        }
    }
}
