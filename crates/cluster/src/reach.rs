//! Something at the API server that may be out of reach: how long to wait, and what the log says of it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::chain;
use crate::backoff::Backoff;
use crate::told::Told;

const FIRST_RETRY: Duration = Duration::from_millis(200);
const SLOWEST_RETRY: Duration = Duration::from_secs(30);

/// Waits between attempts to reach the API server.
#[must_use]
pub fn backoff() -> Backoff {
    Backoff::new(FIRST_RETRY, SLOWEST_RETRY)
}

/// Logs once that something is out of reach, and once that it is back.
pub struct Reach {
    lost: Box<dyn Fn(&str) -> String + Send + Sync>,
    found: String,
    trouble: Told,
    backoff: Backoff,
    lost_since: watch::Sender<Option<Instant>>,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

impl Reach {
    /// With log lines that begin with `what`.
    #[must_use]
    pub fn new(what: impl fmt::Display) -> Self {
        let found = format!("{what}: the API server answers again");
        let what = what.to_string();
        Self::saying(move |reason| format!("{what}: {reason}; retrying"), found)
    }

    /// With a log line made of the reason when it is lost, and another when it is found again.
    #[must_use]
    pub fn saying(
        lost: impl Fn(&str) -> String + Send + Sync + 'static,
        found: impl Into<String>,
    ) -> Self {
        let (lost, found) = (Box::new(lost), found.into());
        let lost_since = watch::Sender::new(None);
        Self { lost, found, trouble: Told::default(), backoff: backoff(), lost_since }
    }

    /// Since when it is out of reach, for whoever must do something about that; `None` while it is not.
    #[must_use]
    pub fn lost_since(&self) -> watch::Receiver<Option<Instant>> {
        self.lost_since.subscribe()
    }

    /// True from the first failure until it answers.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost_since.borrow().is_some()
    }

    /// The API server answered.
    pub fn succeeded(&mut self) {
        self.backoff.reset();
        self.lost_since.send_if_modified(|since| since.take().is_some());
        if self.trouble.clear() {
            tracing::info!("{}", self.found);
        }
    }

    /// It did not, or not as wanted: returns how long to wait before the next attempt.
    pub fn failed(&mut self, error: &(dyn Error + 'static)) -> Duration {
        let reason = chain(error);
        self.lost_since.send_if_modified(|since| {
            let is_new = since.is_none();
            since.get_or_insert_with(Instant::now);
            is_new
        });
        if self.trouble.is_news(distinction(error, &reason)) {
            tracing::warn!("{}", (self.lost)(&reason));
        } else {
            tracing::debug!("{}", (self.lost)(&reason));
        }
        self.backoff.delay()
    }

    /// [`Reach::failed`] of a watch. A history that was compacted is no trouble: the watch starts over.
    pub fn watch_failed(&mut self, error: &watcher::Error) -> Duration {
        if is_gone(error) {
            tracing::debug!("{error}");
            return Duration::ZERO;
        }
        self.failed(error)
    }
}

/// What tells one trouble from another. A server that is away shows in many errors, which are one trouble; what
/// it answers differs by what it says.
fn distinction(error: &(dyn Error + 'static), reason: &str) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(_)) => break,
            Some(_) => return String::new(),
            None => cause = error.source(),
        }
    }
    reason.to_owned()
}

/// HTTP 410, which the API server answers when a resource version is too old.
fn is_gone(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) => status.code == 410,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}
