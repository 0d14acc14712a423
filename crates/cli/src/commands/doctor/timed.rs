//! Work that may never end.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What `work` gives, or `None` when it takes longer than `limit`. Its thread is then left to itself and
/// ends with the process.
pub(super) fn run<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let started = thread::Builder::new().name("doctor".to_owned()).spawn(move || {
        // Nobody waits any more when it comes too late.
        let _ = sender.send(work());
    });
    started.ok()?;
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_given_up() {
        assert_eq!(run(Duration::from_secs(60), || 7), Some(7));
        assert_eq!(run(Duration::from_millis(1), || thread::park_timeout(Duration::MAX)), None);
    }
}
