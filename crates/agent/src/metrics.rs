//! What the agent counts and shows, in Prometheus' text format.
//!
//! Counters live here. What is a state rather than a count is kept as the newest value of it, and becomes
//! gauges when somebody asks (`gauges`), so that nothing that is gone is shown and idle costs nothing.
//!
//! Labels are the node's own: its cards, ports, resources and devices, and words of the program. Nothing
//! that a tenant can choose becomes one. A resource's counters go when it is no longer offered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fpga::names::ResourceName;
use fpga::records::{Record, Taken};
use fpga_cluster::events::Sending;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::node::health::Condition;
use crate::node::inventory::{Checked, Done};
use crate::plugin::device::Offer;
use crate::status::Status;

mod gauges;

/// What every name begins with.
const PREFIX: &str = "kube_fpga_agent";

/// From a port's own reconfiguration, some hundred milliseconds, to a whole card's.
const PROGRAMMING_BUCKETS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// A run that finds all done takes milliseconds; one that programs, seconds.
const HOOK_BUCKETS: [f64; 9] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];
const SCAN_BUCKETS: [f64; 7] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0];

/// Label names with their values.
type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;

/// Shared between the parts that count and the endpoint that shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    allocations: Counters,
    allocation_failures: Counters,
    registrations: Counters,
    kubelet_starts: Counter,
    scans: Counter,
    scan_duration: Histogram,
    looks: Counter,
    programmings: Counter,
    programming_duration: Histogram,
    hook_runs: Counters,
    hook_duration: Family<Labels, Histogram, fn() -> Histogram>,
    hook_malformed: Counter,
    cleanings: Counters,
    events: Counters,
}

/// The newest of what is not a count.
#[derive(Debug, Default)]
struct State {
    offer: Offer,
    conditions: Vec<Condition>,
    cards: Vec<Checked>,
    problems: usize,
    /// Since when the API server says nothing about what is granted, while that is followed.
    grants_lost: Option<watch::Receiver<Option<Instant>>>,
}

/// Why devices were not given to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such device.
    Unknown,
    /// One is unhealthy.
    Unhealthy,
    /// Nothing would have its region programmed.
    NoSpec,
    /// The resource is no longer offered.
    Withdrawn,
    /// The resource is one of another mode.
    OtherMode,
}

/// How the cleaning of a region ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleaning {
    /// It is clean.
    Done,
    /// It is not.
    Failed,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            allocations: Family::default(),
            allocation_failures: Family::default(),
            registrations: Family::default(),
            kubelet_starts: Counter::default(),
            scans: Counter::default(),
            scan_duration: Histogram::new(SCAN_BUCKETS),
            looks: Counter::default(),
            programmings: Counter::default(),
            programming_duration: Histogram::new(PROGRAMMING_BUCKETS),
            hook_runs: Family::default(),
            hook_duration: Family::new_with_constructor(|| Histogram::new(HOOK_BUCKETS)),
            hook_malformed: Counter::default(),
            cleanings: Family::default(),
            events: Family::default(),
        }
    }
}

impl Metrics {
    /// This is offered now, and this is wrong with the cards.
    pub(crate) fn offered(&self, offer: Offer, conditions: &[Condition]) {
        let mut state = self.state();
        state.offer = offer;
        state.conditions = conditions.to_vec();
    }

    /// The node was scanned or its cards were checked.
    pub(crate) fn node(&self, done: Done) {
        match done {
            Done::Scanned { took, problems } => {
                self.0.scans.inc();
                self.0.scan_duration.observe(took.as_secs_f64());
                self.state().problems = problems;
            }
            Done::Checked(cards) => {
                self.0.looks.inc();
                self.state().cards = cards;
            }
        }
    }

    /// So many devices were given to a container.
    pub(crate) fn allocated(&self, resource: &ResourceName, devices: usize) {
        let devices = u64::try_from(devices).unwrap_or(u64::MAX);
        self.0.allocations.get_or_create(&of(resource)).inc_by(devices);
    }

    /// A container's devices were refused.
    pub(crate) fn refused(&self, resource: &ResourceName, reason: Refusal) {
        let mut labels = of(resource);
        labels.push(("reason", reason.as_str().to_owned()));
        self.0.allocation_failures.get_or_create(&labels).inc();
    }

    /// The kubelet took a registration.
    pub(crate) fn registered(&self, resource: &ResourceName) {
        self.0.registrations.get_or_create(&of(resource)).inc();
    }

