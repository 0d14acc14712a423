//! The driver of the model's cards, and processes that are killed.
//!
//! The test's own functions stand in the place of those of the C library that the procedure changes anything with, so
//! that all of the shipped code runs, down to its ioctl(2). The functions pass on what is not about the model's nodes.
//! In a process that is to be killed they count, and it ends at one of them: between any two changes.
#![allow(unsafe_code)] // The functions of the C library, and fork(2).
#![allow(clippy::cast_possible_truncation)] // What these calls answer is an int.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::fs;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// Ports are links to devices that need no driver: the procedure knows a device node by its type, and this driver by
/// its name.
pub(crate) const PORTS: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"];
/// Ports of a card.
pub(crate) const PER_CARD: usize = 2;

/// `DFL_FPGA_PORT_RESET` and `DFL_FPGA_FME_PORT_PR` (`include/uapi/linux/fpga-dfl.h`).
const PORT_RESET: c_ulong = 0xb640;
const FME_PORT_PR: c_ulong = 0xb680;

/// How a process ends that is killed, and one that panics.
const KILLED: i32 = 9;
const PANICKED: i32 = 101;

thread_local! {
    /// The node of this thread's cards.
    static NODE: RefCell<PathBuf> = const { RefCell::new(PathBuf::new()) };
    static MEMORY: Cell<&'static Memory> = Cell::new(memory());
    /// System calls until this process is killed.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    /// System calls so far.
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// The next image is refused.
    static REFUSES: Cell<bool> = const { Cell::new(false) };
}

/// What is in a region, whatever anybody thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// The build that was loaded.
    pub(crate) build: u64,
    /// Somebody used it since it was loaded or reset.
    pub(crate) is_dirty: bool,
    /// How often it was loaded or reset.
    pub(crate) touched: u64,
}

impl Region {
    /// Of this thread's cards.
    pub(crate) fn read(index: usize) -> Self {
        let words = &MEMORY.get()[index];
        let [build, dirty, touched] = words.each_ref().map(|word| word.load(Relaxed));
        Self { build, is_dirty: dirty == 1, touched }
    }

    pub(crate) fn write(self, index: usize) {
        let words = [self.build, u64::from(self.is_dirty), self.touched];
        MEMORY.get()[index].iter().zip(words).for_each(|(place, word)| place.store(word, Relaxed));
    }
}

/// The regions of a node, in memory that the processes have in common.
type Memory = [[AtomicU64; 3]; PORTS.len()];

fn memory() -> &'static Memory {
    let length = NonZeroUsize::new(size_of::<Memory>()).unwrap();
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: new memory at a place of the kernel's choice.
    let start = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }.unwrap();
    // SAFETY: it is as long as this, aligned to a page, zeros are numbers, and it is never unmapped.
    unsafe { start.cast::<Memory>().as_ref() }
}

/// The bytes of a build of a function.
pub(crate) fn payload(function: &str, build: u64) -> Vec<u8> {
    [function.as_bytes(), &build.to_le_bytes()].concat()
}

/// Loads a build into a region, as its driver does.
pub(crate) fn load(node: &Path, index: usize, payload: &[u8]) {
    let (function, build) = payload.split_at(32);
    let build = u64::from_le_bytes(build.try_into().unwrap());
    let touched = Region::read(index).touched + 1;
    Region { build, is_dirty: false, touched }.write(index);
    let port = node.join(format!("root/sys/bus/platform/devices/dfl-port.{index}/afu_id"));
    fs::write(port, [function, b"\n"].concat()).unwrap();
}

/// This thread's ioctls are about the cards of this node.
pub(crate) fn serve(node: &Path) {
    NODE.replace(node.to_owned());
}

/// Whether the next image is refused, here and in a process that is made for it.
pub(crate) fn refuse(refuses: bool) {
    REFUSES.set(refuses);
}

