//! A virtqueue and the descriptors that go with it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

use super::memory::Memory;

/// Entries of a queue at most: what virt-pci makes.
const SIZE: u16 = 256;
/// A longer request is cut: copies to a BAR are far below.
const LONGEST: usize = 64 << 10;

type Chain = DescriptorChain<Arc<Memory>>;

/// A queue of buffers that the guest lends.
pub(super) struct Ring {
    queue: Queue,
    enabled: bool,
    kick: Option<OwnedFd>,
    call: Option<OwnedFd>,
}

/// A chain of buffers, to be given back.
pub(super) struct Lent {
    chain: Chain,
}

impl Ring {
    pub(super) fn new() -> Result<Self, virtio_queue::Error> {
        Ok(Self { queue: Queue::new(SIZE)?, enabled: false, kick: None, call: None })
    }

    /// Sets the number of entries, a power of two.
    pub(super) fn resize(&mut self, size: u32) -> Result<(), String> {
        let size = u16::try_from(size).ok().filter(|s| *s <= SIZE && s.is_power_of_two());
        self.queue.set_size(size.ok_or_else(|| format!("not a power of two up to {SIZE}"))?);
        Ok(())
    }

    /// Says where the parts are, by guest physical addresses.
    pub(super) fn place(
        &mut self,
        memory: &Memory,
        descriptors: u64,
        used: u64,
        available: u64,
    ) -> Result<(), String> {
        let queue = &mut self.queue;
        queue
            .try_set_desc_table_address(GuestAddress(descriptors))
            .and_then(|()| queue.try_set_used_ring_address(GuestAddress(used)))
            .and_then(|()| queue.try_set_avail_ring_address(GuestAddress(available)))
            .map_err(|e| e.to_string())?;
        queue.set_ready(true);
        if !queue.is_valid(memory) {
            queue.set_ready(false);
            return Err("not in the guest's memory".into());
        }
        Ok(())
    }

    /// Sets the entry that comes next.
    pub(super) fn start_at(&mut self, next: u32) -> Result<(), String> {
        let next = u16::try_from(next).map_err(|e| e.to_string())?;
        self.queue.set_next_avail(next);
        self.queue.set_next_used(next);
        Ok(())
    }

    /// Stops the queue: the entry that would have come next.
    pub(super) fn stop(&mut self) -> u16 {
        self.queue.set_ready(false);
        (self.kick, self.call) = (None, None);
        self.queue.next_avail()
    }

    pub(super) fn enable(&mut self, on: bool) {
        self.enabled = on;
    }

    /// The descriptor that becomes readable when the guest lends something.
    pub(super) fn set_kick(&mut self, fd: Option<OwnedFd>) -> nix::Result<()> {
        self.kick = unblocked(fd)?;
        Ok(())
    }

    /// The descriptor that tells the guest that something came back: a pipe or an eventfd.
    pub(super) fn set_call(&mut self, fd: Option<OwnedFd>) -> nix::Result<()> {
        self.call = unblocked(fd)?;
        Ok(())
    }

    /// What to wait for.
    pub(super) fn kick(&self) -> Option<BorrowedFd<'_>> {
        self.kick.as_ref().map(AsFd::as_fd)
    }

    /// Takes the kick, so that it is not readable until the next. One that makes no sense is not looked at again.
    pub(super) fn kicked(&mut self) {
        let Some(fd) = &self.kick else { return };
        match nix::unistd::read(fd, &mut [0; 8]) {
            Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(_) | Err(_) => self.kick = None,
        }
    }

    /// The next chain, if there is one.
    pub(super) fn take(
        &mut self,
        memory: &Arc<Memory>,
    ) -> Result<Option<Lent>, virtio_queue::Error> {
        if !self.enabled || !self.queue.ready() {
            return Ok(None);
        }
        let chain = self.queue.iter(Arc::clone(memory))?.next();
        Ok(chain.map(|chain| Lent { chain }))
    }

    /// Gives a chain back, of which `written` bytes were written.
    pub(super) fn give_back(
        &mut self,
        lent: &Lent,
        written: u32,
    ) -> Result<(), virtio_queue::Error> {
        self.queue.add_used(lent.chain.memory(), lent.chain.head_index(), written)
    }

    /// Tells the guest that something came back.
    pub(super) fn call(&self) {
        if let Some(fd) = &self.call {
            // Full means that the guest has not looked yet; a broken one is the guest's own loss.
            let _told = nix::unistd::write(fd, &1_u64.to_ne_bytes());
        }
    }
}

impl Lent {
    /// Appends what is in the readable buffers. What is too long, or not in the guest's memory, is left out.
    pub(super) fn read(&self, to: &mut Vec<u8>) {
        for buffer in self.chain.clone().readable() {
            let (start, length) = (to.len(), buffer.len() as usize);
            if start + length > LONGEST {
                return;
            }
            to.resize(start + length, 0);
            if self.chain.memory().read_slice(&mut to[start..], buffer.addr()).is_err() {
                to.truncate(start);
            }
        }
    }

    /// Fills the writable buffers: how many bytes there was room for.
    pub(super) fn write(&self, mut data: &[u8]) -> u32 {
        let mut written = 0;
        for buffer in self.chain.clone().writable() {
            let (now, later) = data.split_at(data.len().min(buffer.len() as usize));
            if now.is_empty() || self.chain.memory().write_slice(now, buffer.addr()).is_err() {
                break;
            }
            written += u32::try_from(now.len()).unwrap_or(u32::MAX);
            data = later;
        }
        written
    }
}

/// A descriptor of the front end that is never waited for.
fn unblocked(fd: Option<OwnedFd>) -> nix::Result<Option<OwnedFd>> {
    if let Some(fd) = &fd {
        let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
        fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    }
    Ok(fd)
}
