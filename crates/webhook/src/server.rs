//! The HTTPS server: bounded in connections, in bytes under way and in time, and drained before it ends.

pub mod plain;
mod route;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use route::{Reply, Review, Routes};

/// More connections wait until one ends. An API server keeps a handful.
const CONNECTIONS: usize = 1024;
/// For the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// For a request's head; also how long an idle connection is kept, which API servers do for 90 s.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_LIMIT: Duration = Duration::from_secs(20);
/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 100;

/// Where to listen: an address, or a port of all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Every address of both IP versions that there are.
    Everywhere(u16),
    /// This one.
    At(SocketAddr),
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Everywhere(port) => write!(f, ":{port}"),
            Listen::At(address) => address.fmt(f),
        }
    }
}

impl std::str::FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let everywhere = text.strip_prefix(':').and_then(|port| port.parse().ok());
        let at = || text.parse().ok().map(Listen::At);
        let expected = "expected :PORT or an IP address and a port";
        everywhere.map(Listen::Everywhere).or_else(at).ok_or(expected)
    }
}

impl Listen {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub async fn bind(self) -> io::Result<TcpListener> {
        match self {
            Listen::At(address) => TcpListener::bind(address).await,
            Listen::Everywhere(port) => {
                match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                    // A kernel without IPv6.
                    Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                    }
                    bound => bound,
                }
            }
        }
    }
}

/// Serves until `stop` is set, then lets the requests that are under way end, but no longer than `drain`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    routes: Arc<Routes>,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = set(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, routes) = (acceptor.clone(), Arc::clone(&routes));
                let stop = stop.clone();
                connections.spawn(async move {
                    connection(stream, acceptor, routes, stop).await;
                    drop(place);
                });
            }
            // Out of file descriptors: some connection has to end first.
            Err(error) => {
                tracing::warn!("a connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!("connections that did not end within {drain:?} are cut");
    }
}

/// Waits until a flag is set, for ever if nobody can any more.
pub async fn set(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|flag| *flag).await.is_err() {
        std::future::pending().await
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    routes: Arc<Routes>,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else {
        routes.metrics.handshake_failures.inc();
        return;
    };
    routes.metrics.connections.inc();
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(|request| {
        let routes = Arc::clone(&routes);
        async move { routes.answer(request).await }
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
    routes.metrics.connections.dec();
}
