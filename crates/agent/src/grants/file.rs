//! The file that says what is granted: noticing what others do to it, writing it, emptying it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fpga::grants::{Error, Grants};
use nix::sys::inotify::AddWatchFlags;
use tokio::sync::Notify;

use crate::paths::{Happened, Paths};

/// Is notified when somebody did something to the file.
pub(super) fn watch(path: &Path, paths: &Paths) -> Arc<Notify> {
    let changed = Arc::new(Notify::new());
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    let (notify, file, above) = (Arc::clone(&changed), path.to_owned(), directory.clone());
    let concerns = move |event: &Happened| match event {
        Happened::Entry(path, _) => *path == file || *path == above,
        Happened::Appeared(path) | Happened::Vanished(path) => *path == above,
        Happened::Overflow => true,
    };
    let more = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_ATTRIB;
    paths.watch([&*directory], more, move |happened| {
        if happened.iter().any(&concerns) {
            notify.notify_one();
        }
    });
    changed
}

/// Takes back every grant of a file that nobody needs any more, if there is one.
pub(super) async fn empty(path: PathBuf) {
    let emptied = tokio::task::spawn_blocking(move || {
        let is_there = path.symlink_metadata().is_ok();
        let emptied = is_there.then(|| save(&path, &Grants::default()));
        (path, emptied)
    });
    match emptied.await {
        Ok((path, Some(Ok(true)))) => tracing::info!(
            "no region is given out, so no function is granted any more: {} written",
            path.display()
        ),
        Ok((_, Some(Err(error)))) => tracing::warn!("grants cannot be taken back: {error}"),
        Ok((_, Some(Ok(false)) | None)) => {}
        Err(error) => tracing::error!("grants cannot be taken back: {error}"),
    }
}

/// Writes the file unless it says the same, and returns whether it did.
pub(super) fn save(path: &Path, grants: &Grants) -> Result<bool, Error> {
    if Grants::load(path).is_ok_and(|found| found == *grants) {
        return Ok(false);
    }
    grants.save(path)?;
    Ok(true)
}
