//! Error registers and their clearing (`dfl-afu-error.c`, `dfl-fme-error.c`).

use nix::errno::Errno::{EBUSY, EINVAL};

use crate::bench::NLB3;
use crate::table::{Case, case, fails, is};

const ERRORS: &str = "{port0}/errors/errors";
const FME: &str = "{fme}/errors/fme_errors";
const INJECT: &str = "{fme}/errors/inject_errors";

pub(super) const ALL: &[Case] = &[
    case("errors of a port", |b| b.read(ERRORS), is("0x4000000000002"))
        .after(|b| {
            b.port_error(2);
            b.port_error(1 << 50);
        })
        .then(&[("{port0}/errors/first_error", is("0x2"))]),
    case("errors of a port are not the other's", |b| b.read("{port1}/errors/errors"), is("0x0"))
        .after(|b| b.port_error(2)),
    case("clearing what is not set", |b| b.store(ERRORS, "1"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6")), ("{port0}/errors/first_error", is("0x6"))]),
    case("clearing a part", |b| b.store(ERRORS, "2"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case("clearing", |b| b.store(ERRORS, "0x6\n"), is("written"))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x0")), ("{port0}/errors/first_error", is("0x0"))]),
    case("clearing, decimal", |b| b.store(ERRORS, "16"), is("written"))
        .after(|b| b.port_error(16))
        .writes()
        .then(&[(ERRORS, is("0x0"))]),
    case("clearing, octal", |b| b.store(ERRORS, "020"), is("written"))
        .after(|b| b.port_error(16))
        .writes()
        .then(&[(ERRORS, is("0x0"))]),
    case("clearing, with a plus", |b| b.store(ERRORS, "+16"), is("written"))
        .after(|b| b.port_error(16))
        .writes()
        .then(&[(ERRORS, is("0x0"))]),
    case("clearing, with a zero byte", |b| b.store(ERRORS, "16\0x"), is("written"))
        .after(|b| b.port_error(16))
        .writes()
        .then(&[(ERRORS, is("0x0"))]),
    case("clearing nothing", |b| b.store(ERRORS, "0"), is("written"))
        .writes()
        .then(&[(ERRORS, is("0x0"))]),
    case("clearing, no number", |b| b.store(ERRORS, "all"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case("clearing, a space before", |b| b.store(ERRORS, " 6"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case("clearing, two lines", |b| b.store(ERRORS, "6\n\n"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case("clearing, negative", |b| b.store(ERRORS, "-6"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case("clearing, more than 64 bits", |b| b.store(ERRORS, "0x10000000000000006"), fails(EINVAL))
        .after(|b| b.port_error(6))
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case("clearing while the power is off", |b| b.store(ERRORS, "6"), fails(EBUSY))
        .after(|b| {
            b.port_error(6);
            b.power_state(6);
        })
        .writes()
        .then(&[(ERRORS, is("0x6"))]),
    case(
        "clearing resets the function",
        |b| {
            b.stored(ERRORS, "4");
            Ok(b.registers("port0").get(0x120).to_string())
        },
        is("0"),
    )
    .after(|b| {
        b.loaded(NLB3);
        b.port_error(4);
        b.registers("port0").set(0x120, 77);
    }),
    case(
        "refused clearing resets the function, too",
        |b| {
            let _refused = b.store(ERRORS, "5");
            b.settle();
            Ok(b.registers("port0").get(0x120).to_string())
        },
        is("0"),
    )
    .after(|b| {
        b.loaded(NLB3);
        b.port_error(4);
        b.registers("port0").set(0x120, 77);
    }),
    case("errors of the engine", |b| b.read(FME), is("0x6"))
        .after(|b| {
            b.fme_error(2);
            b.fme_error(4);
        })
        .then(&[("{fme}/errors/first_error", is("0x2")), ("{fme}/errors/next_error", is("0x4"))]),
    case("clearing a part of the engine's", |b| b.store(FME, "2"), fails(EINVAL))
        .after(|b| b.fme_error(6))
        .writes()
        .then(&[(FME, is("0x6")), ("{fme}/errors/first_error", is("0x6"))]),
    case("clearing the engine's", |b| b.store(FME, "0x6"), is("written"))
        .after(|b| {
            b.fme_error(2);
            b.fme_error(4);
        })
        .writes()
        .then(&[
            (FME, is("0x0")),
            ("{fme}/errors/first_error", is("0x0")),
            ("{fme}/errors/next_error", is("0x0")),
        ]),
    case("clearing the engine's, no number", |b| b.store(FME, "x"), fails(EINVAL))
        .after(|b| b.fme_error(6))
        .writes()
        .then(&[(FME, is("0x6"))]),
    case(
        "clearing the engine's, more than 64 bits",
        |b| b.store(FME, "18446744073709551616"),
        fails(EINVAL),
    )
    .writes(),
    case(
        "clearing errors of the link",
        |b| b.store("{fme}/errors/pcie0_errors", "0"),
        is("written"),
    )
    .writes(),
    case(
        "clearing errors of the link that it has not",
        |b| b.store("{fme}/errors/pcie0_errors", "1"),
        fails(EINVAL),
    )
    .writes(),
    case(
        "clearing errors of the second link",
        |b| b.store("{fme}/errors/pcie1_errors", "0x0"),
        is("written"),
    )
    .writes(),
    case(
        "clearing errors of the second link that it has not",
        |b| b.store("{fme}/errors/pcie1_errors", "8"),
        fails(EINVAL),
    )
    .writes(),
    case("injecting a catastrophic error", |b| b.store(INJECT, "1"), is("written")).writes().then(
        &[
            (INJECT, is("0x1")),
            ("{fme}/errors/catfatal_errors", is("0x200")),
            ("{fme}/errors/nonfatal_errors", is("0x0")),
        ],
    ),
    case("injecting a fatal error", |b| b.store(INJECT, "2"), is("written"))
        .writes()
        .then(&[(INJECT, is("0x2")), ("{fme}/errors/catfatal_errors", is("0x800"))]),
    case("injecting an error that is not fatal", |b| b.store(INJECT, "4"), is("written"))
        .writes()
        .then(&[
            (INJECT, is("0x4")),
            ("{fme}/errors/nonfatal_errors", is("0x40")),
            ("{fme}/errors/catfatal_errors", is("0x0")),
        ]),
    case("injecting all", |b| b.store(INJECT, "7"), is("written"))
        .writes()
        .then(&[(INJECT, is("0x7")), ("{fme}/errors/catfatal_errors", is("0xa00"))]),
    case("injecting 8", |b| b.store(INJECT, "8"), fails(EINVAL))
        .writes()
        .then(&[(INJECT, is("0x7"))]),
    case("injecting 256", |b| b.store(INJECT, "256"), fails(EINVAL))
        .writes()
        .then(&[(INJECT, is("0x7"))]),
    case("injecting no number", |b| b.store(INJECT, "one"), fails(EINVAL))
        .writes()
        .then(&[(INJECT, is("0x7"))]),
    case("injecting none", |b| b.store(INJECT, "0"), is("written")).writes().then(&[
        (INJECT, is("0x0")),
        ("{fme}/errors/nonfatal_errors", is("0x0")),
        ("{fme}/errors/catfatal_errors", is("0x0")),
    ]),
];
