//! The machine as a case sees it: the real binaries, the real `/sys`, and the cards' control.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fpga::card::{Card, Inventory};
use fpga::root::Root;
use fpga_emulator::ctl::Client;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::machine::Machine;
use serde_json::Value;

use super::link::{self, Link};
use super::{nodes, setup};
use crate::wire::Request;

/// Only against hanging for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The node that a case runs on.
pub(crate) struct Node {
    link: Arc<Link>,
    /// Where the project's programs are.
    programs: PathBuf,
    machine: Machine,
}

/// A program that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Node {
    pub(super) fn new(link: Arc<Link>, machine: &str) -> anyhow::Result<Self> {
        let program = std::fs::read_link("/proc/self/exe")?;
        let programs = program.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { link, programs, machine: Machine::parse(machine)? })
    }

    /// What the emulator was told.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A path that can be written to.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        Path::new(setup::DIRECTORY).join(name)
    }

    /// The path of one of the project's programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// One of the project's programs, in the guest's environment.
    pub(crate) fn command(&self, name: &str) -> Command {
        self.outside_command(&self.program(name))
    }

    /// Any program, in the guest's environment.
    pub(crate) fn outside_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(setup::environment()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Finished> {
        let output = self.command(program).args(arguments).output();
        let command = format!("{program} {}", arguments.join(" "));
        Ok(Finished::new(command.clone(), output.context(command)?))
    }

    pub(crate) fn fpgactl(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        self.run("fpgactl", arguments)
    }

    /// The control of the cards.
    pub(crate) fn emulator(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(link::SOCKET)?)
    }

    /// Tears all cards out.
    pub(crate) fn kill_emulator(&self) -> anyhow::Result<()> {
        self.link.call(&Request::KillEmulator).map(drop)
    }

    /// Puts them back, as after power-on.
    pub(crate) fn start_emulator(&self) -> anyhow::Result<()> {
        self.link.call(&Request::StartEmulator).map(drop)
    }

    /// Has the kernel look for the cards again whose emulator was started again. User Mode Linux keeps the devices of its
    /// command line, without a driver.
    pub(crate) fn attach_cards(&self) -> anyhow::Result<()> {
        const DRIVER: &str = "/sys/bus/platform/drivers/virtio-uml";
        for device in std::fs::read_dir("/sys/bus/platform/devices")? {
            let name = device?.file_name().to_string_lossy().into_owned();
            if name.starts_with("virtio-uml.") && !Path::new(DRIVER).join(&name).exists() {
                self.write(&format!("{DRIVER}/bind"), &name)?;
            }
        }
        Ok(())
    }

    /// Keeps `/dev/char` from now on, as udev does. Not in every case: Linux 6.1 uses memory that it has freed when a node is
    /// closed whose driver has gone, and survives that only as long as nobody else takes the memory.
    pub(crate) fn keep_links(&self) -> anyhow::Result<()> {
        nodes::keep_links()
    }

    /// Tells the person something.
    pub(crate) fn note(&self, text: impl Into<String>) -> anyhow::Result<()> {
        self.link.call(&Request::Note(text.into())).map(drop)
    }

    /// What `fpga` finds.
    pub(crate) fn scan(&self) -> Inventory {
        fpga::scan::scan(&Root::at("/"))
    }

    /// The card that the emulator knows as card `index`.
    pub(crate) fn card(&self, index: usize) -> anyhow::Result<Card> {
        let card = self.machine.cards.get(index).context("no such card in the machine")?;
        let address = card.pci.to_string();
        let cards = self.scan().cards;
        let card = cards.into_iter().find(|b| b.id.to_string() == address);
        card.with_context(|| format!("card {address} is not seen"))
    }

    /// Writes a bitstream file that the cards take.
    pub(crate) fn gbs(
        &self,
        name: &str,
        interface: &str,
        afu: &str,
        size: usize,
    ) -> anyhow::Result<String> {
        self.gbs_asking(name, interface, afu, size, None)
    }

    /// The same, of a function that asks for a user clock: both frequencies in MHz.
    pub(crate) fn gbs_asking(
        &self,
        name: &str,
        interface: &str,
        afu: &str,
        size: usize,
        clocks: Option<(u32, u32)>,
    ) -> anyhow::Result<String> {
        let bitstream = Bitstream {
            interface: interface.parse()?,
            function: afu.parse()?,
            name: name.to_owned(),
            size,
            clocks,
        };
        let path = self.file(&format!("{name}.gbs"));
        std::fs::write(&path, bitstream.to_bytes()?)?;
        Ok(path.display().to_string())
    }

    /// Writes to an attribute in sysfs.
    pub(crate) fn write(&self, attribute: &str, text: &str) -> anyhow::Result<()> {
        std::fs::write(attribute, text).with_context(|| format!("{attribute}: writing {text:?}"))
    }
}

impl Finished {
    fn new(command: String, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        println!("$ {command}\n{stdout}{stderr}");
        Self { command, code: output.status.code(), stdout, stderr }
    }

    /// The same, if it ended with `code`.
    pub(crate) fn ended(self, code: i32) -> anyhow::Result<Self> {
        ensure!(
            self.code == Some(code),
            "{}: expected exit code {code}, got {:?}\n{}{}",
            self.command,
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// The same, if its errors contain `text`.
    pub(crate) fn said(self, text: &str) -> anyhow::Result<Self> {
        ensure!(
            self.stderr.contains(text) || self.stdout.contains(text),
            "{}: did not say {text:?}\n{}{}",
            self.command,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("{}: {:?}", self.command, self.stdout))
    }
}

/// Waits until something is so that no event tells.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > PATIENCE {
            bail!("never happened: {what}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
