//! PORT_DMA_MAP and PORT_DMA_UNMAP (`dfl-afu-dma-region.c`).

use std::os::fd::AsRawFd;

use nix::errno::Errno::{EEXIST, EFAULT, EINVAL, ENOMEM};

use crate::bench::{Bench, MAP, UNMAP, split};
use crate::raw::{self, HUGE, PAGE, Pages, WILD};
use crate::table::{Case, Got, Need, case, fails, is};

const P: u64 = PAGE as u64;
/// Pages that the driver cannot keep a list of: their pointers are more than the kernel allocates at once (4 MiB).
const TOO_MANY: u64 = (512 << 10) + 1;

/// Without an IOMMU, as in the guest, memory has the same I/O virtual address each time, and the driver's list has none
/// twice.
const IOMMU: &str = "the emulated machine has an IOMMU: each mapping has addresses of its own";

const HUGE_PAGES: Need =
    Need { is_met: |_| Pages::huge().is_some(), what: "this machine has no huge page to give" };

/// A page that is mapped: its address and its I/O virtual address.
fn mapped(b: &mut Bench) -> (u64, u64) {
    let page = b.page();
    (page, b.map_with(0, page, P).expect("mapped"))
}

/// Maps a huge page: its I/O virtual address.
fn huge(b: &mut Bench) -> u64 {
    let address = b.keep(Pages::huge().expect("a huge page"));
    b.map_with(0, address, HUGE as u64).expect("mapped")
}

fn map_struct_read_only(b: &mut Bench) -> Got {
    let memory = b.page();
    let [low, high] = split(memory);
    let page = Pages::writable(1);
    let address = page.put(0, &[32, 0, low, high, 4096, 0, 0, 0]);
    page.protect();
    b.call("port0", MAP, address)
}

/// Another descriptor of the port unmaps.
fn unmap_by_another(b: &mut Bench, iova: u64) -> Got {
    let other = b.open("port0", libc::O_RDWR)?;
    let ([low, high], mut words) = (split(iova), [16, 0, 0, 0]);
    words[2..].copy_from_slice(&[low, high]);
    raw::ioctl(other.as_raw_fd(), UNMAP, words.as_ptr() as u64).map(|_| "done".to_owned())
}

