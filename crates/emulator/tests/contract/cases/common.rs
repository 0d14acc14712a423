//! What both kinds of node answer (`afu_ioctl`, `fme_ioctl`).

use std::os::fd::AsRawFd;

use nix::errno::Errno::{EBADF, EINVAL, ENOTTY};

use crate::bench::Bench;
use crate::raw::{self, WILD};
use crate::table::{Case, Got, case, fails, is};

const PLAIN: &str = "a node is a plain file, and only requests of the drivers are looked at";

/// The same on both nodes.
fn both(b: &mut Bench, call: fn(&mut Bench, &'static str) -> Got) -> Got {
    let (fme, port) = (call(b, "fme"), call(b, "port0"));
    assert_eq!(fme, port, "the nodes differ");
    fme
}

/// GET_API_VERSION on a descriptor that was opened so.
fn opened_with(b: &mut Bench, flags: i32) -> Got {
    let fd = b.open("port0", flags)?;
    raw::ioctl(fd.as_raw_fd(), 0xb600, 0).map(|v| v.to_string())
}

pub(super) const ALL: &[Case] = &[
    case("GET_API_VERSION", |b| both(b, |b, n| b.call(n, 0xb600, 0)), is("0")),
    case(
        "GET_API_VERSION, argument not looked at",
        |b| both(b, |b, n| b.call(n, 0xb600, WILD)),
        is("0"),
    ),
    case("CHECK_EXTENSION", |b| both(b, |b, n| b.call(n, 0xb601, 0)), is("0")),
    case("CHECK_EXTENSION, any number", |b| both(b, |b, n| b.call(n, 0xb601, u64::MAX)), is("0")),
    case("unknown request b602", |b| both(b, |b, n| b.call(n, 0xb602, 0)), fails(EINVAL)),
    case("unknown request b6ff", |b| both(b, |b, n| b.call(n, 0xb6ff, 0)), fails(EINVAL)),
    case(
        "request of the out-of-tree driver",
        |b| both(b, |b, n| b.call(n, 0xb500, 0)),
        fails(EINVAL),
    ),
    case("request of a port on the management node", |b| b.call("fme", 0xb640, 0), fails(EINVAL)),
    case(
        "interrupt count of a port on the management node",
        |b| b.with("fme", 0x8004_b647, &[0]),
        fails(EINVAL),
    ),
    case("request of the management node on a port", |b| b.call("port0", 0xb680, 0), fails(EINVAL)),
    case("release on a port", |b| b.with("port0", 0x4004_b681, &[1]), fails(EINVAL)),
    case(
        "interrupt count without size in the request",
        |b| b.with("port0", 0xb645, &[0]),
        fails(EINVAL),
    ),
    case(
        "interrupt count with another size",
        |b| b.with("port0", 0x8008_b645, &[0, 0]),
        fails(EINVAL),
    ),
    case("request of a terminal", |b| both(b, |b, n| b.with(n, 0x5401, &[0; 16])), fails(EINVAL))
        .but_files(fails(ENOTTY), PLAIN),
    case("FIONREAD", |b| b.with("fme", 0x541b, &[9]).map(|_| "answered".into()), fails(EINVAL))
        .but_files(is("answered"), PLAIN),
    case("opened for reading only", |b| opened_with(b, libc::O_RDONLY), is("0")),
    case("opened for writing only", |b| opened_with(b, libc::O_WRONLY), is("0")),
    case("opened as a path only", |b| opened_with(b, libc::O_PATH), fails(EBADF)),
    case(
        "a duplicate of a descriptor",
        |b| {
            let copy = b.open("port0", libc::O_RDWR)?.try_clone().expect("a copy");
            raw::ioctl(copy.as_raw_fd(), 0xb600, 0).map(|v| v.to_string())
        },
        is("0"),
    ),
    case("no descriptor", |_| raw::ioctl(999, 0xb600, 0).map(|v| v.to_string()), fails(EBADF)),
    case(
        "another file",
        |_| raw::ioctl(raw::memory_file(1).as_raw_fd(), 0xb600, 0).map(|v| v.to_string()),
        fails(ENOTTY),
    ),
];
