//! Watches of the API server that outlive its absence.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use kube::api::ListParams;
use kube::runtime::watcher::{self, Event, watch_object, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt as _};

use crate::backoff::Backoff;
use crate::reach::Reach;

pub use mirror::{Change, Mirror};

mod mirror;

type Updates<T> = Pin<Box<dyn Stream<Item = watcher::Result<T>> + Send>>;
/// Asks the API server for the least that the watch is about: true if it answers.
type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// How long a watch is given to fail again after an attempt, before the API server is asked whether it answers, and
/// between two such questions.
const PROBE: Duration = Duration::from_secs(1);
const SLOWEST_PROBE: Duration = Duration::from_secs(30);

/// A watch whose failures are logged, waited for and otherwise nobody's concern.
pub struct Watch<T> {
    updates: Updates<T>,
    /// A watch that continues where it broke off says nothing until something changes.
    probe: Probe,
    /// Whether an update comes from the API server: some only announce that it is about to be asked.
    is_answer: fn(&T) -> bool,
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
        let one = ListParams::default().fields(&format!("metadata.name={name}"));
        Self::new(watch_object(api.clone(), name), probe(api, one), |_| true, reach)
    }
}

impl<K> Watch<Event<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Every change of the objects of a kind.
    #[must_use]
    pub fn every(api: Api<K>, reach: Reach) -> Self {
        let updates = watcher(api.clone(), watcher::Config::default());
        let is_answer = |event: &Event<K>| !matches!(event, Event::Init);
        Self::new(updates, probe(api, ListParams::default()), is_answer, reach)
    }
}

fn probe<K>(api: Api<K>, params: ListParams) -> Probe
where
    K: Clone + DeserializeOwned + Debug + Send + 'static,
{
    let params = params.limit(1);
    Box::new(move || {
        let (api, params) = (api.clone(), params.clone());
        Box::pin(async move { api.list(&params).await.is_ok() })
    })
}

/// Waits until the API server answers.
async fn answered(probe: &Probe) {
    let mut pause = Backoff::new(PROBE, SLOWEST_PROBE);
    loop {
        tokio::time::sleep(pause.delay()).await;
        if probe().await {
            return;
        }
    }
}

impl<T> Watch<T> {
    fn new(
        updates: impl Stream<Item = watcher::Result<T>> + Send + 'static,
        probe: Probe,
        is_answer: fn(&T) -> bool,
        reach: Reach,
    ) -> Self {
        let (updates, resume_at) = (Box::pin(updates), Instant::now());
        Self { updates, probe, is_answer, reach, resume_at, absence: None }
    }

    /// The next update. Nothing is lost when the future is dropped early.
    pub async fn next(&mut self) -> T {
        loop {
            tokio::time::sleep_until(self.resume_at).await;
            let update = tokio::select! {
                update = self.updates.next() => update,
                () = answered(&self.probe), if self.reach.is_lost() => {
                    self.reach.succeeded();
                    continue;
                }
            };
            let pause = match update {
                Some(Ok(update)) => {
                    if (self.is_answer)(&update) {
                        self.reach.succeeded();
                    }
                    return update;
                }
                Some(Err(error)) => self.failed(&error),
                // A watcher starts over forever.
                None => return std::future::pending().await,
            };
            self.resume_at = Instant::now() + pause;
        }
    }

    fn failed(&mut self, error: &watcher::Error) -> Duration {
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
