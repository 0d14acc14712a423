//! Keeps the file that tells the runtime hook which functions the pods of each namespace may have
//! programmed.
//!
//! What is granted is what the AcceleratorFunction objects of a namespace say. While the API server is away
//! the file stays as it is: containers start with what was granted before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::grants::Grants;
use fpga::names::Mode;
use fpga_api::{Kind, Manifest};
use fpga_cluster::api::Server;
use fpga_cluster::backoff::Backoff;
use fpga_cluster::debounce::Debounce;
use fpga_cluster::reach::{self, Reach};
use fpga_cluster::told::Standing;
use fpga_cluster::watch::Mirror;
use tokio::sync::watch;

use crate::mode::reached;
use crate::plugin::handout::{Programming, RegionConfig};
use objects::Objects;

mod objects;

const KIND: Kind = Kind::Function;

/// Changes in quick succession are written once, but not later than [`PATIENCE`] after the first.
const QUIET: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts to keep the file, as long as the mode is region.
pub(crate) fn keep(config: &RegionConfig, mode: watch::Receiver<Mode>, server: Option<Server>) {
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
    /// What is in the file, as far as it is known.
    written: Option<Grants>,
    retry: Backoff,
    /// What was logged about objects that grant nothing.
    told: Standing<(String, String)>,
}

impl Keeper {
    fn new(path: PathBuf) -> Self {
        Self { path, written: None, retry: reach::backoff(), told: Standing::default() }
    }

    async fn follow(mut self, server: &Server) {
        let path = self.path.display().to_string();
        let lost = move |reason: &str| {
            format!(
                "cannot watch the {KIND} objects, so what is granted stays as {path} has it; retrying: {reason}"
            )
        };
        let mut reach = Reach::saying(lost, format!("the API server reports {KIND} objects again"));
        let client = server.wait(&mut reach).await;
        let mut mirror = Mirror::new(client, KIND, reach, Manifest::trimmed);
        let objects = mirror.store();
        let mut debounce = Debounce::new(QUIET, PATIENCE);
        loop {
            tokio::select! {
                _ = mirror.next() => debounce.changed(),
                () = debounce.due() => {
                    let objects = objects.state();
                    let objects = Objects::read(objects.iter().map(AsRef::as_ref));
                    self.tell(&objects);
                    if let Err(delay) = self.write(&objects).await {
                        debounce.retry_in(delay);
                    }
                }
            }
        }
    }

    /// Logs which objects grant nothing, once.
    fn tell(&mut self, objects: &Objects) {
        let refused: BTreeSet<_> = objects.refused().collect();
        for (object, reason) in self.told.update(refused).0 {
            tracing::warn!("{KIND} {object} grants nothing: {reason}");
        }
    }

    /// Writes what is granted; if it fails, it is to be tried again after a time.
    async fn write(&mut self, objects: &Objects) -> Result<(), Duration> {
        let grants = objects.grants();
        if self.written.as_ref() == Some(&grants) {
            return Ok(());
        }
        let path = self.path.clone();
        let save = tokio::task::spawn_blocking(move || save(&path, grants)).await;
        let failed = match save {
            Ok(Ok((grants, written))) => {
                if written {
                    let count = objects.count();
                    tracing::info!("{count} functions granted: {} written", self.path.display());
                }
                self.written = Some(grants);
                self.retry.reset();
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!("grants cannot be written: {failed}");
        Err(self.retry.delay())
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
