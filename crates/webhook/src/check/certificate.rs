//! The webhook's certificate, judged as the API server judges it: by the configuration's `caBundle` alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fpga_findings::Finding;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::LOGS;
use super::address::Address;
use super::configuration::Target;
use crate::tls::provider;

const AREA: &str = "certificate";

/// How long a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    /// From its first to its last second.
    whole: Duration,
    /// From now on.
    left: Duration,
}

/// Why there is no connection that the API server would use.
#[derive(Debug)]
enum Failure {
    /// What should be trusted is no certificate.
    Authority(String),
    Connect(String),
    Tls(String),
    /// The certificate is refused.
    Certificate(String),
}

/// Connects to a webhook and says what is wrong with its certificate, or that nothing is.
pub(super) async fn ask(target: &Target, patience: Duration) -> Finding {
    let object = &target.object;
    let finding = match handshake(&target.address, &target.authority, patience).await {
        Ok(validity) => lasting(object, validity),
        Err(Failure::Authority(error)) => {
            Finding::error(object, "its caBundle is not a certificate")
                .because(error)
                .fix("kubectl get mutatingwebhookconfigurations -o yaml | grep caBundle")
        }
        Err(Failure::Connect(error)) => {
            let Address { host, port, .. } = &target.address;
            Finding::error(object, format_args!("does not answer at {host} port {port}: {error}"))
                .because("no webhook runs there, or this machine cannot reach it: a Service is reached from nodes and pods")
                .fix(LOGS)
        }
        Err(Failure::Tls(error)) => Finding::error(
            object,
            format_args!("does not speak TLS as the API server does: {error}"),
        )
        .because("another program has the address, or it has no certificate")
        .fix(LOGS),
        Err(Failure::Certificate(error)) => {
            Finding::error(object, format_args!("its certificate is refused: {error}"))
                .because("the API server calls no webhook whose certificate it does not believe")
                .fix(format_args!("kubectl get secrets,certificates -A | grep fpga; {LOGS}"))
        }
    };
    finding.in_area(AREA)
}

fn lasting(object: &str, validity: Option<Validity>) -> Finding {
    let Some(Validity { whole, left }) = validity else {
        return Finding::ok(object, "answers, with a certificate that is believed");
    };
    let shown = duration(left);
    // It is renewed when a third is left.
    if left < whole / 5 {
        return Finding::warning(object, format_args!("its certificate ends in {shown}"))
            .because("it should have been renewed by now")
            .fix(format_args!("kubectl get secrets,certificates -A | grep fpga; {LOGS}"));
    }
    Finding::ok(object, format_args!("answers, with a certificate for another {shown}"))
}

/// How long the certificate of a server holds that is believed.
async fn handshake(
    address: &Address,
    authority: &[u8],
    patience: Duration,
) -> Result<Option<Validity>, Failure> {
    let roots = Arc::new(roots(authority).map_err(Failure::Authority)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    let verifier = verifier.map_err(|error| Failure::Authority(error.to_string()))?;
    let tls = |error: &dyn std::fmt::Display| Failure::Tls(error.to_string());
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error))?
        .with_webpki_verifier(Arc::clone(&verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(address.name.clone()).map_err(|error| tls(&error))?;
    let limit = || format!("no answer within {patience:?}");
    let connected = TcpStream::connect((address.host.as_str(), address.port));
    let stream = match tokio::time::timeout(patience, connected).await {
        Ok(connected) => connected.map_err(|error| Failure::Connect(error.to_string()))?,
        Err(_) => return Err(Failure::Connect(limit())),
    };
    let connector = TlsConnector::from(Arc::new(config));
    match tokio::time::timeout(patience, connector.connect(name.clone(), stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            Ok(chain
                .split_first()
                .and_then(|(leaf, between)| validity(&verifier, leaf, between, &name)))
        }
        Ok(Err(error)) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
            Err(match cause {
                Some(Error::InvalidCertificate(error)) => Failure::Certificate(words(error)),
                Some(error) => tls(error),
                None => tls(&error),
            })
        }
        Err(_) => Err(Failure::Tls(limit())),
    }
}

/// The certificates in PEM.
fn roots(authority: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(roots) }
}

/// A certificate that is believed now tells its limits when it is judged beyond them.
fn validity(
    verifier: &WebPkiServerVerifier,
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    name: &ServerName<'_>,
) -> Option<Validity> {
    let at = |seconds: u64| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match verifier.verify_server_cert(leaf, between, name, &[], time) {
            Err(Error::InvalidCertificate(error)) => Some(error),
            _ => None,
        }
    };
    let CertificateError::NotValidYetContext { not_before, .. } = at(0)? else { return None };
    // Some 8,700 years from now.
    let CertificateError::ExpiredContext { not_after, .. } = at(u64::from(u32::MAX) * 64)? else {
        return None;
    };
    let until =
        |from: UnixTime| Duration::from_secs(not_after.as_secs().saturating_sub(from.as_secs()));
    Some(Validity { whole: until(not_before), left: until(UnixTime::now()) })
}

/// What people can do something about.
fn words(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is not signed by the certificate authority in caBundle".to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let ago = now.saturating_sub(Duration::from_secs(not_after.as_secs()));
            format!("it ended {} ago", duration(ago))
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

/// In the largest unit of which there are two.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("days", 86_400), ("hours", 3600), ("minutes", 60)];
    let unit = units.into_iter().find(|(_, length)| seconds >= 2 * length);
    unit.map_or_else(
        || format!("{seconds} seconds"),
        |(name, length)| format!("{} {name}", seconds / length),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_whole_units() {
        let texts =
            [0, 119, 120, 7199, 7200, 172_800, 8_640_000].map(Duration::from_secs).map(duration);
        assert_eq!(
            texts,
            [
                "0 seconds",
                "119 seconds",
                "2 minutes",
                "119 minutes",
                "2 hours",
                "2 days",
                "100 days"
            ]
        );
    }

    #[test]
    fn what_is_trusted_is_certificates() {
        for text in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            roots(text.as_bytes()).unwrap_err();
        }
    }
}
