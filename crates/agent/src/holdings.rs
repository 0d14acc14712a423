//! Which device of which resource somebody holds, whatever the node offers now.
//!
//! The kubelet's books go by names. When a node's mode changes, when a function is loaded by hand or cards are numbered
//! anew, a device gets another name, under which the kubelet would give it away a second time. So the agent knows
//! what is held: what it has handed out since it runs, and what the kubelet's pod resources list. Whoever plans
//! what is offered goes by that ([`crate::plugin::offer`]).
//!
//! The kubelet is asked when something happened: at the start, when a kubelet comes up, after an Allocate, when somebody
//! closed a slot's node, and when the mode changes. It is asked again, after a while that doubles up to a minute, only as
//! long as something depends on the answer: a device is held under another name than it has now, a pod that was given
//! one is not shown yet, or there is a region to clean when its pod is gone. The close of a slot is seen where the
//! container has the node itself; most runtimes make a separate inode, on which a close goes unnoticed.
//! Hence the wait.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fpga::names::{Mode, ResourceName};
use fpga::root::Root;
use fpga_cluster::backoff::Backoff;
use fpga_cluster::told::Told;
use tokio::sync::{Notify, watch};

use crate::kubelet::directory::Seen;
use crate::kubelet::podresources::{self, Held, ListError};
use crate::node::inventory::Snapshot;
use crate::node::units::{Unit, units};
use crate::release::{Cleaned, Cleaner};
use books::Books;
use closes::Closes;

mod books;
mod closes;

/// The first check follows a close by a moment, in which other closes follow the first.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const SLOWEST_LOOK: Duration = Duration::from_secs(60);
/// For so long a kubelet that has just come up is asked again, because it may not know its pods yet.
const SETTLING: Duration = Duration::from_secs(60);
/// How long a kubelet that is there may take to listen at its pod resources socket. Until then no resource is
/// registered with it.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_ATTEMPT: Duration = Duration::from_millis(10);
const SLOWEST_ATTEMPT: Duration = Duration::from_millis(200);

/// What is held. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Holdings(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Whether there is a kubelet to ask.
    is_followed: bool,
    books: Mutex<Books>,
    known: watch::Sender<Known>,
    /// Something was handed out.
    given: Notify,
    /// Whether something is held under another name than it has now.
    over: watch::Sender<bool>,
}

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub held: Arc<BTreeSet<Held>>,
    /// Which kubelet has been asked, whether it answered or not: [`Seen::kubelet`].
    pub asked: Option<u64>,
    /// Every held device is known: a kubelet has answered, or there is none to ask.
    pub is_sure: bool,
}

/// Where everything comes from that must be known beside what is handed out.
#[derive(Debug)]
pub(crate) struct Source {
    /// The kubelet's pod resources socket.
    pub socket: PathBuf,
    pub root: Root,
    /// What the node has.
    pub inventory: watch::Receiver<Option<Arc<Snapshot>>>,
    /// What the resources stand for.
    pub mode: watch::Receiver<Mode>,
    /// When a kubelet comes up.
    pub seen: watch::Receiver<Seen>,
    /// What is done with a region that its pod has left.
    pub cleaner: Cleaner,
}

impl Held {
    /// Whether somebody who holds this holds the unit: itself, or the whole card that it is on.
    #[must_use]
    pub(crate) fn includes(&self, unit: &Unit) -> bool {
        [&unit.name, &unit.region_name, &unit.card.name].contains(&&self.id)
    }
}

impl Holdings {
    /// Nothing is known yet, if somebody is going to [`follow`]; without, nothing ever will be.
    #[must_use]
    pub(crate) fn new(is_followed: bool) -> Self {
        let asked = (!is_followed).then_some(u64::MAX);
        let known = Known { asked, is_sure: !is_followed, ..Known::default() };
        Self(Arc::new(Shared {
            is_followed,
            books: Mutex::default(),
            known: watch::Sender::new(known),
            given: Notify::new(),
            over: watch::Sender::new(false),
        }))
    }

    /// As after an answer of a kubelet without pods.
    #[cfg(test)]
    pub(crate) fn answered() -> Self {
        let holdings = Self::new(true);
        let list = podresources::List { has_pods: false, held: BTreeSet::new() };
        holdings.0.books().listed(&list, Instant::now());
        holdings
    }

