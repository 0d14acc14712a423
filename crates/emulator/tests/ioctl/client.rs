//! The client's side. It knows the drivers' interface from its own numbers, and nothing of the emulator.
#![allow(unsafe_code)] // ioctl and mmap of a client.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{EBADF, EBUSY, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, ENOTTY};
use nix::errno::Errno;

const INTERFACE: [u64; 2] = [0x8c36_68f9_faa0_81f6, 0x6952_8db6_eb31_577a];
const NLB0: [u64; 2] = [0xf89e_4336_83f9_040b, 0xd842_4dc4_a4a3_c413];
const PAGE: usize = 4096;
/// An address where nothing is.
const WILD: u64 = 8;

/// Runs the scenario; a panic is the failure.
pub(crate) fn run(scenario: &str, root: &Path) {
    if let Some(card) = scenario.strip_prefix("rebind ") {
        return rebind(root, card);
    }
    let dfl = Nodes::open(root, "dfl-fme.0", "dfl-port.0");
    match scenario {
        "common" => common(&dfl),
        "information" => information(&dfl),
        "dma" => dma(&dfl, 0xb643, 0xb644),
        "reset" => reset(&dfl),
        "interrupts" => interrupts(&dfl),
        "wait-for-error" => wait_for_error(&dfl),
        "reconfigure" => reconfigure(&dfl, root),
        "reconfigure-once" => assert_eq!(dfl.program(INTERFACE, NLB0, 1 << 20), Ok(0)),
        "reconfigure-large" => assert_eq!(dfl.program(INTERFACE, NLB0, 32 << 20), Ok(0)),
        "stalled" => assert_eq!(dfl.program(INTERFACE, NLB0, 4096), fails(libc::ETIMEDOUT)),
        "release" => release(dfl, root),
        "copy" => copy(&dfl),
        "map-and-leave" => drop(buffer(&dfl, 0xb643)),
        "forever" => forever(&dfl),
        "many" => (0..200).for_each(|_| assert_eq!(call(&dfl.port, 0xb600, 0), Ok(0))),
        "gone" => gone(&dfl),
        "exclusive" => exclusive(root),
        "opae" => opae(root),
        other => panic!("no scenario {other}"),
    }
}

struct Nodes {
    fme: File,
    port: File,
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn fd_call(fd: RawFd, command: u32, argument: u64) -> Result<i32, Errno> {
    // SAFETY: the argument is an integer or points to a structure that outlives the call; or it is wrong on purpose.
    Errno::result(unsafe { libc::ioctl(fd, libc::c_ulong::from(command), argument) })
}

fn call(file: &File, command: u32, argument: u64) -> Result<i32, Errno> {
    fd_call(file.as_raw_fd(), command, argument)
}

/// A call with a structure of 32-bit words, which it may change.
fn with(file: &File, command: u32, words: &mut [u32]) -> Result<i32, Errno> {
    call(file, command, words.as_mut_ptr() as u64)
}

fn fails(error: i32) -> Result<i32, Errno> {
    Err(Errno::from_raw(error))
}

/// The two words of a 64-bit field.
fn split(value: u64) -> [u32; 2] {
    let b = value.to_ne_bytes();
    [u32::from_ne_bytes([b[0], b[1], b[2], b[3]]), u32::from_ne_bytes([b[4], b[5], b[6], b[7]])]
}

fn join(words: &[u32]) -> u64 {
    let (a, b) = (words[0].to_ne_bytes(), words[1].to_ne_bytes());
    u64::from_ne_bytes([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]])
}

impl Nodes {
    fn open(root: &Path, fme: &str, port: &str) -> Self {
        Self { fme: open(&root.join("dev").join(fme)), port: open(&root.join("dev").join(port)) }
    }

    fn program(&self, interface: [u64; 2], function: [u64; 2], size: usize) -> Result<i32, Errno> {
        let data = bitstream(interface, function, size);
        let address = split(data.as_ptr() as u64);
        with(
            &self.fme,
            0xb680,
            &mut [24, 0, 0, u32::try_from(size).unwrap(), address[0], address[1]],
        )
    }
}

