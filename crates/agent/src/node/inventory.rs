//! The node's cards, always up to date, in a thread of its own: the library below is synchronous, and
//! what it reads may be slow.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fpga::card::{Card, Driver, Inventory, Problem, Vitals};
use fpga::id::CardId;
use fpga::root::Root;
use fpga::scan::{scan, vitals};
use fpga::watch::Watcher;
use fpga_cluster::told::Told;
use tokio::sync::watch;

use super::busy::Busy;
use crate::node::health::{Condition, Judge};

/// Wait after a watch that failed, which may be for want of memory and pass.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// The longest time between two checks of what makes a device unhealthy: whoever clears an error wants the
/// device back.
const WHILE_ILL: Duration = Duration::from_secs(5);

/// What the node has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub inventory: Inventory,
    /// Names of the slots that are out of use since programming failed.
    pub disabled: BTreeSet<String>,
    /// What is wrong with cards and slots.
    pub conditions: Vec<Condition>,
    /// What could not be read of how they are.
    pub problems: Vec<Problem>,
}

/// What the thread did, for whoever counts it.
#[derive(Debug)]
pub(crate) enum Done {
    /// It scanned the node.
    Scanned {
        took: Duration,
        /// How many objects could not be read.
        problems: usize,
    },
    /// It read how the cards are.
    Checked(Vec<Checked>),
}

/// A card, and what it said about itself when it was last checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub card: CardId,
    /// What it is, if that is known.
    pub model: Option<&'static str>,
    /// Which driver it has.
    pub driver: Driver,
    pub vitals: Vitals,
}

/// The longest times between two checks of the node, when nothing is reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    /// Scans, in case a report is missing.
    pub rescan: Duration,
    /// Looks at errors, power states and temperatures, of which the kernel reports nothing; `None` for no
    /// more than the scans.
    pub health: Option<Duration>,
}

/// Starts scanning. The value is `None` until the first scan is done, and changes when the node does;
/// the thread ends some time after the last receiver is gone.
///
/// The node is scanned when the kernel reports a change, and otherwise checked as `looks` says. Each time,
/// `report` gets what was done.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn follow(
    root: Root,
    looks: Looks,
    judge: Judge,
    report: impl Fn(Done) + Send + 'static,
) -> io::Result<watch::Receiver<Option<Arc<Snapshot>>>> {
    let (sender, receiver) = watch::channel(None);
    thread::Builder::new().name("inventory".to_owned()).spawn(move || {
        // Before it is watched. The agent writes nothing else there, and programs that do say so if they cannot.
        let _ = root.ledger().make();
        // Set up before the first scan, so that nothing falls between the two.
        let watcher = Watcher::new(&root).map_err(|error| tell(&error, looks.rescan)).ok();
        let follower = Follower {
            root,
            looks,
            watcher,
            trouble: Told::default(),
            doubts: Told::default(),
            busy: Busy::default(),
            judge,
            report,
            sender,
        };
        follower.run();
    })?;
    Ok(receiver)
}

struct Follower<F> {
    root: Root,
    looks: Looks,
    watcher: Option<Watcher>,
    trouble: Told,
    doubts: Told,
    busy: Busy,
    judge: Judge,
    report: F,
    sender: watch::Sender<Option<Arc<Snapshot>>>,
}

impl<F: Fn(Done)> Follower<F> {
    fn run(mut self) {
        while !self.sender.is_closed() {
            let started = Instant::now();
            let inventory = scan(&self.root);
            let problems = inventory.all_problems().count();
            (self.report)(Done::Scanned { took: started.elapsed(), problems });
            self.doubt(&inventory);
            self.busy.look(&self.root, &inventory, Instant::now());
            let mut found =
                Snapshot { inventory, disabled: self.busy.disabled(), ..Snapshot::default() };
            self.look(&mut found);
            let rescan = self.looks.rescan;
            let interval = self.busy.look_again().map_or(rescan, |soon| soon.min(rescan));
            let scan_at = Instant::now() + interval;
            while !self.changed(&found, scan_at) && Instant::now() < scan_at {
                self.look(&mut found);
            }
        }
    }

    /// Has the ledger doubt what is loaded on the cards that others may have programmed: those whose management
    /// node they closed after writing, and those that were not watched until now.
    fn doubt(&mut self, inventory: &Inventory) {
        let closed = self.watcher.as_mut().map(Watcher::take_closed).unwrap_or_default();
        for card in &inventory.cards {
            let is_closed = closed.contains(OsStr::new(&card.name));
            let Some(Err(error)) = is_closed.then(|| self.root.ledger().doubt(card.id)) else {
                continue;
            };
            if self.doubts.is_news(error.to_string()) {
                tracing::warn!(
                    "what other programs load into card {} may be taken for what was loaded before: {error}",
                    card.id
                );
            }
        }
    }

    /// Waits for a change until `scan_at`, or until it is time to check the cards.
    fn changed(&mut self, found: &Snapshot, scan_at: Instant) -> bool {
        let rest = scan_at.saturating_duration_since(Instant::now());
        // Without cards there is nothing to check.
        let health = self.looks.health.filter(|_| !found.inventory.cards.is_empty());
        let is_ill = found.conditions.iter().any(|condition| condition.unhealthy);
        let health = health.map(|health| if is_ill { health.min(WHILE_ILL) } else { health });
        let interval = health.map_or(rest, |health| health.min(rest));
        match self.watcher.as_mut().map(|watcher| watcher.wait(Some(interval))) {
            Some(Ok(changed)) => changed,
            Some(Err(error)) => {
                if self.trouble.is_news(error.to_string()) {
                    tell(&error, self.looks.rescan);
                }
                thread::sleep(interval.min(AFTER_ERROR));
                true
            }
            None => {
                thread::sleep(interval);
                false
            }
        }
    }

    /// Looks how the cards are, and publishes it with what is known of them.
    fn look(&mut self, found: &mut Snapshot) {
        let cards = &found.inventory.cards;
        let (all, problems): (Vec<Vitals>, Vec<Vec<Problem>>) =
            cards.iter().map(|card| vitals(&self.root, card)).unzip();
        found.conditions = self.judge.look(cards.iter().zip(all.iter().zip(&problems)));
        found.problems = problems.concat();
        self.publish(found);
        let checked = |(card, vitals): (&Card, Vitals)| Checked {
            card: card.id,
            model: card.model,
            driver: card.driver,
            vitals,
        };
        let checked = found.inventory.cards.iter().zip(all).map(checked).collect();
        (self.report)(Done::Checked(checked));
    }

    fn publish(&self, found: &Snapshot) {
        self.sender.send_if_modified(|current| {
            let changed = current.as_deref() != Some(found);
            if changed {
                *current = Some(Arc::new(found.clone()));
            }
            changed
        });
    }
}

fn tell(error: &io::Error, interval: Duration) {
    tracing::warn!("some changes on the node may be noticed only every {interval:?}: {error}");
}