    /// What is known, and when it changes.
    pub(crate) fn known(&self) -> watch::Receiver<Known> {
        self.0.known.subscribe()
    }

    /// These devices are about to be given to a container. From now on they are held.
    pub(crate) fn given(&self, resource: &ResourceName, ids: &[String]) {
        if self.0.is_followed {
            self.0.books().given(devices(resource, ids), Instant::now());
            self.publish(None);
            self.0.given.notify_one();
        }
    }

    /// The container does not get them after all.
    pub(crate) fn taken_back(&self, resource: &ResourceName, ids: &[String]) {
        self.0.books().taken_back(&devices(resource, ids));
        self.publish(None);
    }

    /// Whether something is held under another name than it has now.
    pub(crate) fn over(&self, over: bool) {
        self.0.over.send_if_modified(|now| std::mem::replace(now, over) != over);
    }

    /// Tells what the books say. While no kubelet has ever answered they say nothing: nobody would ever say that a
    /// device is free again.
    fn publish(&self, asked: Option<(u64, bool)>) {
        let books = self.0.books();
        let is_answered = books.is_answered();
        let held = if is_answered { books.held() } else { BTreeSet::new() };
        drop(books);
        self.0.known.send_if_modified(|known| {
            let before = known.clone();
            if *known.held != held {
                known.held = Arc::new(held);
            }
            if let Some((kubelet, is_nobody)) = asked {
                known.asked = Some(kubelet);
                known.is_sure = is_answered || is_nobody;
            }
            known.is_sure |= is_answered;
            *known != before
        });
    }
}

