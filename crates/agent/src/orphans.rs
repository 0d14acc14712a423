//! Directories of the host that were removed behind the agent's back.
//!
//! A container has directories of the host as bind mounts. When somebody removes one on the host and makes it anew, the
//! mount still shows the removed one, in which nothing can be made any more, and nothing that the agent can do brings
//! the new one in. So it ends: the container is started again, and the runtime mounts what is there then. On a host
//! without containers the path leads to the new directory, or is made again, and none of this happens.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

/// The first directory that was found removed. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Orphans(Arc<watch::Sender<Option<PathBuf>>>);

impl Default for Orphans {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Orphans {
    /// Something could not be made in `directory`: looks whether that, or what there is above it, is one that was
    /// removed. A directory without any link has no name, on every file system.
    pub(crate) fn check(&self, directory: &Path) {
        let there = |path: &Path| Some((path.to_owned(), std::fs::metadata(path).ok()?));
        let Some((path, found)) = directory.ancestors().find_map(there) else { return };
        if found.is_dir() && found.nlink() == 0 {
            self.0.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(path);
                is_first
            });
        }
    }

    /// Waits until one is found.
    pub(crate) async fn found(&self) -> PathBuf {
        let mut first = self.0.subscribe();
        loop {
            if let Some(directory) = first.borrow_and_update().clone() {
                return directory;
            }
            if first.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[tokio::test]
    async fn only_a_directory_that_has_no_name_any_more_counts() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("cdi");
        std::fs::create_dir(&path).unwrap();
        let held = File::open(&path).unwrap();
        // As a bind mount does, this path leads to the directory itself and not to its name.
        let mounted = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
        let orphans = Orphans::default();
        orphans.check(&mounted);
        std::fs::remove_dir(&path).unwrap();
        orphans.check(&path);
        assert_eq!(*orphans.0.borrow(), None);
        std::fs::create_dir(&path).unwrap();
        orphans.check(&path);
        assert_eq!(*orphans.0.borrow(), None);
        // What is to be made may be further down.
        orphans.check(&mounted.join("results"));
        assert_eq!(orphans.found().await, mounted);
    }
}
