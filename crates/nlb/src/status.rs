//! The status line (DSM) in which the function reports a finished run.

use fpga::stack::intel::driver::DmaBuffer;

/// Where the status line is in its page.
pub(crate) const OFFSET: usize = 0x40;

/// A decoded status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// Bits of trouble, 0 without.
    pub(crate) errors: u32,
    /// Duration in clocks, 40 bits.
    pub(crate) clocks: u64,
    /// Lines that were read and written.
    pub(crate) reads: u32,
    pub(crate) writes: u32,
    /// Clocks before the first and after the last access.
    pub(crate) start_overhead: u32,
    pub(crate) end_overhead: u32,
}

impl Status {
    /// True once the function has written all of the line: it writes this word last.
    pub(crate) fn is_complete(page: &DmaBuffer) -> bool {
        page.load_acquire(OFFSET) & 1 != 0
    }

    pub(crate) fn read(page: &DmaBuffer) -> Self {
        let mut line = [0; 0x20];
        page.read(OFFSET, &mut line);
        Self::decode(&line)
    }

    fn decode(line: &[u8; 0x20]) -> Self {
        let word =
            |at: usize| u32::from_le_bytes([line[at], line[at + 1], line[at + 2], line[at + 3]]);
        Self {
            errors: word(0x04),
            clocks: (u64::from(word(0x0c)) << 32 | u64::from(word(0x08))) & 0xff_ffff_ffff,
            reads: word(0x10),
            writes: word(0x14),
            start_overhead: word(0x18),
            end_overhead: word(0x1c),
        }
    }
}

#[cfg(test)]
mod tests {
    use fpga::stack::intel::driver::{Pages, page_size};

    use super::*;

    #[test]
    fn every_field_is_where_it_should_be() {
        let page = DmaBuffer::allocate(page_size(), Pages::Base).unwrap();
        assert!(!Status::is_complete(&page));
        let words: [u32; 8] = [0x0000_0005, 0x8000_0001, 0x1234_5678, 0xffff_ff9a, 16, 17, 8, 2];
        for (i, word) in words.iter().enumerate() {
            page.write(0x40 + 4 * i, &word.to_le_bytes());
        }
        assert!(Status::is_complete(&page));
        let expected = Status {
            errors: 0x8000_0001,
            clocks: 0x9a_1234_5678,
            reads: 16,
            writes: 17,
            start_overhead: 8,
            end_overhead: 2,
        };
        assert_eq!(Status::read(&page), expected);
    }

    #[test]
    fn a_serial_number_alone_is_not_complete() {
        let page = DmaBuffer::allocate(page_size(), Pages::Base).unwrap();
        page.write(0x40, &0xfffe_u32.to_le_bytes());
        assert!(!Status::is_complete(&page));
    }
}
