//! FME_PORT_RELEASE and FME_PORT_ASSIGN (`dfl_fpga_cdev_release_port`, `dfl_fpga_cdev_assign_port`).

use nix::errno::Errno::{EBUSY, EFAULT, EINVAL, ENOENT, ENXIO};

use crate::bench::{ASSIGN, Bench, NLB0, RELEASE, bitstream};
use crate::raw::{PAGE, WILD};
use crate::table::{Case, Got, case, fails, is};

fn released(b: &mut Bench) {
    assert_eq!(b.done("fme", RELEASE, &[1]), Ok("done".into()));
}

fn returned(b: &mut Bench) {
    released(b);
    assert_eq!(b.done("fme", ASSIGN, &[1]), Ok("done".into()));
}

fn node(b: &mut Bench) -> Got {
    b.exists(b.world.node("port1"))
}

fn program(b: &mut Bench) -> Got {
    let data = bitstream(b.interface(), NLB0, PAGE);
    b.program_data(1, &data, 4096)
}

pub(super) const ALL: &[Case] = &[
    case("RELEASE", |b| b.done("fme", RELEASE, &[1]), is("done")).wears().then(&[
        ("{port1}/id", fails(ENOENT)),
        ("{port0}/id", is("0")),
        ("{fme}/ports_num", is("2")),
    ]),
    case("RELEASE takes the node", node, fails(ENOENT)).after(released).wears(),
    case("RELEASE, no port 2", |b| b.done("fme", RELEASE, &[2]), fails(EINVAL)),
    case("RELEASE, no port 7", |b| b.done("fme", RELEASE, &[7]), fails(EINVAL)),
    case("RELEASE, negative", |b| b.done("fme", RELEASE, &[u32::MAX]), fails(EINVAL)),
    case("RELEASE, no memory", |b| b.call("fme", RELEASE, WILD), fails(EFAULT)),
    case(
        "RELEASE, open",
        |b| {
            b.fd("port1");
            b.done("fme", RELEASE, &[1])
        },
        fails(EBUSY),
    )
    .then(&[("{port1}/id", is("1"))]),
    case(
        "RELEASE, open for reading",
        |b| {
            let _open = b.open("port1", libc::O_RDONLY)?;
            b.done("fme", RELEASE, &[1])
        },
        fails(EBUSY),
    ),
    case(
        "RELEASE, mapped",
        |b| {
            let _registers = b.registers("port1");
            b.close("port1");
            b.done("fme", RELEASE, &[1])
        },
        fails(EBUSY),
    ),
    case(
        "RELEASE, no longer open",
        |b| {
            drop(b.registers("port1"));
            b.close("port1");
            b.done("fme", RELEASE, &[1])
        },
        is("done"),
    )
    .wears(),
    case(
        "RELEASE, the other port is open",
        |b| {
            b.fd("port0");
            b.done("fme", RELEASE, &[1])
        },
        is("done"),
    )
    .wears(),
    case("RELEASE, twice", |b| b.done("fme", RELEASE, &[1]), fails(EBUSY)).after(released).wears(),
    case("RELEASE, both", |b| b.done("fme", RELEASE, &[0]), is("done"))
        .after(released)
        .wears()
        .then(&[("{port0}/id", fails(ENOENT))]),
    case("ASSIGN, not released", |b| b.done("fme", ASSIGN, &[1]), fails(EBUSY)),
    case("ASSIGN, no port 2", |b| b.done("fme", ASSIGN, &[2]), fails(EINVAL)),
    case("ASSIGN, negative", |b| b.done("fme", ASSIGN, &[u32::MAX]), fails(EINVAL)),
    case("ASSIGN, no memory", |b| b.call("fme", ASSIGN, WILD), fails(EFAULT)),
    case("ASSIGN", |b| b.done("fme", ASSIGN, &[1]), is("done")).after(released).wears(),
    case("ASSIGN brings the node back", node, is("there")).after(returned).wears(),
    case("ASSIGN brings no driver back", |b| b.opens("port1", libc::O_RDWR), fails(ENXIO))
        .after(returned)
        .wears()
        .then(&[
            ("{port1}/afu_id", fails(ENOENT)),
            ("{port1}/id", fails(ENOENT)),
            ("{port1}/modalias", is("platform:dfl-port")),
        ]),
    case("ASSIGN, twice", |b| b.done("fme", ASSIGN, &[1]), fails(EBUSY)).after(returned).wears(),
    case("RELEASE after ASSIGN", |b| b.done("fme", RELEASE, &[1]), is("done"))
        .after(returned)
        .wears(),
    case("PORT_PR of a released port", program, is("done")).after(released).wears(),
    case(
        "binding anew brings a released port back",
        |b| {
            b.close("fme");
            b.unbind();
            b.bind();
            b.read("{port1}/id")
        },
        is("1"),
    )
    .after(released),
];
