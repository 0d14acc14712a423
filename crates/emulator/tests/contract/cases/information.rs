//! PORT_GET_INFO and PORT_GET_REGION_INFO.

use nix::errno::Errno::{EFAULT, EINVAL};

use crate::bench::{Bench, PORT_INFO, REGION_INFO};
use crate::raw::{PAGE, Pages, WILD};
use crate::table::{Case, Got, case, fails, is};

/// A structure that can be read but not written.
fn read_only(b: &mut Bench, request: u32, words: &[u32]) -> Got {
    let page = Pages::writable(1);
    let address = page.put(0, words);
    page.protect();
    b.call("port0", request, address)
}

/// A structure whose last eight bytes are not there.
fn cut(b: &mut Bench, request: u32, words: &[u32]) -> Got {
    let page = Pages::before_a_hole();
    let address = page.put(PAGE - 4 * (words.len() - 2), &words[..words.len() - 2]);
    b.call("port0", request, address)
}

pub(super) const ALL: &[Case] = &[
    case("PORT_GET_INFO", |b| b.with("port0", PORT_INFO, &[16, 9, 9, 9]), is("10 0 1 0")),
    case(
        "PORT_GET_INFO, larger argsz",
        |b| b.with("port0", PORT_INFO, &[u32::MAX, 0, 0, 0]),
        is("ffffffff 0 1 0"),
    ),
    case(
        "PORT_GET_INFO, argsz one less",
        |b| b.with("port0", PORT_INFO, &[15, 0, 0, 0]),
        fails(EINVAL),
    ),
    case("PORT_GET_INFO, argsz 0", |b| b.with("port0", PORT_INFO, &[0, 0, 0, 0]), fails(EINVAL)),
    case("PORT_GET_INFO, no memory", |b| b.call("port0", PORT_INFO, WILD), fails(EFAULT)),
    case("PORT_GET_INFO, null", |b| b.call("port0", PORT_INFO, 0), fails(EFAULT)),
    case("PORT_GET_INFO, half a structure", |b| cut(b, PORT_INFO, &[16, 0, 0, 0]), fails(EFAULT)),
    case(
        "PORT_GET_INFO, read-only memory",
        |b| read_only(b, PORT_INFO, &[16, 0, 0, 0]),
        fails(EFAULT),
    ),
    case(
        "PORT_GET_INFO, read-only memory and argsz",
        |b| read_only(b, PORT_INFO, &[15, 0, 0, 0]),
        fails(EINVAL),
    ),
    case(
        "PORT_GET_REGION_INFO",
        |b| b.with("port0", REGION_INFO, &[32, 0, 0, 0, 9, 9, 9, 9]),
        is("20 7 0 0 40000 0 0 0"),
    ),
    case(
        "PORT_GET_REGION_INFO, flags not looked at",
        |b| b.with("port0", REGION_INFO, &[40, 0xff, 0, 0, 0, 0, 0, 0]),
        is("28 7 0 0 40000 0 0 0"),
    ),
    case(
        "PORT_GET_REGION_INFO, argsz",
        |b| b.with("port0", REGION_INFO, &[31, 0, 0, 0, 0, 0, 0, 0]),
        fails(EINVAL),
    ),
    case(
        "PORT_GET_REGION_INFO, no signal tap",
        |b| b.with("port0", REGION_INFO, &[32, 0, 1, 0, 0, 0, 0, 0]),
        fails(EINVAL),
    ),
    case(
        "PORT_GET_REGION_INFO, no region 2",
        |b| b.with("port0", REGION_INFO, &[32, 0, 2, 0, 0, 0, 0, 0]),
        fails(EINVAL),
    ),
    case(
        "PORT_GET_REGION_INFO, last index",
        |b| b.with("port0", REGION_INFO, &[32, 0, u32::MAX, 0, 0, 0, 0, 0]),
        fails(EINVAL),
    ),
    case(
        "PORT_GET_REGION_INFO, padding",
        |b| b.with("port0", REGION_INFO, &[32, 0, 0, 1, 0, 0, 0, 0]),
        fails(EINVAL),
    ),
    case("PORT_GET_REGION_INFO, no memory", |b| b.call("port0", REGION_INFO, WILD), fails(EFAULT)),
    case(
        "PORT_GET_REGION_INFO, half a structure",
        |b| cut(b, REGION_INFO, &[32, 0, 0, 0, 0, 0, 0, 0]),
        fails(EFAULT),
    ),
    case(
        "PORT_GET_REGION_INFO, read-only memory",
        |b| read_only(b, REGION_INFO, &[32, 0, 0, 0, 0, 0, 0, 0]),
        fails(EFAULT),
    ),
];
