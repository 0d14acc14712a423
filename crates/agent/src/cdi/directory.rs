//! A spec of the Container Device Interface for each device: what a container gets with it, and the hook
//! that prepares it before the container starts and cleans it after it ended.
//!
//! The specs are a promise to running pods, too: a container that the kubelet restarts is resolved by its
//! CDI device's name again, without another Allocate. So they stay when the agent is stopped or updated,
//! and after it was removed for good they lie in a directory that a reboot empties. They go when their
//! device goes, or when the agent runs in a mode that has none and nobody holds the device. What somebody else removes
//! or changes is put right at once, and every Allocate makes sure of its specs before a container is given anything.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fpga::names::{CDI_KIND, spec_file};
use fpga::stack::is_device_name;
use fpga_cluster::told::Standing;
use nix::sys::inotify::AddWatchFlags;
use tokio::sync::Notify;

use super::files;
use crate::orphans::Orphans;
use crate::paths::{Happened, Paths};

/// Between two rounds of putting things right, so that two agents that disagree do not keep a processor
/// busy.
const PAUSE: Duration = Duration::from_secs(1);

/// The specs of this node. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Specs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    state: Mutex<State>,
    /// There is something to keep.
    used: Notify,
    orphans: Orphans,
}

#[derive(Debug, Default)]
struct State {
    /// The text of each device's spec.
    wanted: BTreeMap<String, Vec<u8>>,
    /// Whether those of other devices go.
    is_sure: bool,
    /// What is in the way of specs and has been logged.
    trouble: Standing<String>,
}

/// A device whose container would start without being programmed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Its spec is not there and cannot be written.
    #[error("device {device} cannot be given to a container: CDI spec {}: {cause}", path.display())]
    Write { device: String, path: PathBuf, cause: io::Error },
    /// There is no spec for it, because it is going.
    #[error("device {0} cannot be given to a container: it has no CDI spec")]
    NoSpec(String),
}

/// The name by which a runtime finds a device.
#[must_use]
pub(crate) fn qualified_name(device: &str) -> String {
    format!("{CDI_KIND}={device}")
}

impl Specs {
    /// Nothing is written yet.
    #[must_use]
    pub(crate) fn new(directory: PathBuf, orphans: Orphans) -> Self {
        let (state, used) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { directory, state, used, orphans }))
    }

    /// From now on each of these devices has this text as its spec, and if it `is_sure` that nobody needs them there are
    /// no others of ours. What cannot be written is logged and tried again.
    pub(crate) fn set(&self, mut wanted: BTreeMap<String, Vec<u8>>, is_sure: bool) {
        wanted.retain(|device, _| is_device_name(device));
        let mut state = self.0.lock();
        state.wanted = wanted;
        state.is_sure = is_sure;
        if !state.wanted.is_empty() {
            self.0.used.notify_one();
        }
        self.0.sync(&mut state);
    }

    /// Makes sure that the specs of these devices are there and right.
    ///
    /// # Errors
    /// [`Error`] names the first that is not.
    pub(crate) fn ensure(&self, devices: &[String]) -> Result<(), Error> {
        let state = self.0.lock();
        for device in devices {
            let text = state.wanted.get(device).ok_or_else(|| Error::NoSpec(device.clone()))?;
            self.0.put(device, text)?;
        }
        Ok(())
    }

    /// Puts right what others do to the directory, once there is something in it. Without that, Allocate still
    /// makes sure of its specs.
    pub(crate) async fn keep(self, paths: Paths) -> Infallible {
        self.0.used.notified().await;
        let changed = Arc::new(Notify::new());
        let (notify, shared) = (Arc::clone(&changed), Arc::clone(&self.0));
        paths.watch([&*self.0.directory], AddWatchFlags::IN_CLOSE_WRITE, move |happened| {
            if happened.iter().any(|event| shared.concerns(event)) {
                notify.notify_one();
            }
        });
        loop {
            let shared = Arc::clone(&self.0);
            let synced = tokio::task::spawn_blocking(move || shared.sync(&mut shared.lock())).await;
            if let Err(error) = synced {
                tracing::error!("CDI specs: {error}");
            }
            tokio::time::sleep(PAUSE).await;
            changed.notified().await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn concerns(&self, event: &Happened) -> bool {
        match event {
            // A directory that came and went between two rounds is not there now.
            Happened::Entry(path, _) if *path == self.directory => true,
            Happened::Entry(path, _) => {
                path.parent() == Some(&self.directory)
                    && path.file_name().and_then(|name| name.to_str()).is_some_and(files::is_ours)
            }
            Happened::Appeared(path) | Happened::Vanished(path) => *path == self.directory,
            Happened::Overflow => true,
        }
    }

    /// Writes what is missing or wrong and removes what is not wanted, and logs both.
    fn sync(&self, state: &mut State) {
        let specs = state.wanted.iter();
        let failed = specs.filter_map(|(device, text)| self.put(device, text).err());
        let failed = failed.map(|error| error.to_string()).collect();
        for reason in state.trouble.update(failed).0 {
            tracing::error!("{reason}");
        }
        if !state.is_sure {
            return;
        }
        let stale = files::stale(&self.directory, |device| state.wanted.contains_key(device));
        for path in stale {
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!("CDI spec removed: {}", path.display()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!("CDI spec {} cannot be removed: {error}", path.display())
                }
            }
        }
    }

    fn put(&self, device: &str, text: &[u8]) -> Result<(), Error> {
        let path = self.directory.join(spec_file(device));
        match files::put(&path, text) {
            Ok(false) => Ok(()),
            Ok(true) => {
                tracing::info!("CDI spec written: {}", path.display());
                Ok(())
            }
            Err(cause) => {
                self.orphans.check(&self.directory);
                Err(Error::Write { device: device.to_owned(), path, cause })
            }
        }
    }
}

#[cfg(test)]
mod tests;