fn bitstream(interface: [u64; 2], function: [u64; 2], size: usize) -> Vec<u8> {
    let mut data = b"DFLEMU01".to_vec();
    [interface, function].as_flattened().iter().for_each(|w| data.extend(w.to_le_bytes()));
    data.resize(size, 0x5a);
    data
}

/// Pages of memory of one's own.
struct Pages(*mut AtomicU64, usize);

impl Pages {
    fn new(count: usize, protection: i32) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), count * PAGE, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Self(start.cast(), count * PAGE / 8)
    }

    fn of(file: &File, length: usize) -> Self {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a device's registers.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self(start.cast(), length / 8)
    }

    fn address(&self) -> u64 {
        self.0 as u64
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset / 8 < self.1);
        // SAFETY: within the mapping, which is never unmapped.
        unsafe { &*self.0.add(offset / 8) }
    }

    fn get(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn set(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }
}

fn writable(count: usize) -> Pages {
    Pages::new(count, libc::PROT_READ | libc::PROT_WRITE)
}

fn common(n: &Nodes) {
    for file in [&n.fme, &n.port] {
        assert_eq!(call(file, 0xb600, 0), Ok(0));
        assert_eq!(call(file, 0xb601, 0), Ok(0));
        // Unknown requests, and those of the other node and of the other driver.
        for unknown in [0xb602, 0xb6ff, 0xb500, 0xb540] {
            assert_eq!(call(file, unknown, 0), fails(EINVAL), "{unknown:#x}");
        }
    }
    assert_eq!(call(&n.fme, 0xb640, 0), fails(EINVAL));
    assert_eq!(call(&n.port, 0xb680, 0), fails(EINVAL));
    let duplicate = n.port.try_clone().unwrap();
    assert_eq!(call(&duplicate, 0xb600, 0), Ok(0));
    assert_eq!(fd_call(999, 0xb600, 0), fails(EBADF));
    let other = tempfile::tempfile().unwrap();
    assert_eq!(call(&other, 0xb600, 0), fails(ENOTTY), "another file is the kernel's business");
}

fn information(n: &Nodes) {
    let mut info = [16, 9, 9, 9];
    assert_eq!(with(&n.port, 0xb641, &mut info), Ok(0));
    assert_eq!(info, [16, 0, 1, 0]);
    assert_eq!(with(&n.port, 0xb641, &mut [15, 0, 0, 0]), fails(EINVAL));
    assert_eq!(call(&n.port, 0xb641, WILD), fails(EFAULT));
    let read_only = Pages::new(1, libc::PROT_READ);
    assert_eq!(call(&n.port, 0xb641, read_only.address()), fails(EINVAL), "its size is 0");
    let mut region = [32, 0, 0, 0, 0, 0, 9, 9];
    assert_eq!(with(&n.port, 0xb642, &mut region), Ok(0));
    assert_eq!(region, [32, 7, 0, 0, 0x4_0000, 0, 0, 0]);
    assert_eq!(with(&n.port, 0xb642, &mut [31, 0, 0, 0, 0, 0, 0, 0]), fails(EINVAL));
    assert_eq!(
        with(&n.port, 0xb642, &mut [32, 0, 1, 0, 0, 0, 0, 0]),
        fails(EINVAL),
        "no signal tap"
    );
    assert_eq!(with(&n.port, 0xb642, &mut [32, 0, 0, 1, 0, 0, 0, 0]), fails(EINVAL), "padding");
    assert_eq!(call(&n.port, 0xb642, WILD), fails(EFAULT));
    let registers = Pages::of(&n.port, 0x4_0000);
    assert_eq!(registers.get(0x10), 0xf7df_405c_bd7a_cf72);
}

fn map(n: &Nodes, command: u32, flags: u32, address: u64, length: u64) -> Result<u64, Errno> {
    let (a, l) = (split(address), split(length));
    let mut words = [32, flags, a[0], a[1], l[0], l[1], 0, 0];
    with(&n.port, command, &mut words).map(|_| join(&words[6..]))
}

