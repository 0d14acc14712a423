//! A certificate in files that somebody else keeps, read again whenever their directory changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fpga_cluster::told::Told;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rustls::crypto::CryptoProvider;
use tokio::sync::Notify;

use super::pair::Pair;
use super::replica::Replica;
use crate::tls::Serving;

/// Names of the two files, as in a Secret of cert-manager's.
const NAMES: [&str; 2] = ["tls.crt", "tls.key"];

/// Serves `tls.crt` and `tls.key` of a directory, and what takes their place. Files that are not there yet or are
/// no certificate are waited for. Ends when the directory cannot be watched.
///
/// # Errors
/// When the directory cannot be watched.
pub(crate) async fn follow(
    directory: PathBuf,
    serving: Serving,
    provider: Arc<CryptoProvider>,
) -> std::io::Result<std::convert::Infallible> {
    let changed = watch(&directory)?;
    let mut replica = Replica { serving, provider, served: None, refused: Told::default() };
    loop {
        match read(&directory) {
            Ok(pair) => replica.serve(&directory.display().to_string(), Some(pair)),
            Err(error) => replica.complain(&directory.display().to_string(), &error),
        }
        changed.notified().await;
    }
}

/// Tells of changes in a directory, from a thread that waits for them.
fn watch(directory: &Path) -> std::io::Result<Arc<Notify>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    // A mounted Secret changes by a link that is moved over another; files by being written.
    let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
    inotify.add_watch(directory, flags | AddWatchFlags::IN_CREATE)?;
    let changed = Arc::new(Notify::new());
    let told = Arc::clone(&changed);
    let wait = move || {
        while inotify.read_events().is_ok() {
            told.notify_one();
        }
    };
    std::thread::Builder::new().name("certificates".to_owned()).spawn(wait)?;
    Ok(changed)
}

fn read(directory: &Path) -> Result<Pair, String> {
    let text = |name: &str| {
        std::fs::read_to_string(directory.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let [certificate, key] = NAMES.map(text);
    Ok(Pair { certificate: certificate?, key: key?, ca: String::new() })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::certificates::issue::issue;
    use crate::tls::provider;

    /// As the kubelet mounts a Secret: a directory behind a link that is replaced in one step.
    fn mount(directory: &Path, version: &str, pair: &Pair) {
        let content = directory.join(version);
        std::fs::create_dir(&content).unwrap();
        std::fs::write(content.join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(content.join("tls.key"), &pair.key).unwrap();
        std::os::unix::fs::symlink(version, directory.join("..tmp")).unwrap();
        std::fs::rename(directory.join("..tmp"), directory.join("..data")).unwrap();
        for name in NAMES {
            let link = directory.join(name);
            if !link.is_symlink() {
                std::os::unix::fs::symlink(Path::new("..data").join(name), link).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn files_that_come_later_and_change_are_served() {
        let directory = tempfile::tempdir().unwrap();
        let make =
            || issue(&["a.svc".to_owned()], SystemTime::now(), Duration::from_secs(3600)).unwrap();
        let serving = Serving::default();
        let follow = follow(directory.path().to_owned(), serving.clone(), provider());
        let follow = tokio::spawn(follow);
        let served = |pair: Pair| {
            let serving = serving.clone();
            async move {
                let wanted = pair.load(&provider()).unwrap().cert;
                let mut tries = 0;
                while serving.certificates().as_ref() != Some(&wanted) {
                    tries += 1;
                    assert!(tries < 3000, "the certificate is not served");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let (one, two) = (make(), make());
        mount(directory.path(), "..1", &one);
        served(one.clone()).await;
        mount(directory.path(), "..2", &two);
        served(two.clone()).await;
        // A key that does not belong to it: the last good one stays until there is another.
        let mixed = Pair { key: one.key.clone(), ..two.clone() };
        mount(directory.path(), "..3", &mixed);
        mount(directory.path(), "..4", &one);
        served(one).await;
        follow.abort();
    }
}
