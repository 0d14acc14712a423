//! What `/proc/PID/maps` and `smaps` tell about a range of memory.

use nix::errno::Errno;

/// One mapping.
struct Area {
    start: u64,
    end: u64,
    writable: bool,
    /// Bytes of its pages; 4096 where the file does not say.
    page: u64,
}

/// `EFAULT` unless the range is mapped and writable. `EINVAL` when it has to be `contiguous` and does not lie in one
/// huge page: of others, even huge ones, the physical addresses are not known to follow one another.
pub(super) fn check(maps: &str, address: u64, length: u64, contiguous: bool) -> nix::Result<()> {
    let end = address.checked_add(length).ok_or(Errno::EFAULT)?;
    let mut at = address;
    let mut page = u64::MAX;
    for area in areas(maps).into_iter().filter(|a| a.end > address && a.start < end) {
        if area.start > at || !area.writable {
            return Err(Errno::EFAULT);
        }
        at = area.end;
        page = page.min(area.page);
    }
    if at < end {
        return Err(Errno::EFAULT);
    }
    let one_page = address / page == (end - 1) / page;
    if contiguous && !one_page { Err(Errno::EINVAL) } else { Ok(()) }
}

fn areas(maps: &str) -> Vec<Area> {
    let mut areas: Vec<Area> = Vec::new();
    for line in maps.lines() {
        if let Some(kib) = line.strip_prefix("KernelPageSize:") {
            let kib: Option<u64> =
                kib.trim().strip_suffix(" kB").and_then(|n| n.trim().parse().ok());
            if let (Some(area), Some(kib)) = (areas.last_mut(), kib) {
                area.page = kib * 1024;
            }
        } else {
            areas.extend(area(line));
        }
    }
    areas
}

/// A line such as `7f00-7f10 rw-p 00000000 00:00 0`.
fn area(line: &str) -> Option<Area> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let writable = words.next()?.as_bytes().get(1) == Some(&b'w');
    let hex = |s| u64::from_str_radix(s, 16).ok();
    Some(Area { start: hex(start)?, end: hex(end)?, writable, page: 4096 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
10000-12000 rw-p 00000000 00:00 0
KernelPageSize:        4 kB
12000-13000 r--p 00000000 00:00 0
KernelPageSize:        4 kB
200000-600000 rw-s 00000000 00:10 5 /anon_hugepage (deleted)
KernelPageSize:     2048 kB
";

    #[test]
    fn memory_has_to_be_mapped_and_writable() {
        assert_eq!(check(SMAPS, 0x10000, 0x2000, false), Ok(()));
        assert_eq!(check(SMAPS, 0x11000, 0x2000, false), Err(Errno::EFAULT));
        assert_eq!(check(SMAPS, 0x13000, 0x1000, false), Err(Errno::EFAULT));
        assert_eq!(check(SMAPS, 0x5f_f000, 0x2000, false), Err(Errno::EFAULT));
    }

    #[test]
    fn only_one_huge_page_is_contiguous_beyond_a_page() {
        assert_eq!(check(SMAPS, 0x10000, 0x2000, true), Err(Errno::EINVAL));
        assert_eq!(check(SMAPS, 0x20_0000, 0x20_0000, true), Ok(()));
        assert_eq!(check(SMAPS, 0x20_0000, 0x40_0000, true), Err(Errno::EINVAL));
    }
}
