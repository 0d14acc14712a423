//! Who may open a node (`dfl_feature_dev_use_begin`).

use nix::errno::Errno::{EBUSY, EEXIST, ENOTDIR};

use crate::bench::Bench;
use crate::table::{Case, Got, case, fails, is};

const RW: i32 = libc::O_RDWR;
const ALONE: i32 = libc::O_RDWR | libc::O_EXCL;

/// The same on both nodes.
fn both(b: &mut Bench, call: fn(&mut Bench, &'static str) -> Got) -> Got {
    let (fme, port) = (call(b, "fme"), call(b, "port0"));
    assert_eq!(fme, port, "the nodes differ");
    fme
}

/// Opened with the first flags, which lasts; then with the second.
fn then(b: &mut Bench, node: &'static str, first: i32, second: i32) -> Got {
    let _first = b.open(node, first)?;
    b.opens(node, second)
}

fn only_mapped(b: &mut Bench, flags: i32) -> Got {
    let _registers = b.registers("port0");
    b.close("port0");
    b.opens("port0", flags)
}

pub(super) const ALL: &[Case] = &[
    case("open", |b| both(b, |b, n| b.opens(n, RW)), is("open")),
    case("open, alone", |b| both(b, |b, n| b.opens(n, ALONE)), is("open")),
    case(
        "open, alone, one after the other",
        |b| {
            both(b, |b, n| {
                b.opens(n, ALONE)?;
                b.opens(n, ALONE)
            })
        },
        is("open"),
    ),
    case("open twice", |b| both(b, |b, n| then(b, n, RW, RW)), is("open")),
    case("open while somebody is alone", |b| both(b, |b, n| then(b, n, ALONE, RW)), fails(EBUSY)),
    case(
        "open alone while somebody is alone",
        |b| both(b, |b, n| then(b, n, ALONE, ALONE)),
        fails(EBUSY),
    ),
    case("open alone while it is open", |b| both(b, |b, n| then(b, n, RW, ALONE)), fails(EBUSY)),
    case(
        "open for reading while somebody is alone",
        |b| both(b, |b, n| then(b, n, ALONE, libc::O_RDONLY)),
        fails(EBUSY),
    ),
    case(
        "open for writing while somebody is alone",
        |b| both(b, |b, n| then(b, n, ALONE, libc::O_WRONLY)),
        fails(EBUSY),
    ),
    case(
        "open alone while it is open for reading",
        |b| both(b, |b, n| then(b, n, libc::O_RDONLY, ALONE)),
        fails(EBUSY),
    ),
    case(
        "alone for reading only",
        |b| both(b, |b, n| then(b, n, libc::O_RDONLY | libc::O_EXCL, RW)),
        fails(EBUSY),
    ),
    case("a path is not open", |b| both(b, |b, n| then(b, n, libc::O_PATH, ALONE)), is("open")),
    case(
        "open after who was alone",
        |b| {
            both(b, |b, n| {
                b.opens(n, ALONE)?;
                then(b, n, RW, RW)
            })
        },
        is("open"),
    ),
    case(
        "open the other port",
        |b| {
            let _one = b.open("port0", ALONE)?;
            b.opens("port1", ALONE)
        },
        is("open"),
    ),
    case("open alone while it is mapped", |b| only_mapped(b, ALONE), fails(EBUSY)),
    case("open while it is mapped", |b| only_mapped(b, RW), is("open")),
    case("open for appending", |b| both(b, |b, n| b.opens(n, RW | libc::O_APPEND)), is("open")),
    case(
        "open, to be created alone",
        |b| both(b, |b, n| b.opens(n, RW | libc::O_CREAT | libc::O_EXCL)),
        fails(EEXIST),
    ),
    case(
        "open as a directory",
        |b| both(b, |b, n| b.opens(n, libc::O_RDONLY | libc::O_DIRECTORY)),
        fails(ENOTDIR),
    ),
    case(
        "open to be created, while somebody is alone",
        |b| both(b, |b, n| then(b, n, ALONE, RW | libc::O_CREAT)),
        fails(EBUSY),
    )
    .but_files(
        is("open"),
        "opening files that may be created is not looked at: too many programs do nothing else",
    ),
];
