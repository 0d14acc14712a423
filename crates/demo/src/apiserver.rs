//! A stand-in for the API server that speaks the real protocol as far as controllers use it: lists in
//! pages, watches from a resource version with bookmarks, time limits and 410 Gone, creation, replacement
//! and patches with optimistic concurrency, the status subresource, metadata alone on request.
//!
//! It checks no schema and runs no admission; who may do what is a rule of the test's ([`ApiServer::allow`]).
//! Tests make it do what real ones do at bad moments: [`ApiServer::compact`], [`ApiServer::end_watches`],
//! [`ApiServer::disconnect`], and dropping it.

mod answer;
mod patch;
mod read;
mod request;
mod resources;
mod store;
mod write;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use answer::{Body, Failure};
pub use request::{Asked, Verb};
pub use resources::Resource;
use store::State;

/// The largest body that is read, as etcd's default limit for a request.
const BODY_LIMIT: usize = 3 * 1024 * 1024 / 2;

/// Where the next server's resource versions begin: they go on over a restart.
static VERSION: AtomicU64 = AtomicU64::new(1000);
const VERSIONS_OF_ONE: u64 = 1_000_000;

type Rule = Box<dyn Fn(&Asked) -> bool + Send + Sync>;

/// A running API server. Dropping it closes every connection.
pub struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    disconnect: watch::Sender<()>,
    _server: JoinSet<()>,
}

struct Shared {
    state: Mutex<State>,
    rule: Mutex<Option<Rule>>,
    asked: Mutex<Vec<(String, Verb)>>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Starts one on a free port of the loopback, with the built-in kinds and no objects.
    ///
    /// # Errors
    /// When no socket is to be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_at("127.0.0.1:0").await
    }

    /// Starts one at an address, for example where another one was: its resource versions are higher, and
    /// what was before it is compacted.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub async fn start_at(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let version = VERSION.fetch_add(VERSIONS_OF_ONE, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(version)),
            rule: Mutex::default(),
            asked: Mutex::default(),
        });
        let (disconnect, disconnected) = watch::channel(());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&shared), disconnected));
        Ok(Self { address, shared, disconnect, _server: server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a kubeconfig for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> std::io::Result<()> {
        write_kubeconfig(path, &self.address.to_string())
    }

    /// Refuses with 403 every request that `rule` is false of.
    pub fn allow(&self, rule: impl Fn(&Asked) -> bool + Send + Sync + 'static) {
        *lock(&self.shared.rule) = Some(Box::new(rule));
    }

    /// Adds a kind, as a CRD does.
    pub fn install(&self, resource: Resource) {
        self.state().install(resource);
    }

    /// Creates or replaces an object with its status, by the one who runs the cluster. Returns it as
    /// stored, or `None` when it has no name or there is no such resource.
    pub fn put(&self, plural: &str, object: Value) -> Option<Value> {
        self.state().put(plural, object).map(|stored| (*stored).clone())
    }

    /// An object as stored; `namespace` is empty for kinds that have none.
    #[must_use]
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.state().find(plural, namespace, name).map(|stored| (*stored).clone())
    }

    /// All objects of a kind.
    #[must_use]
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        self.state().objects(plural)
    }

    /// Removes an object; true if it was there.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        self.state().remove_named(plural, namespace, name)
    }

    /// Ends every watch in good order, as its time limit does.
    pub fn end_watches(&self) {
        self.state().end_watches();
    }

    /// Sends a bookmark to every watch that asked for them.
    pub fn bookmark(&self) {
        self.state().bookmark();
    }

    /// Forgets the history: every watch is told that what it stands on is gone, and so is who comes back
    /// with an older version.
    pub fn compact(&self) {
        self.state().compact();
    }

    /// Cuts every connection, whatever is under way on it.
    pub fn disconnect(&self) {
        self.disconnect.send_replace(());
    }

    /// How often something was asked for, refused requests included.
    #[must_use]
    pub fn requests(&self, plural: &str, verb: Verb) -> usize {
        lock(&self.shared.asked).iter().filter(|(p, v)| p == plural && *v == verb).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

/// Writes a kubeconfig for a server at an address, there or not.
///
/// # Errors
/// When the file cannot be written.
pub fn write_kubeconfig(path: &Path, address: &str) -> std::io::Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
    });
    std::fs::write(path, config.to_string())
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, disconnected: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((connection, _)) = listener.accept().await else { continue };
        let (shared, mut disconnected) = (Arc::clone(&shared), disconnected.clone());
        disconnected.mark_unchanged();
        connections.spawn(async move {
            let service = service_fn(|request| handle(request, Arc::clone(&shared)));
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            tokio::select! {
                _ = connection => {}
                Ok(()) = disconnected.changed() => {}
            }
        });
    }
}

async fn handle(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    Ok(answer(request, &shared).await.unwrap_or_else(Failure::response))
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let asked = {
        let state = lock(&shared.state);
        Asked::parse(&head, state.resources())?
    };
    lock(&shared.asked).push((asked.resource.plural.clone(), asked.verb));
    if lock(&shared.rule).as_ref().is_some_and(|rule| !rule(&asked)) {
        return Err(Failure::forbidden(&asked));
    }
    let body = Limited::new(body, BODY_LIMIT).collect().await;
    let body = body.map_err(|error| Failure::bad_request(&error.to_string()))?.to_bytes();
    let mut state = lock(&shared.state);
    match asked.verb {
        Verb::Get => read::get(&asked, &state),
        Verb::List => read::list(&asked, &mut state),
        Verb::Watch => {
            let (response, limit) = read::watch(&asked, &mut state)?;
            drop(state);
            tokio::spawn(end_after(limit, Arc::downgrade(&response.1)));
            Ok(response.0)
        }
        Verb::Create => write::create(&asked, &body, &mut state),
        Verb::Update => write::update(&asked, &body, &mut state),
        Verb::Patch => write::patch(&asked, &body, &mut state),
        Verb::Delete => write::delete(&asked, &body, &mut state),
    }
}

/// Sends a bookmark every minute and one at the end of a watch's time, which ends it.
async fn end_after(limit: std::time::Duration, watcher: std::sync::Weak<store::Watcher>) {
    const BOOKMARKS: std::time::Duration = std::time::Duration::from_secs(60);
    let end = tokio::time::Instant::now() + limit;
    loop {
        let next = end.min(tokio::time::Instant::now() + BOOKMARKS);
        tokio::time::sleep_until(next).await;
        let Some(watcher) = watcher.upgrade() else { return };
        watcher.bookmark();
        if next == end {
            return watcher.end();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
