//! Tests that bring their own main, because their binary is also the client: runs them, and an emulator for each.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{PATIENCE, Start};
use crate::ctl::Client;

const NOBODY: u32 = 65534;

/// A named test.
pub type Test = (&'static str, fn(Who));

/// Who runs the emulator and its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
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
    pub fn command(self, program: impl AsRef<Path>) -> Command {
        super::command_as(program.as_ref(), self.user())
    }
}

/// Runs the tests whose name contains the first argument that is not a flag; all without one.
///
/// # Panics
/// When one of them fails.
pub fn run(tests: &[Test], mut arguments: impl Iterator<Item = String>) {
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
pub struct Emulator {
    emulator: super::Emulator,
    who: Who,
}

impl Emulator {
    /// Starts one for a preset.
    ///
    /// # Panics
    /// When that fails, as all here.
    pub fn start(who: Who, preset: &str) -> Self {
        Self::with(who, &["--preset", preset])
    }

    /// Starts one with these arguments of `serve`.
    ///
    /// # Panics
    /// When that fails.
    pub fn with(who: Who, arguments: &[&str]) -> Self {
        let program = super::program().to_owned();
        let arguments = arguments.iter().map(Into::into).collect();
        let start = Start { program, user: who.user(), arguments };
        Self { emulator: super::Emulator::with(start), who }
    }

    /// The machine's root, with `sys` and `dev`.
    pub fn root(&self) -> PathBuf {
        self.emulator.root()
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.emulator.socket()
    }

    /// The directory that holds it all.
    pub fn directory(&self) -> &Path {
        self.emulator.directory()
    }

    /// A connection to the control socket.
    ///
    /// # Panics
    /// When the emulator does not answer.
    pub fn control(&self) -> Client {
        self.emulator.control()
    }

    /// Text of a file below the root.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Waits until the attribute has this text.
    ///
    /// # Panics
    /// When it has not for [`PATIENCE`].
    pub fn wait_for(&self, path: &str, text: &str) {
        let start = Instant::now();
        while self.read(path) != text {
            assert!(start.elapsed() < PATIENCE, "{path}: {:?}, not {text:?}", self.read(path));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The beginning of a command line under this emulator.
    pub fn exec(&self, flags: &[&str]) -> Command {
        self.exec_as(self.who, flags)
    }

    /// The same as somebody.
    pub fn exec_as(&self, who: Who, flags: &[&str]) -> Command {
        self.emulator.exec_as(who.user(), flags)
    }

    /// A client that runs a scenario: this binary with the words `client SCENARIO ROOT`.
    ///
    /// # Panics
    /// When the path of this binary is unknown.
    pub fn client(&self, scenario: &str) -> Command {
        let mut command = self.exec(&[]);
        command.arg(std::env::current_exe().unwrap()).args(["client", scenario]).arg(self.root());
        command
    }

    /// Runs a scenario to its end.
    ///
    /// # Panics
    /// When the scenario fails.
    pub fn check(&self, scenario: &str) {
        let output = self.client(scenario).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{scenario}: {:?}: {text}", output.status);
    }

    /// Ends it as a service manager would.
    ///
    /// # Panics
    /// When it fails, or leaves something behind.
    pub fn stop(self) {
        self.emulator.stop();
    }
}
