//! Which attributes there are, with what permissions, and what they say about a card at rest.

use nix::errno::Errno::ENOENT;

use crate::bench::Bench;
use crate::table::{Case, Got, case, fails, is};

/// Names that the driver core gives to every device.
const CORE: [&str; 12] = [
    "uevent",
    "subsystem",
    "driver",
    "power",
    "modalias",
    "driver_override",
    "device",
    "dev",
    "consumer",
    "supplier",
    "waiting_for_supplier",
    "of_node",
];

/// Permissions and content.
fn shown(b: &mut Bench, path: &str) -> Got {
    Ok(format!("{} {}", b.mode(path)?, b.read(path)?))
}

/// Where a link leads: its last component.
fn link(b: &Bench, path: &str) -> Got {
    let target = std::fs::read_link(b.world.path(path)).map_err(crate::bench::errno)?;
    Ok(target.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// Lines of a uevent that name no number.
fn uevent(b: &Bench, path: &str) -> Got {
    let text = b.read(path)?;
    let lines = text.lines().filter(|l| !["MAJOR=", "MINOR="].iter().any(|n| l.starts_with(n)));
    Ok(lines.collect::<Vec<_>>().join(" "))
}

fn list(b: &Bench, path: &str) -> Got {
    b.list(path, &CORE)
}

const ROOT: &str = "the superuser may open any plain file";

pub(super) const ALL: &[Case] = &[
    case(
        "attributes of the management engine",
        |b| {
            let names = list(b, "{fme}")?;
            Ok(names.split(' ').filter(|n| !n.starts_with("dfl")).collect::<Vec<_>>().join(" "))
        },
        is(
            "bitstream_id bitstream_metadata cache_size errors fabric_version hwmon ports_num socket_id",
        ),
    ),
    case(
        "attributes of its errors",
        |b| list(b, "{fme}/errors"),
        is(
            "catfatal_errors first_error fme_errors inject_errors next_error nonfatal_errors pcie0_errors pcie1_errors",
        ),
    ),
    case(
        "attributes of its temperature",
        |b| list(b, "{thermal}"),
        is(
            "name temp1_crit temp1_crit_alarm temp1_emergency temp1_input temp1_max temp1_max_alarm temp1_max_policy",
        ),
    ),
    case(
        "attributes of its power",
        |b| list(b, "{power}"),
        is(
            "name power1_crit power1_crit_alarm power1_fpga_limit power1_input power1_ltr power1_max power1_max_alarm power1_xeon_limit",
        ),
    ),
    case(
        "attributes of a port",
        |b| list(b, "{port0}"),
        is(
            "afu_id ap1_event ap2_event errors id ltr power_state userclk_freqcmd userclk_freqcntrcmd userclk_freqcntrsts userclk_freqsts",
        ),
    ),
    case(
        "attributes of its errors on a port",
        |b| list(b, "{port0}/errors"),
        is("errors first_error first_malformed_req"),
    ),
    case("attributes of the manager", |b| list(b, "{manager}"), is("name state status")),
    case("attributes of a bridge", |b| list(b, "{bridge0}"), is("name state")),
    case("attributes of a region", |b| list(b, "{region0}"), is("compat_id")),
    case(
        "attributes of the base region",
        |b| {
            let names = list(b, "{base}")?;
            Ok(names.split(' ').filter(|n| !n.starts_with("dfl")).collect::<Vec<_>>().join(" "))
        },
        is("compat_id"),
    )
    .but_files(
        is(""),
        "a file that nobody can read would be ENXIO to readers without --attribute-errors",
    ),
    case("the base region has no interface", |b| b.read("{base}/compat_id"), fails(ENOENT)),
    case("ports_num", |b| shown(b, "{fme}/ports_num"), is("444 2")),
    case("bitstream_id", |b| shown(b, "{fme}/bitstream_id"), is("444 0x123000200000185")),
    case("bitstream_metadata", |b| shown(b, "{fme}/bitstream_metadata"), is("444 0x18090610")),
    case("cache_size", |b| shown(b, "{fme}/cache_size"), is("444 64")),
    case("fabric_version", |b| shown(b, "{fme}/fabric_version"), is("444 2")),
    case("socket_id", |b| shown(b, "{fme}/socket_id"), is("444 0")),
    case("fme_errors", |b| shown(b, "{fme}/errors/fme_errors"), is("644 0x0")),
    case("pcie0_errors", |b| shown(b, "{fme}/errors/pcie0_errors"), is("644 0x0")),
    case("pcie1_errors", |b| shown(b, "{fme}/errors/pcie1_errors"), is("644 0x0")),
    case("inject_errors", |b| shown(b, "{fme}/errors/inject_errors"), is("644 0x0")),
    case("first_error of the engine", |b| shown(b, "{fme}/errors/first_error"), is("444 0x0")),
    case("next_error", |b| shown(b, "{fme}/errors/next_error"), is("444 0x0")),
    case("nonfatal_errors", |b| shown(b, "{fme}/errors/nonfatal_errors"), is("444 0x0")),
    case("catfatal_errors", |b| shown(b, "{fme}/errors/catfatal_errors"), is("444 0x0")),
    case("name of the temperature", |b| shown(b, "{thermal}/name"), is("444 dfl_fme_thermal")),
    case("temp1_input", |b| shown(b, "{thermal}/temp1_input"), is("444 42000")),
    case("temp1_max", |b| shown(b, "{thermal}/temp1_max"), is("444 90000")),
    case("temp1_crit", |b| shown(b, "{thermal}/temp1_crit"), is("444 93000")),
    case("temp1_emergency", |b| shown(b, "{thermal}/temp1_emergency"), is("444 100000")),
    case("temp1_max_alarm", |b| shown(b, "{thermal}/temp1_max_alarm"), is("444 0")),
    case("temp1_crit_alarm", |b| shown(b, "{thermal}/temp1_crit_alarm"), is("444 0")),
    case("temp1_max_policy", |b| shown(b, "{thermal}/temp1_max_policy"), is("444 0")),
    case("name of the power", |b| shown(b, "{power}/name"), is("444 dfl_fme_power")),
    case("power1_input", |b| shown(b, "{power}/power1_input"), is("444 27000000")),
    case("power1_max", |b| shown(b, "{power}/power1_max"), is("644 0")),
    case("power1_crit", |b| shown(b, "{power}/power1_crit"), is("644 0")),
    case("power1_max_alarm", |b| shown(b, "{power}/power1_max_alarm"), is("444 0")),
    case("power1_crit_alarm", |b| shown(b, "{power}/power1_crit_alarm"), is("444 0")),
    case("power1_xeon_limit", |b| shown(b, "{power}/power1_xeon_limit"), is("444 0")),
    case("power1_fpga_limit", |b| shown(b, "{power}/power1_fpga_limit"), is("444 0")),
    case("power1_ltr", |b| shown(b, "{power}/power1_ltr"), is("444 0")),
    case("name of the manager", |b| shown(b, "{manager}/name"), is("444 DFL FME FPGA Manager")),
    case("state of the manager", |b| b.mode("{manager}/state"), is("444")),
    case(
        "state of the manager after probing",
        |b| {
            b.unbind();
            b.bind();
            b.read("{manager}/state")
        },
        is("unknown"),
    ),
    case("status of the manager", |b| shown(b, "{manager}/status"), is("444 ")),
    case("name of a bridge", |b| shown(b, "{bridge0}/name"), is("444 DFL FPGA FME Bridge")),
    case("state of a bridge", |b| shown(b, "{bridge0}/state"), is("444 enabled")),
    case(
        "compat_id",
        |b| shown(b, "{region0}/compat_id"),
        is("444 69528db6eb31577a8c3668f9faa081f6"),
    ),
    case(
        "compat_id of the second region",
        |b| shown(b, "{region1}/compat_id"),
        is("444 69528db6eb31577a8c3668f9faa081f6"),
    ),
    case("id of a port", |b| shown(b, "{port0}/id"), is("444 0")),
    case("id of the second port", |b| shown(b, "{port1}/id"), is("444 1")),
    case("permissions of afu_id", |b| b.mode("{port0}/afu_id"), is("444")),
    case("power_state", |b| shown(b, "{port0}/power_state"), is("444 0x0")),
    case("ltr", |b| shown(b, "{port0}/ltr"), is("644 0")),
    case("ap1_event", |b| shown(b, "{port0}/ap1_event"), is("644 0")),
    case("ap2_event", |b| shown(b, "{port0}/ap2_event"), is("644 0")),
    case("userclk_freqcmd", |b| b.mode("{port0}/userclk_freqcmd"), is("200")),
    case("userclk_freqcntrcmd", |b| b.mode("{port0}/userclk_freqcntrcmd"), is("200")),
    case("userclk_freqsts", |b| shown(b, "{port0}/userclk_freqsts"), is("444 0x1000000000000000")),
    case(
        "userclk_freqcntrsts",
        |b| shown(b, "{port0}/userclk_freqcntrsts"),
        is("444 0x3000000000001388"),
    ),
    case("errors of a port", |b| shown(b, "{port0}/errors/errors"), is("644 0x0")),
    case("first_error of a port", |b| shown(b, "{port0}/errors/first_error"), is("444 0x0")),
    case(
        "first_malformed_req",
        |b| shown(b, "{port0}/errors/first_malformed_req"),
        is("444 0x00000000000000000000000000000000"),
    ),
    case("sriov_totalvfs", |b| shown(b, "{pci}/sriov_totalvfs"), is("444 2")),
    case("sriov_numvfs", |b| shown(b, "{pci}/sriov_numvfs"), is("644 0")),
    case("permissions of remove", |b| b.mode("{pci}/remove"), is("220")),
    case("permissions of rescan", |b| b.mode("sys/bus/pci/rescan"), is("200")),
    case("permissions of bind", |b| b.mode("sys/bus/pci/drivers/dfl-pci/bind"), is("200")),
    case("permissions of unbind", |b| b.mode("sys/bus/pci/drivers/dfl-pci/unbind"), is("200")),
    case("permissions of dev", |b| b.mode("{port0}/dev"), is("444")),
    case("permissions of uevent", |b| b.mode("{port0}/uevent"), is("644"))
        .but_files(is("444"), "nobody listens for uevents of a tree, so none can be asked for"),
    case(
        "uevent of a port",
        |b| uevent(b, "{port0}/uevent").map(|t| t.replace(&name(b, "port0"), "N")),
        is("DEVNAME=N DRIVER=dfl-port MODALIAS=platform:dfl-port"),
    ),
    case(
        "uevent of the engine",
        |b| uevent(b, "{fme}/uevent").map(|t| t.replace(&name(b, "fme"), "N")),
        is("DEVNAME=N DRIVER=dfl-fme MODALIAS=platform:dfl-fme"),
    ),
    case("modalias of a port", |b| shown(b, "{port0}/modalias"), is("444 platform:dfl-port")),
    case("driver of the card", |b| link(b, "{pci}/driver"), is("dfl-pci")),
    case("driver of a port", |b| link(b, "{port0}/driver"), is("dfl-port")),
    case("driver of the engine", |b| link(b, "{fme}/driver"), is("dfl-fme")),
    case("subsystem of the base region", |b| link(b, "{base}/subsystem"), is("fpga_region")),
    case("subsystem of a port", |b| link(b, "{port0}/subsystem"), is("platform")),
    case(
        "writing to an attribute that is only read",
        |b| b.store("{port1}/id", "0"),
        fails(nix::errno::Errno::EACCES),
    )
    .needs(crate::table::Need {
        is_met: |w| w.face == crate::world::Face::Driver || !nix::unistd::geteuid().is_root(),
        what: ROOT,
    }),
    case(
        "reading an attribute that is only written",
        |b| b.read("{port0}/userclk_freqcmd"),
        fails(nix::errno::Errno::EACCES),
    )
    .needs(crate::table::Need {
        is_met: |w| w.face == crate::world::Face::Driver || !nix::unistd::geteuid().is_root(),
        what: ROOT,
    }),
];

/// The last component of a device's path.
fn name(b: &Bench, device: &str) -> String {
    b.world.node(device).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
