//! Keeps the file that tells the runtime hook which functions the pods of each namespace may have
//! programmed.
//!
//! What is granted is what the AcceleratorFunction objects of a namespace say. The file is kept so while the mode is
//! region, and while a pod still has a region that the hook may be run for; afterwards nothing is granted any more.
//! What somebody else does to it is put right at once. While the API server is away it stays as it is, for as long as
//! `--grants-expire` says: containers start with what was granted before.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fpga::grants::Grants;
use fpga::names::Mode;
use fpga_api::{Kind, Manifest};
use fpga_cluster::api::Server;
use fpga_cluster::backoff::Backoff;
use fpga_cluster::debounce::Debounce;
use fpga_cluster::events::Reporter;
use fpga_cluster::reach::{self, Reach};
use fpga_cluster::told::Standing;
use fpga_cluster::watch::Mirror;
use kube::runtime::reflector::Store;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::orphans::Orphans;
use crate::paths::Paths;
use crate::plugin::handout::{Programming, RegionConfig};
use file::save;
use objects::Objects;
use trust::{Step, Trust};

mod file;
mod objects;
mod trust;

const KIND: Kind = Kind::Function;

/// Changes in quick succession are written once, but not later than [`PATIENCE`] after the first.
const QUIET: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two rounds of putting right what others did, so that two agents that disagree do not keep a processor busy.
const PAUSE: Duration = Duration::from_secs(1);
/// After so long without region mode nothing is granted any more. An agent that starts may learn of its mode a moment
/// later.
const LEAVING: Duration = Duration::from_secs(5);

/// What the keeping of grants must know, and whom it tells.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub mode: watch::Receiver<Mode>,
    /// Whether there are regions that may be programmed at any time.
    pub regions: watch::Receiver<bool>,
    pub paths: Paths,
    pub metrics: Metrics,
    pub reporter: Reporter,
    pub orphans: Orphans,
}

/// Starts to keep the file, as long as a region may be programmed by it.
pub(crate) fn keep(config: &RegionConfig, server: Option<Server>, around: Surroundings) {
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
        (Some(path), Some(server)) => {
            Job::Follow(server, File { path: path.clone(), expire: config.grants_expire })
        }
    };
    tokio::spawn(run(job, around));
}

enum Job {
    /// Nothing but a word about it.
    Tell(String),
    /// Follow the objects on this server, and write them here.
    Follow(Server, File),
}

#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    /// See `--grants-expire`.
    expire: Option<Duration>,
}

