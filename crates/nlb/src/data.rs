//! What is put into memory before a run, and what must be there after it.

use fpga::stack::intel::driver::DmaBuffer;

use crate::failure::Problem;
use crate::memory::LINE;
use crate::mode::Mode;

/// In the destination before the run, so that a line that was not written shows.
const UNTOUCHED: u8 = 0xa5;

type Line = [u8; LINE];

/// Fills the source with a pattern whose words all differ, and the destination with [`UNTOUCHED`].
pub(crate) fn prepare(source: &DmaBuffer, destination: &DmaBuffer, lines: usize) {
    for index in 0..lines {
        source.write(index * LINE, &source_line(index));
    }
    destination.write(0, &vec![UNTOUCHED; destination.len()]);
}

/// Checks every line of the destination, and that nothing is written behind the last one.
pub(crate) fn verify(mode: Mode, destination: &DmaBuffer, lines: usize) -> Result<(), Problem> {
    let mut first: Option<(usize, Line, Line)> = None;
    let mut wrong = 0;
    for index in 0..lines {
        let (expected, found) = (expected_line(mode, index), read_line(destination, index));
        if found != expected {
            wrong += 1;
            first.get_or_insert((index, expected, found));
        }
    }
    if let Some((line, expected, found)) = first {
        let byte = (0..LINE)
            .step_by(8)
            .find(|&byte| word(&expected, byte) != word(&found, byte))
            .unwrap_or(0);
        let (expected, found) = (word(&expected, byte), word(&found, byte));
        return Err(Problem::Mismatch { line, byte, expected, found, wrong, lines });
    }
    match (lines..destination.len() / LINE)
        .find(|&line| read_line(destination, line) != [UNTOUCHED; LINE])
    {
        Some(line) => Err(Problem::Overrun { line, lines }),
        None => Ok(()),
    }
}

fn expected_line(mode: Mode, index: usize) -> Line {
    match mode {
        Mode::Copy => source_line(index),
        Mode::Throughput => throughput_line(index),
    }
}

/// Eight words, each of which names its line and its place in it.
fn source_line(index: usize) -> Line {
    let mut line = [0; LINE];
    for (place, word) in (0_u64..).zip(line.chunks_exact_mut(8)) {
        let value = 0x5ca1_ab1e_0000_0000 ^ (index as u64) << 8 ^ place;
        word.copy_from_slice(&value.to_le_bytes());
    }
    line
}

/// What the throughput test writes: the line's index in bits 19:0, its complement in bits 39:20, and
/// zeros (its published RTL).
fn throughput_line(index: usize) -> Line {
    const INDEX: u64 = 0xf_ffff;
    let index = index as u64 & INDEX;
    let mut line = [0; LINE];
    line[..8].copy_from_slice(&(index | (!index & INDEX) << 20).to_le_bytes());
    line
}

fn read_line(buffer: &DmaBuffer, index: usize) -> Line {
    let mut line = [0; LINE];
    buffer.read(index * LINE, &mut line);
    line
}

fn word(line: &Line, byte: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&line[byte..byte + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use fpga::stack::intel::driver::{Pages, page_size};

    use super::*;

    fn prepared(lines: usize) -> (DmaBuffer, DmaBuffer) {
        let page = || DmaBuffer::allocate(page_size(), Pages::Base).unwrap();
        let (source, destination) = (page(), page());
        prepare(&source, &destination, lines);
        (source, destination)
    }

    fn copy(source: &DmaBuffer, destination: &DmaBuffer, lines: usize) {
        (0..lines).for_each(|i| destination.write(i * LINE, &read_line(source, i)));
    }

    #[test]
    fn a_copy_is_accepted_and_is_no_throughput_pattern() {
        let (source, destination) = prepared(5);
        copy(&source, &destination, 5);
        assert!(verify(Mode::Copy, &destination, 5).is_ok());
        assert!(verify(Mode::Throughput, &destination, 5).is_err());
    }

    #[test]
    fn the_throughput_pattern() {
        assert_eq!(throughput_line(1)[..8], 0x0000_00ff_ffe0_0001_u64.to_le_bytes());
        assert_eq!(throughput_line(0xf_ffff)[..8], 0x0000_0000_000f_ffff_u64.to_le_bytes());
        assert_eq!(throughput_line(1)[8..], [0; 56]);
    }

    #[test]
    fn all_words_of_the_source_differ() {
        let mut words: Vec<u64> = (0..1000)
            .flat_map(|i| (0..LINE).step_by(8).map(move |b| word(&source_line(i), b)))
            .collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 8000);
    }

    #[test]
    fn the_first_wrong_word_is_named_and_all_wrong_lines_are_counted() {
        let (source, destination) = prepared(5);
        copy(&source, &destination, 5);
        destination.write(2 * LINE + 17, &[0xff]);
        destination.write(4 * LINE, &[0xff]);
        match verify(Mode::Copy, &destination, 5).unwrap_err() {
            Problem::Mismatch { line: 2, byte: 16, expected, found, wrong: 2, lines: 5 } => {
                assert_eq!(expected, 0x5ca1_ab1e_0000_0202);
                assert_eq!(found, 0x5ca1_ab1e_0000_ff02);
            }
            problem => panic!("{problem}"),
        }
    }

    #[test]
    fn a_line_that_was_not_written_is_wrong_in_both_modes() {
        for mode in [Mode::Copy, Mode::Throughput] {
            let (_source, destination) = prepared(1);
            assert!(matches!(
                verify(mode, &destination, 1),
                Err(Problem::Mismatch { line: 0, wrong: 1, .. })
            ));
        }
    }

    #[test]
    fn writing_too_much_is_found() {
        let (source, destination) = prepared(5);
        copy(&source, &destination, 5);
        destination.write(9 * LINE + 63, &[0]);
        assert!(matches!(
            verify(Mode::Copy, &destination, 5),
            Err(Problem::Overrun { line: 9, lines: 5 })
        ));
    }
}
