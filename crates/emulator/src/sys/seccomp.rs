//! seccomp user notification (seccomp_unotify(2)): a filter that hands chosen system calls to another process.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, Linux 5.19: once received, only a fatal signal ends the wait. Without it
/// a timer signal would restart a reconfiguration for ever.
const WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
const NEW_LISTENER: libc::c_ulong = 1 << 3;

/// ioctl requests on the listener (`include/uapi/linux/seccomp.h`).
const RECV: libc::Ioctl = 0xc050_2100_u32 as libc::Ioctl;
const SEND: libc::Ioctl = 0xc018_2101_u32 as libc::Ioctl;
const ID_VALID: libc::Ioctl = 0x4008_2102_u32 as libc::Ioctl;
const CONTINUE: u32 = 1;

/// Why no filter was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Another supervisor is there already.
    #[error(
        "a seccomp listener is installed already: this process runs inside another one's supervision, and there can be only one"
    )]
    Nested,
    /// Old kernel.
    #[error(
        "the kernel has no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: Linux 5.19 or newer is needed"
    )]
    OldKernel,
    /// Anything else.
    #[error("seccomp: {0}")]
    Other(Errno),
}

/// A system call that waits for an answer.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// Thread id, as the listener's pid namespace has it.
    pub(crate) pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction: u64,
    pub(crate) args: [u64; 6],
}

#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

const _: () = assert!(size_of::<Notification>() == 80 && size_of::<Response>() == 24);

impl Notification {
    /// The system call.
    pub(crate) fn call(&self) -> libc::c_long {
        libc::c_long::from(self.number)
    }
}

/// Installs the filter on this thread, and so on all that it starts: ioctls with the drivers' magic numbers, and
/// opening files that exist for writing, wait for the listener's answer; with `reads` also opening for reading.
pub(crate) fn install(reads: bool) -> Result<OwnedFd, InstallError> {
    prctl::set_no_new_privs().map_err(InstallError::Other)?;
    let mut program = filter(reads);
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(InstallError::Other(Errno::E2BIG));
    };
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: seccomp(2) reads the program, which is alive and has `len` instructions, and returns a new descriptor.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            NEW_LISTENER | WAIT_KILLABLE_RECV,
            &raw const program,
        )
    };
    super::descriptor::owned(result).map_err(|e| match e {
        Errno::EBUSY => InstallError::Nested,
        Errno::EINVAL => InstallError::OldKernel,
        e => InstallError::Other(e),
    })
}

fn filter(reads: bool) -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20;
    const AND: u16 = 0x54;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const NOTIFY: u32 = 0x7fc0_0000;
    /// Offsets in `struct seccomp_data`; of the arguments the lower half, little endian.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const ARG1: u32 = 24;
    const ARG2: u32 = 32;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = |n: libc::c_long| u32::try_from(n).unwrap_or(u32::MAX);
    // Blocks that each end in an answer or fall into the next one; jumps stay within a block.
    let only = |n, body: &[libc::sock_filter]| {
        let skip = u8::try_from(body.len()).unwrap_or(u8::MAX);
        let mut block = vec![step(LOAD, 0, 0, NUMBER), step(EQUAL, 0, skip, n)];
        block.extend_from_slice(body);
        block
    };
    // Opening for writing without creating: device nodes and attributes, hardly ever anything else.
    let opening = |flags| {
        let mut body = vec![
            step(LOAD, 0, 0, flags),
            step(AND, 0, 0, (libc::O_ACCMODE | libc::O_CREAT).cast_unsigned()),
            step(EQUAL, 1, 0, libc::O_RDWR.cast_unsigned()),
            step(EQUAL, 0, 1, libc::O_WRONLY.cast_unsigned()),
            step(RETURN, 0, 0, NOTIFY),
        ];
        if reads {
            let read_only = [
                step(AND, 0, 0, libc::O_ACCMODE.cast_unsigned()),
                step(EQUAL, 0, 1, libc::O_RDONLY.cast_unsigned()),
                step(RETURN, 0, 0, NOTIFY),
            ];
            body.extend(read_only);
        }
        body.push(step(RETURN, 0, 0, ALLOW));
        body
    };
    let mut program =
        vec![step(LOAD, 0, 0, ARCH), step(EQUAL, 1, 0, AUDIT_ARCH), step(RETURN, 0, 0, ALLOW)];
    let magic = [
        step(LOAD, 0, 0, ARG1),
        step(AND, 0, 0, 0xff00),
        step(EQUAL, 1, 0, 0xb600),
        step(EQUAL, 0, 1, 0xb500),
        step(RETURN, 0, 0, NOTIFY),
        step(RETURN, 0, 0, ALLOW),
    ];
    program.extend(only(number(libc::SYS_ioctl), &magic));
    program.extend(only(number(libc::SYS_openat), &opening(ARG2)));
    #[cfg(target_arch = "x86_64")]
    program.extend(only(number(libc::SYS_open), &opening(ARG1)));
    program.push(step(RETURN, 0, 0, ALLOW));
    program
}

/// The supervisor's end of a filter.
pub(crate) struct Listener(OwnedFd);

impl Listener {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The next system call; `None` when no process with the filter is left, or when `stop` becomes readable.
    pub(crate) fn receive(&self, stop: impl AsFd) -> nix::Result<Option<Notification>> {
        loop {
            let mut fds = [
                PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let ready = |i: usize| fds[i].revents().is_some_and(|r| r.contains(PollFlags::POLLIN));
            if ready(1) || !ready(0) {
                return Ok(None);
            }
            let mut notification = Notification::default();
            // SAFETY: RECV fills a zeroed structure of the kernel's size (asserted above).
            match Errno::result(unsafe {
                libc::ioctl(self.0.as_raw_fd(), RECV, &raw mut notification)
            }) {
                Ok(_) => return Ok(Some(notification)),
                // The process went away between the two calls.
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// True while the process still waits for this answer, so that its pid still is its own.
    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        // SAFETY: ID_VALID reads one u64.
        unsafe { libc::ioctl(self.0.as_raw_fd(), ID_VALID, &raw const id) == 0 }
    }

    /// Answers instead of the kernel. A process that is gone is no error.
    pub(crate) fn answer(&self, id: u64, result: nix::Result<i64>) {
        let (value, error) = match result {
            Ok(v) => (v, 0),
            Err(e) => (0, -(e as i32)),
        };
        self.respond(&Response { id, value, error, flags: 0 });
    }

    /// Lets the kernel do the call.
    pub(crate) fn pass(&self, id: u64) {
        self.respond(&Response { id, value: 0, error: 0, flags: CONTINUE });
    }

    fn respond(&self, response: &Response) {
        // SAFETY: SEND reads a structure of the kernel's size (asserted above). ENOENT means that the process is gone.
        let _gone_or_done =
            unsafe { libc::ioctl(self.0.as_raw_fd(), SEND, std::ptr::from_ref(response)) };
    }
}
