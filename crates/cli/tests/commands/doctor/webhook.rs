//! Webhooks and API servers over TLS, with certificates of a test's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{Sound, only};
use crate::machine::Node;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for these names between two days, counted from now.
fn certificate(authority: &Authority, names: &[&str], days: (i64, i64)) -> Arc<ServerConfig> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = day(days.0).into();
    params.not_after = day(days.1).into();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    Arc::new(config.unwrap())
}

fn day(days: i64) -> SystemTime {
    let distance = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
}

/// A server that answers requests by path; it lasts as long as the test's process.
fn serve(
    config: Arc<ServerConfig>,
    answer: impl Fn(&str) -> Option<Value> + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, tcp));
            let (mut request, mut is_allowed) = (String::new(), false);
            // A client that only looks at the certificate sends nothing.
            let _ = stream.read_line(&mut request);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|length| length > 2) {
                is_allowed |= line.trim() == "Authorization: Bearer secret";
                line.clear();
            }
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (code, body) = match answer(path) {
                _ if !is_allowed => (403, json!({})),
                Some(body) => (200, body),
                None => (404, json!({})),
            };
            let _ = write!(stream.get_mut(), "HTTP/1.0 {code} x\r\n\r\n{body}");
            stream.get_mut().conn.send_close_notify();
            let _ = stream.get_mut().flush();
        }
    });
    address
}

/// A webhook with this certificate, looked at by its URL.
fn look(config: Arc<ServerConfig>, trusted: &Authority) -> Vec<String> {
    let sound = Sound::bare(Node::preset("pac-a10"));
    let address = serve(config, |_| None);
    let file = sound.node.path("ca.pem");
    fs::write(&file, trusted.pem()).unwrap();
    let url = format!("https://{address}/pods");
    sound.wrong(&["--area", "webhook", "--webhook", &url, "--webhook-ca", file.to_str().unwrap()])
}

#[test]
fn a_good_certificate_is_believed() {
    let authority = authority();
    let certificate = certificate(&authority, &["127.0.0.1"], (-10, 90));
    assert_eq!(look(certificate, &authority), [""; 0]);
}

#[test]
fn a_certificate_that_ended_is_found() {
    let authority = authority();
    let certificate = certificate(&authority, &["127.0.0.1"], (-100, -10));
    only(&look(certificate, &authority), &["error webhook", "it ended 10 days ago"]);
}

#[test]
fn a_certificate_that_is_about_to_end_is_found() {
    let authority = authority();
    let certificate = certificate(&authority, &["127.0.0.1"], (-90, 10));
    only(
        &look(certificate, &authority),
        &["warning webhook", "ends in", "should have been renewed"],
    );
}

#[test]
fn a_certificate_of_the_future_is_found() {
    let authority = authority();
    let certificate = certificate(&authority, &["127.0.0.1"], (10, 100));
    only(&look(certificate, &authority), &["error webhook", "not valid yet", "clock"]);
}

/// As after the certificate authority was made anew and the bundle was not.
#[test]
fn a_certificate_of_another_authority_is_found() {
    let certificate = certificate(&authority(), &["127.0.0.1"], (-10, 90));
    only(
        &look(certificate, &authority()),
        &["error webhook", "not signed by the certificate authority"],
    );
}

#[test]
fn a_certificate_for_another_name_is_found() {
    let authority = authority();
    let certificate = certificate(&authority, &["fpga-webhook.other.svc"], (-10, 90));
    only(
        &look(certificate, &authority),
        &["error webhook", "is for fpga-webhook.other.svc and not for", "127.0.0.1"],
    );
}

#[test]
fn a_webhook_that_is_not_there_is_found() {
    let sound = Sound::bare(Node::preset("pac-a10"));
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let file = sound.node.path("ca.pem");
    fs::write(&file, authority().pem()).unwrap();
    let url = format!("https://{address}/pods");
    let args = ["--area", "webhook", "--webhook", &url, "--webhook-ca", file.to_str().unwrap()];
    only(&sound.wrong(&args), &["error webhook", &url, "does not answer", "refused"]);
    // Another program's address, which speaks first and no TLS.
    let url = format!("https://{}/pods", sound.agent.address());
    let args = [
        "--area",
        "webhook",
        "--webhook",
        &url,
        "--webhook-ca",
        file.to_str().unwrap(),
        "--timeout",
        "2s",
    ];
    only(&sound.wrong(&args), &["error webhook", &url, "no TLS"]);
}

/// A cluster with a webhook behind a URL, and what of it is not as it should be.
struct Cluster {
    sound: Sound,
    webhook: SocketAddr,
    authority: Authority,
}

impl Cluster {
    fn new() -> Self {
        let authority = authority();
        let webhook = serve(certificate(&authority, &["127.0.0.1"], (-10, 90)), |_| None);
        Self { sound: Sound::bare(Node::preset("pac-a10")), webhook, authority }
    }

    /// The configuration as an API server gives it.
    fn configuration(&self) -> Value {
        json!({"items": [{
            "metadata": {"name": "fpga-webhook"},
            "webhooks": [{
                "name": "pods.fpga.intel.com", "failurePolicy": "Fail",
                "clientConfig": {
                    "url": format!("https://{}/pods", self.webhook),
                    "caBundle": STANDARD.encode(self.authority.pem()),
                },
            }],
        }, {"metadata": {"name": "somebody-elses"}, "webhooks": [
            {"name": "pods.example.com", "clientConfig": {"url": "https://192.0.2.1/"}},
        ]}]})
    }

