//! Eventfds for interrupts (`dfl_feature_ioctl_set_irq`, `do_set_irq_trigger`).

use std::os::fd::AsRawFd;

use nix::errno::Errno::{EBADF, EFAULT, EINVAL};

use crate::bench::Bench;
use crate::raw::{self, PAGE, Pages, WILD};
use crate::table::{Case, Got, case, fails, is};

const ERROR: u32 = 0x4008_b646;
const USER: u32 = 0x4008_b648;
const FME: u32 = 0x4008_b684;
const NONE: u32 = u32::MAX;

/// The same for each kind of interrupt.
fn each(b: &mut Bench, call: fn(&mut Bench, &'static str, u32, u32) -> Got) -> Got {
    let got = [("port0", ERROR, 1), ("port0", USER, 4), ("fme", FME, 1)]
        .map(|(node, request, count)| call(b, node, request, count));
    assert!(got.iter().all(|g| *g == got[0]), "they differ: {got:?}");
    got[0].clone()
}

/// A descriptor array that is not there.
fn cut(b: &mut Bench, node: &'static str, request: u32) -> Got {
    let page = Pages::before_a_hole();
    let address = page.put(PAGE - 8, &[0, 1]);
    b.call(node, request, address)
}

/// Lets an interrupt of the management engine come twice: all that was raised before has come, too, as one that had
/// waited for an eventfd is only one.
fn flush(b: &mut Bench) {
    let last = raw::Event::new();
    assert_eq!(b.done("fme", FME, &[0, 1, last.word()]), Ok("done".into()));
    let mut came = 0;
    for round in 1..=2 {
        b.fme_error(2);
        while came < round {
            let more = last.wait();
            assert_ne!(more, 0, "no interrupt of the management engine");
            came += more;
        }
    }
}

/// Errors of the port are signalled to an eventfd, but none of those before.
fn armed(b: &mut Bench) -> u32 {
    let old = raw::Event::new();
    assert_eq!(b.done("port0", ERROR, &[0, 1, old.word()]), Ok("done".into()));
    flush(b);
    let event = b.event();
    assert_eq!(b.done("port0", ERROR, &[0, 1, event]), Ok("done".into()));
    event
}

/// Raises an error of the port, and it has come.
fn raise(b: &mut Bench) {
    b.port_error(1);
    flush(b);
}

fn counts(b: &mut Bench) -> Got {
    raise(b);
    let counts: Vec<String> = b.events.iter().map(|e| e.count().to_string()).collect();
    Ok(counts.join(" "))
}

pub(super) const ALL: &[Case] = &[
    case("PORT_ERR_GET_IRQ_NUM", |b| b.with("port0", 0x8004_b645, &[99]), is("1")),
    case("PORT_UINT_GET_IRQ_NUM", |b| b.with("port0", 0x8004_b647, &[99]), is("4")),
    case("FME_ERR_GET_IRQ_NUM", |b| b.with("fme", 0x8004_b683, &[99]), is("1")),
    case("PORT_ERR_GET_IRQ_NUM, no memory", |b| b.call("port0", 0x8004_b645, WILD), fails(EFAULT)),
    case("PORT_UINT_GET_IRQ_NUM, no memory", |b| b.call("port0", 0x8004_b647, WILD), fails(EFAULT)),
    case("FME_ERR_GET_IRQ_NUM, no memory", |b| b.call("fme", 0x8004_b683, WILD), fails(EFAULT)),
    case(
        "SET_IRQ",
        |b| {
            each(b, |b, n, r, _| {
                let e = b.event();
                b.done(n, r, &[0, 1, e])
            })
        },
        is("done"),
    ),
    case(
        "SET_IRQ, again",
        |b| {
            each(b, |b, n, r, _| {
                let e = b.event();
                b.done(n, r, &[0, 1, e])?;
                b.done(n, r, &[0, 1, e])
            })
        },
        is("done"),
    ),
    case(
        "SET_IRQ, taking none away",
        |b| each(b, |b, n, r, _| b.done(n, r, &[0, 1, NONE])),
        is("done"),
    ),
    case(
        "SET_IRQ, any negative descriptor",
        |b| each(b, |b, n, r, _| b.done(n, r, &[0, 1, 1 << 31])),
        is("done"),
    ),
    case("SET_IRQ, count 0", |b| each(b, |b, n, r, _| b.done(n, r, &[0, 0, NONE])), fails(EINVAL)),
    case(
        "SET_IRQ, start after the last",
        |b| each(b, |b, n, r, count| b.done(n, r, &[count, 1, NONE])),
        fails(EINVAL),
    ),
    case(
        "SET_IRQ, count beyond the last",
        |b| each(b, |b, n, r, count| b.done(n, r, &[0, count + 1, NONE, NONE, NONE, NONE, NONE])),
        fails(EINVAL),
    ),
    case(
        "SET_IRQ, overflow",
        |b| each(b, |b, n, r, _| b.done(n, r, &[u32::MAX, 2, NONE, NONE])),
        fails(EINVAL),
    ),
    case(
        "SET_IRQ, huge count",
        |b| each(b, |b, n, r, _| b.done(n, r, &[0, u32::MAX, NONE])),
        fails(EINVAL),
    ),
    case(
        "SET_IRQ, no descriptor",
        |b| each(b, |b, n, r, _| b.done(n, r, &[0, 1, 999])),
        fails(EBADF),
    ),
    case(
        "SET_IRQ, not an eventfd",
        |b| {
            each(b, |b, n, r, _| {
                let fd = b.fd("fme").cast_unsigned();
                b.done(n, r, &[0, 1, fd])
            })
        },
        fails(EINVAL),
    ),
    case(
        "SET_IRQ, a file",
        |b| {
            each(b, |b, n, r, _| {
                let file = raw::memory_file(1);
                b.done(n, r, &[0, 1, file.as_raw_fd().cast_unsigned()])
            })
        },
        fails(EINVAL),
    ),
    case("SET_IRQ, no memory", |b| each(b, |b, n, r, _| b.call(n, r, WILD)), fails(EFAULT)),
    case(
        "SET_IRQ, no descriptors in memory",
        |b| each(b, |b, n, r, _| cut(b, n, r)),
        fails(EFAULT),
    ),
    case(
        "PORT_UINT_SET_IRQ, all",
        |b| {
            let e = b.event();
            b.done("port0", USER, &[0, 4, e, e, e, e])
        },
        is("done"),
    ),
    case(
        "PORT_UINT_SET_IRQ, the last",
        |b| {
            let e = b.event();
            b.done("port0", USER, &[3, 1, e])
        },
        is("done"),
    ),
    case(
        "PORT_UINT_SET_IRQ, the second is wrong",
        |b| {
            let e = b.event();
            b.done("port0", USER, &[0, 2, e, 999])
        },
        fails(EBADF),
    ),
    case("an error is signalled", counts, is("1")).after(|b| {
        armed(b);
    }),
    case(
        "two errors are signalled",
        |b| {
            raise(b);
            counts(b)
        },
        is("2"),
    )
    .after(|b| {
        armed(b);
    }),
    case("a second eventfd replaces the first", counts, is("0 1")).after(|b| {
        armed(b);
        armed(b);
    }),
    case("an eventfd taken away is not signalled", counts, is("0")).after(|b| {
        armed(b);
        assert_eq!(b.done("port0", ERROR, &[0, 1, NONE]), Ok("done".into()));
    }),
    case("a wrong descriptor takes the eventfd away", counts, is("0")).after(|b| {
        armed(b);
        assert_eq!(b.done("port0", ERROR, &[0, 1, 999]), Err(EBADF));
    }),
    case("a wrong count leaves the eventfd", counts, is("1")).after(|b| {
        armed(b);
        assert_eq!(b.done("port0", ERROR, &[0, 0, NONE]), Err(EINVAL));
    }),
    case("a reset leaves the eventfd", counts, is("1")).after(|b| {
        armed(b);
        assert_eq!(b.call("port0", 0xb640, 0), Ok("0".into()));
    }),
    case("closing the last descriptor takes the eventfd away", counts, is("0")).after(|b| {
        armed(b);
        b.close("port0");
    }),
    case("closing the eventfd does not", counts, is("")).after(|b| {
        armed(b);
        b.events.clear();
    }),
    case(
        "an error without an eventfd waits for one",
        |b| {
            armed(b);
            b.done("port0", ERROR, &[0, 1, NONE])?;
            raise(b);
            assert_eq!(b.events[0].count(), 0);
            let event = b.event();
            b.done("port0", ERROR, &[0, 1, event])?;
            Ok(b.events[1].wait().to_string())
        },
        is("1"),
    ),
    case(
        "errors of both nodes on one eventfd",
        |b| {
            let event = armed(b);
            b.done("fme", FME, &[0, 1, event])?;
            b.port_error(1);
            b.fme_error(2);
            let mut count = 0;
            while count < 2 {
                count += b.events[0].wait();
            }
            Ok(count.to_string())
        },
        is("2"),
    ),
    case(
        "injecting an error is signalled",
        |b| {
            flush(b);
            let event = b.event();
            b.done("fme", FME, &[0, 1, event])?;
            b.stored("{fme}/errors/inject_errors", "4");
            let count = b.events[0].wait();
            b.stored("{fme}/errors/inject_errors", "0");
            Ok(count.to_string())
        },
        is("1"),
    ),
];