async fn run(job: Job, around: Surroundings) {
    let (mut mode, mut regions) = (around.mode.clone(), around.regions.clone());
    let changed = match &job {
        Job::Follow(_, file) => file::watch(&file.path, &around.paths),
        Job::Tell(_) => Arc::default(),
    };
    loop {
        let leave = async {
            if let Job::Follow(_, file) = &job {
                tokio::time::sleep(LEAVING).await;
                file::empty(file.path.clone()).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            () = needed(&mut mode, &mut regions, true) => {}
            () = leave => {}
        }
        let work = async {
            match &job {
                Job::Tell(word) => tracing::info!("{word}"),
                Job::Follow(server, file) => {
                    Keeper::new(file.clone(), &around).follow(server, &changed).await;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            () = work => {}
            () = needed(&mut mode, &mut regions, false) => {}
        }
        around.metrics.following_grants(None);
    }
}

/// Waits until the hook may be run for somebody, or until it may not.
async fn needed(
    mode: &mut watch::Receiver<Mode>,
    regions: &mut watch::Receiver<bool>,
    wanted: bool,
) {
    loop {
        let is_region = *mode.borrow_and_update() == Mode::Region;
        let has_regions = *regions.borrow_and_update();
        if (is_region || has_regions) == wanted {
            return;
        }
        tokio::select! {
            Ok(()) = mode.changed() => {}
            Ok(()) = regions.changed() => {}
            else => std::future::pending().await,
        }
    }
}

struct Keeper<'a> {
    file: File,
    around: &'a Surroundings,
    /// What is in the file, as far as it is known.
    written: Option<Grants>,
    retry: Backoff,
    /// What was logged about objects that grant nothing.
    told: Standing<(String, String)>,
    trust: Trust,
    /// When the file was last looked at because somebody did something to it.
    restored: Option<Instant>,
}

impl<'a> Keeper<'a> {
    fn new(file: File, around: &'a Surroundings) -> Self {
        let trust = Trust::new(file.expire);
        let (retry, told) = (reach::backoff(), Standing::default());
        Self { file, around, written: None, retry, told, trust, restored: None }
    }

    async fn follow(mut self, server: &Server, touched: &Notify) {
        let path = self.file.path.display().to_string();
        let limit = self.file.expire.map(|time| format!(" for {} s", time.as_secs()));
        let limit = limit.unwrap_or_default();
        let lost = move |reason: &str| {
            format!(
                "cannot watch the {KIND} objects, so what is granted stays as {path} has it{limit}; retrying: {reason}"
            )
        };
        let mut reach = Reach::saying(lost, format!("the API server reports {KIND} objects again"));
        let mut lost_since = reach.lost_since();
        self.around.metrics.following_grants(Some(lost_since.clone()));
        let (known, mut objects) = watch::channel(None);
        let feed = async move {
            let client = server.wait(&mut reach).await;
            let mut mirror = Mirror::new(client, KIND, reach, Manifest::trimmed);
            let store = mirror.store();
            loop {
                mirror.next().await;
                known.send_replace(Some(store.clone()));
            }
        };
        tokio::pin!(feed);
        let mut debounce = Debounce::new(QUIET, PATIENCE);
        loop {
            let next_step = self.trust.next_step();
            let step = async {
                match next_step {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                never = &mut feed => match never {},
                Ok(()) = objects.changed() => debounce.changed(),
                Ok(()) = lost_since.changed() => {
                    let since = *lost_since.borrow_and_update();
                    let step = self.trust.is_lost(since);
                    self.take(step, &mut debounce);
                }
                () = step => {
                    let step = self.trust.due(Instant::now());
                    self.take(step, &mut debounce);
                }
                () = touched.notified() => {
                    self.written = None;
                    let last = self.restored.replace(Instant::now());
                    debounce.retry_in(last.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed())));
                }
                () = debounce.due() => {
                    let store: Option<Store<Manifest>> = objects.borrow().clone();
                    if let Err(delay) = self.bring_up_to_date(store.as_ref()).await {
                        debounce.retry_in(delay);
                    }
                }
            }
        }
    }

    /// Says what has come of the API server's silence, or of its end.
    fn take(&self, step: Option<Step>, debounce: &mut Debounce) {
        let Some(step) = step else { return };
        let path = self.file.path.display();
        match step {
            Step::Tell => self.around.reporter.warn(
                "FpgaGrantsUnknown",
                format!("the API server has reported no {KIND} objects for some minutes: what is granted stays as {path} has it"),
            ),
            Step::Close => {
                let note = format!("the API server has reported no {KIND} objects for too long: no function is granted until it does");
                tracing::warn!("{note}");
                self.around.reporter.warn("FpgaGrantsClosed", note);
                debounce.changed();
            }
            Step::Open => {
                let note = format!("the API server reports {KIND} objects again: they grant again");
                self.around.reporter.tell("FpgaGrantsKnown", note);
                debounce.changed();
            }
        }
    }

    async fn bring_up_to_date(&mut self, store: Option<&Store<Manifest>>) -> Result<(), Duration> {
        if self.trust.is_closed() {
            return self.write(Grants::default(), 0).await;
        }
        // Until they are known, the file is as an earlier agent left it.
        let Some(store) = store else { return Ok(()) };
        let objects = store.state();
        let objects = Objects::read(objects.iter().map(AsRef::as_ref));
        self.tell(&objects);
        self.write(objects.grants(), objects.count()).await
    }

    /// Logs which objects grant nothing, once.
    fn tell(&mut self, objects: &Objects) {
        let refused: BTreeSet<_> = objects.refused().collect();
        for (object, reason) in self.told.update(refused).0 {
            tracing::warn!("{KIND} {object} grants nothing: {reason}");
        }
    }

    /// Writes what is granted; if it fails, it is to be tried again after a time.
    async fn write(&mut self, grants: Grants, count: usize) -> Result<(), Duration> {
        if self.written.as_ref() == Some(&grants) {
            return Ok(());
        }
        let path = self.file.path.clone();
        let save = tokio::task::spawn_blocking(move || (save(&path, &grants), grants)).await;
        let failed = match save {
            Ok((Ok(is_new), grants)) => {
                if is_new {
                    let path = self.file.path.display();
                    tracing::info!("{count} functions granted: {path} written");
                }
                self.written = Some(grants);
                self.retry.reset();
                return Ok(());
            }
            Ok((Err(error), _)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.around.orphans.check(&self.file.path);
        tracing::error!("grants cannot be written: {failed}");
        Err(self.retry.delay())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod that holds a region is restarted with it, whatever the mode has become.
    #[tokio::test]
    async fn the_grants_are_needed_in_region_mode_and_as_long_as_a_pod_has_a_region() {
        let (set_mode, mode) = watch::channel(Mode::Af);
        let (set_regions, regions) = watch::channel(false);
        let is_needed = async || {
            let (mut mode, mut regions) = (mode.clone(), regions.clone());
            let now = needed(&mut mode, &mut regions, true);
            tokio::time::timeout(Duration::ZERO, now).await.is_ok()
        };
        assert!(!is_needed().await);
        set_mode.send_replace(Mode::Region);
        assert!(is_needed().await);
        set_regions.send_replace(true);
        set_mode.send_replace(Mode::RegionDevel);
        assert!(is_needed().await);
        set_regions.send_replace(false);
        assert!(!is_needed().await);

        // Where the mode is fixed, its sender is gone.
        drop(set_mode);
        let (mut mode, mut regions) = (mode, regions);
        let waiting = needed(&mut mode, &mut regions, true);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::ZERO, &mut waiting).await.is_err());
        set_regions.send_replace(true);
        waiting.await;
    }
}
