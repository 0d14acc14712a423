//! What a case works with: the card's nodes, memory and attributes. All of it is put away at the end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fpga_emulator::ctl::Command;
use nix::errno::Errno;

use crate::raw::{self, Event, PAGE, Pages};
use crate::table::Got;
use crate::world::{Face, World};

pub(crate) const NLB0: [u64; 2] = [0xf89e_4336_83f9_040b, 0xd842_4dc4_a4a3_c413];
pub(crate) const NLB3: [u64; 2] = [0x22f1_44b0_b93a_cd18, 0xf7df_405c_bd7a_cf72];

/// Requests of `linux/fpga-dfl.h`, from this side's own reading of it.
pub(crate) const RESET: u32 = 0xb640;
pub(crate) const PORT_INFO: u32 = 0xb641;
pub(crate) const REGION_INFO: u32 = 0xb642;
pub(crate) const MAP: u32 = 0xb643;
pub(crate) const UNMAP: u32 = 0xb644;
pub(crate) const PROGRAM: u32 = 0xb680;
pub(crate) const RELEASE: u32 = 0x4004_b681;
pub(crate) const ASSIGN: u32 = 0x4004_b682;

/// How an attribute is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// write(2).
    File,
    /// Through the emulator's control, which gives the answer that write(2) to a plain file cannot.
    Control,
}

pub(crate) struct Bench {
    pub(crate) world: &'static World,
    pub(crate) way: Way,
    /// Open nodes, by their name here.
    nodes: BTreeMap<&'static str, OwnedFd>,
    /// Memory of the case, and its counters.
    pub(crate) memory: Vec<Pages>,
    pub(crate) events: Vec<Event>,
    pub(crate) iovas: Vec<u64>,
    undo: Vec<Command>,
    raised: Vec<&'static str>,
}

/// The two words of a 64-bit field.
pub(crate) fn split(value: u64) -> [u32; 2] {
    [(value & 0xffff_ffff) as u32, (value >> 32) as u32]
}

/// A bitstream of `size` bytes for the emulated card, whatever driver it goes through.
pub(crate) fn bitstream(interface: [u64; 2], function: [u64; 2], size: usize) -> Vec<u8> {
    let mut data = b"DFLEMU01".to_vec();
    [interface, function].as_flattened().iter().for_each(|w| data.extend(w.to_le_bytes()));
    data.resize(size, 0x5a);
    data
}

impl Bench {
    pub(crate) fn new(world: &'static World) -> Self {
        Self {
            world,
            way: Way::File,
            nodes: BTreeMap::new(),
            memory: Vec::new(),
            events: Vec::new(),
            iovas: Vec::new(),
            undo: Vec::new(),
            raised: Vec::new(),
        }
    }

    /// The descriptor of a node, which is opened when it is not.
    pub(crate) fn fd(&mut self, node: &'static str) -> RawFd {
        let path = self.world.node(node);
        let open = || raw::open(&path, libc::O_RDWR).unwrap_or_else(|e| panic!("{node}: {e}"));
        self.nodes.entry(node).or_insert_with(open).as_raw_fd()
    }

    /// A second open of the node.
    pub(crate) fn open(&self, node: &str, flags: i32) -> Result<OwnedFd, Errno> {
        raw::open(&self.world.node(node), flags)
    }

    /// The same as an outcome.
    pub(crate) fn opens(&self, node: &str, flags: i32) -> Got {
        self.open(node, flags).map(|_| "open".to_owned())
    }

