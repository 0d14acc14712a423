//! PORT_RESET, and what closing a port does (`afu_release`).

use nix::errno::Errno::EINVAL;

use crate::bench::{Bench, NLB3, RESET};
use crate::raw::Pages;
use crate::table::{Case, Got, case, fails, is};

/// A register that keeps what is written, until a reset.
const REGISTER: usize = 0x120;

fn marked(b: &mut Bench) {
    b.loaded(NLB3);
    let registers = b.registers("port0");
    registers.set(REGISTER, 77);
}

fn register(b: &mut Bench) -> Got {
    Ok(b.registers("port0").get(REGISTER).to_string())
}

/// The registers stay mapped when the descriptor is closed.
fn only_mapped(b: &mut Bench) -> Pages {
    let registers = b.registers("port0");
    b.close("port0");
    registers
}

pub(super) const ALL: &[Case] = &[
    case("PORT_RESET", |b| b.call("port0", RESET, 0), is("0")),
    case("PORT_RESET, any argument", |b| b.call("port0", RESET, 1), fails(EINVAL)),
    case(
        "PORT_RESET resets the function",
        |b| {
            b.call("port0", RESET, 0)?;
            register(b)
        },
        is("0"),
    )
    .after(marked),
    case(
        "PORT_RESET, refused, resets nothing",
        |b| {
            let _ = b.call("port0", RESET, 1);
            register(b)
        },
        is("77"),
    )
    .after(marked),
    case(
        "PORT_RESET leaves the other port alone",
        |b| {
            b.call("port1", RESET, 0)?;
            register(b)
        },
        is("77"),
    )
    .after(marked),
    case("PORT_RESET leaves errors", |b| b.call("port0", RESET, 0), is("0"))
        .after(|b| b.port_error(4))
        .then(&[("{port0}/errors/errors", is("0x4"))]),
    case(
        "closing the last descriptor resets",
        |b| {
            b.close("port0");
            register(b)
        },
        is("0"),
    )
    .after(marked),
    case(
        "closing one of two descriptors does not",
        |b| {
            let other = b.open("port0", libc::O_RDWR)?;
            drop(other);
            register(b)
        },
        is("77"),
    )
    .after(marked),
    case(
        "a mapping keeps the port open",
        |b| {
            let registers = only_mapped(b);
            drop(b.open("port0", libc::O_RDWR)?);
            Ok(registers.get(REGISTER).to_string())
        },
        is("77"),
    )
    .after(marked),
    case(
        "the end of the last mapping resets",
        |b| {
            drop(only_mapped(b));
            register(b)
        },
        is("0"),
    )
    .after(marked),
    case(
        "opening does not reset",
        |b| {
            let _other = b.open("port0", libc::O_RDWR)?;
            register(b)
        },
        is("77"),
    )
    .after(marked),
];
