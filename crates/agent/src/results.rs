//! Counts what the runtime hook left behind ([`fpga::records`]).

use std::io;
use std::path::PathBuf;
use std::thread;

use fpga::records::{MOST, make_directory, take};
use nix::sys::inotify::AddWatchFlags;

use crate::metrics::Metrics;
use crate::paths::{Directories, Happened};

/// Makes the directory, counts what is in it and what comes, and removes it. That the hook's results cannot
/// be counted harms nothing else, so it is only said.
///
/// # Errors
/// When a thread is not to be had.
pub fn follow(directory: PathBuf, metrics: Metrics) -> io::Result<()> {
    thread::Builder::new().name("results".to_owned()).spawn(move || {
        let Err(error) = Follower { directory: directory.clone(), metrics, trouble: None }.run();
        tracing::warn!("{}: the hook's results are not counted: {error}", directory.display());
    })?;
    Ok(())
}

struct Follower {
    directory: PathBuf,
    metrics: Metrics,
    /// What was last logged as being in the way.
    trouble: Option<String>,
}

impl Follower {
    fn run(mut self) -> io::Result<std::convert::Infallible> {
        let mut directories = Directories::new([self.directory.as_path()], AddWatchFlags::empty())?;
        self.count();
        loop {
            let happened = directories.wait()?;
            if happened.iter().any(|event| self.matters(event)) {
                self.count();
            }
        }
    }

    /// True when there may be a record, or no directory for one.
    fn matters(&self, event: &Happened) -> bool {
        match event {
            Happened::Entry(path, mask) => {
                path.parent() == Some(&self.directory) && mask.contains(AddWatchFlags::IN_MOVED_TO)
            }
            Happened::Appeared(path) | Happened::Vanished(path) => *path == self.directory,
            Happened::Overflow => true,
        }
    }

    fn count(&mut self) {
        match self.take() {
            Ok(()) => self.trouble = None,
            Err(error) => {
                let reason = error.to_string();
                if self.trouble.as_ref() != Some(&reason) {
                    let directory = self.directory.display();
                    tracing::warn!("{directory}: the hook's results are not counted: {reason}");
                }
                self.trouble = Some(reason);
            }
        }
    }

    fn take(&self) -> io::Result<()> {
        make_directory(&self.directory)?;
        loop {
            let taken = take(&self.directory)?;
            self.metrics.hook_ran(&taken);
            // A full directory may have more; files that cannot be removed must not hold the thread.
            if taken.records.len() < MOST {
                return Ok(());
            }
        }
    }
}
