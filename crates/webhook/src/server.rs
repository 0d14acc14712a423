//! The HTTPS server: bounded in connections, in bytes under way and in time, and drained before it ends.

mod memory;
mod route;
mod sending;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fpga_cluster::http::table::{Expired, Limits, Mark, Table, client};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use prometheus_client::metrics::gauge::Gauge;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;

use sending::Sending;

pub(crate) use route::{Reply, Review, Routes, VALIDATING_PATH};

/// One more takes the place of another. An API server keeps a handful.
const CONNECTIONS: usize = 512;
/// For the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// For the head of an HTTP/1.1 request, the wait for it included: API servers speak HTTP/2.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// API servers keep an idle connection for 90 s. For what a request may take, see `BODY_TIME`.
const LIMITS: Limits = Limits {
    stranger: Duration::from_secs(5),
    idle: Duration::from_secs(120),
    request: Duration::from_secs(10),
};
/// For an idle client to take note that its connection ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// A client that is gone without a word.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(10);
/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 100;
/// Bytes of a request's head: an API server sends some hundred.
const HEAD_SIZE: u16 = 16 * 1024;
/// Bytes that a client may send before any is taken: of a stream, and of a connection.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Streams that a client opens and resets at once, before its connection is ended.
const RESETS: usize = 20;

/// Serves until `stop` is set, then lets the requests that are under way end, but no longer than `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    routes: Arc<Routes>,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) {
    let acceptor = TlsAcceptor::from(tls);
    let mut table = Table::new(CONNECTIONS);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = set(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (acceptor, routes) = (acceptor.clone(), Arc::clone(&routes));
                let stop = stop.clone();
                let peer = client(peer.ip());
                let serve = |mark| connection(stream, peer, acceptor, routes, stop, mark);
                table.spawn(peer, serve);
            }
            // Out of file descriptors: some connection has to end first.
            Err(error) => {
                tracing::warn!("a connection cannot be accepted: {error}");
                table.evict();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, table.end()).await.is_err() {
        tracing::warn!("connections that did not end within {drain:?} are cut");
    }
}

/// Waits until a flag is set, forever if nobody can any more.
pub(crate) async fn set(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|flag| *flag).await.is_err() {
        std::future::pending().await
    }
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    acceptor: TlsAcceptor,
    routes: Arc<Routes>,
    mut stop: watch::Receiver<bool>,
    mark: Mark,
) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else {
        routes.metrics.handshake_failures.inc();
        return;
    };
    let _open = Open::new(&routes.metrics);
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    mark.moved();
    let service = service_fn(|request: Request<Incoming>| {
        let (routes, mark) = (Arc::clone(&routes), mark.clone());
        // Until the answer is sent, or the stream is reset.
        let busy = mark.busy();
        async move {
            let is_review = routes.stage(request.uri().path()).is_some();
            let answer = routes.answer(request, peer).await;
            if is_review && answer.status() == StatusCode::OK {
                mark.prove();
            }
            Ok::<_, Infallible>(answer.map(|body| Sending::new(body, busy)))
        }
    });
    let stream = TokioIo::new(stream);
    if is_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
        builder.keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_LIMIT);
        builder.max_header_list_size(HEAD_SIZE.into()).max_pending_accept_reset_streams(RESETS);
        builder.initial_stream_window_size(STREAM_WINDOW);
        builder.initial_connection_window_size(CONNECTION_WINDOW);
        drive(builder.serve_connection(stream, service), &mark, &mut stop).await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_buf_size(HEAD_SIZE.into());
        drive(builder.serve_connection(stream, service), &mark, &mut stop).await;
    }
}

/// Serves a connection until it ends, has used up its time or is to stop. What a client does wrong ends its connection
/// and is no concern of ours.
async fn drive(connection: impl GracefulConnection, mark: &Mark, stop: &mut watch::Receiver<bool>) {
    let mut connection = std::pin::pin!(connection);
    let rest = tokio::select! {
        _ = connection.as_mut() => return,
        () = set(stop) => LIMITS.request,
        expired = mark.expired(LIMITS) => match expired {
            Expired::Request => return,
            Expired::Idle => FAREWELL,
        }
    };
    // The client is told, so that no request is on its way when the connection ends.
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(rest, connection).await;
}

/// An open connection, for the gauge: it may be cut anywhere.
struct Open(Gauge);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics.connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
