//! Keeps the file that tells the runtime hook which functions the pods of each namespace may have
//! programmed.
//!
//! What is granted is what the AcceleratorFunction objects of a namespace say. While the API server is away
//! the file stays as it is: containers start with what was granted before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::grants::Grants;
use fpga::names::Mode;
use fpga_api::{GROUP, Kind, STORAGE_VERSION};
use kube::Api;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, watcher};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;

use crate::api::{self, Server, chain, is_gone};
use crate::backoff::Backoff;
use crate::mode::reached;
use crate::region::{Programming, RegionConfig};
use objects::Objects;

mod objects;

const VERSION: &str = STORAGE_VERSION;
const KIND: &str = Kind::Function.as_str();

/// Changes in quick succession are written once.
const QUIET: Duration = Duration::from_millis(100);

/// Starts to keep the file, as long as the mode is region.
pub fn keep(config: &RegionConfig, mode: watch::Receiver<Mode>, server: Option<Server>) {
    if config.programming == Programming::None {
        return;
    }
    let job = match (&config.grants_file, server) {
        _ if config.allow_any => Job::Tell(
            "every namespace may have every function in the store programmed (--allow-any)"
                .to_owned(),
        ),
        (None, _) => return,
        (Some(path), None) => Job::Tell(format!(
            "which functions may be programmed is read from {}, which is kept by hand: there is no API \
             server",
            path.display()
        )),
        (Some(path), Some(server)) => Job::Follow(server, path.clone()),
    };
    tokio::spawn(run(job, mode));
}

enum Job {
    /// Nothing but a word about it.
    Tell(String),
    /// Follow the objects on this server, and write them here.
    Follow(Server, PathBuf),
}

async fn run(job: Job, mut mode: watch::Receiver<Mode>) {
    loop {
        reached(&mut mode, |mode| mode == Mode::Region).await;
        let work = async {
            match &job {
                Job::Tell(word) => tracing::info!("{word}"),
                Job::Follow(server, path) => Keeper::new(path.clone()).follow(server).await,
            }
            std::future::pending().await
        };
        tokio::select! {
            () = work => {}
            () = reached(&mut mode, |mode| mode != Mode::Region) => {}
        }
    }
}

struct Keeper {
    path: PathBuf,
    objects: Objects,
    /// What is in the file, as far as it is known.
    written: Option<Grants>,
    /// When to write.
    due: Option<Instant>,
    retry: Backoff,
    /// What was last logged as being in the way.
    trouble: Option<String>,
    /// What was logged about objects that grant nothing.
    told: BTreeMap<String, String>,
}

impl Keeper {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            objects: Objects::default(),
            written: None,
            due: None,
            retry: api::backoff(),
            trouble: None,
            told: BTreeMap::new(),
        }
    }

    async fn follow(mut self, server: &Server) {
        let mut backoff = api::backoff();
        let client = loop {
            match server.client().await {
                Ok(client) => break client,
                Err(error) => self.report(chain(&error)),
            }
            tokio::time::sleep(backoff.delay()).await;
        };
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, KIND));
        let objects = Api::<DynamicObject>::all_with(client, &kind);
        let mut events = std::pin::pin!(watcher(objects, watcher::Config::default()));
        loop {
            let due = async {
                match self.due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = events.next() => event,
                () = due => {
                    self.write().await;
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => {
                    backoff.reset();
                    self.take(event);
                }
                // The history that the watch stood on has been compacted; it starts over by itself.
                Some(Err(error)) if is_gone(&error) => tracing::debug!("{KIND} objects: {error}"),
                Some(Err(error)) => {
                    self.report(reason(&error));
                    tokio::time::sleep(backoff.delay()).await;
                }
                None => return,
            }
        }
    }

    fn take(&mut self, event: watcher::Event<DynamicObject>) {
        if self.objects.take(event) {
            if self.trouble.take().is_some() {
                tracing::info!("the API server tells of {KIND} objects again");
            }
            self.tell();
            self.due = Some(Instant::now() + QUIET);
        }
    }

    /// Logs which objects grant nothing, once.
    fn tell(&mut self) {
        let refused: BTreeMap<_, _> = self.objects.refused().collect();
        for (object, reason) in &refused {
            if self.told.get(object) != Some(reason) {
                tracing::warn!("{KIND} {object} grants nothing: {reason}");
            }
        }
        self.told = refused;
    }

    async fn write(&mut self) {
        self.due = None;
        let grants = self.objects.grants();
        if self.written.as_ref() == Some(&grants) {
            return;
        }
        let path = self.path.clone();
        let save = tokio::task::spawn_blocking(move || save(&path, grants)).await;
        let failed = match save {
            Ok(Ok((grants, written))) => {
                if written {
                    let count = self.objects.count();
                    tracing::info!("{count} functions granted: {} written", self.path.display());
                }
                self.written = Some(grants);
                self.retry.reset();
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!("grants cannot be written: {failed}");
        self.due = Some(Instant::now() + self.retry.delay());
    }

    fn report(&mut self, reason: String) {
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(
                "cannot watch the {KIND} objects, so what is granted stays as {} has it; retrying: {reason}",
                self.path.display()
            );
        }
        self.trouble = Some(reason);
    }
}

/// Writes the file unless it says the same, and returns whether it did.
fn save(path: &Path, grants: Grants) -> Result<(Grants, bool), fpga::grants::Error> {
    if Grants::load(path).is_ok_and(|found| found == grants) {
        return Ok((grants, false));
    }
    grants.save(path)?;
    Ok((grants, true))
}

/// In words, with the usual cause of an answer that would not tell it.
fn reason(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => {
            format!("the API server has no {GROUP}/{VERSION} {KIND}: its CRD is not installed")
        }
        other => chain(other),
    }
}