    pub(crate) fn close(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    /// ioctl(2) with an integer or an address.
    pub(crate) fn call(&mut self, node: &'static str, request: u32, argument: u64) -> Got {
        raw::ioctl(self.fd(node), request, argument).map(|value| value.to_string())
    }

    /// ioctl(2) with a structure of 32-bit words: what is in it afterwards, in hexadecimal.
    pub(crate) fn with(&mut self, node: &'static str, request: u32, words: &[u32]) -> Got {
        let mut words = words.to_vec();
        let value = raw::ioctl(self.fd(node), request, words.as_mut_ptr() as u64)?;
        assert_eq!(value, 0, "these calls return 0");
        Ok(words.iter().map(|w| format!("{w:x}")).collect::<Vec<_>>().join(" "))
    }

    /// ioctl(2) with a structure that is only read: `done`.
    pub(crate) fn done(&mut self, node: &'static str, request: u32, words: &[u32]) -> Got {
        self.with(node, request, words).map(|_| "done".to_owned())
    }

    /// Maps memory for DMA through a node.
    pub(crate) fn map_with(&mut self, flags: u32, address: u64, length: u64) -> Result<u64, Errno> {
        let ([a, b], [c, d]) = (split(address), split(length));
        let words = self.with("port0", MAP, &[32, flags, a, b, c, d, 0, 0])?;
        let mut words =
            words.split(' ').map(|w| u64::from_str_radix(w, 16).expect("a word")).skip(6);
        let iova = words.next().expect("low") | words.next().expect("high") << 32;
        self.iovas.push(iova);
        Ok(iova)
    }

    /// The same as an outcome.
    pub(crate) fn map(&mut self, flags: u32, address: u64, length: u64) -> Got {
        self.map_with(flags, address, length).map(|iova| {
            let page = PAGE as u64;
            if iova != 0 && iova.is_multiple_of(page) {
                "mapped".into()
            } else {
                format!("{iova:#x}")
            }
        })
    }

    pub(crate) fn unmap(&mut self, iova: u64) -> Got {
        let [low, high] = split(iova);
        self.done("port0", UNMAP, &[16, 0, low, high])
    }

    /// A page of memory that lives as long as the case: its address.
    pub(crate) fn page(&mut self) -> u64 {
        self.keep(Pages::writable(1))
    }

    pub(crate) fn keep(&mut self, pages: Pages) -> u64 {
        self.memory.push(pages);
        self.memory[self.memory.len() - 1].address()
    }

    /// A counter that lives as long as the case: its descriptor.
    pub(crate) fn event(&mut self) -> u32 {
        self.events.push(Event::new());
        self.events[self.events.len() - 1].word()
    }

    /// The function's registers.
    pub(crate) fn registers(&mut self, node: &'static str) -> Pages {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        Pages::map(0x4_0000, protection, libc::MAP_SHARED, self.fd(node), 0).expect("registers")
    }

    /// Interface id of the regions.
    pub(crate) fn interface(&self) -> [u64; 2] {
        let id = self.read("{region0}/compat_id").expect("compat_id");
        let half = |text: &str| u64::from_str_radix(text, 16).expect("an id");
        [half(&id[16..]), half(&id[..16])]
    }

    /// Programs `data` into the region of a port: the request's outcome.
    pub(crate) fn program_data(&mut self, port: u32, data: &[u8], size: u32) -> Got {
        let [low, high] = split(data.as_ptr() as u64);
        self.done("fme", PROGRAM, &[24, 0, port, size, low, high])
    }

    /// Programs a function of `size` bytes into the region of the first port.
    pub(crate) fn program(&mut self, interface: [u64; 2], function: [u64; 2], size: u32) -> Got {
        let data = bitstream(interface, function, size as usize);
        self.program_data(0, &data, size)
    }

    /// Programs a good bitstream.
    pub(crate) fn load(&mut self, function: [u64; 2]) -> Got {
        self.program(self.interface(), function, 4096)
    }

    /// Loads a function, for what comes after it.
    pub(crate) fn loaded(&mut self, function: [u64; 2]) {
        assert_eq!(self.load(function), Ok("done".into()));
    }

    /// A failed reconfiguration, for what comes after it.
    pub(crate) fn failed(&mut self) {
        assert_eq!(self.program([1, 2], NLB0, 4096), Err(Errno::EIO));
    }

    /// An attribute's text without its last newline.
    pub(crate) fn read(&self, template: &str) -> Got {
        let fd = raw::open(&self.world.path(template), libc::O_RDONLY)?;
        let mut text = String::new();
        File::from(fd).read_to_string(&mut text).map_err(errno)?;
        Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
    }

    /// An attribute after all that was written took effect.
    pub(crate) fn settled(&self, template: &str) -> Got {
        if self.world.face == Face::Emulator {
            self.ask(&Command::Status);
        }
        self.read(template)
    }

    /// Permission bits, in octal.
    pub(crate) fn mode(&self, template: &str) -> Got {
        let found = fs::symlink_metadata(self.world.path(template)).map_err(errno)?;
        Ok(format!("{:03o}", found.mode() & 0o7777))
    }

    /// The drivers' names in a directory, sorted. Those of the driver core are left out.
    pub(crate) fn list(&self, template: &str, core: &[&str]) -> Got {
        let entries = fs::read_dir(self.world.path(template)).map_err(errno)?;
        let mut names: Vec<String> =
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|n| !core.contains(&n.as_str()));
        names.sort();
        Ok(names.join(" "))
    }

    /// `there` or ENOENT.
    pub(crate) fn exists(&self, path: PathBuf) -> Got {
        fs::symlink_metadata(path).map_err(errno).map(|_| "there".to_owned())
    }

    /// Writes to an attribute with one write(2), or as the case's way is.
    pub(crate) fn store(&mut self, template: &str, text: &str) -> Got {
        let path = self.world.path(template);
        if self.way == Way::Control {
            let path = self.world.fill(template).into();
            let command = Command::Write { path, text: text.into() };
            return match self.world.ask(&command) {
                Ok(()) => Ok("written".into()),
                Err(reason) => Err(named(&reason)),
            };
        }
        let fd = raw::open(&path, libc::O_WRONLY | libc::O_TRUNC)?;
        let written = File::from(fd).write(text.as_bytes()).map_err(errno)?;
        assert_eq!(written, text.len(), "all of it");
        Ok("written".into())
    }

