//! System calls of a client, with arguments that may be wrong on purpose.
#![allow(unsafe_code)] // ioctl, mmap and the like of a client.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a huge page.
pub(crate) const HUGE: usize = 2 << 20;
/// An address where nothing is.
pub(crate) const WILD: u64 = 8;

/// ioctl(2) with an argument that is an integer or an address.
pub(crate) fn ioctl(fd: RawFd, request: u32, argument: u64) -> Result<i32, Errno> {
    // SAFETY: the argument is an integer or points to a structure that outlives the call; or it is wrong on purpose.
    Errno::result(unsafe { libc::ioctl(fd, libc::c_ulong::from(request), argument) })
}

/// open(2) with exactly these flags: `std` adds its own.
pub(crate) fn open(path: &Path, flags: i32) -> Result<OwnedFd, Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the path is a string that is alive; a new descriptor is ours.
    unsafe {
        let fd = Errno::result(libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// lseek(2) to the start.
pub(crate) fn seek(fd: RawFd) -> Result<i64, Errno> {
    // SAFETY: only integers.
    Errno::result(unsafe { libc::lseek(fd, 0, libc::SEEK_SET) })
}

/// Memory of one's own, or of a device. It goes when this is dropped.
pub(crate) struct Pages {
    start: *mut AtomicU64,
    bytes: usize,
}

impl Pages {
    /// mmap(2) at an address that the kernel chooses.
    pub(crate) fn map(
        bytes: usize,
        protection: i32,
        flags: i32,
        fd: RawFd,
        offset: i64,
    ) -> Result<Self, Errno> {
        // SAFETY: a new mapping where nothing is.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            Err(Errno::last())
        } else {
            Ok(Self { start: start.cast(), bytes })
        }
    }

    /// Anonymous memory.
    pub(crate) fn anonymous(count: usize, protection: i32) -> Self {
        Self::map(count * PAGE, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
            .expect("memory")
    }

    /// Anonymous memory that can be written, and was: each page has memory of its own.
    pub(crate) fn writable(count: usize) -> Self {
        let pages = Self::anonymous(count, libc::PROT_READ | libc::PROT_WRITE);
        (0..count).for_each(|page| pages.set(page * PAGE, 0));
        pages
    }

    /// A page that is followed by nothing.
    pub(crate) fn before_a_hole() -> Self {
        let mut pages = Self::writable(2);
        // SAFETY: the second page, which nobody uses.
        let removed = unsafe { libc::munmap(pages.start.byte_add(PAGE).cast(), PAGE) };
        assert_eq!(removed, 0);
        pages.bytes = PAGE;
        pages
    }

    /// Two pages that are the same memory: nowhere is memory less contiguous.
    pub(crate) fn the_same_twice() -> Self {
        let flags = libc::MAP_SHARED;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = memory_file(PAGE);
        let pages = Self::anonymous(2, protection);
        for page in 0..2 {
            // SAFETY: replaces a page of ours, which nobody uses yet.
            let start = unsafe {
                let at = pages.start.byte_add(page * PAGE).cast();
                libc::mmap(at, PAGE, protection, flags | libc::MAP_FIXED, fd.as_raw_fd(), 0)
            };
            assert_ne!(start, libc::MAP_FAILED);
        }
        pages.set(0, 1);
        pages
    }

    /// One huge page; `None` where the machine has none to give.
    pub(crate) fn huge() -> Option<Self> {
        let flags =
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_HUGE_2MB;
        let pages = Self::map(HUGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0).ok()?;
        (0..HUGE / PAGE).for_each(|page| pages.set(page * PAGE, 0));
        Some(pages)
    }

    /// Makes the memory readable only.
    pub(crate) fn protect(&self) {
        // SAFETY: our own memory; whoever writes to it from now on is to fail.
        let done = unsafe { libc::mprotect(self.start.cast(), self.bytes, libc::PROT_READ) };
        assert_eq!(done, 0);
    }

    pub(crate) fn address(&self) -> u64 {
        self.start as u64
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + 8 <= self.bytes);
        // SAFETY: within the mapping, which lives as long as this.
        unsafe { &*self.start.byte_add(offset) }
    }

    pub(crate) fn get(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Puts 32-bit words at `offset`: the start of a structure. Its address.
    pub(crate) fn put(&self, offset: usize, words: &[u32]) -> u64 {
        for (n, pair) in words.chunks(2).enumerate() {
            let high = pair.get(1).copied().unwrap_or(0);
            self.set(offset + 8 * n, u64::from(high) << 32 | u64::from(pair[0]));
        }
        self.address() + offset as u64
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody uses any more.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}

/// A file in memory.
pub(crate) fn memory_file(bytes: usize) -> File {
    // SAFETY: a string and an integer; a new descriptor is ours.
    let file = unsafe {
        let fd = libc::memfd_create(c"contract".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        File::from_raw_fd(fd)
    };
    file.set_len(bytes as u64).expect("a file in memory");
    file
}

/// A counter that interrupts add to.
pub(crate) struct Event(OwnedFd);

impl Event {
    pub(crate) fn new() -> Self {
        // SAFETY: two integers; a new descriptor is ours.
        unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            assert!(fd >= 0);
            Self(OwnedFd::from_raw_fd(fd))
        }
    }

    /// The descriptor as it stands in a structure.
    pub(crate) fn word(&self) -> u32 {
        self.0.as_raw_fd().cast_unsigned()
    }

    /// What was added since the last time.
    pub(crate) fn count(&self) -> u64 {
        let mut bytes = [0; 8];
        // SAFETY: eight bytes that are ours.
        let read = unsafe { libc::read(self.0.as_raw_fd(), bytes.as_mut_ptr().cast(), 8) };
        if read == 8 { u64::from_ne_bytes(bytes) } else { 0 }
    }

    /// Waits for the first one.
    pub(crate) fn wait(&self) -> u64 {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, alive during the call.
        unsafe { libc::poll(&raw mut poll, 1, 10_000) };
        self.count()
    }
}

/// Takes from this process what lets it lock any amount of memory, and lets it lock `bytes`.
pub(crate) fn limit_locked_memory(bytes: u64) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION: u32 = 0x2008_0522;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let header = Header { version: VERSION, pid: 0 };
    let none = [[0_u32; 3]; 2];
    // SAFETY: structures of the kernel's layout (linux/capability.h), alive during the calls.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit), 0);
        assert_eq!(libc::syscall(libc::SYS_capset, &raw const header, &raw const none), 0);
    }
}

/// Bytes of memory that the machine has.
pub(crate) fn machine_memory() -> u64 {
    // SAFETY: only an integer.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    u64::try_from(pages).unwrap_or(0) * PAGE as u64
}
