//! FME_PORT_PR (`dfl-fme-pr.c`, `dfl-fme-mgr.c`) and what it leaves behind.

use nix::errno::Errno::{EBUSY, EFAULT, EINVAL, EIO, ENOMEM, ETIMEDOUT};

use crate::bench::{Bench, NLB0, NLB3, PROGRAM, bitstream, split};
use crate::raw::{self, PAGE, Pages, WILD};
use crate::table::{Case, Due, Got, case, fails, is};

const ID: &str = "{port0}/afu_id";
const ID1: &str = "{port1}/afu_id";
const STATE: &str = "{manager}/state";
const STATUS: &str = "{manager}/status";
const TEXT0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const TEXT3: &str = "f7df405cbd7acf7222f144b0b93acd18";

/// The request with these words before the address of a good bitstream of a page.
fn request(b: &mut Bench, words: [u32; 4]) -> Got {
    let data = bitstream(b.interface(), NLB0, PAGE);
    let [low, high] = split(data.as_ptr() as u64);
    let [argsz, flags, port, size] = words;
    b.done("fme", PROGRAM, &[argsz, flags, port, size, low, high])
}

/// A page of good data at this address, or what is there.
fn at(b: &mut Bench, size: u32, address: u64) -> Got {
    let [low, high] = split(address);
    b.done("fme", PROGRAM, &[24, 0, 0, size, low, high])
}

fn three(b: &mut Bench) {
    b.loaded(NLB3);
}

fn with_error(b: &mut Bench, bits: u64) -> Got {
    b.pr_error(bits);
    b.load(NLB0)
}

/// The kernel's copy of the largest size is as large as the memory of some machines.
fn largest() -> Got {
    Err(if raw::machine_memory() < 0xffff_fffc { ENOMEM } else { EFAULT })
}

fn read_only(b: &mut Bench) -> Got {
    let data = bitstream(b.interface(), NLB0, PAGE);
    let page = Pages::writable(1);
    let [low, high] = split(data.as_ptr() as u64);
    let address = page.put(0, &[24, 0, 0, 4096, low, high]);
    page.protect();
    b.call("fme", PROGRAM, address)
}

/// Data of two pages, of which only the first is there.
fn half_there(b: &mut Bench) -> Got {
    let page = b.keep(Pages::before_a_hole());
    at(b, 8192, page)
}