    /// Writes to an attribute, for what comes after it.
    pub(crate) fn stored(&mut self, template: &str, text: &str) {
        let way = std::mem::replace(&mut self.way, Way::File);
        assert_eq!(self.store(template, text), Ok("written".into()), "{template}");
        self.way = way;
        self.settle();
    }

    /// Waits until what was written took effect.
    pub(crate) fn settle(&self) {
        if self.world.face == Face::Emulator {
            self.ask(&Command::Status);
        }
    }

    fn ask(&self, command: &Command) {
        self.world.ask(command).unwrap_or_else(|e| panic!("{command:?}: {e}"));
    }

    /// Latches errors of the first port.
    pub(crate) fn port_error(&mut self, bits: u64) {
        self.raised.push("{port0}/errors/errors");
        self.ask(&Command::PortError { card: card(), port: 0, bits });
    }

    /// Latches errors of the management engine.
    pub(crate) fn fme_error(&mut self, bits: u64) {
        self.raised.push("{fme}/errors/fme_errors");
        self.ask(&Command::FmeError { card: card(), bits });
    }

    pub(crate) fn power_state(&mut self, state: u8) {
        self.undo.push(Command::PowerState { card: card(), port: 0, state: 0 });
        self.ask(&Command::PowerState { card: card(), port: 0, state });
    }

    pub(crate) fn temperature(&mut self, celsius: u8) {
        let before = self.read("{thermal}/temp1_input").expect("a temperature");
        let before = before.trim_end_matches("000").parse().expect("degrees");
        self.undo.push(Command::Temperature { card: card(), celsius: before });
        self.ask(&Command::Temperature { card: card(), celsius });
    }

    /// Makes reconfigurations end with these errors.
    pub(crate) fn pr_error(&mut self, bits: u64) {
        self.undo.push(Command::PrError { card: card(), bits: 0 });
        self.ask(&Command::PrError { card: card(), bits });
    }

    /// Makes reconfigurations never end.
    pub(crate) fn pr_stall(&mut self) {
        self.undo.push(Command::PrStall { card: card(), on: false });
        self.ask(&Command::PrStall { card: card(), on: true });
    }

    /// Takes the driver from the card.
    pub(crate) fn unbind(&mut self) {
        self.stored("sys/bus/pci/drivers/dfl-pci/unbind", &self.world.fill("{address}"));
    }

    /// Gives it back, and waits until the nodes are there.
    pub(crate) fn bind(&mut self) {
        self.stored("sys/bus/pci/drivers/dfl-pci/bind", &self.world.fill("{address}"));
        self.await_nodes();
    }

    pub(crate) fn await_nodes(&self) {
        let start = Instant::now();
        while ["fme", "port0", "port1"].iter().any(|n| !self.world.node(n).exists()) {
            assert!(start.elapsed() < Duration::from_secs(30), "the nodes do not come back");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Puts everything away, and the card back to what it was.
    pub(crate) fn leave(mut self, wears: bool) {
        self.nodes.clear();
        self.memory.clear();
        self.events.clear();
        for command in std::mem::take(&mut self.undo) {
            self.ask(&command);
        }
        if wears {
            if self.read("{pci}/sriov_numvfs").is_ok_and(|n| n != "0") {
                self.stored("{pci}/sriov_numvfs", "0");
            }
            if !self.world.path("{pci}").exists() {
                self.stored("sys/bus/pci/rescan", "1");
            }
            if self.world.path("sys/bus/pci/drivers/dfl-pci/{address}").exists() {
                self.unbind();
            }
            self.bind();
        }
        for errors in std::mem::take(&mut self.raised) {
            let value = self.settled(errors).expect("errors");
            self.stored(errors, &value);
        }
    }
}

fn card() -> String {
    "card".into()
}

pub(crate) fn errno(e: std::io::Error) -> Errno {
    Errno::from_raw(e.raw_os_error().unwrap_or(0))
}

/// The error number in an answer such as `sys/...: EINVAL: Invalid argument`.
fn named(reason: &str) -> Errno {
    const KNOWN: [Errno; 7] = [
        Errno::EINVAL,
        Errno::EBUSY,
        Errno::ENODEV,
        Errno::ENOENT,
        Errno::ERANGE,
        Errno::EIO,
        Errno::EACCES,
    ];
    let found = KNOWN.into_iter().find(|e| reason.contains(&format!(": {e:?}: ")));
    found.unwrap_or_else(|| panic!("not an error number: {reason}"))
}
