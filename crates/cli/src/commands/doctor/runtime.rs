//! The container runtime: which one is there, and does it know CDI?
//!
//! Only its configuration files are read. What a flag of its process, or a version that is not known,
//! may change is not guessed at but said.

use std::path::{Path, PathBuf};

use fpga::names::Mode;

use super::sockets::{Answer, connect};
use super::survey::Survey;
use fpga_findings::Finding;

mod config;
mod containerd;
mod crio;

/// What kind of runtime has a socket, and where its configuration is.
#[derive(Debug, Clone, Copy)]
struct Known {
    kind: Kind,
    socket: &'static str,
    /// The first that exists counts.
    configs: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Containerd,
    CriO,
    /// Speaks the same protocol for a runtime that knows no CDI.
    CriDockerd,
}

const KNOWN: [Known; 6] = [
    Known {
        kind: Kind::Containerd,
        socket: "/run/containerd/containerd.sock",
        configs: &["/etc/containerd/config.toml"],
    },
    Known { kind: Kind::CriO, socket: "/run/crio/crio.sock", configs: &["/etc/crio/crio.conf"] },
    Known {
        kind: Kind::Containerd,
        socket: "/run/k3s/containerd/containerd.sock",
        configs: &[
            "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
            "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        ],
    },
    Known {
        kind: Kind::Containerd,
        socket: "/run/k0s/containerd.sock",
        configs: &["/etc/k0s/containerd.toml"],
    },
    Known {
        kind: Kind::Containerd,
        socket: "/var/snap/microk8s/common/run/containerd.sock",
        configs: &["/var/snap/microk8s/current/args/containerd.toml"],
    },
    Known { kind: Kind::CriDockerd, socket: "/run/cri-dockerd.sock", configs: &[] },
];

/// A runtime's socket and configuration.
struct Runtime {
    kind: Kind,
    socket: PathBuf,
    config: PathBuf,
}

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let runtimes = runtimes(survey);
    if runtimes.is_empty() && !survey.is_node() {
        report(Finding::ok("container runtime", "none is here, and nothing of a cluster"));
    } else if runtimes.is_empty() {
        report(
            Finding::unknown("container runtime", "none of the sockets that are known is there")
                .because("it listens elsewhere, or is not installed")
                .fix("fpgactl doctor --runtime-socket FILE --runtime-config FILE"),
        );
    }
    for runtime in &runtimes {
        match connect(&runtime.socket, survey.patience) {
            Answer::Listening => configuration(survey, runtime, report),
            answer => report(silent(&runtime.socket, &answer)),
        }
    }
}

fn runtimes(survey: &Survey) -> Vec<Runtime> {
    if let Some(socket) = &survey.places.runtime_socket {
        let is_crio = socket.to_string_lossy().contains("crio");
        let known = KNOWN[usize::from(is_crio)];
        return vec![runtime(survey, known, socket.clone())];
    }
    let there = KNOWN.into_iter().filter_map(|known| {
        let socket = survey.host.find(known.socket);
        socket.exists().then(|| runtime(survey, known, socket))
    });
    there.collect()
}

fn runtime(survey: &Survey, known: Known, socket: PathBuf) -> Runtime {
    let configs: Vec<PathBuf> = known.configs.iter().map(|path| survey.host.find(path)).collect();
    let there = configs.iter().find(|path| path.exists()).or(configs.first()).cloned();
    let config = survey.places.runtime_config.clone().or(there).unwrap_or_default();
    Runtime { kind: known.kind, socket, config }
}

fn silent(socket: &Path, answer: &Answer) -> Finding {
    let object = socket.display();
    match answer {
        Answer::Stale | Answer::Missing | Answer::NotASocket => {
            Finding::error(object, "nobody listens on the runtime's socket")
                .because("the runtime is not running; if it was removed, so should be its socket")
                .fix("systemctl status containerd crio")
        }
        Answer::Failed(error) => {
            Finding::unknown(object, error).fix("sudo fpgactl doctor --area runtime")
        }
        Answer::Silent | Answer::Listening => {
            Finding::unknown(object, "the runtime takes no connection")
                .because("it is stopped or overloaded")
                .fix("systemctl status containerd crio")
        }
    }
}

fn configuration(survey: &Survey, runtime: &Runtime, report: &mut dyn FnMut(Finding)) {
    match survey.mode() {
        Some(Mode::Af | Mode::RegionDevel) => {
            report(Finding::ok(
                runtime.socket.display(),
                "it runs; this mode asks nothing else of it",
            ));
        }
        Some(Mode::Region) | None => match runtime.kind {
            Kind::Containerd => containerd::look(survey, &runtime.config, report),
            Kind::CriO => crio::look(survey, &runtime.config, report),
            Kind::CriDockerd => report(
                Finding::error(
                    runtime.socket.display(),
                    "cri-dockerd gives containers no CDI devices",
                )
                .because("region mode needs CDI, or CRI-O with --programming hooks.d")
                .fix("kubectl annotate node NODE fpga.intel.com/device-plugin-mode=af"),
            ),
        },
    }
}

/// What is so when `directories`, where the runtime looks for CDI specs, have the agent's among them or not.
fn directories(
    survey: &Survey,
    config: &Path,
    name: &str,
    directories: &[String],
    remedy: &str,
) -> Finding {
    let (wanted, object) = (survey.cdi_dir(), config.display());
    let found = directories.iter().any(|directory| {
        survey.host.find(directory) == wanted
            || canonical(survey, directory) == wanted.canonicalize().ok()
    });
    if found {
        return Finding::ok(
            object,
            format_args!("{name} takes CDI specs from {}", directories.join(", ")),
        );
    }
    Finding::error(
        object,
        format_args!("{name} does not look for CDI specs in {}", wanted.display()),
    )
    .because(format_args!("cdi_spec_dirs is {directories:?}"))
    .fix(remedy)
}

fn canonical(survey: &Survey, directory: &str) -> Option<PathBuf> {
    survey.host.find(directory).canonicalize().ok()
}
