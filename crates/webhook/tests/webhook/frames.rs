//! HTTP/2 by the byte (RFC 9113), for what no library sends, and TLS that trusts anybody.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The preface and the settings: the window that streams have for what is sent to the client.
pub(crate) fn begin(window: Option<u32>) -> Vec<u8> {
    // SETTINGS_INITIAL_WINDOW_SIZE is 4.
    let settings = window.map(|window| [&[0, 4][..], &window.to_be_bytes()].concat());
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &settings.unwrap_or_default()));
    bytes
}

/// Indexed fields and literals with an indexed name of the static table (RFC 7541, appendix A).
fn head(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x80 | 7];
    for (name, value) in [(1, "w"), (4, path), (31, "application/json")] {
        block.extend([0x40 | name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    block
}

/// A request for a page.
pub(crate) fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(2, "/healthz"))
}

/// A review whose body is to come.
pub(crate) fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(3, "/pods"))
}

/// A head that goes on.
pub(crate) fn half_headers(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0, stream, &head(3, "/pods"))
}

/// A head of 300 KB that goes on: literals without indexing.
pub(crate) fn large_headers(stream: u32) -> Vec<u8> {
    let mut bytes = half_headers(stream);
    let field = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
    for _ in 0..30 {
        bytes.extend(frame(CONTINUATION, 0, stream, &field.repeat(100)));
    }
    bytes
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    // CANCEL is 8.
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

pub(crate) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[0; 8])
}

/// A client that trusts anybody: it has nothing to lose.
pub(crate) fn config() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
