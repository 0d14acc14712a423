//! Where a function's registers are: memory that software on the other side may write at any time.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Register words shared with software. A face whose clients map the registers supplies its own.
pub trait Mmio: Send + Sync {
    /// The 64-bit word that holds byte `offset`; `None` from [`AFU_SIZE`](super::regs::AFU_SIZE) on.
    fn word(&self, offset: u64) -> Option<&AtomicU64>;
}

impl dyn Mmio + '_ {
    /// The 64-bit word at `offset`; 0 outside.
    #[must_use]
    pub fn get(&self, offset: u64) -> u64 {
        self.word(offset).map_or(0, |w| w.load(Acquire))
    }

    /// Stores a 64-bit word.
    pub fn set(&self, offset: u64, value: u64) {
        if let Some(w) = self.word(offset) {
            w.store(value, Release);
        }
    }

    /// Replaces the lower 32 bits at `offset` if they still are `old`: software may have written anew.
    #[must_use]
    pub fn replace_low(&self, offset: u64, old: u32, new: u32) -> bool {
        const UPPER: u64 = 0xffff_ffff << 32;
        let Some(w) = self.word(offset) else { return false };
        let seen = w.load(Relaxed) & UPPER | u64::from(old);
        w.compare_exchange(seen, seen & UPPER | u64::from(new), AcqRel, Relaxed).is_ok()
    }
}

const WORDS_A_PAGE: usize = 512;
const PAGES: usize = 64;
const _: () = assert!(WORDS_A_PAGE * PAGES * 8 == super::regs::AFU_BYTES);

type Page = [AtomicU64; WORDS_A_PAGE];

/// Registers in memory of our own. A page comes into being with its first access, so that a machine with
/// hundreds of ports costs little.
pub struct Heap([OnceLock<Box<Page>>; PAGES]);

impl Default for Heap {
    fn default() -> Self {
        Self([const { OnceLock::new() }; PAGES])
    }
}

impl Mmio for Heap {
    fn word(&self, offset: u64) -> Option<&AtomicU64> {
        let index = usize::try_from(offset / 8).ok()?;
        let page = self
            .0
            .get(index / WORDS_A_PAGE)?
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; WORDS_A_PAGE]));
        page.get(index % WORDS_A_PAGE)
    }
}