fn dma(n: &Nodes, map_command: u32, unmap_command: u32) {
    let page = writable(1);
    let refused =
        |flags, address, length| map(n, map_command, flags, address, length).unwrap_err() as i32;
    assert_eq!(refused(4, page.address(), 4096), EINVAL, "flags");
    assert_eq!(refused(0, page.address() + 8, 4096), EINVAL, "alignment");
    assert_eq!(refused(0, page.address(), 4000), EINVAL, "length");
    assert_eq!(refused(0, page.address(), 0), EINVAL, "nothing");
    assert_eq!(refused(0, u64::MAX - 4095, 8192), EINVAL, "overflow");
    assert_eq!(refused(0, 4096, 4096), EFAULT, "not mapped");
    assert_eq!(refused(0, Pages::new(1, libc::PROT_READ).address(), 4096), EFAULT, "not writable");
    assert_eq!(refused(0, writable(2).address(), 8192), EINVAL, "not contiguous");
    assert_eq!(with(&n.port, map_command, &mut [31, 0, 0, 0, 0, 0, 0, 0]), fails(EINVAL));
    assert_eq!(call(&n.port, map_command, WILD), fails(EFAULT));
    let first = map(n, map_command, 0, page.address(), 4096).unwrap();
    let second = map(n, map_command, 0, writable(1).address(), 4096).unwrap();
    assert_ne!(first, second);
    let unmap = |iova: u64, flags| {
        with(&n.port, unmap_command, &mut [16, flags, split(iova)[0], split(iova)[1]])
    };
    assert_eq!(unmap(first, 1), fails(EINVAL), "flags");
    assert_eq!(unmap(first + 4096, 0), fails(EINVAL), "no mapping starts there");
    assert_eq!(unmap(first, 0), Ok(0));
    assert_eq!(unmap(first, 0), fails(EINVAL), "not twice");
    assert_eq!(with(&n.port, unmap_command, &mut [15, 0, 0, 0]), fails(EINVAL));
    assert_eq!(call(&n.port, unmap_command, WILD), fails(EFAULT));
    if !nix::unistd::geteuid().is_root() {
        let limit = libc::rlimit { rlim_cur: 8192, rlim_max: 8192 };
        // SAFETY: the limit is read during the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }, 0);
        assert!(map(n, map_command, 0, page.address(), 4096).is_ok());
        assert_eq!(refused(0, writable(1).address(), 4096), ENOMEM, "locked memory");
    }
}

fn reset(n: &Nodes) {
    let registers = Pages::of(&n.port, 0x4_0000);
    registers.set(0x120, 77);
    assert_eq!(call(&n.port, 0xb640, 1), fails(EINVAL));
    assert_eq!(registers.get(0x120), 77);
    assert_eq!(call(&n.port, 0xb640, 0), Ok(0));
    assert_eq!(registers.get(0x120), 0);
}

fn eventfd() -> RawFd {
    // SAFETY: two integers.
    let fd = unsafe { libc::eventfd(0, 0) };
    assert!(fd >= 0);
    fd
}

fn interrupts(n: &Nodes) {
    for (file, get, expected) in
        [(&n.port, 0x8004_b645, 1), (&n.port, 0x8004_b647, 4), (&n.fme, 0x8004_b683, 1)]
    {
        let mut count = [99];
        assert_eq!(with(file, get, &mut count), Ok(0));
        assert_eq!(count, [expected], "{get:#x}");
        assert_eq!(call(file, get, WILD), fails(EFAULT));
    }
    let event = eventfd().cast_unsigned();
    for (file, set, count) in
        [(&n.port, 0x4008_b646, 1), (&n.port, 0x4008_b648, 4), (&n.fme, 0x4008_b684, 1)]
    {
        assert_eq!(with(file, set, &mut [0, 0, event]), fails(EINVAL), "no interrupt");
        assert_eq!(with(file, set, &mut [count, 1, event]), fails(EINVAL), "beyond the last");
        assert_eq!(with(file, set, &mut [u32::MAX, 2, event, event]), fails(EINVAL), "overflow");
        assert_eq!(with(file, set, &mut [0, 1, 999]), fails(EBADF));
        assert_eq!(
            with(file, set, &mut [0, 1, n.fme.as_raw_fd().cast_unsigned()]),
            fails(EINVAL),
            "not an eventfd"
        );
        assert_eq!(call(file, set, WILD), fails(EFAULT));
        assert_eq!(with(file, set, &mut [0, 1, event]), Ok(0));
        assert_eq!(with(file, set, &mut [0, 1, (-1_i32).cast_unsigned()]), Ok(0));
    }
}

