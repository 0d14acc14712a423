//! Counts what the runtime hook left behind ([`fpga::records`]).

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fpga::records::{MOST, make_directory, take};
use fpga_cluster::told::Told;
use nix::sys::inotify::AddWatchFlags;
use tokio::sync::Notify;

use crate::metrics::Metrics;
use crate::orphans::Orphans;
use crate::paths::{Happened, Paths};

/// Makes the directory, counts what is in it and what comes, and removes it. That the hook's results cannot
/// be counted harms nothing else, so it is only logged.
pub(crate) async fn follow(
    directory: PathBuf,
    paths: Paths,
    metrics: Metrics,
    orphans: Orphans,
) -> Infallible {
    let (changed, directory) = (Arc::new(Notify::new()), Arc::<Path>::from(directory));
    let (notify, watched) = (Arc::clone(&changed), Arc::clone(&directory));
    paths.watch([&*directory], AddWatchFlags::empty(), move |happened| {
        if happened.iter().any(|event| matters(&watched, event)) {
            notify.notify_one();
        }
    });
    let mut trouble = Told::default();
    loop {
        let (directory_, metrics) = (Arc::clone(&directory), metrics.clone());
        let counted = tokio::task::spawn_blocking(move || count(&directory_, &metrics)).await;
        match counted.map_err(io::Error::from).flatten() {
            Ok(()) => {
                trouble.clear();
            }
            Err(error) => {
                orphans.check(&directory);
                if trouble.is_news(error.to_string()) {
                    let directory = directory.display();
                    tracing::warn!("{directory}: the hook's results are not counted: {error}");
                }
            }
        }
        changed.notified().await;
    }
}

/// True when there may be a record, or no directory for one.
fn matters(directory: &Path, event: &Happened) -> bool {
    match event {
        Happened::Entry(path, mask) => {
            path.parent() == Some(directory) && mask.contains(AddWatchFlags::IN_MOVED_TO)
        }
        Happened::Appeared(path) | Happened::Vanished(path) => path == directory,
        Happened::Overflow => true,
    }
}

fn count(directory: &Path, metrics: &Metrics) -> io::Result<()> {
    make_directory(directory)?;
    loop {
        let taken = take(directory)?;
        metrics.hook_ran(&taken);
        // A full directory may have more; files that cannot be removed must not hold the thread.
        if taken.records.len() < MOST {
            return Ok(());
        }
    }
}
