//! Runs the tests, and an emulator for each.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fpga_emulator::ctl::Client;

/// Long enough for any machine: only to not hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const NOBODY: u32 = 65534;

/// A named test.
pub(crate) type Test = (&'static str, fn(Who));

/// Who runs the emulator and its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// This user.
    Own,
    /// Uid 65534; only root can arrange that.
    Nobody,
}

impl Who {
    fn all() -> &'static [Self] {
        if nix::unistd::geteuid().is_root() { &[Self::Own, Self::Nobody] } else { &[Self::Own] }
    }

    /// A command as this user.
    pub(crate) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if self == Self::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

/// Runs those whose name contains the first argument that is not a flag; all without one.
pub(crate) fn run(tests: &[Test], mut arguments: impl Iterator<Item = String>) {
    let filter = arguments.find(|a| !a.starts_with('-')).unwrap_or_default();
    require_supervision();
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, test) in tests.iter().filter(|(n, _)| n.contains(&filter)) {
        for who in Who::all() {
            count += 1;
            let ok = catch_unwind(|| test(*who)).is_ok();
            println!("test {name} ({who:?}) ... {}", if ok { "ok" } else { "FAILED" });
            if !ok {
                failed.push(*name);
            }
        }
    }
    println!("{count} run, {} failed", failed.len());
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// All of these tests need a seccomp listener of their own; where that cannot be, they fail by that name.
fn require_supervision() {
    let output = Emulator::start(Who::Own, "pac-a10").exec(&[]).arg("true").output().unwrap();
    assert!(
        output.status.success(),
        "the ioctl tests cannot run here, because fpga-emulator exec cannot: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes a directory readable to whoever runs the emulator.
pub(crate) fn make_readable(directory: &Path) {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A running emulator.
pub(crate) struct Emulator {
    process: Child,
    directory: tempfile::TempDir,
    who: Who,
}

impl Emulator {
    pub(crate) fn start(who: Who, preset: &str) -> Self {
        Self::with(who, &["--preset", preset])
    }

    pub(crate) fn with(who: Who, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make_readable(directory.path());
        if who == Who::Nobody {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut process = who
            .command(env!("CARGO_BIN_EXE_fpga-emulator"))
            .arg("serve")
            .arg(directory.path().join("root"))
            .arg("--socket")
            .arg(directory.path().join("socket"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { process, directory, who }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn control(&self) -> Client {
        Client::connect(self.directory.path().join("socket")).unwrap()
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Waits until the attribute has this text.
    pub(crate) fn wait_for(&self, path: &str, text: &str) {
        let start = Instant::now();
        while self.read(path) != text {
            assert!(start.elapsed() < PATIENCE, "{path}: {:?}, not {text:?}", self.read(path));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The beginning of a command line under this emulator.
    pub(crate) fn exec(&self, flags: &[&str]) -> Command {
        self.exec_as(self.who, flags)
    }

    pub(crate) fn exec_as(&self, who: Who, flags: &[&str]) -> Command {
        let mut command = who.command(env!("CARGO_BIN_EXE_fpga-emulator"));
        command
            .arg("exec")
            .arg("--socket")
            .arg(self.directory.path().join("socket"))
            .args(flags)
            .arg("--");
        command
    }

    /// A client that runs a scenario.
    pub(crate) fn client(&self, scenario: &str) -> Command {
        let mut command = self.exec(&[]);
        command.arg(std::env::current_exe().unwrap()).args(["client", scenario]).arg(self.root());
        command
    }

    /// Runs a scenario to its end, which has to be a good one.
    pub(crate) fn check(&self, scenario: &str) {
        let output = self.client(scenario).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{scenario}: {:?}: {text}", output.status);
    }

    /// Ends it as a service manager would: nothing stays behind.
    pub(crate) fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success());
        assert_eq!(
            std::fs::read_dir(self.directory.path()).unwrap().count(),
            0,
            "something was left behind"
        );
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ended_before = self.process.kill();
        let _reaped_before = self.process.wait();
    }
}
