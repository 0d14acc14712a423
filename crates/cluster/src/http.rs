//! `/healthz`, `/readyz` and `/metrics` over HTTP/1.1, for the kubelet's probes and for Prometheus.
//!
//! A probe is answered whatever else is connected. A connection has one request, must send it at once and is cut
//! otherwise; when there are too many, a new one takes the place of another ([`table`]).

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use table::{Mark, Table};

pub use listen::Listen;
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

mod listen;
pub mod table;

/// Connections at the same time: a probe or a scrape needs one.
const CONNECTIONS: usize = 64;
/// How long a request's head may take to arrive. Whoever connects has it ready.
const HEAD_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of a request's head.
const HEAD_SIZE: usize = 16 * 1024;
/// How long a connection may take altogether, so that nobody reads an answer slowly forever.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// Wait after a failed accept, which means that descriptors or memory are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The content type of an answer for people.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// What a process says about itself.
pub trait Report: Send + Sync + 'static {
    /// What readiness lacks, a line for each thing; empty when the process is ready.
    fn missing(&self) -> Vec<String>;

    /// The metrics, of [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// None in practice: the text is written to memory.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

/// A bound endpoint.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoint {
    /// Binds the address.
    ///
    /// # Errors
    /// When the address is unavailable.
    pub fn bind(at: Listen) -> io::Result<Self> {
        let listener = at.bind()?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the future is dropped.
    pub async fn run(self, report: impl Report) -> Infallible {
        let report = Arc::new(report);
        let mut table = Table::new(CONNECTIONS);
        loop {
            match self.listener.accept().await {
                Ok((connection, peer)) => {
                    let report = Arc::clone(&report);
                    table.spawn(peer.ip(), |mark| serve(connection, report, mark));
                }
                Err(error) => {
                    tracing::warn!("health endpoint cannot accept a connection: {error}");
                    table.evict();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            // Whoever is connected already comes before the next one.
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(connection: TcpStream, report: Arc<impl Report>, mark: Mark) {
    let answer = |request: Request<Incoming>| {
        mark.moved();
        std::future::ready(Ok::<_, Infallible>(answer(&request, &*report).map(Full::new)))
    };
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).keep_alive(false);
    server.max_buf_size(HEAD_SIZE);
    let serving = server.serve_connection(TokioIo::new(connection), service_fn(answer));
    match tokio::time::timeout(CONNECTION_LIMIT, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("health endpoint: {error}"),
        Err(_) => tracing::debug!("health endpoint: a client was too slow"),
    }
}

fn answer(request: &Request<Incoming>, report: &impl Report) -> Response<Bytes> {
    page(request.method(), request.uri().path(), report)
}

fn page(method: &Method, path: &str, report: &impl Report) -> Response<Bytes> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    if path != "/metrics" {
        let missing = || report.missing();
        return health(path, missing).unwrap_or_else(|| {
            text(StatusCode::NOT_FOUND, "only /healthz, /readyz and /metrics\n".to_owned())
        });
    }
    match report.metrics() {
        Ok(metrics) => typed(StatusCode::OK, CONTENT_TYPE, metrics),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// The answer to `/healthz` and `/readyz`, which is by what is missing. That one is given at all shows that the
/// process runs.
pub fn health(path: &str, missing: impl FnOnce() -> Vec<String>) -> Option<Response<Bytes>> {
    let missing = match path {
        "/healthz" => Vec::new(),
        "/readyz" => missing(),
        _ => return None,
    };
    Some(if missing.is_empty() {
        text(StatusCode::OK, "ok\n".to_owned())
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
    })
}

/// An answer for people.
#[must_use]
pub fn text(status: StatusCode, text: String) -> Response<Bytes> {
    typed(status, TEXT, text)
}

fn typed(status: StatusCode, content_type: &'static str, text: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests;