/// Says when it waits, then waits for both error interrupts.
fn wait_for_error(n: &Nodes) {
    let (port, fme) = (eventfd(), eventfd());
    assert_eq!(with(&n.port, 0x4008_b646, &mut [0, 1, port.cast_unsigned()]), Ok(0));
    assert_eq!(with(&n.fme, 0x4008_b684, &mut [0, 1, fme.cast_unsigned()]), Ok(0));
    println!("waiting");
    for event in [port, fme] {
        let mut poll = libc::pollfd { fd: event, events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, alive during the call.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 30_000) }, 1);
    }
}

fn reconfigure(n: &Nodes, root: &Path) {
    let data = bitstream(INTERFACE, NLB0, 4096);
    let a = split(data.as_ptr() as u64);
    let pr = |words: &mut [u32; 6]| with(&n.fme, 0xb680, words);
    assert_eq!(pr(&mut [23, 0, 0, 4096, a[0], a[1]]), fails(EINVAL), "size");
    assert_eq!(pr(&mut [24, 1, 0, 4096, a[0], a[1]]), fails(EINVAL), "flags");
    assert_eq!(pr(&mut [24, 0, 1, 4096, a[0], a[1]]), fails(EINVAL), "port");
    assert_eq!(pr(&mut [24, 0, 0, 0, a[0], a[1]]), fails(ENOMEM), "nothing");
    assert_eq!(pr(&mut [24, 0, 0, 4096, 4096, 0]), fails(EFAULT), "not mapped");
    assert_eq!(pr(&mut [24, 0, 0, 4096, 0, u32::MAX]), fails(EFAULT), "not an address of ours");
    assert_eq!(call(&n.fme, 0xb680, WILD), fails(EFAULT));
    let port = root.join("sys/class/fpga_region/region0/dfl-port.0/afu_id");
    let afu_id = || std::fs::read_to_string(&port).unwrap();
    assert_eq!(afu_id(), "f7df405cbd7acf7222f144b0b93acd18\n");
    assert_eq!(pr(&mut [24, 0, 0, 4095, a[0], a[1]]), Ok(0), "padded to words");
    assert_eq!(afu_id(), "d8424dc4a4a3c413f89e433683f9040b\n");
    assert_eq!(Pages::of(&n.port, 0x4_0000).get(8), NLB0[0]);
    assert_eq!(n.program([1, 2], NLB0, 4096), fails(EIO), "another interface");
    assert_eq!(
        std::fs::read_to_string(root.join("sys/class/fpga_manager/fpga0/status")).unwrap(),
        "reconfig incompatible image\n"
    );
    assert_eq!(std::fs::read(&port).unwrap_err().raw_os_error(), Some(libc::ENXIO), "disabled now");
    assert_eq!(n.program(INTERFACE, NLB0, 4096), Ok(0));
    assert_eq!(
        std::fs::read(&port).unwrap_err().raw_os_error(),
        Some(libc::ENXIO),
        "a success does not cure it"
    );
}

