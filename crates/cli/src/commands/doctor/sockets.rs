//! The agent's sockets in the kubelet's directory, one for each resource.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::card::{Card, Inventory};
use fpga::names::{Named, ResourceName};

use super::survey::{Survey, resource};
use super::timed;
use fpga_findings::Finding;
use fpga_findings::shell::word;

/// Where the agent's logs are.
const LOGS: &str = "kubectl get pods -A -o wide | grep fpga; journalctl -u fpga-agent -n 50";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let directory = survey.socket_dir();
    for (file, name) in survey.sockets().iter().filter_map(|file| Some((file, resource(file)?))) {
        report(socket(survey, &directory.join(file), &name));
    }
    let has_slots = survey.inventory().slots().next().is_some();
    if survey.sockets().is_empty() && has_slots && directory.is_dir() {
        report(
            Finding::error(
                directory.display(),
                "the agent serves no resource, though there are cards",
            )
            .because("it is not running here, or has another --socket-dir")
            .fix(LOGS),
        );
    }
}

fn socket(survey: &Survey, path: &Path, name: &ResourceName) -> Finding {
    match connect(path, survey.patience) {
        Answer::Listening if is_on_node(survey.inventory(), name) => {
            Finding::ok(name, "served")
        }
        Answer::Listening => Finding::warning(name, "served, but no card has that now")
            .because("its devices are unhealthy until the agent is restarted, or another agent serves it")
            .fix(LOGS),
        Answer::Missing => Finding::ok(name, "just removed"),
        Answer::Stale => Finding::error(path.display(), "nobody listens on the socket")
            .because("an agent was killed and left it; no pod can get the resource")
            .fix(LOGS),
        Answer::NotASocket => Finding::error(path.display(), "is no socket")
            .because("it is in the agent's way, which cannot serve the resource")
            .fix(format_args!("rm -r {}", word(path))),
        Answer::Silent => Finding::error(path.display(), "takes no connection")
            .because("the agent is stopped or hangs")
            .fix(LOGS),
        Answer::Failed(error) => {
            Finding::unknown(path.display(), error).fix("sudo fpgactl doctor --area sockets")
        }
    }
}

/// True when a card has what the resource stands for.
fn is_on_node(inventory: &Inventory, name: &ResourceName) -> bool {
    let has = |card: &Card| match name.named() {
        Named::Af(afu) | Named::EncodedAf(_, afu) => {
            card.slots.iter().any(|slot| slot.afu_id().is_none_or(|id| id == afu))
        }
        // A region does not show which image is in it.
        Named::Aocx(_) | Named::EncodedAocx(..) => true,
        Named::Region(interface) | Named::RegionDevel(interface) => {
            card.regions.iter().any(|region| region.interface_id.is_none_or(|id| id == interface))
        }
    };
    inventory.cards.iter().any(has)
}

/// What became of a connection.
#[derive(Debug)]
pub(super) enum Answer {
    Listening,
    Missing,
    /// The file is there, but no process listens.
    Stale,
    NotASocket,
    /// No answer in time.
    Silent,
    Failed(io::Error),
}

/// Connects to the socket at `path` and lets go at once.
pub(super) fn connect(path: &Path, patience: Duration) -> Answer {
    let path = path.to_owned();
    timed::run(patience, move || try_connect(&path)).unwrap_or(Answer::Silent)
}

fn try_connect(path: &Path) -> Answer {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => return Answer::NotASocket,
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Answer::Missing,
        Err(error) => return Answer::Failed(error),
    }
    match stream(path) {
        Ok(_) => Answer::Listening,
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Answer::Stale,
            io::ErrorKind::NotFound => Answer::Missing,
            _ => Answer::Failed(error),
        },
    }
}

/// By way of its directory, since a socket's own path has room for 107 bytes only (`unix(7)`).
fn stream(path: &Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return UnixStream::connect(path);
    };
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let directory = File::open(directory)?;
    UnixStream::connect(
        PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name),
    )
}
