//! The signals that end a process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// What ends with the first SIGTERM or SIGINT, and logs which it was.
///
/// # Errors
/// When the system refuses a handler.
pub fn stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
    })
}
