//! Runs the tests, and an emulator for each.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fpga_emulator::ctl::Client;
use fpga_emulator::testing::{self, Start};

pub(crate) use fpga_emulator::testing::PATIENCE;
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

    fn user(self) -> Option<u32> {
        (self == Self::Nobody).then_some(NOBODY)
    }

    /// A command as this user.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        testing::command_as(program.as_ref(), self.user())
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

/// A running emulator and whose it is.
pub(crate) struct Emulator {
    emulator: testing::Emulator,
    who: Who,
}

impl Emulator {
    pub(crate) fn start(who: Who, preset: &str) -> Self {
        Self::with(who, &["--preset", preset])
    }

    pub(crate) fn with(who: Who, arguments: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_fpga-emulator").into();
        let arguments = arguments.iter().map(Into::into).collect();
        let start = Start { program, user: who.user(), arguments };
        Self { emulator: testing::Emulator::with(start), who }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.emulator.root()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.emulator.socket()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.emulator.directory()
    }

    pub(crate) fn control(&self) -> Client {
        self.emulator.control()
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
        self.emulator.exec_as(who.user(), flags)
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
    pub(crate) fn stop(self) {
        self.emulator.stop();
    }
}