fn release(n: Nodes, root: &Path) {
    let Nodes { fme, port } = n;
    let node = root.join("dev/dfl-port.0");
    assert_eq!(with(&fme, 0x4004_b681, &mut [7]), fails(EINVAL));
    assert_eq!(with(&fme, 0x4004_b682, &mut [7]), fails(EINVAL));
    assert_eq!(with(&fme, 0x4004_b682, &mut [0]), fails(EBUSY), "not released");
    assert_eq!(with(&fme, 0x4004_b681, &mut [0]), fails(EBUSY), "open");
    assert_eq!(call(&fme, 0x4004_b681, WILD), fails(EFAULT));
    drop(port);
    assert_eq!(with(&fme, 0x4004_b681, &mut [0]), Ok(0));
    assert!(!node.exists());
    assert_eq!(with(&fme, 0x4004_b681, &mut [0]), fails(EBUSY), "released already");
    assert_eq!(with(&fme, 0x4004_b682, &mut [0]), Ok(0));
    let e = OpenOptions::new().read(true).write(true).open(&node).unwrap_err();
    assert_eq!(e.raw_os_error(), Some(libc::ENXIO), "back, but without a driver");
    assert!(!root.join("sys/class/fpga_region/region0/dfl-port.0/afu_id").exists());
}

/// Buffers of one page, mapped.
fn buffer(n: &Nodes, command: u32) -> (Pages, u64) {
    let page = writable(1);
    let iova = map(n, command, 0, page.address(), 4096).unwrap();
    (page, iova)
}

