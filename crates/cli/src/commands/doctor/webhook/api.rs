//! What the cluster says about the webhook.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::address::Address;
use super::kubeconfig::{Access, access};
use super::tls::{self, Failure};
use super::{LOGS, Target};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::http;

/// Longer than the answers to all that is asked.
const LIMIT: u64 = 16 << 20;
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Configuration {
    metadata: Metadata,
    #[serde(default)]
    webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    name: String,
    client_config: ClientConfig,
    failure_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    url: Option<String>,
    service: Option<ServiceReference>,
    ca_bundle: Option<String>,
}

#[derive(Deserialize)]
struct ServiceReference {
    namespace: String,
    name: String,
    path: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize)]
struct Service {
    spec: ServiceSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
}

#[derive(Deserialize)]
struct EndpointSlice {
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    conditions: Conditions,
}

#[derive(Deserialize, Default)]
struct Conditions {
    ready: Option<bool>,
}

/// The webhooks of the configuration `wanted`, or of those that are ours by name; what is wrong with the
/// objects themselves is reported.
pub(super) fn targets(
    kubeconfig: &Path,
    wanted: Option<&str>,
    patience: Duration,
    report: &mut dyn FnMut(Finding),
) -> Result<Vec<Target>, Box<Finding>> {
    let access = access(kubeconfig).map_err(|error| {
        let path = kubeconfig.display();
        Finding::unknown(&path, "the API server cannot be asked")
            .because(error)
            .fix(format_args!("kubectl --kubeconfig {path} cluster-info"))
    })?;
    let client = Client { access, patience };
    let configurations: List<Configuration> = client.get(CONFIGURATIONS)?;
    let is_ours = |configuration: &Configuration| match wanted {
        Some(name) => configuration.metadata.name == name,
        None => configuration.webhooks.iter().any(|webhook| webhook.name.contains("fpga")),
    };
    let ours: Vec<_> = configurations.items.into_iter().filter(is_ours).collect();
    if ours.is_empty() {
        report(
            Finding::error(
                wanted.unwrap_or("MutatingWebhookConfiguration"),
                "there is none for FPGAs",
            )
            .because("the webhook is not installed, or was never registered")
            .fix("kubectl get mutatingwebhookconfigurations"),
        );
    }
    let mut targets = Vec::new();
    for configuration in ours {
        for webhook in &configuration.webhooks {
            let object = format!("{}: {}", configuration.metadata.name, webhook.name);
            targets.extend(client.target(&object, webhook, report)?);
        }
    }
    Ok(targets)
}

struct Client {
    access: Access,
    patience: Duration,
}

impl Client {
    /// Where the webhook is, if it is anywhere.
    fn target(
        &self,
        object: &str,
        webhook: &Webhook,
        report: &mut dyn FnMut(Finding),
    ) -> Result<Option<Target>, Box<Finding>> {
        if webhook.failure_policy.as_deref() == Some("Ignore") {
            report(
                Finding::warning(object, "its failurePolicy is Ignore")
                    .because("while the webhook is away, pods with friendly names are taken and stay pending")
                    .fix("kubectl edit mutatingwebhookconfigurations"),
            );
        }
        let bundle = webhook.client_config.ca_bundle.as_deref().unwrap_or_default();
        let authority = STANDARD.decode(bundle).unwrap_or_default();
        if authority.is_empty() {
            report(
                Finding::error(object, "its caBundle is empty")
                    .because(
                        "nobody has put the certificate authority there, so that no call succeeds",
                    )
                    .fix(LOGS),
            );
            return Ok(None);
        }
        let address = match (&webhook.client_config.url, &webhook.client_config.service) {
            (Some(url), _) => url.parse().map_err(|error| {
                Box::new(Finding::error(object, format_args!("its url is none: {error}")).fix(LOGS))
            })?,
            (None, Some(service)) => self.service(object, service, report)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(Target { object: object.to_owned(), address, authority: Some(authority) }))
    }

    /// The address of a service, and whether a pod is behind it.
    fn service(
        &self,
        object: &str,
        reference: &ServiceReference,
        report: &mut dyn FnMut(Finding),
    ) -> Result<Address, Box<Finding>> {
        let ServiceReference { namespace, name, path, port } = reference;
        let service: Service =
            self.get(&format!("/api/v1/namespaces/{namespace}/services/{name}"))?;
        let slices: List<EndpointSlice> = self.get(&format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{name}"
        ))?;
        let mut endpoints = slices.items.iter().flat_map(|slice| &slice.endpoints);
        if !endpoints.any(|endpoint| endpoint.conditions.ready != Some(false)) {
            report(
                Finding::error(object, format_args!("no pod of service {namespace}/{name} is ready"))
                    .because("the webhook does not run, or is not ready")
                    .fix(format_args!("kubectl -n {namespace} get pods -o wide; kubectl -n {namespace} describe service {name}")),
            );
        }
        Ok(Address {
            host: service.spec.cluster_ip,
            port: port.unwrap_or(443),
            path: path.clone().unwrap_or_default(),
            name: Some(format!("{name}.{namespace}.svc")),
        })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Box<Finding>> {
        let object =
            format!("https://{}:{}{path}", self.access.server.host, self.access.server.port);
        let fix = "kubectl get mutatingwebhookconfigurations,services -A";
        let failed = |error: String| {
            Box::new(
                Finding::unknown(&object, "the API server did not tell").because(error).fix(fix),
            )
        };
        let response = self.request(path).map_err(|failure| {
            failed(match failure {
                Failure::Authority(error) | Failure::Tls(error) => error,
                Failure::Connect(error) => error.to_string(),
            })
        })?;
        match response.code {
            200 => serde_json::from_str(&response.body).map_err(|error| failed(error.to_string())),
            404 => Err(Box::new(
                Finding::error(&object, "there is no such object")
                    .because("the webhook's configuration names it, but it was removed")
                    .fix(fix),
            )),
            code => Err(failed(format!("it answered with {code}: the user may not read this"))),
        }
    }

    /// In HTTP/1.0, which has no chunks: the answer ends with the connection.
    fn request(&self, path: &str) -> Result<http::Response, Failure> {
        let Access { server, config, token } = &self.access;
        let mut stream = tls::connect(server, config.clone(), self.patience)?;
        let mut request = format!(
            "GET {}{path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n",
            server.path, server.host
        );
        if let Some(token) = token.as_deref().filter(|token| !token.contains(['\r', '\n'])) {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        request += "\r\n";
        let tls = |error: std::io::Error| Failure::Tls(error.to_string());
        stream.write_all(request.as_bytes()).map_err(tls)?;
        let mut bytes = Vec::new();
        match stream.take(LIMIT).read_to_end(&mut bytes) {
            // A server that closes without the last word of TLS has said everything before.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            other => drop(other.map_err(tls)?),
        }
        http::parse(&String::from_utf8_lossy(&bytes))
            .ok_or_else(|| Failure::Tls("the answer is no HTTP".to_owned()))
    }
}
