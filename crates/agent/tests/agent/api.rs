//! A stand-in for the API server, as far as one Node is listed and watched: HTTP/1.1, metadata only,
//! resource versions, watches that end and histories that are compacted. AcceleratorFunction objects are
//! listed and watched too, where their CRD is installed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

pub(crate) const NODE: &str = "worker-1";
const ANNOTATION: &str = "fpga.intel.com/device-plugin-mode";

static VERSION: AtomicU64 = AtomicU64::new(1000);

type Body = BoxBody<Bytes, Infallible>;

/// A running API server. Dropping it closes every connection.
pub(crate) struct Api {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    version: u64,
    /// Watches from an older version are answered with 410.
    oldest: u64,
    annotation: Option<String>,
    /// The versions, with the annotation that each brought.
    history: BTreeMap<u64, Option<String>>,
    watchers: Vec<mpsc::UnboundedSender<Bytes>>,
    /// What was asked: `list` or `watch`.
    requests: Vec<&'static str>,
    /// The specs of AcceleratorFunction objects by `namespace/name`; `None` without the CRD.
    functions: Option<BTreeMap<String, Value>>,
    function_watchers: Vec<mpsc::UnboundedSender<Bytes>>,
}

impl Api {
    pub(crate) async fn start(annotation: Option<&str>) -> Self {
        Self::start_at("127.0.0.1:0", annotation).await
    }

    /// Starts again where another one was.
    pub(crate) async fn start_at(address: &str, annotation: Option<&str>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Versions go on over a restart, and what was before is compacted.
        let version = VERSION.fetch_add(1000, Ordering::Relaxed);
        let annotation = annotation.map(str::to_owned);
        let state = State { version, oldest: version, annotation, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, _server: server }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn write_kubeconfig(&self, path: &Path) {
        write_kubeconfig(path, &self.address());
    }

    /// Sets or removes the annotation and tells who watches.
    pub(crate) fn annotate(&self, annotation: Option<&str>) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        state.annotation = annotation.map(str::to_owned);
        let (version, annotation) = (state.version, state.annotation.clone());
        state.history.insert(version, annotation.clone());
        let event = event(version, annotation.as_deref());
        state.watchers.retain(|watcher| watcher.send(event.clone()).is_ok());
    }

    /// Ends every watch, as the real one does after some minutes.
    pub(crate) fn end_watches(&self) {
        self.state.lock().unwrap().watchers.clear();
    }

    /// Installs the CRD of AcceleratorFunction objects.
    pub(crate) fn install_crd(&self) {
        self.state.lock().unwrap().functions.get_or_insert_default();
    }

    /// Makes, changes or removes an AcceleratorFunction object and tells who watches.
    pub(crate) fn set_function(&self, name: &str, spec: Option<Value>) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        let functions = state.functions.as_mut().unwrap();
        let event = match spec {
            Some(spec) => {
                let kind = if functions.contains_key(name) { "MODIFIED" } else { "ADDED" };
                functions.insert(name.to_owned(), spec.clone());
                line(kind, &function(version, name, &spec))
            }
            None => {
                let spec = functions.remove(name).unwrap();
                line("DELETED", &function(version, name, &spec))
            }
        };
        state.function_watchers.retain(|watcher| watcher.send(event.clone()).is_ok());
    }

    /// Forgets the history and tells every watcher that what it stands on is gone.
    pub(crate) fn compact(&self) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        state.oldest = state.version;
        state.history.clear();
        for watcher in std::mem::take(&mut state.watchers) {
            let _ = watcher.send(gone());
        }
    }

    pub(crate) fn requests(&self, kind: &str) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|k| **k == kind).count()
    }
}

