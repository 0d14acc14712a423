//! Binding, removing and finding the card (`drivers/base/bus.c`, `drivers/pci/pci-sysfs.c`).

use nix::errno::Errno::{EBUSY, EINVAL, ENODEV, ENOENT};

use crate::bench::{Bench, PROGRAM, RELEASE};
use crate::table::{Case, Got, Need, case, fails, is};
use crate::world::Face;

const BIND: &str = "sys/bus/pci/drivers/dfl-pci/bind";
const UNBIND: &str = "sys/bus/pci/drivers/dfl-pci/unbind";
const RESCAN: &str = "sys/bus/pci/rescan";
const REMOVE: &str = "{pci}/remove";

/// Nodes that are there.
fn nodes(b: &mut Bench) -> Got {
    let there = ["fme", "port0", "port1"].into_iter().filter(|n| b.world.node(n).exists());
    Ok(there.collect::<Vec<_>>().join(" "))
}

fn card(b: &Bench) -> String {
    b.world.fill("{address}")
}

/// The real driver reaches for what is freed when the port is closed.
const NO_CRASH: Need = Need {
    is_met: |world| world.face == Face::Emulator,
    what: "Linux crashes when the port is closed",
};

/// The same for a management node, where memory that was freed still has what it had in 6.1.
const NO_CRASH_OF_FME: Need = Need {
    is_met: |world| world.linux() <= (6, 1),
    what: "Linux 6.12 may crash when the node is closed",
};

fn port_open_and_unbound(b: &mut Bench) {
    b.fd("port0");
    b.unbind();
}

fn open_and_unbound(b: &mut Bench) {
    b.fd("fme");
    b.unbind();
}

