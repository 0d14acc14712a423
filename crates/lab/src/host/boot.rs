//! User Mode Linux as a child process.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::Lab;
use super::emulator::Emulator;
use crate::guest;
use crate::wire::{Program, Task};

/// What the guest's kernel and programs print, when no person is at the console.
pub(super) const LOG: &str = "console.log";

/// A booted guest. Dropping it kills it.
pub(super) struct Guest {
    child: Child,
    line: UnixStream,
}

impl Guest {
    pub(super) fn boot(
        lab: &Lab,
        emulator: &Emulator,
        directory: &Path,
        task: &Task,
    ) -> anyhow::Result<Self> {
        let (line, far) = UnixStream::pair()?;
        // The shell makes the line descriptor 3. setpriv: a guest ends with us, however we end. setarch: with randomised
        // addresses the file behind the cards' registers is mapped wrong, and nothing tells.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "exec 3<&0 0<\"$0\" && exec setpriv --pdeathsig KILL setarch -R \"$@\""]);
        let interactive = matches!(task, Task::Program(Program { interactive: true, .. }));
        command.arg(if interactive { "/dev/tty" } else { "/dev/null" });
        command.arg(&lab.kernel).args(arguments(lab, emulator, task, interactive));
        command.stdin(Stdio::from(OwnedFd::from(far)));
        if let Task::Case(_) = task {
            let log = File::create(directory.join(LOG))?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        // A C library that registers restartable sequences leaves the kernel without a free thread register.
        command.env("GLIBC_TUNABLES", "glibc.pthread.rseq=0");
        // The kernel keeps the files of a guest in its home, and panics where it cannot.
        command.env("HOME", directory);
        // The guest's memory is a file here, of which only what is touched takes room.
        command.env("TMPDIR", memory_directory());
        let child = command.spawn().context("cannot start the kernel")?;
        Ok(Self { child, line })
    }

    /// The serial line. A guest that is silent for longer than `limit` is taken for dead.
    pub(super) fn line(&mut self, limit: Option<Duration>) -> std::io::Result<UnixStream> {
        let line = self.line.try_clone()?;
        line.set_read_timeout(limit)?;
        Ok(line)
    }

    /// Waits for its last breath if it said that it ends, and kills it otherwise.
    pub(super) fn end(mut self) {
        // The end of the line comes with the end of the process.
        let _ = self.line.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = std::io::copy(&mut self.line, &mut std::io::sink());
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // The kernel has helpers, in the session that it made for itself, which would stay. Stopped, it does not see them
        // die first, of which it complains on the console.
        if let Ok(id) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            let stopped = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            let _ = kill(id, Signal::SIGSTOP);
            let _ = waitid(Id::Pid(id), stopped);
            let _ = killpg(id, Signal::SIGKILL);
        }
        // One that was still on its way to its session.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn memory_directory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    match nix::unistd::access(&shared, nix::unistd::AccessFlags::W_OK) {
        Ok(()) => shared,
        Err(_) => std::env::temp_dir(),
    }
}

fn arguments(lab: &Lab, emulator: &Emulator, task: &Task, interactive: bool) -> Vec<String> {
    let mut all = emulator.kernel_arguments();
    // For kernels that have it; others are built with as much.
    all.push("virt_pci.max_delay_us=2000000".to_owned());
    all.extend(["root=hostfs", "rootfstype=hostfs", "rootflags=/", "ro"].map(str::to_owned));
    all.push(format!("con0={},fd:1", if interactive { "fd:0" } else { "null" }));
    all.extend(["con=null", "ssl0=fd:3,fd:3", "ssl=null"].map(str::to_owned));
    if matches!(task, Task::Program(_)) {
        all.push("quiet".to_owned());
    }
    all.push(format!("init={}", lab.program.display()));
    all.extend(["--", guest::WORD].map(str::to_owned));
    all
}
