//! Nodes as files: reading, writing, mapping.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::errno::Errno::{EACCES, EINVAL, ENODEV, ESPIPE};

use crate::bench::{Bench, errno};
use crate::raw::{self, PAGE, Pages};
use crate::table::{Case, Got, case, fails, is};

const PLAIN: &str = "a node is a plain file";
const MAPPED: &str = "a node is a plain file, and who maps it is not looked at";
const REGION: usize = 0x4_0000;
const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;

fn map(b: &mut Bench, node: &'static str, bytes: usize, flags: i32, offset: i64) -> Got {
    Pages::map(bytes, BOTH, flags, b.fd(node), offset).map(|_| "mapped".to_owned())
}

fn protected(b: &mut Bench, open: i32, protection: i32) -> Got {
    let fd = b.open("port0", open)?;
    Pages::map(PAGE, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0).map(|_| "mapped".to_owned())
}

fn kind(b: &Bench, node: &str) -> Got {
    let kind = std::fs::metadata(b.world.node(node)).map_err(errno)?.file_type();
    Ok(if kind.is_char_device() {
        "character device"
    } else if kind.is_file() {
        "file"
    } else {
        "other"
    }
    .into())
}

/// What `dev` says and what the node is.
fn number(b: &Bench) -> Got {
    let node = std::fs::metadata(b.world.node("port0")).map_err(errno)?.rdev();
    let number = format!("{}:{}", libc::major(node), libc::minor(node));
    Ok((number == b.read("{port0}/dev")?).to_string())
}

/// The id of the function by its registers and by its attribute.
fn id(b: &mut Bench) -> Got {
    let registers = b.registers("port0");
    let id = format!("{:016x}{:016x}", registers.get(16), registers.get(8));
    Ok((id == b.read("{port0}/afu_id")?).to_string())
}

/// A page of the registers from the middle is the same as in the whole.
fn middle(b: &mut Bench) -> Got {
    let (all, fd) = (b.registers("port0"), b.fd("port0"));
    let part = Pages::map(PAGE, BOTH, libc::MAP_SHARED, fd, 0x2_0000)?;
    part.set(0x10, 4711);
    let seen = all.get(0x2_0010);
    part.set(0x10, 0);
    Ok(seen.to_string())
}

pub(super) const ALL: &[Case] = &[
    case("a node is a character device", |b| kind(b, "port0"), is("character device"))
        .but_files(is("file"), PLAIN),
    case("the management node, too", |b| kind(b, "fme"), is("character device"))
        .but_files(is("file"), PLAIN),
    case("its number is in sysfs", |b| number(b), is("true")).but_files(is("false"), PLAIN),
    case(
        "read",
        |b| {
            File::from(b.open("port0", libc::O_RDWR)?)
                .read(&mut [0; 8])
                .map(|n| n.to_string())
                .map_err(errno)
        },
        fails(EINVAL),
    )
    .but_files(is("8"), PLAIN),
    case(
        "write",
        |b| {
            File::from(b.open("fme", libc::O_RDWR)?)
                .write(&[0; 8])
                .map(|n| n.to_string())
                .map_err(errno)
        },
        fails(EINVAL),
    )
    .but_files(is("8"), PLAIN),
    case("seek", |b| raw::seek(b.fd("port0")).map(|n| n.to_string()), fails(ESPIPE))
        .but_files(is("0"), PLAIN),
    case("map all registers", |b| map(b, "port0", REGION, libc::MAP_SHARED, 0), is("mapped")),
    case("map one page", |b| map(b, "port0", PAGE, libc::MAP_SHARED, 0), is("mapped")),
    case(
        "map the last page",
        |b| map(b, "port0", PAGE, libc::MAP_SHARED, REGION as i64 - 4096),
        is("mapped"),
    ),
    case("map less than a page", |b| map(b, "port0", 8, libc::MAP_SHARED, 0), is("mapped")),
    case("map nothing", |b| map(b, "port0", 0, libc::MAP_SHARED, 0), fails(EINVAL)),
    case("map from within a page", |b| map(b, "port0", PAGE, libc::MAP_SHARED, 8), fails(EINVAL)),
    case(
        "map beyond the registers",
        |b| map(b, "port0", REGION + PAGE, libc::MAP_SHARED, 0),
        fails(EINVAL),
    )
    .but_files(is("mapped"), MAPPED),
    case(
        "map after the registers",
        |b| map(b, "port0", PAGE, libc::MAP_SHARED, REGION as i64),
        fails(EINVAL),
    )
    .but_files(is("mapped"), MAPPED),
    case("map a copy", |b| map(b, "port0", PAGE, libc::MAP_PRIVATE, 0), fails(EINVAL))
        .but_files(is("mapped"), MAPPED),
    case("map the management node", |b| map(b, "fme", PAGE, libc::MAP_SHARED, 0), fails(ENODEV))
        .but_files(is("mapped"), MAPPED),
    case("map for reading", |b| protected(b, libc::O_RDWR, libc::PROT_READ), is("mapped")),
    // The kernel turns a shared mapping of what is only readable into a private one.
    case(
        "map what is open for reading",
        |b| protected(b, libc::O_RDONLY, libc::PROT_READ),
        fails(EINVAL),
    )
    .but_files(is("mapped"), MAPPED),
    case("map without access", |b| protected(b, libc::O_RDWR, libc::PROT_NONE), is("mapped")),
    case(
        "map for writing what is open for reading",
        |b| protected(b, libc::O_RDONLY, BOTH),
        fails(EACCES),
    ),
    case(
        "map what is open for writing",
        |b| protected(b, libc::O_WRONLY, libc::PROT_WRITE),
        fails(EACCES),
    ),
    case("the function's id in its registers", id, is("true")),
    case("a page in the middle of the registers", middle, is("4711")),
];
