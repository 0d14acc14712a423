//! A model of the function for unit tests: plain registers, and one that really moves memory.

use std::cell::{Cell, RefCell};

use fpga::stack::intel::driver::{DmaBuffer, Error, Pages, page_size};

use crate::memory::{Area, LINE, Memory};
use crate::registers::Registers;

/// Registers that keep what is written.
pub(crate) struct PlainRegisters(RefCell<Vec<u8>>);

impl PlainRegisters {
    pub(crate) fn new(size: usize) -> Self {
        Self(RefCell::new(vec![0; size]))
    }

    pub(crate) fn put(&self, offset: usize, value: u64) {
        self.write64(offset, value).unwrap();
    }

    fn get(&self, offset: usize) -> u64 {
        self.read64(offset).unwrap()
    }

    fn check(&self, offset: usize, width: usize) -> Result<(), Error> {
        let size = self.0.borrow().len();
        if offset + width > size || !offset.is_multiple_of(width) {
            return Err(Error::Register { path: "model".into(), offset, width, size });
        }
        Ok(())
    }
}

impl Registers for PlainRegisters {
    fn read64(&self, offset: usize) -> Result<u64, Error> {
        self.check(offset, 8)?;
        Ok(u64::from_le_bytes(self.0.borrow()[offset..offset + 8].try_into().unwrap()))
    }

    fn write32(&self, offset: usize, value: u32) -> Result<(), Error> {
        self.check(offset, 4)?;
        self.0.borrow_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn write64(&self, offset: usize, value: u64) -> Result<(), Error> {
        self.check(offset, 8)?;
        self.0.borrow_mut()[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        Ok(())
    }
}

/// A page each, at addresses that a card might see them at.
pub(crate) struct TestMemory {
    status: DmaBuffer,
    source: DmaBuffer,
    destination: DmaBuffer,
}

impl TestMemory {
    pub(crate) const STATUS: u64 = 0x1000_0000;
    pub(crate) const SOURCE: u64 = 0x2000_0000;
    pub(crate) const DESTINATION: u64 = 0x3_0000_0000;

    pub(crate) fn new() -> Self {
        let page = || DmaBuffer::allocate(page_size(), Pages::Base).unwrap();
        Self { status: page(), source: page(), destination: page() }
    }

    pub(crate) fn memory(&self) -> Memory<'_> {
        Memory {
            status: Area { buffer: &self.status, iova: Self::STATUS },
            source: Area { buffer: &self.source, iova: Self::SOURCE },
            destination: Area { buffer: &self.destination, iova: Self::DESTINATION },
        }
    }
}

/// What the model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Good,
    /// One bit of this line is wrong.
    Corrupt(usize),
    Hang,
    /// The card is taken out before it starts.
    Gone,
    /// Transactions stay pending.
    NeverQuiet,
    ErrorVector(u32),
    OneReadShort,
    /// The clocks are all overhead.
    NoTime,
    /// Another clock, in MHz.
    Clock(u64),
}

/// NLB as its registers describe it, done at once when it is started.
pub(crate) struct Model<'a> {
    registers: PlainRegisters,
    base: usize,
    memory: &'a TestMemory,
    behaviour: Behaviour,
    log: RefCell<Vec<(usize, u64)>>,
    rounds: Cell<u32>,
}

impl<'a> Model<'a> {
    pub(crate) fn new(memory: &'a TestMemory, base: usize, behaviour: Behaviour) -> Self {
        let registers = PlainRegisters::new(base + 0x200);
        if let Behaviour::Clock(mhz) = behaviour {
            registers.put(base + 0x170, mhz << 32 | 0xffff);
        }
        if behaviour == Behaviour::NeverQuiet {
            registers.put(base + 0x168, 1);
        }
        Self { registers, base, memory, behaviour, log: RefCell::default(), rounds: Cell::new(0) }
    }

    /// Register writes in their order, offsets from the base.
    pub(crate) fn writes(&self) -> Vec<(usize, u64)> {
        self.log.borrow().clone()
    }

    fn get(&self, offset: usize) -> u64 {
        self.registers.get(self.base + offset)
    }

    fn control(&self, value: u32) {
        let continuous = self.get(0x140) & 2 != 0;
        match value {
            3 if !matches!(self.behaviour, Behaviour::Hang | Behaviour::Gone) => {
                let rounds = if continuous { 2 } else { 1 };
                (0..rounds).for_each(|_| self.round());
                if !continuous {
                    self.complete();
                }
            }
            7 if continuous => self.complete(),
            _ => {}
        }
    }

    fn round(&self) {
        assert_eq!(self.get(0x120) << 6, TestMemory::SOURCE);
        assert_eq!(self.get(0x128) << 6, TestMemory::DESTINATION);
        for index in 0..self.lines() {
            let mut line = [0; LINE];
            if self.get(0x140) >> 2 & 7 == 0 {
                self.memory.source.read(index * LINE, &mut line);
            } else {
                let low = u32::try_from(index).unwrap();
                line[..8].copy_from_slice(
                    &(u64::from(low) | u64::from(!low & 0xf_ffff) << 20).to_le_bytes(),
                );
            }
            if self.behaviour == Behaviour::Corrupt(index) {
                line[7] ^= 1;
            }
            self.memory.destination.write(index * LINE, &line);
        }
        self.rounds.set(self.rounds.get() + 1);
    }

    fn complete(&self) {
        assert_eq!(self.get(0x110), TestMemory::STATUS);
        let count = u32::try_from(self.lines()).unwrap() * self.rounds.get();
        let errors = if let Behaviour::ErrorVector(bits) = self.behaviour { bits } else { 0 };
        let clocks = if self.behaviour == Behaviour::NoTime { 10 } else { 1010 };
        let reads = count - u32::from(self.behaviour == Behaviour::OneReadShort);
        for (i, word) in [errors, clocks, 0, reads, count, 8, 2].into_iter().enumerate() {
            self.memory.status.write(0x44 + 4 * i, &word.to_le_bytes());
        }
        self.memory.status.write(0x40, &1_u32.to_le_bytes());
    }

    fn lines(&self) -> usize {
        usize::try_from(self.get(0x130) & 0xf_ffff).unwrap()
    }
}

impl Registers for Model<'_> {
    fn read64(&self, offset: usize) -> Result<u64, Error> {
        if self.behaviour == Behaviour::Gone { Ok(u64::MAX) } else { self.registers.read64(offset) }
    }

    fn write32(&self, offset: usize, value: u32) -> Result<(), Error> {
        self.registers.write32(offset, value)?;
        self.log.borrow_mut().push((offset - self.base, u64::from(value)));
        if offset - self.base == 0x138 {
            self.control(value);
        }
        Ok(())
    }

    fn write64(&self, offset: usize, value: u64) -> Result<(), Error> {
        self.registers.write64(offset, value)?;
        self.log.borrow_mut().push((offset - self.base, value));
        Ok(())
    }
}
