//! What the outside sees of the machine: the tree, and threads that let functions work.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::card::afu::Activity;
use crate::host::{Host, Kernel, Node, Observer, Unit};
use crate::tree::{self, Mapped, Tree};

/// How often a function's registers are looked at while it works, and once it has been quiet for a while.
const BUSY: Duration = Duration::from_micros(20);
const QUIET: Duration = Duration::from_micros(500);
const QUIET_AFTER: Duration = Duration::from_millis(50);
/// How often it is checked that the clients still live.
const CHECK: Duration = Duration::from_millis(10);

pub(crate) struct Shown {
    tree: Mutex<Option<Tree>>,
    /// Held while writes take effect.
    writes: Mutex<()>,
    /// Ports that have a thread.
    workers: Mutex<HashSet<Node>>,
    kernel: OnceLock<Weak<Kernel>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the registers of ports where their nodes' files are.
pub(super) fn share(host: &mut Host, mapped: Vec<Mapped>) {
    for (node, registers) in mapped {
        let Unit::Port(port) = node.unit else { continue };
        if let Some(port) = host.slots.get_mut(node.slot).and_then(|s| s.card.ports.get_mut(port)) {
            port.share(registers);
        }
    }
}

impl Shown {
    pub(super) fn new(tree: Tree) -> Self {
        Self {
            tree: Mutex::new(Some(tree)),
            writes: Mutex::default(),
            workers: Mutex::default(),
            kernel: OnceLock::new(),
        }
    }

    pub(super) fn attach(&self, kernel: &Arc<Kernel>) {
        self.kernel.get_or_init(|| Arc::downgrade(kernel));
    }

    /// Asks the tree something; `None` after the end.
    pub(super) fn tree<T>(&self, ask: impl FnOnce(&mut Tree) -> T) -> Option<T> {
        lock(&self.tree).as_mut().map(ask)
    }

    /// Lets writes to attributes act on the machine, one after the other, and shows what came of each; then lets nodes
    /// that were closed. When this returns, all that was written or closed before has taken effect.
    pub(super) fn take_writes(&self, kernel: &Kernel) {
        // Who comes second waits for what the first one took.
        let _one_at_a_time = lock(&self.writes);
        for write in self.tree(Tree::written).unwrap_or_default() {
            if let Err(e) = kernel.write(write.target, &write.text) {
                let text = String::from_utf8_lossy(&write.text);
                let text = text.trim_end();
                eprintln!("fpga-emulator: {}: {text:?} refused: {e}", write.path);
            }
        }
        self.tree(Tree::closed)
            .unwrap_or_default()
            .into_iter()
            .for_each(|node| kernel.closed(node));
    }

    pub(super) fn destroy(&self) -> Result<(), tree::Error> {
        lock(&self.tree).take().map_or(Ok(()), Tree::destroy)
    }

    /// One port's thread: works as long as a client has memory mapped, then ends.
    fn work(&self, node: Node, port: usize) {
        // Waits of 20 microseconds need a timer slack below the default of 50; without it they take longer.
        let _default_slack = nix::sys::prctl::set_timerslack(1000);
        let (mut last_active, mut last_check) = (Instant::now(), Instant::now());
        loop {
            let Some(kernel) = self.kernel.get().and_then(Weak::upgrade) else { return };
            let activity =
                kernel.host().slots.get_mut(node.slot).map_or(Activity::Idle, |s| s.work(port));
            let now = Instant::now();
            match activity {
                Activity::Working => last_active = now,
                Activity::Failed => kernel.update(|_| ()),
                Activity::Idle => {}
            }
            if now - last_check >= CHECK {
                last_check = now;
                if self.leave(&kernel, node, port) {
                    return;
                }
            }
            drop(kernel);
            if activity != Activity::Working {
                std::thread::sleep(if now - last_active < QUIET_AFTER { BUSY } else { QUIET });
            }
        }
    }

    /// True when nothing is mapped any more: the port has no thread from here on.
    fn leave(&self, kernel: &Kernel, node: Node, port: usize) -> bool {
        let mut workers = lock(&self.workers);
        let empty = kernel.host().slots.get_mut(node.slot).is_none_or(|s| s.reap(port));
        if empty {
            workers.remove(&node);
        }
        empty
    }
}

impl Observer for Arc<Shown> {
    fn changed(&self, kernel: &Kernel) {
        let mut tree = lock(&self.tree);
        let Some(tree) = tree.as_mut() else { return };
        let mut host = kernel.host();
        match tree.sync(&host) {
            Ok(mapped) => share(&mut host, mapped),
            Err(e) => eprintln!("fpga-emulator: {e}"),
        }
    }

    fn is_open(&self, node: Node) -> bool {
        let inodes: Vec<(u64, u64)> = self.tree(|t| t.inodes(node).collect()).unwrap_or_default();
        super::opens::any_process_has(&inodes)
    }

    fn mapped(&self, _: &Kernel, node: Node) {
        let Unit::Port(port) = node.unit else { return };
        if lock(&self.workers).insert(node) {
            let shown = Arc::clone(self);
            std::thread::spawn(move || shown.work(node, port));
        }
    }
}
