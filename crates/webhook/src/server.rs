//! The HTTPS server: bounded in connections, in bytes under way and in time, and drained before it ends.

mod route;

use std::sync::Arc;
use std::time::Duration;

use fpga_cluster::http::table::{Mark, Table};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;

pub(crate) use route::{Reply, Review, Routes, VALIDATING_PATH};

/// One more takes the place of another. An API server keeps a handful.
const CONNECTIONS: usize = 1024;
/// For the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// For a request's head; also how long an idle connection is kept, which API servers do for 90 s.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_LIMIT: Duration = Duration::from_secs(20);
/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 100;

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
                table.spawn(peer.ip(), |mark| connection(stream, acceptor, routes, stop, mark));
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
    let service = service_fn(|request| {
        let (routes, busy) = (Arc::clone(&routes), mark.busy());
        async move {
            let _busy = busy;
            routes.answer(request).await
        }
    });
    let stream = TokioIo::new(stream);
    // What a client does wrong ends its connection and is no concern of ours.
    if is_http2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
        builder.keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_LIMIT);
        let mut serving = std::pin::pin!(builder.serve_connection(stream, service));
        tokio::select! {
            _ = serving.as_mut() => {}
            () = set(&mut stop) => {
                serving.as_mut().graceful_shutdown();
                let _ = serving.await;
            }
        }
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(IDLE_LIMIT);
        let mut serving = std::pin::pin!(builder.serve_connection(stream, service));
        tokio::select! {
            _ = serving.as_mut() => {}
            () = set(&mut stop) => {
                serving.as_mut().graceful_shutdown();
                let _ = serving.await;
            }
        }
    }
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