/// Runs something in a process that is killed at system call `left`. `None` when it was, else whether it succeeded.
pub(crate) fn in_process(left: u32, run: impl FnOnce() -> bool) -> Option<bool> {
    // SAFETY: the child has this thread alone, takes no lock that another thread may have had, and ends below.
    let child = unsafe { libc::fork() };
    if child == 0 {
        LEFT.set(Some(left));
        let code = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(succeeded) => i32::from(!succeeded),
            Err(_) => PANICKED,
        };
        // SAFETY: it ends the process, without what the test harness does at its end.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` takes the child's status.
    Errno::result(unsafe { libc::waitpid(child, &raw mut status, 0) }).unwrap();
    match libc::WEXITSTATUS(status) {
        KILLED => None,
        PANICKED => panic!("a process panicked"),
        code => Some(code == 0),
    }
}

/// How many moments there were since this was last called, at which a process may be killed.
pub(crate) fn moments() -> u32 {
    CALLS.take()
}

/// A moment at which a process may be killed.
fn moment() {
    let _ = CALLS.try_with(|calls| calls.set(calls.get().wrapping_add(1)));
    // A thread that ends has none any more.
    let _ = LEFT.try_with(|left| match left.get() {
        // SAFETY: as a kill, it ends the process and nothing else.
        Some(0) => unsafe { libc::_exit(KILLED) },
        Some(more) => left.set(Some(more - 1)),
        None => {}
    });
}

/// Answers the calls that load and reset.
fn answer(file: c_int, request: c_ulong, argument: *const c_void) -> Result<(), Errno> {
    let path = fs::read_link(format!("/proc/self/fd/{file}")).map_err(|_| Errno::EBADF)?;
    let node = NODE.with_borrow(Clone::clone);
    if request == PORT_RESET {
        let path = path.to_str().ok_or(Errno::EINVAL)?;
        let index = PORTS.iter().position(|port| *port == path).ok_or(Errno::EINVAL)?;
        let region = Region::read(index);
        Region { is_dirty: false, touched: region.touched + 1, ..region }.write(index);
        return Ok(());
    }
    let card = path.file_name().and_then(|name| name.to_str()?.strip_prefix("dfl-fme."));
    let card: usize = card.and_then(|card| card.parse().ok()).ok_or(Errno::EINVAL)?;
    if REFUSES.take() {
        return Err(Errno::EIO);
    }
    // struct dfl_fpga_fme_port_pr: argsz, flags, port_id, buffer_size, buffer_address.
    let words = argument.cast::<u32>();
    // SAFETY: the caller passes the structure, and the buffer that it names is as long as it says.
    let (port, payload) = unsafe {
        let address = words.add(4).cast::<u64>().read_unaligned();
        let start = std::ptr::with_exposed_provenance::<u8>(usize::try_from(address).unwrap());
        (words.add(2).read(), std::slice::from_raw_parts(start, words.add(3).read() as usize))
    };
    load(&node, card * PER_CARD + port as usize, payload);
    Ok(())
}

#[unsafe(no_mangle)]
extern "C" fn ioctl(file: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    if ![PORT_RESET, FME_PORT_PR].contains(&request) {
        // SAFETY: the caller's arguments, passed on.
        return unsafe { libc::syscall(libc::SYS_ioctl, file, request, argument) as c_int };
    }
    moment();
    // Its own system calls are none of the caller's.
    let left = LEFT.take();
    let answer = answer(file, request, argument);
    LEFT.set(left);
    answer.map_or_else(
        |errno| {
            errno.set();
            -1
        },
        |()| 0,
    )
}

#[unsafe(no_mangle)]
extern "C" fn flock(file: c_int, operation: c_int) -> c_int {
    moment();
    // SAFETY: the caller's arguments, passed on; so below.
    unsafe { libc::syscall(libc::SYS_flock, file, operation) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    moment();
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_fsync, file) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn close(file: c_int) -> c_int {
    moment();
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_close, file) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    unlinkat(libc::AT_FDCWD, path, 0)
}

#[unsafe(no_mangle)]
extern "C" fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    moment();
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_unlinkat, directory, path, flags) as c_int }
}

#[unsafe(no_mangle)]
extern "C" fn renameat(from: c_int, old: *const c_char, to: c_int, new: *const c_char) -> c_int {
    moment();
    let flags: c_uint = 0;
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_renameat2, from, old, to, new, flags) as c_int }
}
