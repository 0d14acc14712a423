//! A certificate with its key and the CA that clients trust for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

/// A certificate, its key and its CA, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, followed by those between it and the CA, if any.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The CA. Empty when it is not known, as with files of somebody else's.
    pub ca: String,
}

/// What is wrong with a certificate or its key. It never contains any of the key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PairError {
    /// No certificate in what should hold it.
    #[error("no certificate in PEM form: {0}")]
    Certificate(String),
    /// No private key in what should hold it.
    #[error("no private key in PEM form")]
    Key,
    /// The key is of no known kind or does not belong to the certificate.
    #[error("certificate and key do not go together: {0}")]
    Match(rustls::Error),
    /// A client would refuse it.
    #[error("certificate is not good for {name}: {error}")]
    Refused {
        /// The name that a client asked for.
        name: String,
        /// What the TLS library says.
        error: rustls::Error,
    },
    /// The CA cannot be used.
    #[error("CA certificate: {0}")]
    Ca(String),
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Pair {
    /// The form in which connections are served with it.
    ///
    /// # Errors
    /// When the certificate or the key cannot be read, or they do not go together.
    pub fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, PairError> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        let key = key.map_err(|_| PairError::Key)?;
        CertifiedKey::from_der(chain(&self.certificate)?, key, provider).map_err(PairError::Match)
    }

    /// Whether a client that trusts the CA accepts it under every name at a time.
    ///
    /// # Errors
    /// What the client would say.
    pub fn check(
        &self,
        names: &[ServerName<'static>],
        at: Duration,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(), PairError> {
        self.load(provider)?;
        let mut roots = RootCertStore::empty();
        for ca in chain(&self.ca)? {
            roots.add(ca).map_err(|error| PairError::Ca(error.to_string()))?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = verifier.build().map_err(|error| PairError::Ca(error.to_string()))?;
        let chain = chain(&self.certificate)?;
        let Some((leaf, between)) = chain.split_first() else {
            return Err(PairError::Certificate("it is empty".to_owned()));
        };
        let at = UnixTime::since_unix_epoch(at);
        for name in names {
            let verdict = verifier.verify_server_cert(leaf, between, name, &[], at);
            verdict
                .map_err(|error| PairError::Refused { name: name.to_str().into_owned(), error })?;
        }
        Ok(())
    }
}

/// The certificates of a PEM text, of which there is at least one.
fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(PairError::Certificate("there is none".to_owned())),
        Err(error) => Err(PairError::Certificate(error.to_string())),
    }
}
