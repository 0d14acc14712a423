//! A driver of a function: rust-vmm's vhost-user front end, guest memory in a file, and two virtqueues.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vhost::vhost_user::message::{VhostUserHeaderFlag, VhostUserProtocolFeatures};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

pub(super) const MEMORY: u64 = 1 << 20;
/// Where the guest's memory is for the front end, to tell addresses of the two kinds apart.
const USER: u64 = 0x7000_0000;
const SIZE: u16 = 16;
/// Per queue: descriptors, available ring, used ring, buffers.
const QUEUE_SPAN: u64 = 0x1_0000;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const BUFFERS: u64 = 0x4000;

pub(super) struct Driver {
    front: Frontend,
    pub(super) memory: Arc<GuestMemoryMmap>,
    queues: [Queue; 2],
}

struct Queue {
    base: u64,
    kick: EventFd,
    call: EventFd,
    submitted: u16,
    seen: u16,
}

/// A buffer of a request: an address, a length, and whether the device writes it.
#[derive(Clone, Copy)]
pub(super) struct Buffer(pub(super) u64, pub(super) u32, pub(super) bool);

pub(super) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: waited in vain");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn memory_file(directory: &Path) -> File {
    let file = tempfile::tempfile_in(directory).unwrap();
    file.set_len(MEMORY).unwrap();
    file
}

impl Driver {
    pub(super) fn connect(socket: &Path) -> Self {
        let file = memory_file(socket.parent().unwrap());
        let shared = file.try_clone().unwrap();
        let size = usize::try_from(MEMORY).unwrap();
        let mapped = (GuestAddress(0), size, Some(FileOffset::new(shared, 0)));
        let memory = Arc::new(GuestMemoryMmap::from_ranges_with_files([mapped]).unwrap());
        let mut front = Frontend::connect(socket, 2).unwrap();
        front.set_owner().unwrap();
        let features = front.get_features().unwrap();
        let protocol = front.get_protocol_features().unwrap();
        assert!(protocol.contains(VhostUserProtocolFeatures::BACKEND_REQ));
        front.set_protocol_features(protocol & VhostUserProtocolFeatures::REPLY_ACK).unwrap();
        front.set_features(features).unwrap();
        front.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        let region = VhostUserMemoryRegionInfo {
            guest_phys_addr: 0,
            memory_size: MEMORY,
            userspace_addr: USER,
            mmap_offset: 0,
            mmap_handle: file.as_raw_fd(),
        };
        front.set_mem_table(&[region]).unwrap();
        let queues = [0, 1].map(|n| queue(&mut front, n));
        Self { front, memory, queues }
    }

    /// Lends buffers for interrupts.
    pub(super) fn lend(&mut self, count: u16) {
        for _ in 0..count {
            let number = self.queues[1].submitted % SIZE;
            let at = QUEUE_SPAN + BUFFERS + 64 * u64::from(number);
            self.submit(1, &[Buffer(at, 20, true)]);
        }
    }

    /// Address and data of the next interrupt.
    pub(super) fn interrupt(&mut self) -> (u64, u32) {
        let used = self.used(1);
        self.queues[1].call.read().unwrap();
        let at = QUEUE_SPAN + BUFFERS + 64 * u64::from(used.0 % u32::from(SIZE));
        let mut message = [0; 20];
        self.memory.read_slice(&mut message, GuestAddress(at)).unwrap();
        assert_eq!((message[0], used.1), (7, 20));
        let word = |i: usize| u64::from_le_bytes(message[i..i + 8].try_into().unwrap());
        (word(8), u32::from_le_bytes(message[16..].try_into().unwrap()))
    }

    /// True when an interrupt was sent that nobody took yet.
    pub(super) fn has_interrupt(&self) -> bool {
        self.used_index(1) != self.queues[1].seen
    }

    /// Puts a chain of buffers into a queue; descriptors are those with the number of the submission and after.
    pub(super) fn submit(&mut self, queue: usize, buffers: &[Buffer]) {
        let base = self.queues[queue].base;
        let head = if queue == 1 { self.queues[1].submitted % SIZE } else { 0 };
        for (n, Buffer(address, length, write)) in (head..).zip(buffers) {
            let last = usize::from(n - head) + 1 == buffers.len();
            let flags = u16::from(!last) | u16::from(*write) << 1;
            self.descriptor(queue, n, (*address, *length), flags, n + 1);
        }
        self.offer(base, queue, head);
    }