pub(super) const ALL: &[Case] = &[
    case(
        "bind a bound card",
        |b| {
            let card = card(b);
            b.store(BIND, &card)
        },
        fails(EBUSY),
    )
    .writes()
    .then(&[("{port0}/id", is("0"))]),
    case("bind no address", |b| b.store(BIND, "card"), fails(ENODEV)).writes(),
    case("bind another address", |b| b.store(BIND, "00ff:ff:1f.7"), fails(ENODEV)).writes(),
    case("unbind no address", |b| b.store(UNBIND, "card"), fails(ENODEV))
        .writes()
        .then(&[("{port0}/id", is("0"))]),
    case(
        "unbind a short address",
        |b| {
            let card = card(b);
            b.store(UNBIND, &card[5..])
        },
        fails(ENODEV),
    )
    .writes()
    .then(&[("{port0}/id", is("0"))]),
    case(
        "unbind",
        |b| {
            let card = card(b);
            b.store(UNBIND, &card)
        },
        is("written"),
    )
    .writes()
    .wears()
    .then(&[
        ("{port0}/id", fails(ENOENT)),
        ("{fme}/ports_num", fails(ENOENT)),
        ("{region0}/compat_id", fails(ENOENT)),
        ("{pci}/vendor", is("0x8086")),
    ]),
    case(
        "unbind, with a newline",
        |b| {
            let card = card(b);
            b.store(UNBIND, &format!("{card}\n"))
        },
        is("written"),
    )
    .writes()
    .wears()
    .then(&[("{port0}/id", fails(ENOENT))]),
    case(
        "unbind, two lines",
        |b| {
            let card = card(b);
            b.store(UNBIND, &format!("{card}\n\n"))
        },
        fails(ENODEV),
    )
    .writes()
    .then(&[("{port0}/id", is("0"))]),
    case(
        "unbind twice",
        |b| {
            let card = card(b);
            b.store(UNBIND, &card)
        },
        fails(ENODEV),
    )
    .after(Bench::unbind)
    .writes()
    .wears(),
    case("unbind takes the nodes", nodes, is("")).after(Bench::unbind).wears(),
    case(
        "bind",
        |b| {
            let card = card(b);
            let got = b.store(BIND, &card);
            b.settle();
            b.await_nodes();
            got
        },
        is("written"),
    )
    .after(Bench::unbind)
    .writes()
    .wears()
    .then(&[("{port0}/id", is("0")), ("{fme}/ports_num", is("2"))]),
    case(
        "bind brings the nodes back",
        |b| {
            b.bind();
            nodes(b)
        },
        is("fme port0 port1"),
    )
    .after(Bench::unbind)
    .wears(),
    case("an open management node without a driver", |b| b.call("fme", 0xb600, 0), is("0"))
        .after(open_and_unbound)
        .needs(NO_CRASH_OF_FME)
        .wears(),
    case(
        "an open management node without a driver: extensions",
        |b| b.call("fme", 0xb601, 0),
        is("0"),
    )
    .after(open_and_unbound)
    .needs(NO_CRASH_OF_FME)
    .wears(),
    case(
        "an open management node without a driver: PORT_PR",
        |b| b.call("fme", PROGRAM, 8),
        fails(EINVAL),
    )
    .after(open_and_unbound)
    .needs(NO_CRASH_OF_FME)
    .wears(),
    case(
        "an open management node without a driver: RELEASE",
        |b| b.done("fme", RELEASE, &[1]),
        fails(EINVAL),
    )
    .after(open_and_unbound)
    .needs(NO_CRASH_OF_FME)
    .wears(),
    case(
        "an open management node without a driver: interrupts",
        |b| b.with("fme", 0x8004_b683, &[9]),
        fails(EINVAL),
    )
    .after(open_and_unbound)
    .needs(NO_CRASH_OF_FME)
    .wears(),
    case(
        "an open management node after binding anew",
        |b| {
            b.bind();
            b.done("fme", RELEASE, &[1])
        },
        fails(EINVAL),
    )
    .after(open_and_unbound)
    .needs(NO_CRASH_OF_FME)
    .wears(),
    case("an open port without a driver", |b| b.call("port0", 0xb600, 0), is("0"))
        .after(port_open_and_unbound)
        .needs(NO_CRASH)
        .wears(),
    case("an open port without a driver: reset", |b| b.call("port0", 0xb640, 0), fails(EINVAL))
        .after(port_open_and_unbound)
        .needs(NO_CRASH)
        .wears(),
    case(
        "an open port without a driver: interrupts",
        |b| b.with("port0", 0x8004_b645, &[9]),
        fails(EINVAL),
    )
    .after(port_open_and_unbound)
    .needs(NO_CRASH)
    .wears(),
    case("remove 0", |b| b.store(REMOVE, "0"), is("written"))
        .writes()
        .then(&[("{port0}/id", is("0"))]),
    case("remove, no number", |b| b.store(REMOVE, "yes"), fails(EINVAL))
        .writes()
        .then(&[("{port0}/id", is("0"))]),
    case("remove", |b| b.store(REMOVE, "1"), is("written"))
        .writes()
        .wears()
        .then(&[("{pci}/vendor", fails(ENOENT)), ("{port0}/id", fails(ENOENT))]),
    case("remove takes the nodes", nodes, is("")).after(|b| b.stored(REMOVE, "1")).wears(),
    case("rescan 0", |b| b.store(RESCAN, "0"), is("written"))
        .after(|b| b.stored(REMOVE, "1"))
        .writes()
        .wears()
        .then(&[("{pci}/vendor", fails(ENOENT))]),
    case("rescan, no number", |b| b.store(RESCAN, "all"), fails(EINVAL)).writes(),
    case(
        "rescan",
        |b| {
            let got = b.store(RESCAN, "1");
            b.settle();
            b.await_nodes();
            got
        },
        is("written"),
    )
    .after(|b| b.stored(REMOVE, "1"))
    .writes()
    .wears()
    .then(&[("{pci}/vendor", is("0x8086")), ("{port0}/id", is("0"))]),
    case("rescan with nothing to find", |b| b.store(RESCAN, "1"), is("written"))
        .writes()
        .then(&[("{port0}/id", is("0"))]),
];
