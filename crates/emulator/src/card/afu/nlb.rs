//! Intel's native loopback function (NLB), modes 0 to 3: registers and status line as its published RTL and
//! OPAE's samples have them.

use std::time::Instant;

use super::{Activity, Fault};
use crate::card::dma::{self, Dma};
use crate::card::mmio::Mmio;

/// Registers from the function's start. Source and destination are in cache lines, the status line's base in bytes.
const DSM_BASE: u64 = 0x110;
const SOURCE: u64 = 0x120;
const DESTINATION: u64 = 0x128;
const LINES: u64 = 0x130;
const CONTROL: u64 = 0x138;
const CONFIG: u64 = 0x140;
const COUNTS: u64 = 0x160;
const STRIDE: u64 = 0x178;
/// The registers that a reset clears.
const FIRST: u64 = 0x100;
const LAST: u64 = 0x180;

/// Values of the control register.
const START: u32 = 3;
const STOP: u32 = 7;
/// Marks a value as consumed, so that the next identical write is seen as new.
const SEEN: u32 = 1 << 31;

/// Bytes of a cache line.
const LINE: u64 = 64;
/// Lines moved in one step at most, so that others get the card in between.
const BURST: u64 = 1024;
/// Clock, as register 0x170 reports it by being 0.
const MHZ: u64 = 400;
/// Overheads in clocks that the status line reports: at the start, at the end.
const OVERHEAD: (u32, u32) = (8, 2);

/// The work in progress, sampled from the registers at the start.
#[derive(Clone, Copy)]
struct Job {
    source: u64,
    destination: u64,
    lines: u64,
    multi: u64,
    stride: u64,
    mode: u64,
    alternate: bool,
    continuous: bool,
    dsm: u64,
    started: Instant,
    done: u64,
    first: bool,
}

/// State of the function.
#[derive(Default)]
pub(in crate::card) struct Nlb {
    job: Option<Job>,
    reads: u32,
    writes: u32,
    error: u32,
    serial: u16,
    buffer: Vec<u8>,
}

impl Nlb {
    pub(super) fn reset(&mut self, mmio: &dyn Mmio) {
        clear(mmio);
        *self = Self { buffer: std::mem::take(&mut self.buffer), ..Self::default() };
    }

    pub(super) fn step(&mut self, mmio: &dyn Mmio, memory: &dyn Dma, fault: Fault) -> Activity {
        match low(mmio.get(CONTROL)) {
            0 => {
                self.job = None;
                return Activity::Idle;
            }
            START if mmio.replace_low(CONTROL, START, START | SEEN) => self.start(mmio),
            STOP if mmio.replace_low(CONTROL, STOP, STOP | SEEN) => {
                if let Some(job) = self.job.take() {
                    return self.complete(&job, mmio, memory);
                }
            }
            _ => {}
        }
        match self.job {
            Some(job) => self.work(job, mmio, memory, fault),
            None => Activity::Idle,
        }
    }

    fn start(&mut self, mmio: &dyn Mmio) {
        let config = mmio.get(CONFIG);
        (self.reads, self.writes, self.error) = (0, 0, 0);
        self.job = Some(Job {
            source: mmio.get(SOURCE).wrapping_mul(LINE),
            destination: mmio.get(DESTINATION).wrapping_mul(LINE),
            lines: mmio.get(LINES) & 0xf_ffff,
            multi: match config >> 5 & 3 {
                0 => 1,
                1 => 2,
                _ => 4,
            },
            stride: mmio.get(STRIDE) & 0x3f,
            mode: config >> 2 & 7,
            alternate: config >> 15 & 1 != 0,
            continuous: config & 2 != 0,
            dsm: mmio.get(DSM_BASE),
            started: Instant::now(),
            done: 0,
            first: true,
        });
    }

    /// Moves up to [`BURST`] lines.
    fn work(&mut self, mut job: Job, mmio: &dyn Mmio, memory: &dyn Dma, fault: Fault) -> Activity {
        let mut moved = 0;
        while moved < BURST && job.done < job.lines {
            let most = if job.stride == 0 { BURST } else { job.multi };
            let count = most.min(job.lines - job.done);
            if self.lines(&mut job, count, memory, fault).is_err() {
                self.error |= 1;
                self.job = None;
                self.complete(&job, mmio, memory);
                return Activity::Failed;
            }
            job.done += count;
            moved += count;
        }
        if job.done < job.lines {
            self.job = Some(job);
            return Activity::Working;
        }
        if job.continuous {
            job.done = 0;
            self.job = Some(job);
            return Activity::Working;
        }
        self.job = None;
        self.complete(&job, mmio, memory)
    }

    /// Reads and writes `count` lines that lie together.
    fn lines(
        &mut self,
        job: &mut Job,
        count: u64,
        memory: &dyn Dma,
        fault: Fault,
    ) -> Result<(), dma::Fault> {
        let (reads, writes) = (matches!(job.mode, 0 | 1 | 3), matches!(job.mode, 0 | 2 | 3));
        let at = (job.done / job.multi) * (job.multi + job.stride) + job.done % job.multi;
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        self.buffer.clear();
        self.buffer.resize(usize::try_from(count * LINE).unwrap_or(0), 0);
        if reads {
            memory.read(job.source.wrapping_add(at * LINE), &mut self.buffer)?;
            self.reads = self.reads.wrapping_add(number);
        }
        if writes {
            if job.mode != 0 {
                pattern(&mut self.buffer, at, job.alternate);
            }
            if fault == Fault::Corrupt && job.first {
                self.buffer[7] ^= 1;
            }
            job.first = false;
            memory.write(job.destination.wrapping_add(at * LINE), &self.buffer)?;
            self.writes = self.writes.wrapping_add(number);
        }
        Ok(())
    }

    /// Writes the status line: the data is out already, the rest of the line goes next and its flag last.
    fn complete(&mut self, job: &Job, mmio: &dyn Mmio, memory: &dyn Dma) -> Activity {
        mmio.set(COUNTS, u64::from(self.reads) << 32 | u64::from(self.writes));
        let elapsed = u64::try_from(job.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let clocks = (elapsed.saturating_mul(MHZ) / 1000).saturating_add(16) & 0xff_ffff_ffff;
        let mut line = Vec::with_capacity(60);
        line.extend(self.error.to_le_bytes());
        line.extend(clocks.to_le_bytes());
        for word in [self.reads, self.writes, OVERHEAD.0, OVERHEAD.1] {
            line.extend(word.to_le_bytes());
        }
        let flag = u32::from(self.serial & 0x7fff) << 1 | 1;
        self.serial = self.serial.wrapping_add(1);
        let written = memory
            .write(job.dsm.wrapping_add(0x44), &line)
            .and_then(|()| memory.write(job.dsm.wrapping_add(0x40), &flag.to_le_bytes()));
        if written.is_err() { Activity::Failed } else { Activity::Working }
    }
}

/// Clears the registers that a reset clears.
pub(super) fn clear(mmio: &dyn Mmio) {
    (FIRST..LAST).step_by(8).for_each(|o| mmio.set(o, 0));
}

fn low(register: u64) -> u32 {
    (register & 0xffff_ffff) as u32
}

/// What modes 2 and 3 write: the line's index in 20 bits, its complement in the next 20.
fn pattern(buffer: &mut [u8], first: u64, alternate: bool) {
    buffer.fill(0);
    for (i, line) in (first..).zip(buffer.chunks_exact_mut(64)) {
        let index = i & 0xf_ffff;
        line[..8].copy_from_slice(&(index | (!index & 0xf_ffff) << 20).to_le_bytes());
        line[63] = u8::from(alternate) << 7;
    }
}