fn devices(resource: &ResourceName, ids: &[String]) -> Vec<Held> {
    ids.iter().map(|id| Held { resource: resource.clone(), id: id.clone() }).collect()
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the holdings up to date, forever.
pub(crate) async fn follow(holdings: Holdings, source: Source) -> Infallible {
    let mut follower = Follower {
        over: holdings.0.over.subscribe(),
        holdings,
        source,
        closes: None,
        looks: Backoff::new(FIRST_LOOK, SLOWEST_LOOK),
        asked: 0,
        settles_until: None,
        hasty: false,
        trouble: Told::default(),
    };
    follower.run().await
}

enum Event {
    /// Something was handed out.
    Given,
    /// A slot that is in use was closed.
    Closed,
    /// Another kubelet came up.
    Kubelet,
    /// The mode changed, or what is held under another name.
    Changed,
    /// It is time to check.
    Due,
}

struct Follower {
    holdings: Holdings,
    source: Source,
    over: watch::Receiver<bool>,
    closes: Option<Closes>,
    looks: Backoff,
    /// Which kubelet was asked: [`Seen::kubelet`].
    asked: u64,
    settles_until: Option<Instant>,
    /// Something happened and is about to be looked into. Closes that follow wait, so that nobody
    /// keeps the agent busy by closing slots.
    hasty: bool,
    /// What was last logged as being in the way.
    trouble: Told,
}

impl Follower {
    async fn run(&mut self) -> Infallible {
        self.source.mode.borrow_and_update();
        self.ask_first().await;
        if self.holdings.0.books().shows_nothing() {
            self.settles_until = Some(Instant::now() + SETTLING);
        }
        loop {
            self.watch_slots();
            let next = self.next_look();
            match self.event(next).await {
                Event::Given | Event::Closed | Event::Changed => {
                    // With nothing in the books there is nothing to learn.
                    self.hasty = self.holdings.0.books().devices().next().is_some();
                    self.looks.reset();
                }
                Event::Kubelet => {
                    self.settles_until = Some(Instant::now() + SETTLING);
                    self.holdings.0.books().kubelet_started(Instant::now());
                    self.ask_first().await;
                }
                Event::Due => {
                    // What is in the way was reported.
                    let _ = self.look().await;
                    self.holdings.publish(None);
                }
            }
        }
    }

    async fn event(&mut self, next: Option<Instant>) -> Event {
        let Self { holdings, source, over, closes, hasty, asked, .. } = self;
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
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
            () = holdings.0.given.notified() => Event::Given,
            () = closed => Event::Closed,
            Ok(_) = source.seen.wait_for(|seen| seen.kubelet != *asked) => Event::Kubelet,
            Ok(()) = source.mode.changed() => Event::Changed,
            Ok(()) = over.changed() => Event::Changed,
            () = due => Event::Due,
        }
    }

    /// Asks a kubelet that was not asked yet, and reports that it was. One that does not listen yet is given a moment.
    async fn ask_first(&mut self) {
        self.asked = self.source.seen.borrow_and_update().kubelet;
        self.looks.reset();
        let until = Instant::now() + PATIENCE;
        let mut attempts = Backoff::new(FIRST_ATTEMPT, SLOWEST_ATTEMPT);
        let is_nobody = loop {
            match self.look().await {
                Ok(()) => break false,
                Err(error) if error.is_nobody() => break true,
                Err(_) if Instant::now() > until => break false,
                Err(_) => tokio::time::sleep(attempts.delay()).await,
            }
        };
        self.holdings.publish(Some((self.asked, is_nobody)));
    }

    /// When to ask again: never, while nothing depends on the answer.
    fn next_look(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let books = self.holdings.0.books();
        let confirmable = books.confirmable();
        let is_settling = self.settles_until.is_some_and(|until| now < until);
        let mode = *self.source.mode.borrow();
        let is_needed = is_settling
            || self.hasty
            || *self.over.borrow()
            || books.is_answered() && books.is_open()
            || books.devices().any(|device| self.source.cleaner.is_for(device, mode));
        drop(books);
        let look = is_needed.then(|| now + self.looks.delay());
        [confirmable, look].into_iter().flatten().min()
    }

    /// Asks, and cleans what was released.
    async fn look(&mut self) -> Result<(), ListError> {
        self.hasty = false;
        match podresources::list(&self.source.socket).await {
            Ok(list) => {
                self.trouble.clear();
                self.holdings.0.books().listed(&list, Instant::now());
            }
            Err(error) => {
                self.report(error.to_string());
                return Err(error);
            }
        }
        let released = self.holdings.0.books().released();
        for device in released {
            self.release(&device).await;
        }
        Ok(())
    }

    fn report(&mut self, reason: String) {
        if self.trouble.is_news(reason.clone()) {
            tracing::info!(
                "which pod holds which device is unknown, so that a change of the mode may offer a device that is in \
                 use, and regions that pods have left are cleaned by the runtime hook alone: the kubelet's pod \
                 resources {}: {reason}",
                self.source.socket.display()
            );
        }
    }

    /// Nobody holds a device any more, unless it was given again.
    async fn release(&mut self, device: &Held) {
        let mode = *self.source.mode.borrow();
        if !self.holdings.0.books().is_released(device) {
            return;
        }
        let cleaned = match self.slots(device) {
            Some(slots) if self.source.cleaner.is_for(device, mode) => {
                self.source.cleaner.clean(device, slots, &self.source.inventory).await
            }
            // It is gone, and what it held with it; or nothing is to be done.
            _ => Cleaned::Over,
        };
        match cleaned {
            Cleaned::Over => self.holdings.0.books().forget(device),
            Cleaned::Later(reason) => {
                if self.holdings.0.books().delayed(device) {
                    tracing::info!(device = device.id, "region not cleaned yet: {reason}");
                }
            }
        }
    }

    /// The names of a device's slots; `None` when there is no such device now.
    fn slots(&self, device: &Held) -> Option<Vec<String>> {
        let found = self.source.inventory.borrow().clone()?;
        let of_device = units(&found).into_iter().filter(|unit| device.includes(unit));
        let slots: Vec<String> =
            of_device.flat_map(|unit| unit.nodes).map(|node| node.name).collect();
        (!slots.is_empty()).then_some(slots)
    }

    /// Watches the slots that are in use, if any. A failure does no harm: closes are only a hint.
    fn watch_slots(&mut self) {
        let devices: Vec<Held> = self.holdings.0.books().devices().cloned().collect();
        if self.closes.is_none() && devices.is_empty() {
            return;
        }
        let slots = devices.iter().filter_map(|device| self.slots(device)).flatten();
        let nodes = slots.map(|slot| self.source.root.node(&slot)).collect();
        if let Err(error) = self.set_closes(nodes) {
            tracing::debug!("closes of some ports go unnoticed: {error}");
        }
    }

    fn set_closes(&mut self, nodes: BTreeSet<PathBuf>) -> io::Result<()> {
        let closes = match self.closes.take() {
            Some(closes) => closes,
            None => Closes::new()?,
        };
        self.closes.insert(closes).set(nodes)
    }
}
