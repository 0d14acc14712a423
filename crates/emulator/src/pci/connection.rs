//! One front end on one function: the vhost-user session and the two virtqueues.
//!
//! Queue 0 carries the guest's requests: readable bytes are a message, writable ones take what was read. The guest
//! polls for the answer to a read and expects nothing of a write, so this queue never interrupts: it would let
//! virt-pci of Linux 6.1 take back buffers while it waits for one, which corrupts its queue. On queue 1 the guest
//! lends buffers for interrupts.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::board::{Board, Unit};
use super::memory::{self, Memory};
use super::message;
use super::ring::Ring;
use super::vhost::{self, Envelope, Region, Request, Signal};

const REQUESTS: usize = 0;
const INTERRUPTS: usize = 1;

/// A connection.
pub(super) struct Connection<'a> {
    board: &'a Board,
    unit: Unit,
    rings: [Ring; 2],
    regions: Vec<Region>,
    memory: Arc<Memory>,
    /// The back end's own channel to the front end. Nothing is sent on it, but the guest takes its end for the end of
    /// the connection.
    channel: Option<OwnedFd>,
    request: Vec<u8>,
    data: Vec<u8>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(board: &'a Board, unit: Unit) -> Result<Self, String> {
        let ring = || Ring::new().map_err(|e| e.to_string());
        Ok(Self {
            board,
            unit,
            rings: [ring()?, ring()?],
            regions: Vec::new(),
            memory: Arc::default(),
            channel: None,
            request: Vec::new(),
            data: Vec::new(),
        })
    }

    /// Serves until the front end hangs up.
    pub(super) fn serve(&mut self, stream: &UnixStream) -> Result<(), String> {
        loop {
            if self.wait(stream).map_err(|e| e.to_string())? {
                match vhost::receive(stream) {
                    Ok(Some(envelope)) => self.handle(stream, envelope)?,
                    Ok(None) => return Ok(()),
                    // It was killed, or the card was pulled out.
                    Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                    Err(e) if e.raw_os_error() == Some(libc::ECONNRESET) => return Ok(()),
                    Err(e) => return Err(e.to_string()),
                }
            }
            self.answer().map_err(|e| format!("requests: {e}"))?;
            if self.unit == Unit::Physical {
                self.interrupt().map_err(|e| format!("interrupts: {e}"))?;
            }
        }
    }

    /// Waits for something to do; true when there is a message of the front end.
    fn wait(&mut self, stream: &UnixStream) -> nix::Result<bool> {
        let (mut message, mut kicked, mut raised) = (false, [false; 2], false);
        {
            let mut fds = vec![PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
            let mut of = vec![None];
            for (n, ring) in self.rings.iter().enumerate() {
                if let Some(kick) = ring.kick() {
                    fds.push(PollFd::new(kick, PollFlags::POLLIN));
                    of.push(Some(n));
                }
            }
            if self.unit == Unit::Physical {
                fds.push(PollFd::new(self.board.interrupts().as_fd(), PollFlags::POLLIN));
                of.push(Some(self.rings.len()));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => return Ok(false),
                other => other?,
            };
            for (_, of) in fds.iter().zip(of).filter(|(fd, _)| fd.any() == Some(true)) {
                match of {
                    None => message = true,
                    Some(n) if n < kicked.len() => kicked[n] = true,
                    Some(_) => raised = true,
                }
            }
        }
        for (ring, kicked) in self.rings.iter_mut().zip(kicked) {
            if kicked {
                ring.kicked();
            }
        }
        if raised {
            // Its count does not matter.
            let _count = self.board.interrupts().read();
        }
        Ok(message)
    }

    fn handle(&mut self, stream: &UnixStream, mut envelope: Envelope) -> Result<(), String> {
        let request = std::mem::replace(&mut envelope.request, Ok(Request::Note));
        let answered = request.and_then(|r| self.obey(r));
        // Who hangs up without waiting for an answer is noticed with the next message.
        let _sent = match &answered {
            Ok(Some(payload)) => envelope.answer(stream, payload),
            Ok(None) => envelope.acknowledge(stream, true),
            Err(_) => envelope.acknowledge(stream, false),
        };
        match answered {
            Err(e) if !envelope.needs_reply() => Err(e),
            Err(e) => {
                eprintln!("fpga-emulator: {}: {e}", self.board.spec.name);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Does what a front end asks: the payload of an answer if it has one.
    fn obey(&mut self, request: Request) -> Result<Option<Vec<u8>>, String> {
        match request {
            Request::GetFeatures => return Ok(Some(vhost::FEATURES.to_le_bytes().into())),
            Request::GetProtocolFeatures => {
                return Ok(Some(vhost::PROTOCOL_FEATURES.to_le_bytes().into()));
            }
            Request::GetQueues => {
                return Ok(Some((self.rings.len() as u64).to_le_bytes().into()));
            }
            Request::Note => {}
            Request::Memory { regions, files } => {
                self.memory = Arc::new(memory::map(&regions, files)?);
                self.regions = regions;
                self.board.attach(self.unit, Arc::clone(&self.memory));
            }
            Request::RingSize { ring, size } => self.ring(ring)?.resize(size)?,
            Request::RingAddress { ring, descriptors, used, available } => {
                let guest = |address| self.guest_address(address);
                let (d, u, a) = (guest(descriptors)?, guest(used)?, guest(available)?);
                let memory = Arc::clone(&self.memory);
                self.ring(ring)?.place(&memory, d, u, a)?;
            }
            Request::RingBase { ring, next } => self.ring(ring)?.start_at(next)?,
            Request::GetRingBase { ring } => {
                let next = self.ring(ring)?.stop();
                let number = u32::try_from(ring).unwrap_or_default().to_le_bytes();
                return Ok(Some([number, u32::from(next).to_le_bytes()].concat()));
            }
            Request::RingSignal { ring, signal, descriptor } => {
                let ring = self.ring(ring)?;
                let set = match signal {
                    Signal::Kick => ring.set_kick(descriptor),
                    Signal::Call => ring.set_call(descriptor),
                    Signal::Error => Ok(()),
                };
                set.map_err(|e| format!("{signal:?} descriptor: {e}"))?;
            }
            Request::RingEnable { ring, on } => self.ring(ring)?.enable(on),
            Request::Channel(fd) => self.channel = Some(fd),
        }
        Ok(None)
    }

    fn ring(&mut self, number: usize) -> Result<&mut Ring, String> {
        self.rings.get_mut(number).ok_or_else(|| format!("no ring {number}"))
    }

    fn guest_address(&self, user: u64) -> Result<u64, String> {
        let mut regions = self.regions.iter();
        let region = regions.find(|r| user.checked_sub(r.user).is_some_and(|o| o < r.size));
        let region = region.ok_or_else(|| format!("{user:#x} is in no memory region"))?;
        Ok(user - region.user + region.guest)
    }

    /// Answers all requests that wait.
    fn answer(&mut self) -> Result<(), virtio_queue::Error> {
        while let Some(lent) = self.rings[REQUESTS].take(&self.memory)? {
            self.request.clear();
            self.data.clear();
            lent.read(&mut self.request);
            if let Some(request) = message::Request::parse(&self.request) {
                self.board.request(self.unit, request, &mut self.data);
            }
            let written = lent.write(&self.data);
            self.rings[REQUESTS].give_back(&lent, written)?;
        }
        Ok(())
    }

    /// Sends interrupts while there are any and the guest lends buffers for them.
    fn interrupt(&mut self) -> Result<(), virtio_queue::Error> {
        let (ring, memory) = (&mut self.rings[INTERRUPTS], &self.memory);
        let (mut sent, mut failure) = (false, None);
        let mut send = |interrupt| {
            let Some(lent) = ring.take(memory)? else { return Ok(false) };
            let written = lent.write(&message::interrupt(interrupt));
            ring.give_back(&lent, written).map(|()| true)
        };
        self.board.deliver(|interrupt| match send(interrupt) {
            Ok(done) => {
                sent |= done;
                done
            }
            Err(e) => {
                failure = Some(e);
                false
            }
        });
        if sent {
            ring.call();
        }
        failure.map_or(Ok(()), Err)
    }
}
