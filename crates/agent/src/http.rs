//! `/healthz`, `/readyz` and `/metrics` over HTTP/1.1, for the probes of a pod and for Prometheus.

use std::convert::Infallible;
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
use tokio::sync::Semaphore;

use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::status::Status;

/// Wait after a failed accept, which means that descriptors or memory are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many are served at the same time.
const CONNECTIONS: usize = 16;
/// How long one may take, whoever it is.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);

/// A bound endpoint.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    status: Status,
    metrics: Metrics,
    connections: Arc<Semaphore>,
}

impl Endpoint {
    /// Binds the address.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub async fn bind(address: SocketAddr, status: Status, metrics: Metrics) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        tracing::info!("health endpoint at http://{}", listener.local_addr()?);
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        Ok(Self { listener, status, metrics, connections })
    }

    /// Answers until it is dropped.
    pub async fn run(self) -> Infallible {
        loop {
            match self.listener.accept().await {
                Ok((connection, _)) => {
                    // The others wait in the listener's queue.
                    let permit = Arc::clone(&self.connections).acquire_owned().await;
                    let (status, metrics) = (self.status.clone(), self.metrics.clone());
                    tokio::spawn(async move {
                        serve(connection, status, metrics).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!("health endpoint cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// One request and its answer; a client that sends none is cut off by hyper's timer.
async fn serve(connection: TcpStream, status: Status, metrics: Metrics) {
    let answer = |request: Request<Incoming>| {
        let (code, text) = answer(request.method(), request.uri().path(), &status, &metrics);
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = code;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        std::future::ready(Ok::<_, Infallible>(response))
    };
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).keep_alive(false);
    let serving = server.serve_connection(TokioIo::new(connection), service_fn(answer));
    match tokio::time::timeout(CONNECTION_LIMIT, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("health endpoint: {error}"),
        Err(_) => tracing::debug!("health endpoint: a client was too slow"),
    }
}

/// That an answer is given at all shows that the agent's one loop turns.
fn answer(method: &Method, path: &str, status: &Status, metrics: &Metrics) -> (StatusCode, String) {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match status.missing() {
            missing if missing.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
            missing => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
        },
        "/metrics" => match metrics.text(status) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "only /healthz, /readyz and /metrics\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_what_is_missing() {
        let status = Status::default();
        let metrics = Metrics::default();
        let get = |path| answer(&Method::GET, path, &status, &metrics);
        assert_eq!(get("/healthz"), (StatusCode::OK, "ok\n".to_owned()));
        let not_ready =
            (StatusCode::SERVICE_UNAVAILABLE, "the first scan is not done\n".to_owned());
        assert_eq!(get("/readyz"), not_ready);
        status.scanned();
        assert_eq!(get("/readyz"), (StatusCode::OK, "ok\n".to_owned()));
        assert_eq!(get("/").0, StatusCode::NOT_FOUND);
        assert_eq!(
            answer(&Method::POST, "/healthz", &status, &metrics).0,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}
