//! A handshake that goes on with any certificate, to tell what is wrong with it. Nothing is sent over such
//! a connection.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};

use super::address::Address;

/// What a server showed.
#[derive(Debug)]
pub(super) struct Peer {
    /// Whether the API server would believe its certificate, or why not.
    pub(super) verdict: Result<(), String>,
    /// Absent for a certificate that cannot be read.
    pub(super) validity: Option<Validity>,
}

/// How long a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    /// From its first to its last second.
    pub(super) whole: Duration,
    /// From now on.
    pub(super) left: Duration,
}

/// Why there is no certificate to judge.
#[derive(Debug)]
pub(super) enum Failure {
    /// What should be trusted is no certificate.
    Authority(String),
    Connect(io::Error),
    Tls(String),
}

/// Asks a server for its certificate, and judges it by `authority` in PEM.
pub(super) fn handshake(
    address: &Address,
    authority: Option<&[u8]>,
    patience: Duration,
) -> Result<Peer, Failure> {
    let judge = Arc::new(Judge::new(authority).map_err(Failure::Authority)?);
    let verifier = Arc::clone(&judge);
    let config = builder()
        .map_err(|error| Failure::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let mut stream = connect(address, config, patience)?;
    stream.flush().map_err(|error| Failure::Tls(error.to_string()))?;
    let seen = judge.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    seen.ok_or_else(|| Failure::Tls("it showed no certificate".to_owned()))
}

/// A connection whose certificate is judged by `config`; the handshake is done by whoever reads or writes.
pub(super) fn connect(
    address: &Address,
    config: ClientConfig,
    patience: Duration,
) -> Result<StreamOwned<ClientConnection, std::net::TcpStream>, Failure> {
    let tls = |error: &dyn std::fmt::Display| Failure::Tls(error.to_string());
    let name = ServerName::try_from(address.name().to_owned()).map_err(|error| tls(&error))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| tls(&error))?;
    let stream = address.connect(patience).map_err(Failure::Connect)?;
    Ok(StreamOwned::new(connection, stream))
}

/// The start of a configuration.
pub(super) fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error>
{
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

/// The certificates in PEM.
pub(super) fn roots(authority: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("there is no certificate in it".to_owned()),
        false => Ok(roots),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Lets every certificate pass and remembers what it would have said.
#[derive(Debug)]
struct Judge {
    strict: Arc<WebPkiServerVerifier>,
    seen: Mutex<Option<Peer>>,
}

impl Judge {
    fn new(authority: Option<&[u8]>) -> Result<Self, String> {
        let roots = roots(authority.ok_or("none was given (--webhook-ca)")?)?;
        let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let strict = strict.build().map_err(|error| error.to_string())?;
        Ok(Self { strict, seen: Mutex::new(None) })
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let at = |time| self.strict.verify_server_cert(certificate, intermediates, name, &[], time);
        let verdict = at(now).map(drop).map_err(|error| words(&error));
        // A certificate tells its limits when it is judged beyond them.
        let first = at(UnixTime::since_unix_epoch(Duration::ZERO));
        let last = at(UnixTime::since_unix_epoch(Duration::from_secs(u64::from(u32::MAX) * 64)));
        let peer = Peer { verdict, validity: validity(first, last, now) };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

fn validity(
    first: Result<ServerCertVerified, Error>,
    last: Result<ServerCertVerified, Error>,
    now: UnixTime,
) -> Option<Validity> {
    let Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) =
        first.err()?
    else {
        return None;
    };
    let Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) =
        last.err()?
    else {
        return None;
    };
    let seconds =
        |from: UnixTime| Duration::from_secs(not_after.as_secs().saturating_sub(from.as_secs()));
    Some(Validity { whole: seconds(not_before), left: seconds(now) })
}

/// What people can do something about.
fn words(error: &Error) -> String {
    let Error::InvalidCertificate(error) = error else {
        return error.to_string();
    };
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is not signed by the certificate authority that the API server was given".to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let ago = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let ago = ago.saturating_sub(Duration::from_secs(not_after.as_secs()));
            format!("it ended {} ago", super::duration(ago))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: a clock is wrong".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // As in DnsName("a.example.com").
            let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let names: Vec<String> = presented.iter().map(bare).collect();
            format!("it is for {} and not for {}", names.join(", "), expected.to_str())
        }
        other => other.to_string(),
    }
}