pub(super) const ALL: &[Case] = &[
    case("PORT_PR", |b| b.load(NLB0), is("done"))
        .after(three)
        .then(&[(ID, is(TEXT0)), (STATE, is("operating")), (STATUS, is(""))]),
    case("PORT_PR, back", |b| b.load(NLB3), is("done")).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, larger argsz", |b| request(b, [64, 0, 0, 4096]), is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR, argsz", |b| request(b, [23, 0, 0, 4096]), fails(EINVAL)).after(three).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, flags", |b| request(b, [24, 1, 0, 4096]), fails(EINVAL)).after(three).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, no port 2", |b| request(b, [24, 0, 2, 4096]), fails(EINVAL)).after(three).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, last port number", |b| request(b, [24, 0, u32::MAX, 4096]), fails(EINVAL)),
    case("PORT_PR, no structure", |b| b.call("fme", PROGRAM, WILD), fails(EFAULT)),
    case("PORT_PR, structure of read-only memory", read_only, is("0")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR, nothing", |b| request(b, [24, 0, 0, 0]), fails(ENOMEM)).after(three).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, nothing at a wrong address", |b| at(b, 0, u64::MAX), fails(ENOMEM)),
    case("PORT_PR, a size that becomes 0 when it is rounded up", |b| at(b, u32::MAX, 4096), fails(ENOMEM)),
    case("PORT_PR, the largest size", |b| at(b, 0xffff_fffc, 4096), Due::Depends(largest)),
    case("PORT_PR, data that is not there", |b| at(b, 4096, 4096), fails(EFAULT)).after(three).then(&[(ID, is(TEXT3)), (STATE, is("operating"))]),
    case("PORT_PR, null", |b| at(b, 4096, 0), fails(EFAULT)).after(three).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, half the data not there", half_there, fails(EFAULT)).after(three).then(&[(ID, is(TEXT3))]),
    case("PORT_PR, an address of the kernel", |b| at(b, 4096, 1 << 63), fails(EFAULT)),
    case("PORT_PR, beyond all addresses", |b| at(b, 4096, u64::MAX - 4), fails(EFAULT)),
    case("PORT_PR, no whole words", |b| b.program(b.interface(), NLB0, 4095), is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR, the smallest", |b| b.program(b.interface(), NLB0, 40), is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR, large", |b| b.program(b.interface(), NLB0, 1 << 20), is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR, data from an odd address", |b| {
        let mut data = vec![0];
        data.extend(bitstream(b.interface(), NLB0, PAGE));
        b.program_data(0, &data[1..], 4096)
    }, is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR, one word", |b| b.program(b.interface(), NLB0, 4), fails(EIO))
        .after(three)
        .wears()
        .then(&[(ID, fails(EBUSY)), (STATE, is("write complete error")), (STATUS, is("reconfig CRC error"))]),
    case("PORT_PR, another interface", |b| b.program([1, 2], NLB0, 4096), fails(EIO))
        .after(three)
        .wears()
        .then(&[(ID, fails(EBUSY)), (STATE, is("write complete error")), (STATUS, is("reconfig incompatible image"))]),
    case("PORT_PR, no bitstream", |b| b.program_data(0, &[0; PAGE], 4096), fails(EIO))
        .after(three)
        .wears()
        .then(&[(ID, fails(EBUSY)), (STATUS, is("reconfig CRC error"))]),
    case("PORT_PR, operation error", |b| with_error(b, 1), fails(EIO)).wears().then(&[(STATUS, is("reconfig operation error")), (ID, fails(EBUSY))]),
    case("PORT_PR, CRC error", |b| with_error(b, 2), fails(EIO)).wears().then(&[(STATUS, is("reconfig CRC error"))]),
    case("PORT_PR, incompatible", |b| with_error(b, 4), fails(EIO)).wears().then(&[(STATUS, is("reconfig incompatible image"))]),
    case("PORT_PR, protocol error", |b| with_error(b, 8), fails(EIO)).wears().then(&[(STATUS, is("reconfig IP protocol error"))]),
    case("PORT_PR, overflow", |b| with_error(b, 16), fails(EIO)).wears().then(&[(STATUS, is("reconfig fifo overflow error"))]),
    case("PORT_PR, all errors", |b| with_error(b, 31), fails(EIO)).wears().then(&[(STATUS, is(
        "reconfig operation error\nreconfig CRC error\nreconfig incompatible image\nreconfig IP protocol error\nreconfig fifo overflow error",
    ))]),
    case("PORT_PR, no end", |b| b.load(NLB0), fails(ETIMEDOUT))
        .after(|b| { b.loaded(NLB3); b.pr_stall(); })
        .wears()
        .then(&[(ID, fails(EBUSY)), (STATE, is("write complete error")), (STATUS, is(""))]),
    case("after a failure a good bitstream loads", |b| b.load(NLB0), is("done"))
        .after(Bench::failed)
        .wears()
        .then(&[(STATE, is("operating")), (STATUS, is("")), (ID, fails(EBUSY))]),
    case("after two failures, too", |b| b.load(NLB0), is("done")).after(|b| { b.failed(); b.failed(); }).wears().then(&[(ID, fails(EBUSY))]),
    case("after a failure a refused request changes nothing", |b| request(b, [24, 1, 0, 4096]), fails(EINVAL))
        .after(Bench::failed)
        .wears()
        .then(&[(ID, fails(EBUSY)), (STATUS, is("reconfig incompatible image"))]),
    case("after a failure a reset does not help", |b| b.call("port0", 0xb640, 0), is("0")).after(Bench::failed).wears().then(&[(ID, fails(EBUSY))]),
    case("after a failure opening does not help", |b| { b.opens("port0", libc::O_RDWR)?; b.opens("port0", libc::O_RDWR) }, is("open"))
        .after(Bench::failed)
        .wears()
        .then(&[(ID, fails(EBUSY))]),
    case("after a failure the other attributes are readable", |b| b.read("{port0}/errors/errors"), is("0x0"))
        .after(Bench::failed)
        .wears()
        .then(&[("{port0}/id", is("0")), ("{port0}/power_state", is("0x0")), ("{bridge0}/state", is("enabled"))]),
    case("after a failure the other port is well", |b| b.read(ID1).map(|_| "readable".into()), is("readable")).after(Bench::failed).wears(),
    case("binding anew helps", |b| { b.close("fme"); b.unbind(); b.bind(); b.read(ID) }, is(TEXT3))
        .after(|b| { b.loaded(NLB3); b.failed(); })
        .then(&[(STATE, is("unknown")), (STATUS, is(""))]),
    case("after a failure and a success, binding anew shows the new function", |b| { b.close("fme"); b.unbind(); b.bind(); b.read(ID) }, is(TEXT0))
        .after(|b| { b.loaded(NLB3); b.failed(); b.loaded(NLB0); }),
    case("PORT_PR of an open port", |b| { b.fd("port0"); b.load(NLB0) }, is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR of a port that somebody has alone", |b| {
        let _alone = b.open("port0", libc::O_RDWR | libc::O_EXCL)?;
        b.load(NLB0)
    }, is("done")).after(three).then(&[(ID, is(TEXT0))]),
    case("PORT_PR shows in mapped registers", |b| {
        let registers = b.registers("port0");
        b.load(NLB0)?;
        Ok(format!("{:016x}{:016x}", registers.get(16), registers.get(8)))
    }, is(TEXT0)).after(three),
    case("PORT_PR leaves memory mapped", |b| {
        let page = b.page();
        let iova = b.map_with(0, page, 4096)?;
        b.load(NLB0)?;
        b.unmap(iova)
    }, is("done")),
    case("PORT_PR of the second port", |b| {
        let data = bitstream(b.interface(), NLB0, PAGE);
        b.program_data(1, &data, 4096)
    }, is("done")).after(three).then(&[(ID, is(TEXT3)), (ID1, is(TEXT0))]),
    case("PORT_PR fails on the second port", |b| {
        let data = bitstream([1, 2], NLB0, PAGE);
        b.program_data(1, &data, 4096)
    }, fails(EIO)).after(three).wears().then(&[(ID, is(TEXT3)), (ID1, fails(EBUSY))]),
];
