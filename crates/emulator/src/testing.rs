//! For tests of this workspace: a running emulator as a process of its own, with programs under it.
//!
//! Behind the feature `testing`, which only development dependencies ask for.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::ctl::Client;

pub mod harness;

/// How long to wait for another program before a test fails: long enough for any machine, only to not hang.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A card with one port and one with two: `dfl-port.0` with NLB mode 3, `dfl-port.1` and `dfl-port.2` with the hello
/// function.
pub const THREE_PORTS: &str = r#"
[[card]]
name = "near"
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
name = "far"
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "hello"
"#;

/// How to start an emulator.
#[derive(Debug, Clone)]
pub struct Start {
    /// The emulator's binary.
    pub program: PathBuf,
    /// User and group to run it as; none for one's own.
    pub user: Option<u32>,
    /// Arguments of `serve` after root and socket.
    pub arguments: Vec<OsString>,
}

/// A running emulator. Dropping it kills it and removes what it showed.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    directory: PathBuf,
    program: PathBuf,
    /// Kept for as long as this lives.
    own: Option<tempfile::TempDir>,
}

impl Emulator {
    /// Starts one for a machine described in TOML and waits until it answers.
    ///
    /// # Panics
    /// When that fails, as all here.
    #[must_use]
    pub fn start(machine: &str) -> Self {
        let own = tempfile::tempdir().unwrap();
        Self::start_in(own.path(), machine).owning(own)
    }

    /// The same in a directory of the caller's, which holds the machine's description, too.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn start_in(directory: &Path, machine: &str) -> Self {
        let description = directory.join("machine.toml");
        std::fs::write(&description, machine).unwrap();
        let arguments = vec!["--machine".into(), description.into()];
        Self::serve(directory, Start { program: program().to_owned(), user: None, arguments })
    }

    /// Starts one in a directory of its own.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn with(start: Start) -> Self {
        let own = tempfile::tempdir().unwrap();
        std::fs::set_permissions(own.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if start.user.is_some() {
            chown(own.path(), start.user, start.user).unwrap();
        }
        Self::serve(own.path(), start).owning(own)
    }

    fn serve(directory: &Path, start: Start) -> Self {
        let mut process = command_as(&start.program, start.user)
            .arg("serve")
            .arg(directory.join("root"))
            .arg("--socket")
            .arg(directory.join("sock"))
            .args(start.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "fpga-emulator serve: {:?}", process.try_wait());
        Self { process, directory: directory.to_owned(), program: start.program, own: None }
    }

    /// The directory lasts as long as this.
    fn owning(mut self, directory: tempfile::TempDir) -> Self {
        self.own = Some(directory);
        self
    }

    /// The directory that holds it all.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path in that directory: `root`, `sock`, and what a test puts there.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The machine's root, with `sys` and `dev`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn control(&self) -> Client {
        Client::connect(self.socket()).unwrap()
    }

    /// Text of an attribute of a platform device, without white space around it.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn attribute(&self, device: &str, name: &str) -> String {
        let path = self.root().join("sys/bus/platform/devices").join(device).join(name);
        let text = std::fs::read_to_string(&path);
        text.unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim().to_owned()
    }

    /// The beginning of a command line whose ioctls this emulator answers, with these flags of `exec`.
    #[must_use]
    pub fn exec(&self, flags: &[&str]) -> Command {
        self.exec_as(None, flags)
    }

    /// The same as another user.
    #[must_use]
    pub fn exec_as(&self, user: Option<u32>, flags: &[&str]) -> Command {
        let mut command = command_as(&self.program, user);
        command.arg("exec").arg("--socket").arg(self.socket()).args(flags).arg("--");
        command
    }

    /// Ends it as a service manager would.
    ///
    /// # Panics
    /// When it fails, or leaves something behind.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success());
        let left = std::fs::read_dir(self.directory()).unwrap().count();
        assert_eq!(left, 0, "something was left behind");
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ended_before = self.process.kill();
        let _reaped_before = self.process.wait();
    }
}

/// A command as another user and group, which only root can run.
#[must_use]
pub fn command_as(program: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    if let Some(id) = user {
        command.uid(id).gid(id);
    }
    command
}

/// Waits until something is so.
///
/// # Panics
/// When it is not so for [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Names a directory that has this workspace's programs already. Whoever tests the whole workspace sets it: built
/// from a test, they would be compiled with the features of fewer packages, and much of what they need with them.
pub const PROGRAMS: &str = "KUBE_FPGA_PROGRAMS";

/// The emulator's binary, built once for all tests of a process.
///
/// # Panics
/// As [`program_of`].
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program_of("fpga-emulator"))
}

/// A binary that belongs to another package than the test, whose name is the package's: taken from [`PROGRAMS`], or
/// built.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn program_of(package: &str) -> PathBuf {
    if let Some(directory) = std::env::var_os(PROGRAMS) {
        return Path::new(&directory).join(package);
    }
    let mut cargo = Command::new(env!("CARGO"))
        .args(["build", "-p", package, "--message-format=json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = String::new();
    cargo.stdout.take().unwrap().read_to_string(&mut messages).unwrap();
    assert!(cargo.wait().unwrap().success(), "cannot build {package}");
    let artifacts =
        messages.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let executable = artifacts
        .filter(|m| m["target"]["name"] == package)
        .find_map(|m| Some(PathBuf::from(m["executable"].as_str()?)));
    executable.expect("cargo names the binary that it built")
}
