//! The process whose system call is being answered.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use crate::host::EventSink;
use crate::host::dma::Memory;
use crate::host::ioctl::Caller;
use crate::sys::seccomp::{Listener, Notification};

const PAGE: u64 = 4096;

pub(super) struct Client<'a> {
    listener: &'a Listener,
    call: Notification,
}

impl<'a> Client<'a> {
    pub(super) fn new(listener: &'a Listener, call: Notification) -> Self {
        Self { listener, call }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.call.pid.cast_signed())
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.call.pid))
    }

    /// The string at `address`, a path.
    pub(super) fn path(&self, address: u64) -> Option<PathBuf> {
        const LONGEST: usize = 4096;
        let mut bytes = Vec::new();
        while bytes.len() < LONGEST {
            let at = address.checked_add(bytes.len() as u64)?;
            // Not beyond the page: the next one may not be mapped.
            let mut part = vec![0; usize::try_from(PAGE - at % PAGE).ok()?.min(256)];
            self.read(at, &mut part).ok()?;
            if let Some(end) = part.iter().position(|b| *b == 0) {
                bytes.extend_from_slice(&part[..end]);
                return Some(PathBuf::from(OsStr::from_bytes(&bytes)));
            }
            bytes.append(&mut part);
        }
        None
    }

    /// The thread group's id, which is what other interfaces call the process.
    pub(super) fn process(&self) -> Option<u32> {
        status_field(&fs::read_to_string(self.proc("status")).ok()?, "Tgid:")?.parse().ok()
    }

    /// CAP_IPC_LOCK counts in our own user namespace only; one that the process made for itself gives it nothing.
    fn may_lock_any_amount(&self) -> Option<bool> {
        const IPC_LOCK: u32 = 14;
        if fs::read_link(self.proc("ns/user")).ok()? != fs::read_link("/proc/self/ns/user").ok()? {
            return Some(false);
        }
        let status = fs::read_to_string(self.proc("status")).ok()?;
        let capabilities = u64::from_str_radix(status_field(&status, "CapEff:")?, 16).ok()?;
        Some(capabilities >> IPC_LOCK & 1 != 0)
    }
}

fn status_field<'t>(status: &'t str, name: &str) -> Option<&'t str> {
    status.lines().find_map(|l| l.strip_prefix(name)).map(str::trim)
}

/// Not permitted is not the process's fault: say so, once for each call.
fn fault(pid: u32, error: Errno) -> Errno {
    if error == Errno::EPERM {
        eprintln!(
            "fpga-emulator: pid {pid}: not permitted to reach its memory (another user, or ptrace is restricted)"
        );
    }
    Errno::EFAULT
}

impl Caller for Client<'_> {
    fn arg(&self) -> u64 {
        self.call.args[2]
    }

    fn read(&self, address: u64, data: &mut [u8]) -> nix::Result<()> {
        let mut done = 0;
        while done < data.len() {
            let base = usize::try_from(address)
                .map_err(|_| Errno::EFAULT)?
                .checked_add(done)
                .ok_or(Errno::EFAULT)?;
            let remote = RemoteIoVec { base, len: data.len() - done };
            match process_vm_readv(self.pid(), &mut [IoSliceMut::new(&mut data[done..])], &[remote])
            {
                Ok(0) => return Err(Errno::EFAULT),
                Ok(n) => done += n,
                Err(e) => return Err(fault(self.call.pid, e)),
            }
        }
        // Only now is it certain that it was this process, and not one that got its pid.
        if self.is_waiting() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn write(&self, address: u64, data: &[u8]) -> nix::Result<()> {
        if !self.is_waiting() {
            return Err(Errno::EFAULT);
        }
        let mut done = 0;
        while done < data.len() {
            let base = usize::try_from(address)
                .map_err(|_| Errno::EFAULT)?
                .checked_add(done)
                .ok_or(Errno::EFAULT)?;
            let remote = RemoteIoVec { base, len: data.len() - done };
            match process_vm_writev(self.pid(), &[IoSlice::new(&data[done..])], &[remote]) {
                Ok(0) => return Err(Errno::EFAULT),
                Ok(n) => done += n,
                Err(e) => return Err(fault(self.call.pid, e)),
            }
        }
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.listener.is_waiting(self.call.id)
    }

    fn memory(&self) -> nix::Result<Arc<dyn Memory>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.proc("mem"))
            .map_err(|_| Errno::EPERM)?;
        let process = self.process().ok_or(Errno::ESRCH)?;
        if self.is_waiting() {
            Ok(Arc::new(AddressSpace { file, process, probe: self.call.args[2] }))
        } else {
            Err(Errno::ESRCH)
        }
    }

    fn event(&self, fd: i32) -> nix::Result<Arc<dyn EventSink>> {
        let target = fs::read_link(self.proc(&format!("fd/{fd}"))).map_err(|_| Errno::EBADF)?;
        if target.as_os_str() != "anon_inode:[eventfd]" {
            return Err(Errno::EINVAL);
        }
        let process = self.process().ok_or(Errno::ESRCH)?;
        let own = crate::sys::descriptor::duplicate(process, fd)?;
        if self.is_waiting() { Ok(Arc::new(Event(File::from(own)))) } else { Err(Errno::ESRCH) }
    }

    fn lock_limit(&self) -> Option<u64> {
        if self.may_lock_any_amount() == Some(true) {
            return None;
        }
        let limits = fs::read_to_string(self.proc("limits")).ok()?;
        status_field(&limits, "Max locked memory")?.split_whitespace().next()?.parse().ok()
    }

    fn pinnable(&self, address: u64, length: u64, contiguous: bool) -> nix::Result<()> {
        let contiguous = contiguous && length > PAGE;
        let file = if contiguous { "smaps" } else { "maps" };
        let maps = fs::read_to_string(self.proc(file)).map_err(|_| Errno::EFAULT)?;
        maps::check(&maps, address, length, contiguous)
    }
}

mod maps;

/// `/proc/PID/mem`: it names the address space itself. After exec or exit it reads nothing, whoever has the pid then.
struct AddressSpace {
    file: File,
    process: u32,
    /// An address that was mapped when the memory was: the argument of the call.
    probe: u64,
}

impl Memory for AddressSpace {
    fn read(&self, address: u64, data: &mut [u8]) -> bool {
        self.file.read_exact_at(data, address).is_ok()
    }

    fn write(&self, address: u64, data: &[u8]) -> bool {
        self.file.write_all_at(data, address).is_ok()
    }

    fn is_alive(&self) -> bool {
        // No byte and no error: the address space is gone. An error only says that this page is.
        !matches!(self.file.read_at(&mut [0], self.probe), Ok(0))
    }

    fn process(&self) -> u32 {
        self.process
    }
}

struct Event(File);

impl EventSink for Event {
    fn signal(&self) {
        // A counter at its maximum, the only failure, has events pending anyway.
        let _full = std::io::Write::write(&mut &self.0, &1u64.to_ne_bytes());
    }
}
