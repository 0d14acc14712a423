//! Watches of the API server that outlive its absence.

use std::fmt::Debug;
use std::pin::Pin;

use kube::runtime::watcher::{self, Event, watch_object, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt as _};

use crate::reach::Reach;

pub use mirror::{Change, Mirror};

mod mirror;

type Updates<T> = Pin<Box<dyn Stream<Item = watcher::Result<T>> + Send>>;

/// A watch whose failures are logged, waited for and otherwise nobody's concern.
pub struct Watch<T> {
    updates: Updates<T>,
    reach: Reach,
    resume_at: Instant,
    /// What an answer of 404 means, where that is known.
    absence: Option<Absent>,
}

/// A kind that the API server does not serve.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the API server has no {group}/{version} {kind}: its CRD is not installed")]
struct Absent {
    group: String,
    version: String,
    kind: String,
}

impl<T> Debug for Watch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl<K> Watch<Option<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// One object by its name: `None` while it does not exist.
    #[must_use]
    pub fn one(api: Api<K>, name: &str, reach: Reach) -> Self {
        Self::new(watch_object(api, name), reach)
    }
}

impl<K> Watch<Event<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Every change of the objects of a kind.
    #[must_use]
    pub fn every(api: Api<K>, reach: Reach) -> Self {
        Self::new(watcher(api, watcher::Config::default()), reach)
    }
}

impl<T> Watch<T> {
    fn new(updates: impl Stream<Item = watcher::Result<T>> + Send + 'static, reach: Reach) -> Self {
        Self { updates: Box::pin(updates), reach, resume_at: Instant::now(), absence: None }
    }

    /// The next update. Nothing is lost when the future is dropped early.
    pub async fn next(&mut self) -> T {
        loop {
            tokio::time::sleep_until(self.resume_at).await;
            let pause = match self.updates.next().await {
                Some(Ok(update)) => {
                    self.reach.succeeded();
                    return update;
                }
                Some(Err(error)) => self.failed(&error),
                // A watcher starts over forever.
                None => return std::future::pending().await,
            };
            self.resume_at = Instant::now() + pause;
        }
    }

    fn failed(&mut self, error: &watcher::Error) -> std::time::Duration {
        match (error, &self.absence) {
            (watcher::Error::InitialListFailed(kube::Error::Api(answer)), Some(absent))
                if answer.code == 404 =>
            {
                self.reach.failed(absent)
            }
            _ => self.reach.watch_failed(error),
        }
    }
}
