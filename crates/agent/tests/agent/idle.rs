//! Nothing happens while nothing happens.

use std::path::Path;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::node::{AF_NLB3, LIMIT, Node, allocatable, cards};

/// More than two of the Go plugin's scan periods.
const IDLE: Duration = Duration::from_secs(11);

/// Faults 2 and 12: every five seconds everything is opened anew and every list sent again.
#[tokio::test]
async fn nothing_is_opened_and_no_list_is_sent_while_nothing_changes() {
    let node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let mut agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 2).await;
    agent.wait_for_line("device-plugin registered", LIMIT).await.unwrap();
    // The scan's thread may still be on its way to sleep.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let opens = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch(&opens, &node.root());
    let events = kubelet.events().len();
    tokio::time::sleep(IDLE).await;

    assert_eq!(kubelet.events().len(), events, "{:?}", kubelet.events());
    match opens.read_events() {
        Err(nix::errno::Errno::EAGAIN) => {}
        other => panic!("files were opened: {other:?}"),
    }
}

fn watch(inotify: &Inotify, directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            watch(inotify, &entry.path());
        }
    }
    inotify.add_watch(directory, AddWatchFlags::IN_OPEN).unwrap();
}
