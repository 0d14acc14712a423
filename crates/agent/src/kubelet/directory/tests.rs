use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Only against hanging forever.
const LIMIT: Duration = Duration::from_secs(30);

struct Fixture {
    temp: TempDir,
    seen: watch::Receiver<Seen>,
}

/// Watches `plugins` in a fresh directory, which is made first if `exists`.
fn fixture(exists: bool) -> Fixture {
    let temp = TempDir::new().unwrap();
    let directory = temp.path().join("a/kubelet/plugins");
    if exists {
        fs::create_dir_all(&directory).unwrap();
    }
    let sockets = Sockets { kubelet: directory.join("kubelet.sock"), directory };
    let (paths, _) = Paths::new().unwrap();
    Fixture { temp, seen: follow(sockets, &paths) }
}

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join("a/kubelet/plugins").join(name)
    }

    /// Does something and waits until the counts satisfy `condition` against those before.
    async fn after(&mut self, act: impl FnOnce(&Self), condition: impl Fn(Seen, Seen) -> bool) {
        let before = *self.seen.borrow_and_update();
        act(self);
        let changed = self.seen.wait_for(|now| condition(before, *now));
        tokio::time::timeout(LIMIT, changed).await.expect("nothing was noticed").unwrap();
    }
}

fn kubelet(before: Seen, now: Seen) -> bool {
    now.kubelet > before.kubelet
}

fn removal(before: Seen, now: Seen) -> bool {
    now.removals > before.removals
}

#[tokio::test]
async fn a_kubelet_that_makes_or_moves_its_socket_is_seen() {
    let mut fixture = fixture(true);
    fixture.after(|f| fs::write(f.path("kubelet.sock"), "").unwrap(), kubelet).await;
    fixture.after(|f| fs::remove_file(f.path("kubelet.sock")).unwrap(), removal).await;
    fixture
        .after(
            |f| {
                fs::write(f.path("new"), "")
                    .and_then(|()| fs::rename(f.path("new"), f.path("kubelet.sock")))
                    .unwrap()
            },
            kubelet,
        )
        .await;
}

#[tokio::test]
async fn other_files_are_not_a_kubelet() {
    let mut fixture = fixture(true);
    let before = *fixture.seen.borrow();
    fixture
        .after(
            |f| {
                fs::write(f.path("other.sock"), "")
                    .and_then(|()| fs::remove_file(f.path("other.sock")))
                    .unwrap()
            },
            removal,
        )
        .await;
    assert_eq!(fixture.seen.borrow().kubelet, before.kubelet);
}

#[tokio::test]
async fn a_directory_that_is_made_later_is_seen_and_watched() {
    let mut fixture = fixture(false);
    fixture.after(|f| fs::create_dir_all(f.path("")).unwrap(), kubelet).await;
    fixture.after(|f| fs::write(f.path("kubelet.sock"), "").unwrap(), kubelet).await;
}

#[tokio::test]
async fn a_directory_that_is_replaced_at_any_level_is_seen_and_watched() {
    let mut fixture = fixture(true);
    // An open directory gets no event of its own removal.
    for level in ["a/kubelet/plugins", "a/kubelet", "a", "a/kubelet"] {
        let _open = fs::File::open(fixture.temp.path().join(level)).unwrap();
        fixture.after(|f| fs::remove_dir_all(f.temp.path().join(level)).unwrap(), removal).await;
        fixture.after(|f| fs::create_dir_all(f.path("")).unwrap(), kubelet).await;
        fixture.after(|f| fs::write(f.path("kubelet.sock"), "").unwrap(), kubelet).await;
    }
}

#[tokio::test]
async fn a_directory_that_is_moved_away_is_no_longer_the_one() {
    for level in ["a/kubelet/plugins", "a/kubelet", "a"] {
        let mut fixture = fixture(true);
        let aside = fixture.temp.path().join("aside");
        fixture.after(|f| fs::rename(f.temp.path().join(level), &aside).unwrap(), removal).await;
        fixture.after(|f| fs::create_dir_all(f.path("")).unwrap(), kubelet).await;
        let before = *fixture.seen.borrow();
        let old =
            aside.join("a/kubelet/plugins".strip_prefix(level).unwrap().trim_start_matches('/'));
        fs::write(old.join("kubelet.sock"), "").unwrap();
        fixture.after(|f| fs::write(f.path("kubelet.sock"), "").unwrap(), kubelet).await;
        assert_eq!(fixture.seen.borrow().kubelet, before.kubelet + 1, "{level}");
    }
}