pub(super) const ALL: &[Case] = &[
    case(
        "DMA_MAP",
        |b| {
            let page = b.page();
            b.map(0, page, P)
        },
        is("mapped"),
    ),
    case(
        "DMA_MAP, flag 1",
        |b| {
            let page = b.page();
            b.map(1, page, P)
        },
        fails(EINVAL),
    ),
    case(
        "DMA_MAP, last flag",
        |b| {
            let page = b.page();
            b.map(1 << 31, page, P)
        },
        fails(EINVAL),
    ),
    case("DMA_MAP, argsz", |b| b.with("port0", MAP, &[31, 0, 0, 0, 0, 0, 0, 0]), fails(EINVAL)),
    case("DMA_MAP, no structure", |b| b.call("port0", MAP, WILD), fails(EFAULT)),
    case(
        "DMA_MAP, address not of a page",
        |b| {
            let page = b.page();
            b.map(0, page + 8, P)
        },
        fails(EINVAL),
    ),
    case(
        "DMA_MAP, length not of pages",
        |b| {
            let page = b.page();
            b.map(0, page, 4000)
        },
        fails(EINVAL),
    ),
    case(
        "DMA_MAP, nothing",
        |b| {
            let page = b.page();
            b.map(0, page, 0)
        },
        fails(EINVAL),
    ),
    case("DMA_MAP, beyond all addresses", |b| b.map(0, u64::MAX - 4095, 2 * P), fails(EINVAL)),
    case(
        "DMA_MAP, more pages than an int",
        |b| {
            let page = b.page();
            b.map(0, page, P << 31)
        },
        fails(EINVAL),
    ),
    case(
        "DMA_MAP, more pages than the driver can list",
        |b| {
            let page = b.page();
            b.map(0, page, P * TOO_MANY)
        },
        fails(ENOMEM),
    )
    .alone(),
    case("DMA_MAP, memory that is not there", |b| b.map(0, P, P), fails(EFAULT)),
    case("DMA_MAP, null", |b| b.map(0, 0, P), fails(EFAULT)),
    case("DMA_MAP, an address of the kernel", |b| b.map(0, 1 << 63, P), fails(EFAULT)),
    case("DMA_MAP, the last page of all", |b| b.map(0, u64::MAX - 8191, P), fails(EFAULT)),
    case(
        "DMA_MAP, half of it not there",
        |b| {
            let page = b.keep(Pages::before_a_hole());
            b.map(0, page, 2 * P)
        },
        fails(EFAULT),
    ),
    case(
        "DMA_MAP, read-only memory",
        |b| {
            let page = b.keep(Pages::anonymous(1, libc::PROT_READ));
            b.map(0, page, P)
        },
        fails(EFAULT),
    ),
    case(
        "DMA_MAP, memory without access",
        |b| {
            let page = b.keep(Pages::anonymous(1, libc::PROT_NONE));
            b.map(0, page, P)
        },
        fails(EFAULT),
    ),
    case(
        "DMA_MAP, memory that was never touched",
        |b| {
            let page = b.keep(Pages::anonymous(1, libc::PROT_READ | libc::PROT_WRITE));
            b.map(0, page, P)
        },
        is("mapped"),
    ),
    case(
        "DMA_MAP, memory that is not contiguous",
        |b| {
            let pages = b.keep(Pages::the_same_twice());
            b.map(0, pages, 2 * P)
        },
        fails(EINVAL),
    ),
    case(
        "DMA_MAP, a huge page",
        |b| {
            let pages = b.keep(Pages::huge().expect("a huge page"));
            b.map(0, pages, HUGE as u64)
        },
        is("mapped"),
    )
    .needs(HUGE_PAGES),
    case(
        "DMA_MAP, the same page twice",
        |b| {
            let (page, _) = mapped(b);
            b.map(0, page, P)
        },
        fails(EEXIST),
    )
    .but_files(is("mapped"), IOMMU),
    case(
        "DMA_MAP, a page of what is mapped",
        |b| {
            huge(b);
            let address = b.memory[0].address();
            b.map(0, address + P, P)
        },
        fails(EEXIST),
    )
    .but_files(is("mapped"), IOMMU)
    .needs(HUGE_PAGES),
    case(
        "DMA_MAP, more than what is mapped",
        |b| {
            let address = b.keep(Pages::huge().expect("a huge page"));
            b.map_with(0, address, P)?;
            b.map(0, address, 2 * P)
        },
        fails(EEXIST),
    )
    .but_files(is("mapped"), IOMMU)
    .needs(HUGE_PAGES),
    case("DMA_MAP, read-only structure", map_struct_read_only, fails(EFAULT)),
    case(
        "DMA_MAP, read-only structure: nothing stays mapped",
        |b| {
            let _refused = map_struct_read_only(b);
            let page = b.memory[0].address();
            b.map(0, page, P)
        },
        is("mapped"),
    ),
    case(
        "DMA_MAP, more than the process may lock",
        |b| {
            let (one, two, three) = (b.page(), b.page(), b.page());
            b.fd("port0");
            raw::limit_locked_memory(2 * P);
            b.map_with(0, one, P)?;
            b.map_with(0, two, P)?;
            assert_eq!(b.map(0, three, P), Err(ENOMEM));
            b.unmap(b.iovas[0])?;
            b.map(0, three, P)
        },
        is("mapped"),
    )
    .alone(),
    case(
        "DMA_UNMAP",
        |b| {
            let (_, iova) = mapped(b);
            b.unmap(iova)
        },
        is("done"),
    ),
    case(
        "DMA_UNMAP, twice",
        |b| {
            let (_, iova) = mapped(b);
            b.unmap(iova)?;
            b.unmap(iova)
        },
        fails(EINVAL),
    ),
    case(
        "DMA_UNMAP, nothing there",
        |b| {
            let (_, iova) = mapped(b);
            b.unmap(iova + P)
        },
        fails(EINVAL),
    ),
    case("DMA_UNMAP, address 0", |b| b.unmap(0), fails(EINVAL)),
    case(
        "DMA_UNMAP, not the start",
        |b| {
            let iova = huge(b);
            b.unmap(iova + P)
        },
        fails(EINVAL),
    )
    .needs(HUGE_PAGES),
    case(
        "DMA_UNMAP, flags",
        |b| {
            let (_, iova) = mapped(b);
            let [l, h] = split(iova);
            b.done("port0", UNMAP, &[16, 1, l, h])
        },
        fails(EINVAL),
    ),
    case("DMA_UNMAP, argsz", |b| b.done("port0", UNMAP, &[15, 0, 0, 0]), fails(EINVAL)),
    case("DMA_UNMAP, no structure", |b| b.call("port0", UNMAP, WILD), fails(EFAULT)),
    case(
        "DMA_UNMAP, by another descriptor",
        |b| {
            let (_, iova) = mapped(b);
            unmap_by_another(b, iova)
        },
        is("done"),
    ),
    case(
        "DMA_UNMAP, after the memory went from the process",
        |b| {
            let (_, iova) = mapped(b);
            b.memory.clear();
            b.unmap(iova)
        },
        is("done"),
    ),
    case(
        "DMA, one of two descriptors is closed",
        |b| {
            let other = b.open("port0", libc::O_RDWR)?;
            let (_, iova) = mapped(b);
            drop(other);
            b.unmap(iova)
        },
        is("done"),
    ),
    case(
        "DMA, the last descriptor is closed",
        |b| {
            let (_, iova) = mapped(b);
            b.close("port0");
            b.unmap(iova)
        },
        fails(EINVAL),
    ),
    case(
        "DMA, after a reset",
        |b| {
            let (_, iova) = mapped(b);
            b.call("port0", 0xb640, 0)?;
            b.unmap(iova)
        },
        is("done"),
    ),
];