    pub(super) fn descriptor(
        &self,
        queue: usize,
        index: u16,
        buffer: (u64, u32),
        flags: u16,
        next: u16,
    ) {
        let at = self.queues[queue].base + 16 * u64::from(index);
        let mut bytes = buffer.0.to_le_bytes().to_vec();
        bytes.extend(buffer.1.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.memory.write_slice(&bytes, GuestAddress(at)).unwrap();
    }

    pub(super) fn offer_head(&mut self, head: u16) {
        self.offer(self.queues[0].base, 0, head);
    }

    fn offer(&mut self, base: u64, queue: usize, head: u16) {
        let q = &mut self.queues[queue];
        let slot = base + AVAILABLE + 4 + 2 * u64::from(q.submitted % SIZE);
        self.memory.write_obj(head, GuestAddress(slot)).unwrap();
        q.submitted = q.submitted.wrapping_add(1);
        let index = GuestAddress(base + AVAILABLE + 2);
        self.memory.store(q.submitted, index, std::sync::atomic::Ordering::Release).unwrap();
        q.kick.write(1).unwrap();
    }

    fn used_index(&self, queue: usize) -> u16 {
        let at = GuestAddress(self.queues[queue].base + USED + 2);
        self.memory.load(at, std::sync::atomic::Ordering::Acquire).unwrap()
    }

    /// Waits for the next chain that comes back: head and bytes written.
    pub(super) fn used(&mut self, queue: usize) -> (u32, u32) {
        let seen = self.queues[queue].seen;
        eventually("a chain comes back", || (self.used_index(queue) != seen).then_some(()));
        let at = self.queues[queue].base + USED + 4 + 8 * u64::from(seen % SIZE);
        self.queues[queue].seen = seen.wrapping_add(1);
        let pair: [u32; 2] = self.memory.read_obj(GuestAddress(at)).unwrap();
        (pair[0], pair[1])
    }

    /// Sends a message; what comes back of `room` bytes.
    pub(super) fn message(&mut self, message: &[u8], room: u32) -> Vec<u8> {
        let (request, answer) = (BUFFERS, BUFFERS + 0x1000);
        self.memory.write_slice(message, GuestAddress(request)).unwrap();
        let mut buffers = vec![Buffer(request, u32::try_from(message.len()).unwrap(), false)];
        if room > 0 {
            buffers.push(Buffer(answer, room, true));
        }
        self.submit(0, &buffers);
        let (_, written) = self.used(0);
        let mut bytes = vec![0; written as usize];
        self.memory.read_slice(&mut bytes, GuestAddress(answer)).unwrap();
        bytes
    }

    fn request(&mut self, op: u8, bar: u8, offset: u64, size: u32, data: &[u8]) -> Vec<u8> {
        let mut message = vec![op, bar, 0, 0];
        message.extend(size.to_le_bytes());
        message.extend(offset.to_le_bytes());
        message.extend(data);
        self.message(&message, if matches!(op, 1 | 3) { 8 } else { 0 })
    }

    pub(super) fn config(&mut self, offset: u64) -> u32 {
        let bytes = self.request(1, 0, offset, 4, &[]);
        u32::from_le_bytes(bytes.try_into().unwrap())
    }

    pub(super) fn set_config(&mut self, offset: u64, value: u32) {
        self.request(2, 0, offset, 4, &value.to_le_bytes());
    }

    pub(super) fn read(&mut self, bar: u8, offset: u64) -> u64 {
        let bytes = self.request(3, bar, offset, 8, &[]);
        u64::from_le_bytes(bytes.try_into().unwrap())
    }

    pub(super) fn write(&mut self, bar: u8, offset: u64, value: u64) {
        self.request(4, bar, offset, 8, &value.to_le_bytes());
    }

    pub(super) fn write32(&mut self, bar: u8, offset: u64, value: u32) {
        self.request(4, bar, offset, 4, &value.to_le_bytes());
    }

    /// Size of a 64-bit BAR, found as a kernel does, and puts it at `address`.
    pub(super) fn place_bar(&mut self, register: u64, address: u64) -> u64 {
        for at in [register, register + 4] {
            self.set_config(at, u32::MAX);
        }
        let mask = u64::from(self.config(register)) | u64::from(self.config(register + 4)) << 32;
        self.set_config(register, (address & 0xffff_ffff) as u32);
        self.set_config(register + 4, (address >> 32) as u32);
        (!(mask & !0xf)).wrapping_add(1)
    }

    /// True once the other side hung up.
    pub(super) fn is_cut(&self) -> bool {
        self.front.get_features().is_err()
    }
}

fn queue(front: &mut Frontend, number: usize) -> Queue {
    let base = QUEUE_SPAN * number as u64;
    let (kick, call) = (EventFd::new(0).unwrap(), EventFd::new(0).unwrap());
    front.set_vring_num(number, SIZE).unwrap();
    front.set_vring_base(number, 0).unwrap();
    let config = VringConfigData {
        queue_max_size: SIZE,
        queue_size: SIZE,
        flags: 0,
        desc_table_addr: USER + base,
        used_ring_addr: USER + base + USED,
        avail_ring_addr: USER + base + AVAILABLE,
        log_addr: None,
    };
    front.set_vring_addr(number, &config).unwrap();
    front.set_vring_call(number, &call).unwrap();
    front.set_vring_kick(number, &kick).unwrap();
    front.set_vring_enable(number, true).unwrap();
    Queue { base, kick, call, submitted: 0, seen: 0 }
}
