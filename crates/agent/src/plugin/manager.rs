//! Brings what runs in line with what the node has: starts, updates and withdraws the resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fpga::names::{Mode, ResourceName};
use fpga_cluster::events::Reporter;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::holdings::{Holdings, Known};
use crate::kubelet::directory::{Seen, Sockets};
use crate::metrics::Metrics;
use crate::node::inventory::Snapshot;
use crate::orphans::Orphans;
use crate::plugin::device::Offer;
use crate::plugin::handout::Handout;
use crate::plugin::lifecycle::{self, Predecessor, Resource};
use crate::plugin::offer::Plan;
use crate::plugin::planner::Planner;
use crate::plugin::target::Target;
use crate::status::Status;
use told::{Told, tell_health};

mod told;

/// How long the resources may take to remove their sockets at the end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The scanning thread is gone, so that the node can no longer be followed.
#[derive(Debug, thiserror::Error)]
#[error("the inventory thread ended")]
pub(crate) struct InventoryEnded;

/// Owner of the resources' tasks.
#[derive(Debug)]
pub(crate) struct Manager {
    planner: Planner,
    around: Surroundings,
    offered: watch::Sender<Option<BTreeSet<ResourceName>>>,
    known: watch::Receiver<Known>,
    /// Which kubelet what is offered takes into account: [`Known::asked`].
    cleared: watch::Sender<Option<u64>>,
    told: Told,
    running: BTreeMap<ResourceName, Running>,
    tasks: JoinSet<()>,
}

/// What the resources deal with.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub sockets: Sockets,
    pub seen: watch::Receiver<Seen>,
    pub predecessor: Predecessor,
    pub status: Status,
    pub metrics: Metrics,
    pub reporter: Reporter,
    pub handout: Handout,
    pub holdings: Holdings,
    /// Whom it tells when sockets cannot be made.
    pub orphans: Orphans,
}

#[derive(Debug)]
struct Running {
    target: watch::Sender<Target>,
    task: Id,
}

impl Manager {
    /// Nothing runs yet.
    #[must_use]
    pub(crate) fn new(planner: Planner, around: Surroundings) -> Self {
        Self {
            planner,
            offered: watch::Sender::new(None),
            known: around.holdings.known(),
            around,
            cleared: watch::Sender::new(None),
            told: Told::default(),
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// What is offered, once that is known.
    pub(crate) fn offered(&self) -> watch::Receiver<Option<BTreeSet<ResourceName>>> {
        self.offered.subscribe()
    }

    /// Follows the inventory and the mode until `stop`, then removes every socket.
    ///
    /// # Errors
    /// When there is nobody left to say what the node has; the sockets are removed then too.
    pub(crate) async fn run(
        mut self,
        mut inventory: watch::Receiver<Option<Arc<Snapshot>>>,
        mut mode: watch::Receiver<Mode>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), InventoryEnded> {
        tokio::pin!(stop);
        let result = loop {
            let mode_now = *mode.borrow_and_update();
            let inventory_now = inventory.borrow_and_update().clone();
            // Before it is known what is held, something could be offered twice.
            if let Some(found) = inventory_now
                && self.known.borrow().asked.is_some()
            {
                self.apply(&found, mode_now).await;
            }
            tokio::select! {
                changed = inventory.changed() => {
                    if changed.is_err() {
                        break Err(InventoryEnded);
                    }
                }
                Ok(()) = mode.changed() => {}
                Ok(()) = self.known.changed() => {}
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = self.planner.due() => {}
                () = &mut stop => break Ok(()),
            }
        };
        self.stop().await;
        result
    }

    async fn apply(&mut self, found: &Snapshot, mode: Mode) {
        if self.told.enter(mode, self.around.handout.programming(mode)) {
            self.planner.forget();
        }
        let (asked, offer, notes) = loop {
            let known = self.known.borrow_and_update().clone();
            let Plan { offer, notes, .. } = self.planner.plan(found, mode, &known.held);
            self.around.handout.offer(mode, &offer, known.is_sure).await;
            // Something may have been handed out meanwhile.
            if !self.known.has_changed().unwrap_or(false) {
                break (known.asked, offer, notes);
            }
        };
        self.told.tell(found, notes, &self.around.reporter);
        self.reconcile(&offer, mode);
        self.cleared.send_replace(asked);
        self.around.holdings.over(offer.values().flatten().any(|device| device.is_over));
        self.offered.send_if_modified(|offered| {
            let names: BTreeSet<_> = offer.keys().cloned().collect();
            let changed = offered.as_ref() != Some(&names);
            *offered = Some(names);
            changed
        });
        self.around.metrics.offered(offer, &found.conditions);
        self.around.status.scanned();
    }

    fn reconcile(&mut self, offer: &Offer, mode: Mode) {
        for (name, running) in &self.running {
            if !offer.contains_key(name) {
                withdraw(name, &running.target);
            }
        }
        for (name, devices) in offer {
            let target = Target::Serve(mode, devices.as_slice().into());
            match self.running.get(name) {
                None => {
                    tell_health(name, &[], devices, &self.around.reporter);
                    self.start(name.clone(), target);
                }
                Some(running) => update(name, running, target, &self.around.reporter),
            }
        }
    }

    fn start(&mut self, name: ResourceName, target: Target) {
        let target = watch::Sender::new(target);
        let resource = Resource {
            name: name.clone(),
            handout: self.around.handout.clone(),
            holdings: self.around.holdings.clone(),
            cleared: self.cleared.subscribe(),
            sockets: self.around.sockets.clone(),
            seen: self.around.seen.clone(),
            predecessor: self.around.predecessor.clone(),
            target: target.subscribe(),
            status: self.around.status.clone(),
            metrics: self.around.metrics.clone(),
            orphans: self.around.orphans.clone(),
        };
        let task = self.tasks.spawn(lifecycle::run(resource)).id();
        self.running.insert(name, Running { target, task });
    }

    /// A withdrawn resource that is wanted again was waiting for this.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) => {
                tracing::error!("a resource's task failed: {error}");
                error.id()
            }
        };
        self.running.retain(|_, running| running.task != task);
    }

    async fn stop(mut self) {
        for running in self.running.values() {
            running.target.send_replace(Target::Stop);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
            tracing::error!("not every socket could be removed within {}s", STOP_LIMIT.as_secs());
        }
    }
}

fn withdraw(name: &ResourceName, target: &watch::Sender<Target>) {
    let withdrawn = target.send_if_modified(|target| {
        let serving = matches!(target, Target::Serve(..));
        if serving {
            *target = Target::Retire;
        }
        serving
    });
    if withdrawn {
        tracing::info!(resource = %name, "resource withdrawn");
    }
}

/// Changes what a resource offers, unless it is being withdrawn: then it has to end first.
fn update(name: &ResourceName, running: &Running, new: Target, reporter: &Reporter) {
    running.target.send_if_modified(|target| {
        if !matches!(target, Target::Serve(..)) || *target == new {
            return false;
        }
        if let (Target::Serve(_, old), Target::Serve(_, new)) = (&*target, &new) {
            tell_health(name, old, new, reporter);
        }
        *target = new;
        true
    });
}
