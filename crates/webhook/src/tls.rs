//! TLS: version 1.2 or 1.3, HTTP/2 or 1.1, with the certificate that is in use at that moment.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificate in use. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Serving(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl Serving {
    /// Serves connections that begin from now on with this certificate; those that are there go on.
    pub(crate) fn set(&self, certified: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certified));
    }

    /// True once there is a certificate.
    #[must_use]
    pub(crate) fn is_there(&self) -> bool {
        self.current().is_some()
    }

    /// The chain in use.
    #[cfg(test)]
    pub(crate) fn certificates(&self) -> Option<Vec<rustls::pki_types::CertificateDer<'static>>> {
        Some(self.current()?.cert.clone())
    }

    fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("is_there", &self.is_there()).finish()
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

/// The library that does the arithmetic.
#[must_use]
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The server's side. Clients are not asked for a certificate: an API server has none for webhooks by default.
///
/// # Errors
/// When the provider lacks what the two versions need.
pub(crate) fn config(
    provider: Arc<CryptoProvider>,
    serving: Serving,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(serving));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
