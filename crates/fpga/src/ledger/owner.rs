//! Who a region is for.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

/// A container or a claim. It is identified by kind, id and process: an id that is used again by a different
/// process is a different owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// What it is.
    pub kind: Kind,
    /// The container's id as the runtime knows it, or the claim's UID.
    pub id: String,
    /// The pod that it belongs to, `NAMESPACE/NAME`, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// A container's first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// What kind of owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container, which ends with its first process.
    Container,
    /// A claim for a device (`resource.k8s.io`), which ends when the kubelet says so.
    Claim,
}

/// A process that cannot be taken for a later one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id in the namespace below.
    pub pid: u32,
    /// When it started, in clock ticks since the boot (field 22 of `/proc/PID/stat`); 0 when it had ended before
    /// anybody looked.
    pub start: u64,
    /// The PID namespace in which the id was seen (the inode of `/proc/self/ns/pid`).
    pub namespace: u64,
}

/// Whether an owner is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Its process runs.
    Alive,
    /// Its process has ended.
    Ended,
    /// It has no process, or one that is not visible from here.
    Unknown,
}

impl Owner {
    /// The container `id` whose first process is `pid` in the PID namespace of this process. 0, which runtimes give
    /// for one that has none, is as `None`. A process that is not there has ended.
    #[must_use]
    pub fn container(id: impl Into<String>, pid: Option<u32>) -> Self {
        let process = pid.filter(|pid| *pid != 0).and_then(Process::of);
        Self { kind: Kind::Container, id: id.into(), pod: None, process }
    }

    /// True where `other` is a run of the same container or claim, whatever process it had.
    #[must_use]
    pub fn is_named_as(&self, other: &Self) -> bool {
        (self.kind, &self.id) == (other.kind, &other.id)
    }

    /// Whether it is still there.
    #[must_use]
    pub fn life(&self) -> Life {
        self.process.map_or(Life::Unknown, Process::life)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Container => "container",
            Kind::Claim => "claim",
        };
        write!(f, "{kind} {}", self.id)?;
        match &self.pod {
            Some(pod) => write!(f, " of pod {pod}"),
            None => Ok(()),
        }
    }
}

impl Process {
    fn of(pid: u32) -> Option<Self> {
        let start = running_since(pid).unwrap_or_default();
        Some(Self { pid, start, namespace: namespace()? })
    }

    fn life(self) -> Life {
        if namespace() != Some(self.namespace) {
            return Life::Unknown;
        }
        if running_since(self.pid) == Some(self.start) { Life::Alive } else { Life::Ended }
    }
}

/// The PID namespace of this process.
fn namespace() -> Option<u64> {
    fs::metadata("/proc/self/ns/pid").ok().map(|namespace| namespace.ino())
}

/// When the process started; `None` where none of this id runs. One that has ended and whose parent has not asked
/// for its status (states Z and X, `proc_pid_stat(5)`) has closed everything that it had.
fn running_since(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may have any character in it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    // The state is field 3.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_owner_lives_as_long_as_its_process() {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let owner = Owner::container("c1", Some(child.id()));
        assert_eq!(owner.life(), Life::Alive);
        drop(child.stdin.take());
        // Not waited for yet, it is a zombie at last.
        while owner.life() == Life::Alive {
            std::thread::yield_now();
        }
        assert_eq!(owner.life(), Life::Ended);
        child.wait().unwrap();
        assert_eq!(owner.life(), Life::Ended);
    }

    #[test]
    fn a_process_id_that_is_used_again_is_somebody_else() {
        let mut owner = Owner::container("c1", Some(std::process::id()));
        assert_eq!(owner.life(), Life::Alive);
        owner.process.as_mut().unwrap().start += 1;
        assert_eq!(owner.life(), Life::Ended);
        owner.process.as_mut().unwrap().namespace += 1;
        assert_eq!(owner.life(), Life::Unknown);
    }

    #[test]
    fn an_owner_without_a_process_may_be_anywhere() {
        for pid in [None, Some(0)] {
            let owner = Owner::container("c1", pid);
            assert_eq!((owner.process, owner.life()), (None, Life::Unknown));
        }
        assert_eq!(Owner::container("c1", Some(u32::MAX)).life(), Life::Ended);
    }

    #[test]
    fn owners_are_named_by_kind_and_id() {
        let container = Owner::container("c1", Some(std::process::id()));
        let claim = Owner { kind: Kind::Claim, ..container.clone() };
        assert!(container.is_named_as(&Owner::container("c1", None)));
        assert!(!container.is_named_as(&claim));
        assert!(!container.is_named_as(&Owner::container("c2", None)));
        let pod = Some("vision/p".to_owned());
        assert_eq!(Owner { pod, ..claim }.to_string(), "claim c1 of pod vision/p");
    }
}