    fn wrong(&self, objects: Vec<(&'static str, Value)>) -> Vec<String> {
        self.wrong_as("secret", objects)
    }

    /// What is wrong when the API server has these objects and the user this token.
    fn wrong_as(&self, token: &str, objects: Vec<(&'static str, Value)>) -> Vec<String> {
        let authority = authority();
        let answer = move |path: &str| {
            objects
                .iter()
                .find(|(start, _)| path.starts_with(start))
                .map(|(_, object)| object.clone())
        };
        let server = serve(certificate(&authority, &["kubernetes"], (-10, 90)), answer);
        let data = STANDARD.encode(authority.pem());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             contexts:\n- name: here\n  context: {{cluster: c, user: u}}\n\
             clusters:\n- name: c\n  cluster:\n    server: https://{server}\n    \
             tls-server-name: kubernetes\n    certificate-authority-data: {data}\n\
             users:\n- name: u\n  user: {{token: {token}}}\n"
        );
        let file = self.sound.node.path("kubeconfig");
        fs::write(&file, text).unwrap();
        self.sound.wrong(&["--area", "webhook", "--kubeconfig", file.to_str().unwrap()])
    }
}

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

#[test]
fn a_webhook_is_found_by_the_cluster() {
    let cluster = Cluster::new();
    assert_eq!(cluster.wrong(vec![(CONFIGURATIONS, cluster.configuration())]), [""; 0]);
}

#[test]
fn a_configuration_that_lets_pods_through_is_found() {
    let cluster = Cluster::new();
    let mut configuration = cluster.configuration();
    configuration["items"][0]["webhooks"][0]["failurePolicy"] = "Ignore".into();
    let wrong = cluster.wrong(vec![(CONFIGURATIONS, configuration)]);
    only(
        &wrong,
        &["warning webhook", "fpga-webhook: pods.fpga.intel.com", "failurePolicy is Ignore"],
    );
}

#[test]
fn a_configuration_without_an_authority_is_found() {
    let cluster = Cluster::new();
    let mut configuration = cluster.configuration();
    configuration["items"][0]["webhooks"][0]["clientConfig"]["caBundle"] = "".into();
    let wrong = cluster.wrong(vec![(CONFIGURATIONS, configuration)]);
    only(&wrong, &["error webhook", "caBundle is empty"]);
}

#[test]
fn a_cluster_without_the_webhook_is_found() {
    let wrong = Cluster::new().wrong(vec![(CONFIGURATIONS, json!({"items": []}))]);
    only(&wrong, &["error webhook", "there is none for FPGAs", "not installed"]);
}

/// A Service whose pods are gone; nobody listens at its address then.
#[test]
fn a_service_without_a_pod_is_found() {
    let cluster = Cluster::new();
    let mut configuration = cluster.configuration();
    let client = &mut configuration["items"][0]["webhooks"][0]["clientConfig"];
    client.as_object_mut().unwrap().remove("url");
    client["service"] =
        json!({"namespace": "fpga", "name": "hook", "port": cluster.webhook.port()});
    let slices =
        |ready: bool| json!({"items": [{"endpoints": [{"conditions": {"ready": ready}}]}]});
    let objects = |ready| {
        vec![
            (CONFIGURATIONS, configuration.clone()),
            ("/api/v1/namespaces/fpga/services/hook", json!({"spec": {"clusterIP": "127.0.0.1"}})),
            ("/apis/discovery.k8s.io/v1/namespaces/fpga/endpointslices?", slices(ready)),
        ]
    };
    let wrong = cluster.wrong(objects(false));
    assert!(wrong[0].contains("no pod of service fpga/hook is ready"), "{wrong:?}");
    // The certificate is not for the service's name.
    only(&cluster.wrong(objects(true)), &["error webhook", "not for hook.fpga.svc"]);
    let gone = vec![(CONFIGURATIONS, configuration.clone())];
    only(&cluster.wrong(gone), &["error webhook", "services/hook", "there is no such object"]);
}

#[test]
fn a_user_who_may_not_look_is_told_so() {
    let cluster = Cluster::new();
    let wrong = cluster.wrong_as("wrong", vec![(CONFIGURATIONS, cluster.configuration())]);
    only(&wrong, &["unknown webhook", CONFIGURATIONS, "403", "may not read"]);
}

#[test]
fn a_kubeconfig_that_is_none_is_told_so() {
    let sound = Sound::bare(Node::preset("pac-a10"));
    let file = sound.node.path("kubeconfig");
    for (text, reason) in [
        ("a: [", "unclosed"),
        ("{current-context: a, contexts: [], clusters: [], users: []}", "no context \"a\""),
    ] {
        fs::write(&file, text).unwrap();
        let wrong = sound.wrong(&["--area", "webhook", "--kubeconfig", file.to_str().unwrap()]);
        only(&wrong, &["unknown webhook", "the API server cannot be asked"]);
        assert!(reason == "unclosed" || wrong[0].contains(reason), "{wrong:?}");
    }
}
