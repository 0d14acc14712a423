//! The memory of a run: the status line, the source and the destination.

use fpga::stack::intel::driver::{
    DmaBuffer, DmaMapping, Errno, Error, HUGE_PAGE_SIZE, Pages, Port, page_size,
};

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Lines that one huge page holds: the driver maps nothing larger.
pub(crate) const MAX_LINES: u32 = 32_768;
const _: () = assert!(MAX_LINES as usize * LINE == HUGE_PAGE_SIZE);

/// The buffers of a run.
pub(crate) struct Buffers {
    status: DmaBuffer,
    source: DmaBuffer,
    destination: DmaBuffer,
    lines: u32,
    fallback: Option<Errno>,
}

/// The buffers, mapped for the card.
pub(crate) struct Mappings<'a> {
    status: DmaMapping<'a>,
    source: DmaMapping<'a>,
    destination: DmaMapping<'a>,
}

/// A buffer and the address that the card knows it by.
#[derive(Clone, Copy)]
pub(crate) struct Area<'a> {
    pub(crate) buffer: &'a DmaBuffer,
    pub(crate) iova: u64,
}

/// What the function is told about.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) status: Area<'a>,
    pub(crate) source: Area<'a>,
    pub(crate) destination: Area<'a>,
}

impl Buffers {
    /// Buffers for `lines` lines, or for fewer when more than a page is needed and there are no huge
    /// pages for it.
    pub(crate) fn allocate(lines: u32) -> Result<Self, Error> {
        let bytes = lines as usize * LINE;
        let status = DmaBuffer::allocate(LINE, Pages::Base)?;
        let (source, destination) = (data_buffer(bytes)?, data_buffer(bytes)?);
        let fallback = source.fallback().or(destination.fallback());
        if fallback.is_none() {
            return Ok(Self { status, source, destination, lines, fallback });
        }
        let page = || DmaBuffer::allocate(page_size(), Pages::Base);
        Ok(Self {
            status,
            source: page()?,
            destination: page()?,
            lines: lines_per_page().min(lines),
            fallback,
        })
    }

    /// Lines that the buffers hold, at most what was asked for.
    pub(crate) fn lines(&self) -> u32 {
        self.lines
    }

    /// What to tell the user when these are not the lines that were `asked` for.
    pub(crate) fn note(&self, asked: u32) -> Option<String> {
        let errno = self.fallback?;
        let reason = match errno {
            Errno::ENOMEM => "no two 2 MiB huge pages are free, see vm.nr_hugepages",
            Errno::EFAULT => "the control group does not allow 2 MiB huge pages",
            errno => errno.desc(),
        };
        Some(format!(
            "the run is cut from {asked} to {} lines, which fit one page: {reason} ({errno:?}), and the driver \
             maps only physically contiguous memory",
            self.lines
        ))
    }

    /// Makes the buffers reachable for the card behind `port`.
    pub(crate) fn map<'a>(&'a self, port: &'a Port) -> Result<Mappings<'a>, Error> {
        Ok(Mappings {
            status: port.dma_map(&self.status)?,
            source: port.dma_map(&self.source)?,
            destination: port.dma_map(&self.destination)?,
        })
    }
}

impl Mappings<'_> {
    pub(crate) fn memory(&self) -> Memory<'_> {
        Memory {
            status: Area { buffer: self.status.buffer(), iova: self.status.iova() },
            source: Area { buffer: self.source.buffer(), iova: self.source.iova() },
            destination: Area { buffer: self.destination.buffer(), iova: self.destination.iova() },
        }
    }
}

/// Huge pages only where one page is too small: they are scarce, and a pod has to ask for them.
fn data_buffer(bytes: usize) -> Result<DmaBuffer, Error> {
    let pages = if bytes > page_size() { Pages::PreferHuge } else { Pages::Base };
    DmaBuffer::allocate(bytes, pages)
}

fn lines_per_page() -> u32 {
    u32::try_from(page_size() / LINE).unwrap_or(MAX_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_no_huge_page_and_no_note() {
        let buffers = Buffers::allocate(lines_per_page()).unwrap();
        assert_eq!(buffers.lines(), lines_per_page());
        assert_eq!(buffers.note(lines_per_page()), None);
    }

    /// Holds with huge pages and without: either all lines fit, or the note says how many do.
    #[test]
    fn more_than_a_page_is_whole_or_cut_with_a_note() {
        let asked = lines_per_page() + 1;
        let buffers = Buffers::allocate(asked).unwrap();
        match buffers.note(asked) {
            None => {
                assert_eq!(buffers.lines(), asked);
                assert!(buffers.source.contiguous() >= asked as usize * LINE);
            }
            Some(note) => {
                assert_eq!(buffers.lines(), lines_per_page());
                assert!(
                    note.starts_with(&format!(
                        "the run is cut from {asked} to {} lines",
                        lines_per_page()
                    )),
                    "{note}"
                );
                assert_eq!(buffers.destination.len(), page_size());
            }
        }
    }
}
