//! Cleans the regions that pods have left.
//!
//! The runtime hook does that when a container has ended, but not every runtime runs it then, and a node
//! that loses its power runs nothing. So the agent asks the kubelet which pod holds which device, and
//! resets the ports of a region that nobody holds any more.
//!
//! It asks when somebody closed a port, and after a while, and only as long as something is in use. The
//! close of a port is seen where the container has the node itself; a container with an inode of its own,
//! as most runtimes make it, goes unnoticed. Hence the wait, which starts short and doubles up
//! to a minute.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fpga::names::Mode;
use fpga::root::Root;
use fpga_cluster::backoff::Backoff;
use fpga_cluster::told::Told;
use tokio::sync::{mpsc, watch};

use crate::kubelet::directory::Seen;
use crate::kubelet::podresources::{self, Held};
use crate::metrics::{Cleaning, Metrics};
use crate::mode::reached;
use crate::node::inventory::Snapshot;
use crate::node::units::units;
use books::Books;
use cleaning::Outcome;
use closes::Closes;

mod books;
mod cleaning;
mod closes;

/// The first check follows a close by a moment, in which other closes follow the first.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const SLOWEST_LOOK: Duration = Duration::from_secs(60);

/// Where everything that the cleaning must know comes from.
#[derive(Debug)]
pub(crate) struct Source {
    /// The kubelet's pod resources socket.
    pub socket: PathBuf,
    pub root: Root,
    /// What is handed out.
    pub allocated: mpsc::UnboundedReceiver<Vec<Held>>,
    /// What the node has.
    pub inventory: watch::Receiver<Option<Arc<Snapshot>>>,
    /// What the resources stand for: only in region mode is a region cleaned.
    pub mode: watch::Receiver<Mode>,
    /// When a kubelet comes up.
    pub seen: watch::Receiver<Seen>,
    /// Where cleanings are counted.
    pub metrics: Metrics,
}

/// Cleans, forever.
pub(crate) async fn clean(source: Source) -> Infallible {
    let mut cleaner = Cleaner {
        source,
        books: Books::default(),
        closes: None,
        looks: Backoff::new(FIRST_LOOK, SLOWEST_LOOK),
        asked: None,
        hasty: false,
        trouble: Told::default(),
    };
    loop {
        cleaner.wait_for_region_mode().await;
        cleaner.run().await;
    }
}

enum Event {
    /// The mode changed.
    Left,
    /// These are handed out.
    Allocated(Vec<Held>),
    /// A port that is in use was closed.
    Closed,
    /// Another kubelet came up.
    Kubelet,
    /// It is time to check.
    Due,
}

struct Cleaner {
    source: Source,
    books: Books,
    closes: Option<Closes>,
    looks: Backoff,
    /// Which kubelet has answered: [`Seen::kubelet`]. Each is asked at least once, because what is in use
    /// from before is known by it alone.
    asked: Option<u64>,
    /// A close has been noticed and is about to be looked into. Those that follow wait, so that nobody
    /// keeps the agent busy by closing ports.
    hasty: bool,
    /// What was last logged as being in the way.
    trouble: Told,
}

impl Cleaner {
    async fn wait_for_region_mode(&mut self) {
        self.books = Books::default();
        self.asked = None;
        self.hasty = false;
        loop {
            tokio::select! {
                () = reached(&mut self.source.mode, |mode| mode == Mode::Region) => return,
                // What is given in other modes is of no concern here.
                Some(_) = self.source.allocated.recv() => {}
            }
        }
    }

    /// Runs until the mode changes.
    async fn run(&mut self) {
        self.looks.reset();
        let mut next = self.look_at_first().await;
        loop {
            self.watch_slots();
            match self.event(next).await {
                Event::Left => return,
                Event::Allocated(devices) => {
                    self.books.given(devices, Instant::now());
                    self.looks.reset();
                }
                Event::Closed => {
                    self.hasty = true;
                    self.looks.reset();
                }
                Event::Kubelet => {
                    next = self.look_at_first().await;
                    continue;
                }
                Event::Due => self.look().await,
            }
            next = self.next_look();
        }
    }

