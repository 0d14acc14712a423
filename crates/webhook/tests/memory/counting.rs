//! An allocator that counts what the current thread has. For the memory test and the fuzz target.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static BLOCKS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub(crate) struct Counting;

fn took(bytes: usize) {
    // A thread that ends has no counters any more, and nobody who asks for them.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes.cast_signed());
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
    let _ = BLOCKS.try_with(|blocks| blocks.set(blocks.get() + 1));
}

fn gave(bytes: usize) {
    let _ = NOW.try_with(|now| now.set(now.get() - bytes.cast_signed()));
}

// SAFETY: everything is passed on to the system's allocator as it is. `realloc` is that of the trait: while a block
// grows, the old one and the new one are both counted, as the worst that a system can need.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Bytes at most at once, beyond what there was before.
    pub(crate) peak: usize,
    /// Blocks that were allocated.
    #[allow(dead_code, reason = "the fuzz target looks at the peak alone")]
    pub(crate) blocks: usize,
}

/// Does some work and counts what it takes.
pub(crate) fn count<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (before, blocks) = (NOW.get(), BLOCKS.get());
    PEAK.set(before);
    let result = work();
    let peak = (PEAK.get() - before).cast_unsigned();
    (result, Cost { peak, blocks: BLOCKS.get() - blocks })
}