    /// A resource is no longer offered.
    pub(crate) fn withdrawn(&self, resource: &ResourceName) {
        let mut labels = of(resource);
        self.0.allocations.remove(&labels);
        self.0.registrations.remove(&labels);
        for reason in Refusal::ALL {
            labels.truncate(1);
            labels.push(("reason", reason.as_str().to_owned()));
            self.0.allocation_failures.remove(&labels);
        }
    }

    /// So many kubelets made their socket.
    pub(crate) fn kubelet_started(&self, times: u64) {
        self.0.kubelet_starts.inc_by(times);
    }

    /// The hook left these records.
    pub(crate) fn hook_ran(&self, Taken { records, malformed }: &Taken) {
        self.0.hook_malformed.inc_by(*malformed);
        for record in records {
            self.hook_run(record);
        }
    }

    fn hook_run(&self, record: &Record) {
        let stage = ("stage", record.stage.as_str().to_owned());
        let result = ("result", record.result.as_str().to_owned());
        self.0.hook_runs.get_or_create(&vec![stage.clone(), result]).inc();
        self.0.hook_duration.get_or_create(&vec![stage]).observe(record.took().as_secs_f64());
        for time in record.programmings() {
            self.0.programmings.inc();
            self.0.programming_duration.observe(time.as_secs_f64());
        }
    }

    /// What is granted is followed, or no longer.
    pub(crate) fn following_grants(&self, lost: Option<watch::Receiver<Option<Instant>>>) {
        self.state().grants_lost = lost;
    }

    /// The agent cleaned a region, or could not.
    pub(crate) fn cleaned(&self, result: Cleaning) {
        self.0.cleanings.get_or_create(&vec![("result", result.as_str().to_owned())]).inc();
    }

    /// Something became of an event.
    pub(crate) fn event(&self, result: Sending) {
        self.0.events.get_or_create(&vec![("result", word(result).to_owned())]).inc();
    }

    /// Everything in the Prometheus text format.
    ///
    /// # Errors
    /// None in practice: the text is written to memory.
    pub(crate) fn text(&self, status: &Status) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        gauges::register(&mut registry, &self.state(), status);
        self.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register(&self, r: &mut Registry) {
        let Inner { allocations, allocation_failures, registrations, .. } = &*self.0;
        let help = "Devices given to containers";
        r.register("allocations", help, allocations.clone());
        let help = "Containers whose devices were refused, by reason";
        r.register("allocation_failures", help, allocation_failures.clone());
        let help = "Registrations that the kubelet took";
        r.register("registrations", help, registrations.clone());
        let help = "Starts of the kubelet while the agent ran";
        r.register("kubelet_starts", help, self.0.kubelet_starts.clone());
        r.register("scans", "Scans of the node", self.0.scans.clone());
        let help = "Time that a scan took";
        r.register_with_unit("scan_duration", help, Unit::Seconds, self.0.scan_duration.clone());
        let help = "Checks of the errors, power states and temperatures of the cards";
        r.register("health_looks", help, self.0.looks.clone());
        self.register_hook(r);
        let help = "Cleanings of regions that pods had left, by result";
        r.register("cleanings", help, self.0.cleanings.clone());
        let help = "Kubernetes Events about the node, by result";
        r.register("events", help, self.0.events.clone());
    }

    fn register_hook(&self, r: &mut Registry) {
        let help = "Regions that the runtime hook programmed";
        r.register("programmings", help, self.0.programmings.clone());
        let help = "Time that the driver took to program a region for the runtime hook";
        let duration = self.0.programming_duration.clone();
        r.register_with_unit("programming_duration", help, Unit::Seconds, duration);
        let help = "Runs of the runtime hook that did or failed something, by stage and result";
        r.register("hook_runs", help, self.0.hook_runs.clone());
        let help = "Time that such a run took";
        let duration = self.0.hook_duration.clone();
        r.register_with_unit("hook_duration", help, Unit::Seconds, duration);
        let help = "Files among the runtime hook's results that were invalid";
        r.register("hook_malformed_results", help, self.0.hook_malformed.clone());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(resource: &ResourceName) -> Labels {
    vec![("resource", resource.to_string())]
}

impl Refusal {
    const ALL: [Self; 5] =
        [Self::Unknown, Self::Unhealthy, Self::NoSpec, Self::Withdrawn, Self::OtherMode];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unhealthy => "unhealthy",
            Self::NoSpec => "no_spec",
            Self::Withdrawn => "withdrawn",
            Self::OtherMode => "other_mode",
        }
    }
}

impl Cleaning {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

fn word(result: Sending) -> &'static str {
    match result {
        Sending::Sent => "sent",
        Sending::Limited => "limited",
        Sending::Failed => "failed",
    }
}

#[cfg(test)]
mod tests;