    async fn event(&mut self, next: Option<tokio::time::Instant>) -> Event {
        let Self { source, closes, hasty, asked, .. } = self;
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let closed = async {
            match closes {
                Some(closes) if !*hasty => closes.next().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = reached(&mut source.mode, |mode| mode != Mode::Region) => Event::Left,
            Some(devices) = source.allocated.recv() => Event::Allocated(devices),
            () = closed => Event::Closed,
            Ok(_) = source.seen.wait_for(|seen| Some(seen.kubelet) != *asked) => Event::Kubelet,
            () = due => Event::Due,
        }
    }

    /// Asks a kubelet that was not asked yet.
    async fn look_at_first(&mut self) -> Option<tokio::time::Instant> {
        self.asked = Some(self.source.seen.borrow_and_update().kubelet);
        self.look().await;
        self.next_look()
    }

    /// When to ask again: never, while nothing is in use.
    fn next_look(&mut self) -> Option<tokio::time::Instant> {
        let delay = (!self.books.is_empty()).then(|| self.looks.delay())?;
        Some(tokio::time::Instant::now() + delay)
    }

    async fn look(&mut self) {
        self.hasty = false;
        match podresources::list(&self.source.socket).await {
            Ok(held) => {
                self.trouble.clear();
                self.books.listed(&held, Instant::now());
            }
            Err(error) => return self.report(error.to_string()),
        }
        for device in self.books.released() {
            self.clean(&device).await;
        }
    }

    fn report(&mut self, reason: String) {
        if self.trouble.is_news(reason.clone()) {
            tracing::info!(
                "regions that pods have left are cleaned by the runtime hook alone: the kubelet's pod \
                 resources {}: {reason}",
                self.source.socket.display()
            );
        }
    }

    async fn clean(&mut self, device: &Held) {
        let Some(slots) = self.slots(device) else {
            // It is gone, and what it held with it.
            return self.books.forget(device);
        };
        let root = self.source.root.clone();
        let inventory = self.source.inventory.borrow().clone();
        let cleaning = move || match inventory {
            Some(found) => cleaning::clean(&root, &found.inventory, &slots),
            None => Outcome::Later("the node is not scanned yet".to_owned()),
        };
        match tokio::task::spawn_blocking(cleaning).await {
            Ok(Outcome::Cleaned(warnings)) => {
                tracing::info!(device = device.id, "region cleaned: no pod holds it any more");
                for warning in warnings {
                    tracing::info!(device = device.id, "{warning}");
                }
                self.source.metrics.cleaned(Cleaning::Done);
                self.books.forget(device);
            }
            Ok(Outcome::Later(reason)) => {
                if self.books.delayed(device) {
                    tracing::info!(device = device.id, "region not cleaned yet: {reason}");
                }
            }
            Ok(Outcome::Failed(reason)) => {
                tracing::warn!(device = device.id, "region not cleaned: {reason}");
                self.source.metrics.cleaned(Cleaning::Failed);
                self.books.forget(device);
            }
            Err(error) => {
                tracing::error!(device = device.id, "region not cleaned: {error}");
                self.source.metrics.cleaned(Cleaning::Failed);
                self.books.forget(device);
            }
        }
    }

    /// The names of a device's slots; `None` when there is no such device now.
    fn slots(&self, device: &Held) -> Option<Vec<String>> {
        let found = self.source.inventory.borrow().clone()?;
        let unit = units(&found).into_iter().find(|unit| unit.region_name == device.id)?;
        let slots: Vec<String> = unit.nodes.into_iter().map(|node| node.name).collect();
        (!slots.is_empty()).then_some(slots)
    }

    /// Watches the ports that are in use, if any. A failure does no harm: closes are only a hint.
    fn watch_slots(&mut self) {
        if self.closes.is_none() && self.books.is_empty() {
            return;
        }
        let devices: Vec<Held> = self.books.devices().cloned().collect();
        let slots = devices.iter().filter_map(|device| self.slots(device)).flatten();
        let nodes = slots.map(|slot| self.source.root.node(&slot)).collect();
        let mut closes = match self.closes.take().map_or_else(Closes::new, Ok) {
            Ok(closes) => closes,
            Err(error) => return tracing::debug!("closes of ports go unnoticed: {error}"),
        };
        if let Err(error) = closes.set(nodes) {
            tracing::debug!("closes of some ports go unnoticed: {error}");
        }
        self.closes = Some(closes);
    }
}
