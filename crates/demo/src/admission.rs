//! The API server's side of admission webhooks: reviews over TLS, with nothing trusted but the configuration's
//! `caBundle`, patches applied to pods, and the mutating stage before the validating one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// The first webhook's `caBundle` in a webhook configuration, in PEM; `None` while it has none.
#[must_use]
pub fn bundle(configuration: &Value) -> Option<String> {
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str()?;
    String::from_utf8(STANDARD.decode(bundle).ok()?).ok()
}

/// An AdmissionReview of a pod that is to be created in `namespace`.
#[must_use]
pub fn review(uid: &str, namespace: &str, pod: &Value, dry_run: bool) -> Value {
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid, "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource,
            "name": pod["metadata"]["name"], "namespace": namespace, "operation": "CREATE",
            "userInfo": { "username": "demo" }, "object": pod, "oldObject": null,
            "dryRun": dry_run, "options": { "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" },
        },
    })
}

/// What a webhook says to a review.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The pod as it is to be.
    Allowed {
        /// With the patch applied.
        pod: Value,
        /// What the author is told.
        warnings: Vec<String>,
    },
    /// Why the pod is refused.
    Refused(String),
}

/// What the API server makes of an answer to a review of `pod`.
///
/// # Errors
/// When the answer is none that an API server would take.
pub fn verdict(answer: &Value, uid: &str, pod: &Value) -> anyhow::Result<Verdict> {
    ensure!(answer["kind"] == "AdmissionReview", "the answer is no AdmissionReview: {answer}");
    let response = &answer["response"];
    ensure!(response["uid"] == uid, "the answer is to another review: {}", response["uid"]);
    match response["allowed"].as_bool() {
        Some(true) => {}
        Some(false) => {
            let message = response["status"]["message"].as_str().unwrap_or_default();
            return Ok(Verdict::Refused(message.to_owned()));
        }
        None => bail!("the answer does not say whether the pod is allowed: {answer}"),
    }
    let mut pod = pod.clone();
    if let Some(patch) = response["patch"].as_str() {
        ensure!(response["patchType"] == "JSONPatch", "patchType {}", response["patchType"]);
        let patch = STANDARD.decode(patch).context("the patch is no base64")?;
        let patch: json_patch::Patch =
            serde_json::from_slice(&patch).context("the patch is no JSON patch")?;
        json_patch::patch(&mut pod, &patch).context("the patch does not fit the pod")?;
    }
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let warnings = warnings.filter_map(|w| w.as_str().map(str::to_owned)).collect();
    Ok(Verdict::Allowed { pod, warnings })
}

/// The webhook as clients know it.
#[derive(Clone)]
pub struct Webhook {
    address: SocketAddr,
    name: ServerName<'static>,
    path: String,
    connector: TlsConnector,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Webhook {
    /// The webhook at `address`, called `name`, of which only `bundle` (PEM) is trusted.
    ///
    /// # Errors
    /// When the name is none or there is no certificate in the bundle.
    pub fn new(address: SocketAddr, name: &str, path: &str, bundle: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate?)?;
        }
        ensure!(!roots.is_empty(), "no certificate in the bundle");
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            name: ServerName::try_from(name.to_owned())?,
            path: path.to_owned(),
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody answers, or somebody who is not trusted.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what went wrong is told by the request that it happened to.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, path: self.path.clone(), host: self.name.to_str().into_owned() })
    }

    /// Has a pod reviewed on a connection of its own.
    ///
    /// # Errors
    /// When there is no answer or none that an API server would take.
    pub async fn ask(&self, namespace: &str, pod: &Value) -> anyhow::Result<Verdict> {
        const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";
        let review = review(UID, namespace, pod, false).to_string();
        let (status, body) = self.connect().await?.post(Bytes::from(review)).await?;
        let text = || String::from_utf8_lossy(&body).trim().to_owned();
        ensure!(status == StatusCode::OK, "HTTP {status}: {}", text());
        let answer = serde_json::from_slice(&body).with_context(text)?;
        verdict(&answer, UID, pod)
    }
}

/// Both stages of admission, in their order: what the mutating webhook made of a pod is what the validating one is asked
/// about, with what others changed in between.
#[derive(Debug, Clone)]
pub struct Admission {
    mutating: Webhook,
    validating: Webhook,
}

impl Admission {
    /// The webhook at `address`, called `name`, as the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration
    /// have it.
    ///
    /// # Errors
    /// When one of them has no `caBundle` or no path.
    pub fn new(
        address: SocketAddr,
        name: &str,
        mutating: &Value,
        validating: &Value,
    ) -> anyhow::Result<Self> {
        let webhook = |configuration: &Value| {
            let bundle = bundle(configuration)
                .with_context(|| format!("no caBundle in the {}", configuration["kind"]))?;
            let service = &configuration["webhooks"][0]["clientConfig"]["service"];
            let path = service["path"].as_str().context("no path")?;
            Webhook::new(address, name, path, &bundle)
        };
        Ok(Self { mutating: webhook(mutating)?, validating: webhook(validating)? })
    }

    /// What becomes of a pod.
    ///
    /// # Errors
    /// As [`Webhook::ask`].
    pub async fn ask(&self, namespace: &str, pod: &Value) -> anyhow::Result<Verdict> {
        self.ask_with(namespace, pod, |_| ()).await
    }

    /// What becomes of a pod that another mutating webhook changes after ours.
    ///
    /// # Errors
    /// As [`Webhook::ask`], and when the validating webhook would change the pod, which no API server lets it.
    pub async fn ask_with(
        &self,
        namespace: &str,
        pod: &Value,
        inject: impl FnOnce(&mut Value),
    ) -> anyhow::Result<Verdict> {
        let (mut pod, mut warnings) = match self.mutating.ask(namespace, pod).await? {
            Verdict::Allowed { pod, warnings } => (pod, warnings),
            refused @ Verdict::Refused(_) => return Ok(refused),
        };
        inject(&mut pod);
        match self.validating.ask(namespace, &pod).await? {
            Verdict::Allowed { pod: same, warnings: more } => {
                ensure!(same == pod, "the validating webhook changes the pod");
                warnings.extend(more);
                Ok(Verdict::Allowed { pod, warnings })
            }
            refused @ Verdict::Refused(_) => Ok(refused),
        }
    }
}

/// One connection to a webhook.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    path: String,
    host: String,
}

impl Connection {
    /// Sends a review and waits for the answer.
    ///
    /// # Errors
    /// When the connection ends first.
    pub async fn post(&mut self, review: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let request = Request::post(&self.path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(review))?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
