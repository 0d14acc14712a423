//! Where the webhook is served, and under which name.

use hyper::Uri;

/// What the API server connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an IP address, without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    /// The name that the certificate must have.
    pub(super) name: String,
}

impl Address {
    /// That of a configuration's `url`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn of_url(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        if uri.scheme_str() != Some("https") {
            return Err("expected a URL that begins with https://".to_owned());
        }
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16();
        let rest = uri.authority().map_or("", |authority| authority.as_str());
        // The port is invalid, or the host is preceded by a user.
        if host.is_empty() || port.is_none() && rest != host || rest.contains('@') {
            return Err("expected a host, and a port of 1 to 65535".to_owned());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { name: host.clone(), host, port: port.unwrap_or(443) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port) in [
            ("https://10.0.0.1:6443", "10.0.0.1", 6443),
            ("https://fpga.example.com/k8s/clusters/c-1/", "fpga.example.com", 443),
            ("https://[::1]:9443/pods", "::1", 9443),
            ("https://[fd00::1]", "fd00::1", 443),
        ] {
            let address = Address::of_url(url).unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.name, host);
        }
        for url in [
            "",
            "/pods",
            "http://a",
            "https://",
            "https://:1",
            "https://a:x",
            "https://a:70000",
            "https://u@a",
            "https://u:p@a:1",
        ] {
            Address::of_url(url).unwrap_err();
        }
    }
}
