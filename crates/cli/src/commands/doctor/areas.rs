//! The areas, and looking at all of them at once.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::survey::Survey;
use super::{
    agent, cdi, devices, driver, grants, hook, kubelet, limits, regions, runtime, sockets, store,
};
use fpga_findings::Finding;

/// What is looked at, in the order of the output: from the card up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Area {
    /// The kernel's drivers and the cards they are bound to
    Driver,
    /// The device nodes
    Nodes,
    /// What is loaded, and regions that are out of use
    Regions,
    /// The kubelet's sockets
    Kubelet,
    /// The agent's sockets in the kubelet's directory
    Sockets,
    /// The agent's own word
    Agent,
    /// The specifications of the Container Device Interface
    Cdi,
    /// The program that runtimes run
    Hook,
    /// The container runtime's configuration
    Runtime,
    /// The bitstreams
    Store,
    /// Who may have what programmed
    Grants,
    /// Memory that functions need
    Limits,
}

impl Area {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Nodes => "nodes",
            Self::Regions => "regions",
            Self::Kubelet => "kubelet",
            Self::Sockets => "sockets",
            Self::Agent => "agent",
            Self::Cdi => "cdi",
            Self::Hook => "hook",
            Self::Runtime => "runtime",
            Self::Store => "store",
            Self::Grants => "grants",
            Self::Limits => "limits",
        }
    }

    fn look(self, survey: &Survey, report: &mut dyn FnMut(Finding)) {
        match self {
            Self::Driver => driver::look(survey, report),
            Self::Nodes => devices::look(survey, report),
            Self::Regions => regions::look(survey, report),
            Self::Kubelet => kubelet::look(survey, report),
            Self::Sockets => sockets::look(survey, report),
            Self::Agent => agent::look(survey, report),
            Self::Cdi => cdi::look(survey, report),
            Self::Hook => hook::look(survey, report),
            Self::Runtime => runtime::look(survey, report),
            Self::Store => store::look(survey, report),
            Self::Grants => grants::look(survey, report),
            Self::Limits => limits::look(survey, report),
        }
    }
}

/// The findings of the wanted areas, or of all, area by area.
pub(super) fn look(wanted: &[Area], survey: &Arc<Survey>, limit: Duration) -> Vec<Finding> {
    let all = Area::value_variants();
    let areas = all.iter().copied().filter(|area| wanted.is_empty() || wanted.contains(area));
    let begun: Vec<_> = areas.map(|area| (area, begin(area, survey))).collect();
    let end = Instant::now() + limit;
    begun.into_iter().flat_map(|(area, findings)| collect(area, &findings, end, limit)).collect()
}

fn begin(area: Area, survey: &Arc<Survey>) -> Receiver<Finding> {
    let (sender, receiver) = mpsc::channel();
    let survey = Arc::clone(survey);
    let failed = sender.clone();
    let work = move || {
        area.look(&survey, &mut |finding| {
            // Nobody listens any more when the time is over.
            let _ = sender.send(finding.in_area(area.as_str()));
        });
    };
    if let Err(error) = thread::Builder::new().name(area.as_str().to_owned()).spawn(work) {
        let finding = Finding::unknown(area.as_str(), format_args!("no thread to look: {error}"));
        let _ = failed.send(finding.in_area(area.as_str()));
    }
    receiver
}

fn collect(
    area: Area,
    findings: &Receiver<Finding>,
    end: Instant,
    limit: Duration,
) -> Vec<Finding> {
    let mut all = Vec::new();
    loop {
        match findings.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(finding) => all.push(finding),
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => {
                let finding = Finding::unknown(
                    area.as_str(),
                    format_args!("not looked at to the end within {limit:?}"),
                )
                .because("a file system or a peer does not answer, or there is much to read")
                .fix(format_args!("fpgactl doctor --area {} --timeout 2m", area.as_str()));
                all.push(finding.in_area(area.as_str()));
                return all;
            }
        }
    }
}
