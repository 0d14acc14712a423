//! The card's lock between processes.

use std::process::Command;
use std::time::Duration;

use fpga::program::{CardLock, LockError};

use crate::emulator::eventually;
use crate::helper::{Helper, Request, Verb};

const FME: &str = "dfl-fme.0";
const LONG: Duration = Duration::from_secs(30);

/// A directory with a management node. The lock needs no more of a card.
fn fixture() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("dev")).unwrap();
    std::fs::write(directory.path().join("dev").join(FME), "").unwrap();
    directory
}

fn request(directory: &tempfile::TempDir) -> Request {
    Request::new(Verb::Lock, directory.path().to_owned(), FME, "0")
}

fn acquire(directory: &tempfile::TempDir, timeout: Duration) -> Result<CardLock, LockError> {
    CardLock::acquire(&directory.path().join("dev").join(FME), timeout, &mut |_| ())
}

#[test]
fn one_process_after_the_other() {
    let directory = fixture();
    let mut first = Helper::plain(&request(&directory));
    first.wait_for("locked");
    let mut second = Helper::plain(&request(&directory));
    assert_eq!(second.wait_for("waiting"), format!("waiting {}", first.id()));
    let report = first.finish();
    assert_eq!(report.one("done"), " ");
    second.wait_for("locked");
}

#[test]
fn a_holder_that_is_killed_leaves_it_free() {
    let directory = fixture();
    let mut holder = Helper::plain(&request(&directory));
    holder.wait_for("locked");
    let mut next = Helper::plain(&request(&directory));
    next.wait_for("waiting");
    holder.kill();
    next.wait_for("locked");
}

/// A waiter that dies does not keep its place.
#[test]
fn a_waiter_that_is_killed_blocks_nobody() {
    let directory = fixture();
    let mut holder = Helper::plain(&request(&directory));
    holder.wait_for("locked");
    let mut waiter = Helper::plain(&request(&directory));
    waiter.wait_for("waiting");
    waiter.kill();
    holder.kill();
    acquire(&directory, LONG).unwrap();
}

#[test]
fn a_time_out_names_the_holder() {
    let directory = fixture();
    let mut holder = Helper::plain(&request(&directory));
    holder.wait_for("locked");
    let error = acquire(&directory, Duration::from_millis(50)).unwrap_err();
    let LockError::Timeout { holder: Some(named), .. } = &error else { panic!("{error}") };
    assert_eq!(named.pid, holder.id());
    assert!(named.command.starts_with("program-"), "{named}");
    let text = error.to_string();
    let node = directory.path().join("dev").join(FME);
    let start = format!("{}: locked by process {} (program-", node.display(), holder.id());
    assert!(text.starts_with(&start) && text.contains("gave up after 0."), "{text}");
    // The wait that was given up does not take the lock later.
    holder.kill();
    acquire(&directory, LONG).unwrap();
}

#[test]
fn children_do_not_inherit_it() {
    let directory = fixture();
    let lock = acquire(&directory, LONG).unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let inherited = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().any(|entry| {
        std::fs::read_link(entry.unwrap().path()).is_ok_and(|path| path.ends_with(FME))
    });
    drop(lock);
    let again = acquire(&directory, Duration::ZERO);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!inherited);
    again.unwrap();
}

/// Binding the driver again makes a new node, and its lock is another one.
#[test]
fn a_node_that_was_replaced_is_locked_anew() {
    let directory = fixture();
    let node = directory.path().join("dev").join(FME);
    let mut holder = Helper::plain(&request(&directory));
    holder.wait_for("locked");
    let mut waiter = Helper::plain(&request(&directory));
    waiter.wait_for("waiting");
    let replacement = directory.path().join("new");
    std::fs::write(&replacement, "").unwrap();
    std::fs::rename(&replacement, &node).unwrap();
    holder.kill();
    waiter.wait_for("locked");
    let error = acquire(&directory, Duration::ZERO).unwrap_err();
    let LockError::Timeout { holder: Some(named), .. } = error else { panic!("{error}") };
    assert_eq!(named.pid, waiter.id());
}

#[test]
fn no_node_is_no_lock() {
    let error = acquire(&tempfile::tempdir().unwrap(), Duration::ZERO).unwrap_err();
    assert!(matches!(&error, LockError::Io { .. }), "{error}");
}

/// Everyone gets it, and never two at once.
#[test]
fn a_hundred_waiters_all_get_their_turn() {
    let directory = fixture();
    let holder = acquire(&directory, LONG).unwrap();
    let (inside, arrived) = (std::sync::Mutex::new(()), std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let node = directory.path().join("dev").join(FME);
                let waiting = &mut |_: Option<&_>| {
                    arrived.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                };
                let lock = CardLock::acquire(&node, LONG, waiting).unwrap();
                let alone = inside.try_lock().expect("two at once");
                std::thread::sleep(Duration::from_millis(1));
                drop((alone, lock));
            });
        }
        let all = || arrived.load(std::sync::atomic::Ordering::SeqCst) == 100;
        eventually("a hundred waiters", all);
        drop(holder);
    });
}