pub(crate) fn write_kubeconfig(path: &Path, address: &str) {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
    });
    std::fs::write(path, config.to_string()).unwrap();
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let answer =
                |request| std::future::ready(Ok::<_, Infallible>(answer(&request, &state)));
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service_fn(answer))
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, state: &Mutex<State>) -> Response<Body> {
    let query = query(request.uri().query().unwrap_or_default());
    if request.uri().path() == "/apis/fpga.intel.com/v2/acceleratorfunctions" {
        return functions(&query, &mut state.lock().unwrap());
    }
    let field = format!("metadata.name={NODE}");
    let accept = request.headers()["accept"].to_str().unwrap();
    if request.uri().path() != "/api/v1/nodes" || query.get("fieldSelector") != Some(&field) {
        return respond(StatusCode::FORBIDDEN, status(403, "Forbidden", "only the own node"));
    }
    if !accept.contains("as=PartialObjectMetadata") {
        return respond(StatusCode::NOT_ACCEPTABLE, status(406, "NotAcceptable", "metadata only"));
    }
    let mut state = state.lock().unwrap();
    if query.get("watch").is_some_and(|watch| watch == "1" || watch == "true") {
        state.requests.push("watch");
        let from =
            query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
        return watch(&mut state, from);
    }
    state.requests.push("list");
    let list = json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadataList",
        "metadata": { "resourceVersion": state.version.to_string() },
        "items": [object(state.version, state.annotation.as_deref())],
    });
    respond(StatusCode::OK, list)
}

/// A watch begins with the newest version, as one that follows a list does.
fn functions(query: &BTreeMap<String, String>, state: &mut State) -> Response<Body> {
    let Some(functions) = &state.functions else {
        return respond(StatusCode::NOT_FOUND, status(404, "NotFound", "no such resource"));
    };
    if query.get("watch").is_some_and(|watch| watch == "1" || watch == "true") {
        let (sender, receiver) = mpsc::unbounded_channel();
        state.function_watchers.push(sender);
        return stream(receiver);
    }
    let items: Vec<_> =
        functions.iter().map(|(name, spec)| function(state.version, name, spec)).collect();
    let list = json!({
        "apiVersion": "fpga.intel.com/v2",
        "kind": "AcceleratorFunctionList",
        "metadata": { "resourceVersion": state.version.to_string() },
        "items": items,
    });
    respond(StatusCode::OK, list)
}

fn function(version: u64, name: &str, spec: &Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap();
    json!({
        "apiVersion": "fpga.intel.com/v2",
        "kind": "AcceleratorFunction",
        "metadata": {
            "namespace": namespace, "name": name, "resourceVersion": version.to_string(),
        },
        "spec": spec,
    })
}

fn watch(state: &mut State, from: u64) -> Response<Body> {
    let (sender, receiver) = mpsc::unbounded_channel();
    if from < state.oldest {
        let _ = sender.send(gone());
    } else {
        for (version, annotation) in state.history.range(from + 1..) {
            let _ = sender.send(event(*version, annotation.as_deref()));
        }
        state.watchers.push(sender);
    }
    stream(receiver)
}

fn stream(receiver: mpsc::UnboundedReceiver<Bytes>) -> Response<Body> {
    let frames =
        UnboundedReceiverStream::new(receiver).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    Response::builder()
        .header("content-type", "application/json")
        .body(StreamBody::new(frames).boxed())
        .unwrap()
}

fn respond(code: StatusCode, body: Value) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_string())).boxed();
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}

fn object(version: u64, annotation: Option<&str>) -> Value {
    let annotations: BTreeMap<_, _> =
        annotation.map(|value| (ANNOTATION, value)).into_iter().collect();
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": { "name": NODE, "resourceVersion": version.to_string(), "annotations": annotations },
    })
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({ "type": kind, "object": object })))
}

fn event(version: u64, annotation: Option<&str>) -> Bytes {
    line("MODIFIED", &object(version, annotation))
}

fn gone() -> Bytes {
    line("ERROR", &status(410, "Expired", "too old resource version"))
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
}

/// The parameters of a query, with the two escapes that a field selector needs.
fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.replace("%3D", "=").replace("%2C", ",")))
        .collect()
}
