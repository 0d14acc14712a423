//! The cards under a guest: `fpga-emulator pci` as a child process.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

/// What the emulator says on standard error.
pub(super) const LOG: &str = "emulator.log";

/// The machine's description.
const MACHINE: &str = "machine.toml";
/// Its control socket.
const CONTROL: &str = "control.sock";

/// How the kernel is told of a card: by the socket of its back end and the number of virtio's kind of device.
const DEVICE: &str = "virtio_uml.device=";
/// What is added to a socket's name for the card that is put into a slot after the first one died: the kernel
/// drops a device whose back end died, so there is a second one, whose socket is not there at boot.
const AGAIN: &str = ".again";
/// What is added to its number, whose lower 16 bits are the address.
const AGAIN_NUMBER: u32 = 1 << 16;

/// A function on the kernel's command line.
struct Device<'a> {
    socket: &'a str,
    kind: &'a str,
    number: u32,
}

/// A running emulator. Dropping it kills it.
pub(super) struct Emulator {
    program: PathBuf,
    directory: PathBuf,
    child: Child,
    arguments: Vec<String>,
}

impl Emulator {
    /// Starts it with a machine and waits until it serves. All its files are in `directory`.
    pub(super) fn start(program: &Path, machine: &str, directory: &Path) -> anyhow::Result<Self> {
        std::fs::write(directory.join(MACHINE), machine)?;
        let (child, arguments) = spawn(program, directory)?;
        Ok(Self { program: program.to_owned(), directory: directory.to_owned(), child, arguments })
    }

    /// What the guest's kernel has to be told.
    pub(super) fn kernel_arguments(&self) -> Vec<String> {
        let again = self.devices().map(|Device { socket, kind, number }| {
            format!("{DEVICE}{socket}{AGAIN}:{kind}:{}", number + AGAIN_NUMBER)
        });
        self.arguments.iter().cloned().chain(again).collect()
    }

    /// The functions.
    fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        let devices = self.arguments.iter().filter_map(|argument| argument.strip_prefix(DEVICE));
        devices.filter_map(|device| {
            let (rest, number) = device.rsplit_once(':')?;
            let (socket, kind) = rest.rsplit_once(':')?;
            Some(Device { socket, kind, number: number.parse().ok()? })
        })
    }

    /// A line to the control socket and the line that is its answer.
    pub(super) fn ask(&self, line: &str) -> anyhow::Result<String> {
        let socket = self.directory.join(CONTROL);
        let mut stream = UnixStream::connect(&socket).context("the emulator's control socket")?;
        writeln!(stream, "{line}")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        ensure!(answer.ends_with('\n'), "the emulator did not answer {line:?}");
        Ok(answer.trim_end().to_owned())
    }

    /// Kills it without a warning.
    pub(super) fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Starts it again, for the devices that were not there at boot. Once for each guest.
    pub(super) fn again(&mut self) -> anyhow::Result<()> {
        (self.child, _) = spawn(&self.program, &self.directory)?;
        for Device { socket, .. } in self.devices() {
            std::os::unix::fs::symlink(socket, format!("{socket}{AGAIN}")).context("a socket")?;
        }
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn(program: &Path, directory: &Path) -> anyhow::Result<(Child, Vec<String>)> {
    let log = File::options().create(true).append(true).open(directory.join(LOG))?;
    // The cards end with us, however we end.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(program)
        .args(["pci", "--addresses"])
        .arg("--socket-dir")
        .arg(directory)
        .arg("--machine")
        .arg(directory.join(MACHINE))
        .arg("--ctl")
        .arg(directory.join(CONTROL))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    match read_arguments(&mut child) {
        Ok(arguments) => Ok((child, arguments)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            let words = std::fs::read_to_string(directory.join(LOG)).unwrap_or_default();
            Err(error.context(format!("fpga-emulator pci does not serve: {}", words.trim())))
        }
    }
}

/// Two lines: `ready`, and the kernel's arguments.
fn read_arguments(child: &mut Child) -> anyhow::Result<Vec<String>> {
    /// More than any kernel takes.
    const LIMIT: u64 = 64 * 1024;
    let output = child.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(output.take(LIMIT)).lines();
    let mut next = || lines.next().transpose();
    ensure!(next()?.as_deref() == Some("ready"), "it did not say that it is ready");
    let arguments = next()?.context("it did not say what the kernel needs")?;
    Ok(arguments.split_ascii_whitespace().map(str::to_owned).collect())
}
