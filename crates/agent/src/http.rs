//! `/healthz` and `/readyz` over HTTP/1.1, for the probes of a pod.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::status::Status;

/// Wait after a failed accept, which means that descriptors or memory are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound endpoint.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    status: Status,
}

impl Endpoint {
    /// Binds the address.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub async fn bind(address: SocketAddr, status: Status) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        tracing::info!("health endpoint at http://{}", listener.local_addr()?);
        Ok(Self { listener, status })
    }

    /// Answers until it is dropped.
    pub async fn run(self) -> Infallible {
        loop {
            match self.listener.accept().await {
                Ok((connection, _)) => {
                    tokio::spawn(serve(connection, self.status.clone()));
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
async fn serve(connection: TcpStream, status: Status) {
    let answer = |request: Request<Incoming>| {
        let (code, text) = answer(request.method(), request.uri().path(), &status);
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = code;
        std::future::ready(Ok::<_, Infallible>(response))
    };
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).keep_alive(false);
    if let Err(error) = server.serve_connection(TokioIo::new(connection), service_fn(answer)).await
    {
        tracing::debug!("health endpoint: {error}");
    }
}

/// That an answer is given at all shows that the agent's one loop turns.
fn answer(method: &Method, path: &str, status: &Status) -> (StatusCode, String) {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match status.missing() {
            missing if missing.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
            missing => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
        },
        _ => (StatusCode::NOT_FOUND, "only /healthz and /readyz\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_what_is_missing() {
        let status = Status::default();
        let get = |path| answer(&Method::GET, path, &status);
        assert_eq!(get("/healthz"), (StatusCode::OK, "ok\n".to_owned()));
        let not_ready =
            (StatusCode::SERVICE_UNAVAILABLE, "the first scan is not done\n".to_owned());
        assert_eq!(get("/readyz"), not_ready);
        status.scanned();
        assert_eq!(get("/readyz"), (StatusCode::OK, "ok\n".to_owned()));
        assert_eq!(get("/").0, StatusCode::NOT_FOUND);
        assert_eq!(answer(&Method::POST, "/healthz", &status).0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
