//! Dialling the kubelet's sockets.

use std::io;
use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Nobody listens.
    #[error("{0}")]
    Connect(io::Error),
    /// Whoever listens does not speak the protocol, or went away.
    #[error("{0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Connects to `socket`, once: the channel does not dial again when the connection ends.
///
/// The connection is made here, because the transport's own error would say no more than that it failed.
pub(crate) async fn dial(socket: &Path) -> Result<Channel, DialError> {
    let stream = UnixStream::connect(socket).await.map_err(DialError::Connect)?;
    let mut stream = Some(TokioIo::new(stream));
    let connector = service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        std::future::ready(stream)
    });
    Ok(Endpoint::from_static("http://localhost").connect_with_connector(connector).await?)
}