/// NLB mode 0, 64 lines.
fn copy_with(n: &Nodes, map_command: u32, unmap_command: u32) {
    let registers = Pages::of(&n.port, 0x4_0000);
    let ((source, s), (destination, d), (status, t)) =
        (buffer(n, map_command), buffer(n, map_command), buffer(n, map_command));
    (0..512).for_each(|i| source.set(8 * i, (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    for (register, value) in [
        (0x138, 0),
        (0x138, 1),
        (0x110, t),
        (0x120, s >> 6),
        (0x128, d >> 6),
        (0x130, 64),
        (0x140, 0),
        (0x138, 3),
    ] {
        registers.set(register, value);
    }
    let start = std::time::Instant::now();
    while status.get(0x40) & 1 == 0 {
        assert!(start.elapsed().as_secs() < 30, "no answer of the function");
        std::thread::yield_now();
    }
    assert_eq!(status.get(0x40) >> 32, 0, "error");
    assert_eq!(status.get(0x50), 64 << 32 | 64, "counters");
    assert!((0..512).all(|i| destination.get(8 * i) == source.get(8 * i)));
    registers.set(0x138, 7);
    for iova in [s, d, t].map(split) {
        assert_eq!(with(&n.port, unmap_command, &mut [16, 0, iova[0], iova[1]]), Ok(0));
    }
}

fn copy(n: &Nodes) {
    copy_with(n, 0xb643, 0xb644);
}

/// Everything for ever, until it is killed.
fn forever(n: &Nodes) {
    println!("working");
    loop {
        let page = writable(1);
        let iova = map(n, 0xb643, 0, page.address(), 4096).unwrap();
        assert_eq!(call(&n.port, 0xb640, 0), Ok(0));
        assert!(n.program(INTERFACE, NLB0, 1 << 16).is_ok());
        // A reset by another client does not take our mapping.
        assert_eq!(with(&n.port, 0xb644, &mut [16, 0, split(iova)[0], split(iova)[1]]), Ok(0));
    }
}

fn gone(n: &Nodes) {
    println!("open");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_exact(&mut [0]).unwrap();
    for (file, request) in [(&n.port, 0xb640), (&n.fme, 0xb680)] {
        assert_eq!(call(file, 0xb600, 0), Ok(0));
        assert_eq!(call(file, request, 0), fails(EINVAL));
    }
}

/// Before a file is opened, the write before it has taken effect.
fn rebind(root: &Path, card: &str) {
    let driver = root.join("sys/bus/pci/drivers/dfl-pci");
    let is_bound = || driver.join(card).exists();
    for round in 0..25 {
        for (name, bound) in [("unbind", true), ("bind", false)] {
            let opened = OpenOptions::new().write(true).truncate(true).open(driver.join(name));
            assert_eq!(is_bound(), bound, "{card}: {name}, round {round}");
            opened.unwrap().write_all(card.as_bytes()).unwrap();
        }
    }
}

fn exclusive(root: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let node = root.join("dev/dfl-port.1");
    let open = |flags| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&node)
            .map_err(|e| e.raw_os_error())
    };
    let alone = open(libc::O_EXCL).unwrap();
    assert_eq!(open(0).unwrap_err(), Some(EBUSY));
    assert_eq!(open(libc::O_EXCL).unwrap_err(), Some(EBUSY));
    drop(alone);
    let shared = open(0).unwrap();
    assert_eq!(open(libc::O_EXCL).unwrap_err(), Some(EBUSY));
    drop(open(0).unwrap());
    let registers = Pages::of(&shared, PAGE);
    drop(shared);
    assert_eq!(open(libc::O_EXCL).unwrap_err(), Some(EBUSY), "mapped is open");
    assert_ne!(registers.get(8), 0);
}

fn opae(root: &Path) {
    let n = Nodes::open(root, "intel-fpga-fme.0", "intel-fpga-port.0");
    for file in [&n.fme, &n.port] {
        assert_eq!(call(file, 0xb500, 0), Ok(0));
        assert_eq!(call(file, 0xb501, 0), Ok(0));
        assert_eq!(call(file, 0xb600, 0), fails(EINVAL), "the other driver's request");
    }
    let mut info = [24, 0, 0, 0, 0, 0];
    assert_eq!(with(&n.port, 0xb541, &mut info), Ok(0));
    assert_eq!(info, [24, 0, 3, 1, 0, 4]);
    assert_eq!(with(&n.port, 0xb541, &mut [23, 0, 0, 0, 0, 0]), fails(EINVAL));
    let mut region = [32, 0, 0, 0, 0, 0, 9, 9];
    assert_eq!(with(&n.port, 0xb542, &mut region), Ok(0));
    assert_eq!(region, [32, 7, 0, 0, 0x4_0000, 0, 0, 0]);
    copy_with(&n, 0xb543, 0xb544);
    dma(&n, 0xb543, 0xb544);
    assert_eq!(call(&n.port, 0xb540, 0), Ok(0));
    let mut info = [12, 9, 9];
    assert_eq!(with(&n.fme, 0xb583, &mut info), Ok(0));
    assert_eq!(info, [12, 0, 1]);
    let event = eventfd().cast_unsigned();
    assert_eq!(with(&n.fme, 0xb584, &mut [12, 0, event]), Ok(0));
    assert_eq!(with(&n.port, 0xb549, &mut [12, 0, event]), Ok(0));
    assert_eq!(with(&n.port, 0xb54a, &mut [20, 0, 0, 1, event]), Ok(0));
    assert_eq!(with(&n.port, 0xb54a, &mut [20, 0, 4, 1, event]), fails(EINVAL));
    let data = bitstream([1, 2], NLB0, 4096);
    let a = split(data.as_ptr() as u64);
    let mut pr = [32, 0, 0, 4096, a[0], a[1], 0, 0];
    assert_eq!(with(&n.fme, 0xb580, &mut pr), fails(EIO));
    assert_eq!(pr[6], 4, "the status tells: incompatible");
    let data = bitstream(INTERFACE, NLB0, 4096);
    let a = split(data.as_ptr() as u64);
    assert_eq!(with(&n.fme, 0xb580, &mut [24, 0, 0, 4096, a[0], a[1], 0, 0]), fails(EINVAL));
    assert_eq!(with(&n.fme, 0xb580, &mut [32, 0, 0, 4096, a[0], a[1], 0, 0]), Ok(0));
    assert_eq!(with(&n.fme, 0xb581, &mut [12, 0, 0]), fails(EBUSY), "open");
    assert_eq!(with(&n.fme, 0xb582, &mut [12, 0, 9]), fails(ENODEV));
    virtual_function(root);
}

/// A port on a virtual function of the fourth card: it has no interrupts.
fn virtual_function(root: &Path) {
    let port = open(&root.join("dev/dfl-port.6"));
    assert_eq!(call(&port, 0xb600, 0), Ok(0));
    let mut count = [99];
    assert_eq!(with(&port, 0x8004_b647, &mut count), Ok(0));
    assert_eq!(count, [0]);
    assert_eq!(with(&port, 0x4008_b648, &mut [0, 1, 0]), fails(ENOENT));
}
