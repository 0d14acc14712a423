//! Messages of the vhost-user protocol (QEMU's `docs/interop/vhost-user.rst`), as far as a back end without
//! migration needs them.

use std::io::{Error, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// Feature bits: virtio 1, and that there are protocol features.
pub(super) const FEATURES: u64 = 1 << 32 | 1 << 30;
/// Protocol features: acknowledgements, and a channel of the back end. Without the channel the guest's driver sets up
/// no interrupt.
pub(super) const PROTOCOL_FEATURES: u64 = 1 << 3 | 1 << 5;

const HEADER: usize = 12;
/// A longer payload is none of ours.
const LONGEST: usize = 4096;

const VERSION: u32 = 1;
const VERSION_MASK: u32 = 3;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;

/// In the number of a ring that a descriptor goes to: none comes.
const NO_DESCRIPTOR: u64 = 1 << 8;

/// A piece of the guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    /// Guest physical address.
    pub(super) guest: u64,
    pub(super) size: u64,
    /// The front end's address, which rings are given by.
    pub(super) user: u64,
    /// Offset in its file.
    pub(super) offset: u64,
}

/// Which of a ring's descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Kick,
    Call,
    Error,
}

/// What a front end asks.
#[derive(Debug)]
pub(super) enum Request {
    GetFeatures,
    GetProtocolFeatures,
    GetQueues,
    /// Features are chosen, or the owner changes: nothing to do.
    Note,
    Memory {
        regions: Vec<Region>,
        files: Vec<OwnedFd>,
    },
    RingSize {
        ring: usize,
        size: u32,
    },
    /// The front end's addresses.
    RingAddress {
        ring: usize,
        descriptors: u64,
        used: u64,
        available: u64,
    },
    RingBase {
        ring: usize,
        next: u32,
    },
    GetRingBase {
        ring: usize,
    },
    RingSignal {
        ring: usize,
        signal: Signal,
        descriptor: Option<OwnedFd>,
    },
    RingEnable {
        ring: usize,
        on: bool,
    },
    Channel(OwnedFd),
}

/// A request with what its answer needs.
#[derive(Debug)]
pub(super) struct Envelope {
    code: u32,
    needs_reply: bool,
    /// What is asked, or what is wrong with it.
    pub(super) request: Result<Request, String>,
}

/// Waits for the next request; `None` when the front end hung up.
pub(super) fn receive(mut stream: &UnixStream) -> std::io::Result<Option<Envelope>> {
    let mut header = [0; HEADER];
    let (count, files) = crate::sys::descriptor::receive_all(stream, &mut header)?;
    if count == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[count..])?;
    let word = |i: usize| u32::from_le_bytes(std::array::from_fn(|n| header[4 * i + n]));
    let (code, flags, size) = (word(0), word(1), word(2) as usize);
    if flags & VERSION_MASK != VERSION || flags & REPLY != 0 || size > LONGEST {
        let what = format!("message {code} with flags {flags:#x} and {size} bytes");
        return Err(Error::new(ErrorKind::InvalidData, what));
    }
    let mut payload = vec![0; size];
    stream.read_exact(&mut payload)?;
    let needs_reply = flags & NEED_REPLY != 0;
    Ok(Some(Envelope { code, needs_reply, request: parse(code, &Payload(&payload), files) }))
}

impl Envelope {
    /// Sends what was asked for.
    pub(super) fn answer(&self, stream: &UnixStream, payload: &[u8]) -> std::io::Result<()> {
        self.send(stream, payload)
    }

    /// Says whether it was done, if that was asked for.
    pub(super) fn acknowledge(&self, stream: &UnixStream, done: bool) -> std::io::Result<()> {
        if !self.needs_reply {
            return Ok(());
        }
        self.send(stream, &u64::from(!done).to_le_bytes())
    }

    /// True when the front end learns of a failure by an answer.
    pub(super) fn needs_reply(&self) -> bool {
        self.needs_reply
    }

    fn send(&self, mut stream: &UnixStream, payload: &[u8]) -> std::io::Result<()> {
        let mut message = Vec::with_capacity(HEADER + payload.len());
        let size = u32::try_from(payload.len()).map_err(Error::other)?;
        for word in [self.code, VERSION | REPLY, size] {
            message.extend(word.to_le_bytes());
        }
        message.extend_from_slice(payload);
        stream.write_all(&message)
    }
}

struct Payload<'a>(&'a [u8]);

impl Payload<'_> {
    fn u32(&self, at: usize) -> Result<u32, String> {
        let bytes = self.0.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or_else(|| "too short".into())
    }

    fn u64(&self, at: usize) -> Result<u64, String> {
        let bytes = self.0.get(at..at + 8).and_then(|b| b.try_into().ok());
        bytes.map(u64::from_le_bytes).ok_or_else(|| "too short".into())
    }

    fn ring(&self) -> Result<usize, String> {
        Ok(self.u32(0)? as usize)
    }
}

fn parse(code: u32, payload: &Payload<'_>, files: Vec<OwnedFd>) -> Result<Request, String> {
    let request = match code {
        1 => Request::GetFeatures,
        2..=4 | 16 => Request::Note,
        5 => memory(payload, files)?,
        8 => Request::RingSize { ring: payload.ring()?, size: payload.u32(4)? },
        9 => Request::RingAddress {
            ring: payload.ring()?,
            descriptors: payload.u64(8)?,
            used: payload.u64(16)?,
            available: payload.u64(24)?,
        },
        10 => Request::RingBase { ring: payload.ring()?, next: payload.u32(4)? },
        11 => Request::GetRingBase { ring: payload.ring()? },
        12 => signal(payload, Signal::Kick, files)?,
        13 => signal(payload, Signal::Call, files)?,
        14 => signal(payload, Signal::Error, files)?,
        15 => Request::GetProtocolFeatures,
        17 => Request::GetQueues,
        18 => Request::RingEnable { ring: payload.ring()?, on: payload.u32(4)? != 0 },
        21 => Request::Channel(files.into_iter().next().ok_or("no descriptor came")?),
        _ => return Err("not a request that was offered".into()),
    };
    Ok(request)
}

/// The table may have room for more regions than it says to have.
fn memory(payload: &Payload<'_>, files: Vec<OwnedFd>) -> Result<Request, String> {
    let count = payload.u32(0)? as usize;
    if count == 0 || count != files.len() {
        return Err(format!("{count} memory regions with {} descriptors", files.len()));
    }
    let region = |i: usize| {
        let at = 8 + 32 * i;
        let region = Region {
            guest: payload.u64(at)?,
            size: payload.u64(at + 8)?,
            user: payload.u64(at + 16)?,
            offset: payload.u64(at + 24)?,
        };
        let starts = [region.guest, region.user, region.offset];
        if region.size == 0 || starts.iter().any(|s| s.checked_add(region.size).is_none()) {
            return Err(format!("memory region {i} has {:#x} bytes", region.size));
        }
        Ok(region)
    };
    Ok(Request::Memory { regions: (0..count).map(region).collect::<Result<_, _>>()?, files })
}

fn signal(payload: &Payload<'_>, signal: Signal, files: Vec<OwnedFd>) -> Result<Request, String> {
    let value = payload.u64(0)?;
    let descriptor = files.into_iter().next();
    if descriptor.is_none() && value & NO_DESCRIPTOR == 0 {
        return Err("no descriptor came".into());
    }
    Ok(Request::RingSignal { ring: (value & 0xff) as usize, signal, descriptor })
}
