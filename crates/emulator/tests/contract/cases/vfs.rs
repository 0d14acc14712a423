//! Virtual functions (`sriov_numvfs_store`, `cci_pci_sriov_configure`).

use nix::errno::Errno::{EBUSY, EINVAL, ENOENT, ERANGE};
use std::os::fd::AsRawFd;

use crate::bench::{ASSIGN, Bench, RELEASE};
use crate::raw;
use crate::table::{Case, Got, case, fails, is};

const NUMBER: &str = "{pci}/sriov_numvfs";

fn released(b: &mut Bench) {
    assert_eq!(b.done("fme", RELEASE, &[1]), Ok("done".into()));
}

fn enabled(b: &mut Bench) {
    released(b);
    b.stored(NUMBER, "1");
}

/// ioctl(2) on the port of the first virtual function, whose node may take its number from the port that was released.
fn on_vf(b: &Bench, request: u32, words: &[u32]) -> Got {
    let mut words = words.to_vec();
    let base = "{pci}/virtfn0/fpga_region";
    let region =
        b.world.names_in(&b.world.fill(base), "region").into_iter().next().expect("a region");
    let port = b.world.names_in(&b.world.fill(&format!("{base}/{region}")), "dfl-port.");
    let node = b.world.root.join("dev").join(port.first().expect("a port"));
    let fd = raw::open(&node, libc::O_RDWR)?;
    raw::ioctl(fd.as_raw_fd(), request, words.as_mut_ptr() as u64)?;
    Ok(words.iter().map(|w| format!("{w:x}")).collect::<Vec<_>>().join(" "))
}

pub(super) const ALL: &[Case] = &[
    case("sriov_numvfs 0 of 0", |b| b.store(NUMBER, "0"), is("written")).writes(),
    case("sriov_numvfs without a released port", |b| b.store(NUMBER, "1"), fails(EINVAL))
        .writes()
        .then(&[(NUMBER, is("0"))]),
    case("sriov_numvfs, more than the card has", |b| b.store(NUMBER, "3"), fails(ERANGE))
        .writes()
        .then(&[(NUMBER, is("0"))]),
    case("sriov_numvfs, more than 16 bits", |b| b.store(NUMBER, "65536"), fails(EINVAL)).writes(),
    case("sriov_numvfs, no number", |b| b.store(NUMBER, "many"), fails(EINVAL)).writes(),
    case("sriov_numvfs, negative", |b| b.store(NUMBER, "-1"), fails(EINVAL)).writes(),
    case("sriov_numvfs, more than are released", |b| b.store(NUMBER, "2"), fails(EINVAL))
        .after(released)
        .wears()
        .writes()
        .then(&[(NUMBER, is("0"))]),
    case("sriov_numvfs 1", |b| b.store(NUMBER, "1"), is("written"))
        .after(released)
        .wears()
        .writes()
        .then(&[(NUMBER, is("1"))]),
    case("sriov_numvfs, the same again", |b| b.store(NUMBER, "1"), is("written"))
        .after(enabled)
        .wears()
        .writes(),
    case("sriov_numvfs, another number", |b| b.store(NUMBER, "2"), fails(EBUSY))
        .after(enabled)
        .wears()
        .writes()
        .then(&[(NUMBER, is("1"))]),
    case("sriov_numvfs back to 0", |b| b.store(NUMBER, "0"), is("written"))
        .after(enabled)
        .wears()
        .writes()
        .then(&[(NUMBER, is("0")), ("{pci}/virtfn0/vendor", fails(ENOENT))]),
    case("a virtual function", |b| b.read("{pci}/virtfn0/vendor"), is("0x8086"))
        .after(enabled)
        .wears()
        .then(&[("{pci}/virtfn0/device", is("0x09c5"))]),
    case("the port of a virtual function", |b| on_vf(b, 0xb641, &[16, 0, 0, 0]), is("10 0 1 0"))
        .after(enabled)
        .wears(),
    case("it has no user interrupts", |b| on_vf(b, 0x8004_b647, &[9]), is("0"))
        .after(enabled)
        .wears(),
    case("it has no error interrupt", |b| on_vf(b, 0x8004_b645, &[9]), is("0"))
        .after(enabled)
        .wears(),
    case("interrupts cannot be set on it", |b| on_vf(b, 0x4008_b648, &[0, 1, 0]), fails(ENOENT))
        .after(enabled)
        .wears(),
    case("ASSIGN while it is enabled", |b| b.done("fme", ASSIGN, &[1]), is("done"))
        .after(enabled)
        .wears(),
    case("ASSIGN after it was", |b| b.done("fme", ASSIGN, &[1]), is("done"))
        .after(|b| {
            enabled(b);
            b.stored(NUMBER, "0");
        })
        .wears(),
    case("sriov_numvfs without a driver", |b| b.store(NUMBER, "1"), fails(ENOENT))
        .after(Bench::unbind)
        .wears()
        .writes(),
    case("sriov_numvfs 0 without a driver", |b| b.store(NUMBER, "0"), is("written"))
        .after(Bench::unbind)
        .wears()
        .writes(),
];
