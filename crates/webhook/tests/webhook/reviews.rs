//! The protocol that real API servers speak.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;

use crate::cluster::Cluster;

#[tokio::test]
async fn both_tls_versions_and_both_http_versions_are_spoken() {
    let cluster = Cluster::new().await;
    let replica = cluster.ready(&[]).await;
    let bundle = cluster.bundle().unwrap();
    let connect = async |version: &'static SupportedProtocolVersion, protocols: &[&str]| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(bundle.as_bytes()).unwrap()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(replica.address).await.unwrap();
        let name = ServerName::try_from("fpga-webhook.kube-fpga.svc").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        let connection = stream.get_ref().1;
        let protocol = connection.alpn_protocol().map(<[u8]>::to_vec).unwrap_or_default();
        (connection.protocol_version(), String::from_utf8(protocol).unwrap())
    };
    use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
    use rustls::version::{TLS12, TLS13};
    assert_eq!(connect(&TLS13, &["h2", "http/1.1"]).await, (Some(TLSv1_3), "h2".to_owned()));
    assert_eq!(connect(&TLS12, &["http/1.1"]).await, (Some(TLSv1_2), "http/1.1".to_owned()));
    assert_eq!(connect(&TLS13, &[]).await, (Some(TLSv1_3), String::new()));
}
