//! Writing to attributes that hold a value, and how numbers are read (`kstrtox.c`).

use nix::errno::Errno::{EINVAL, ERANGE};

use crate::table::{Case, Need, case, fails, is};

/// `power_hwmon_write` divides by 1000000.
const SIGNED_WATTS: Need = Need {
    is_met: |world| world.linux() <= (6, 1),
    what: "Linux later than 6.1 takes it as unsigned",
};
/// `power_hwmon_write` divides by MICRO, which is unsigned; seen in 6.12.
const UNSIGNED_WATTS: Need =
    Need { is_met: |world| world.linux() >= (6, 12), what: "Linux 6.1 takes it as signed" };

pub(super) const ALL: &[Case] = &[
    case("ltr 1", |b| b.store("{port0}/ltr", "1"), is("written"))
        .writes()
        .then(&[("{port0}/ltr", is("1"))]),
    case("ltr y", |b| b.store("{port0}/ltr", "y\n"), is("written"))
        .writes()
        .then(&[("{port0}/ltr", is("1"))]),
    case("ltr on", |b| b.store("{port0}/ltr", "on\n"), is("written"))
        .writes()
        .then(&[("{port0}/ltr", is("1"))]),
    case("ltr true", |b| b.store("{port0}/ltr", "true"), is("written"))
        .writes()
        .then(&[("{port0}/ltr", is("1"))]),
    case("ltr 0", |b| b.store("{port0}/ltr", "0"), is("written"))
        .writes()
        .then(&[("{port0}/ltr", is("0"))]),
    case("ltr off", |b| b.store("{port0}/ltr", "off"), is("written"))
        .writes()
        .then(&[("{port0}/ltr", is("0"))]),
    case("ltr 2", |b| b.store("{port0}/ltr", "2"), fails(EINVAL))
        .writes()
        .then(&[("{port0}/ltr", is("0"))]),
    case("ltr maybe", |b| b.store("{port0}/ltr", "maybe"), fails(EINVAL))
        .writes()
        .then(&[("{port0}/ltr", is("0"))]),
    case("ap1_event 1", |b| b.store("{port0}/ap1_event", "1"), is("written"))
        .after(|b| b.power_state(1))
        .writes()
        .then(&[("{port0}/ap1_event", is("0")), ("{port0}/power_state", is("0x1"))]),
    case("ap1_event 0", |b| b.store("{port0}/ap1_event", "0"), fails(EINVAL))
        .after(|b| b.power_state(1))
        .writes()
        .then(&[("{port0}/ap1_event", is("1"))]),
    case("ap1_event x", |b| b.store("{port0}/ap1_event", "x"), fails(EINVAL))
        .after(|b| b.power_state(1))
        .writes()
        .then(&[("{port0}/ap1_event", is("1"))]),
    case("ap2_event 1", |b| b.store("{port0}/ap2_event", "1\n"), is("written"))
        .after(|b| b.power_state(2))
        .writes()
        .then(&[("{port0}/ap2_event", is("0")), ("{port0}/power_state", is("0x2"))]),
    case("power state 6", |b| b.read("{port0}/power_state"), is("0x6")).after(|b| b.power_state(6)),
    case("userclk_freqcmd", |b| b.store("{port0}/userclk_freqcmd", "0x10"), is("written")).writes(),
    case(
        "userclk_freqcmd, all bits",
        |b| b.store("{port0}/userclk_freqcmd", "0xffffffffffffffff"),
        is("written"),
    )
    .writes(),
    case(
        "userclk_freqcmd, too many bits",
        |b| b.store("{port0}/userclk_freqcmd", "0x10000000000000000"),
        fails(EINVAL),
    )
    .writes(),
    case(
        "userclk_freqcmd, no number",
        |b| b.store("{port0}/userclk_freqcmd", "fast"),
        fails(EINVAL),
    )
    .writes(),
    case("userclk_freqcntrcmd", |b| b.store("{port0}/userclk_freqcntrcmd", "1"), is("written"))
        .writes(),
    case(
        "userclk_freqcntrcmd, negative",
        |b| b.store("{port0}/userclk_freqcntrcmd", "-1"),
        fails(EINVAL),
    )
    .writes(),
    case("power1_max", |b| b.store("{power}/power1_max", "40000000"), is("written"))
        .writes()
        .then(&[("{power}/power1_max", is("40000000")), ("{power}/power1_crit", is("0"))])
        .after(|b| {
            b.stored("{power}/power1_max", "0");
            b.stored("{power}/power1_crit", "0");
        }),
    case("power1_crit", |b| b.store("{power}/power1_crit", "50000000\n"), is("written"))
        .writes()
        .then(&[("{power}/power1_crit", is("50000000"))]),
    case(
        "power1_max in parts of a watt",
        |b| b.store("{power}/power1_max", "1999999"),
        is("written"),
    )
    .writes()
    .then(&[("{power}/power1_max", is("1000000"))]),
    case(
        "power1_max beyond the register",
        |b| b.store("{power}/power1_max", "999000000"),
        is("written"),
    )
    .writes()
    .then(&[("{power}/power1_max", is("127000000"))]),
    case("power1_max, negative", |b| b.store("{power}/power1_max", "-5000000"), is("written"))
        .writes()
        .needs(SIGNED_WATTS)
        .then(&[("{power}/power1_max", is("0"))]),
    case(
        "power1_max, negative, as unsigned",
        |b| b.store("{power}/power1_max", "-5000000"),
        is("written"),
    )
    .writes()
    .needs(UNSIGNED_WATTS)
    .then(&[("{power}/power1_max", is("127000000"))]),
    case("power1_max, hexadecimal", |b| b.store("{power}/power1_max", "0x2625a00"), fails(EINVAL))
        .after(|b| b.stored("{power}/power1_max", "3000000"))
        .writes()
        .then(&[("{power}/power1_max", is("3000000"))]),
    case("power1_max, leading zero", |b| b.store("{power}/power1_max", "07000000"), is("written"))
        .writes()
        .then(&[("{power}/power1_max", is("7000000"))]),
    case("power1_max, no number", |b| b.store("{power}/power1_max", "much"), fails(EINVAL))
        .after(|b| b.stored("{power}/power1_max", "3000000"))
        .writes()
        .then(&[("{power}/power1_max", is("3000000"))]),
    case(
        "power1_max, more than 64 bits",
        |b| b.store("{power}/power1_max", "9223372036854775808"),
        fails(ERANGE),
    )
    .after(|b| b.stored("{power}/power1_max", "0"))
    .writes()
    .then(&[("{power}/power1_max", is("0"))]),
    case("power1_crit, back", |b| b.store("{power}/power1_crit", "0"), is("written"))
        .writes()
        .then(&[("{power}/power1_crit", is("0"))]),
    case("a temperature", |b| b.read("{thermal}/temp1_input"), is("77000"))
        .after(|b| b.temperature(77))
        .then(&[("{thermal}/temp1_max_alarm", is("0")), ("{thermal}/temp1_crit_alarm", is("0"))]),
    case(
        "a temperature above the first threshold",
        |b| b.read("{thermal}/temp1_max_alarm"),
        is("1"),
    )
    .after(|b| b.temperature(91))
    .then(&[("{thermal}/temp1_input", is("91000")), ("{thermal}/temp1_crit_alarm", is("0"))]),
    case(
        "a temperature above the second threshold",
        |b| b.read("{thermal}/temp1_crit_alarm"),
        is("1"),
    )
    .after(|b| b.temperature(95))
    .then(&[("{thermal}/temp1_max_alarm", is("1"))]),
];
