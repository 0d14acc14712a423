//! Drivers, device nodes and regions.

use std::fs;
use std::os::unix::fs::symlink;

use fpga_emulator::ctl::Command;

use super::{Sound, only, wrong};
use crate::machine::{INTERFACE, NLB0, Node, Running};

const CARD: &str = "0000:3b:00.0";

#[test]
fn a_node_without_a_driver_is_told_which_one() {
    let sound = Sound::bare(Node::bare());
    let wrong = sound.wrong(&[]);
    only(&wrong, &["error driver", "sys/class/fpga_region", "no FPGA driver is loaded"]);
}

/// The card is on the bus, and nothing has bound to it.
#[test]
fn a_card_without_a_driver_is_found() {
    let sound = Sound::af();
    let bus = sound.path("sys/bus/pci/devices").join("0000:d8:00.0");
    copy(&sound.path("sys/bus/pci/devices").join(CARD), &bus);
    sound.finds(&["error driver", "0000:d8:00.0", "no driver is bound", "Intel PAC"]);
    symlink("../../drivers/vfio-pci", bus.join("driver")).unwrap();
    sound.finds(&["warning driver", "0000:d8:00.0", "vfio-pci has the card"]);
    fs::remove_file(bus.join("driver")).unwrap();
    symlink("../../drivers/dfl-pci", bus.join("driver")).unwrap();
    sound.finds(&[
        "error driver",
        "0000:d8:00.0",
        "shows no management engine",
        "driver of the engine",
    ]);
}

/// The ids of a PCI function.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for name in ["vendor", "device", "subsystem_vendor", "subsystem_device", "class", "numa_node"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_missing_device_node_is_found() {
    let sound = Sound::af();
    sound.remove("dev/dfl-port.0");
    sound.finds(&["error nodes", "dev/dfl-port.0", "no such device node", "udev"]);
}

/// A device node of another number than sysfs has.
#[test]
fn a_device_node_that_an_earlier_device_left_is_found() {
    let sound = Sound::af();
    sound.remove("dev/dfl-port.0");
    symlink("/dev/null", sound.path("dev/dfl-port.0")).unwrap();
    sound.finds(&[
        "error nodes",
        "dev/dfl-port.0",
        "its number is 1:3, sysfs says",
        "another device",
    ]);
}

#[test]
fn a_file_that_is_no_device_node_is_found() {
    let sound = Sound::af();
    sound.remove("dev/dfl-port.0");
    sound.write("dev/other", "");
    fs::rename(sound.path("dev/other"), sound.path("dev/dfl-port.0")).unwrap();
    let number = fs::read_to_string(sound.node.attribute("dfl-port.0", "dev")).unwrap();
    sound.remove(&format!("dev/char/{}", number.trim()));
    sound.finds(&["error nodes", "dev/dfl-port.0", "is no device node"]);
}

/// A device node of the right number that everybody may open.
#[test]
fn a_management_node_for_everybody_is_found() {
    let sound = Sound::af();
    sound.remove("dev/dfl-fme.0");
    symlink("/dev/null", sound.path("dev/dfl-fme.0")).unwrap();
    let number = sound.node.attribute("dfl-fme.0", "dev");
    fs::remove_file(&number).unwrap();
    fs::write(&number, "1:3\n").unwrap();
    sound.finds(&["warning nodes", "dev/dfl-fme.0", "mode 0666: everybody may program the card"]);
}

#[test]
fn a_card_whose_firmware_crashed_is_found() {
    let sound = Sound::region();
    let function = sound.node.attribute("dfl-port.0", "afu_id");
    fs::remove_file(&function).unwrap();
    fs::write(&function, "ffffffffffffffffffffffffffffffff\n").unwrap();
    sound.finds(&["error regions", "dfl-port.0", "all ones", "firmware crashed"]);
}

#[test]
fn latched_errors_are_found() {
    let sound = Sound::af();
    let register = sound.node.attribute("dfl-port.0", "errors/errors");
    fs::write(register, "0x1\n").unwrap();
    sound.finds(&["warning regions", "dfl-port.0", "errors are latched: errors"]);
}

/// A programming that the card refused.
#[test]
fn a_disabled_region_is_found_and_its_cure_works() {
    let running = Running::preset("pac-a10");
    running.node.gbs("nlb0.gbs", INTERFACE, NLB0);
    running.control(&Command::PrError { card: CARD.into(), bits: 2 });
    running.run(&["program", "nlb0.gbs", "dfl-port.0"]).ended(8);
    running.control(&Command::PrError { card: CARD.into(), bits: 0 });
    let doctor = ["doctor", "--area", "regions", "-o", "json"];
    let answer = running.run(&[&doctor[..], &["-q"]].concat()).ended(4);
    only(
        &wrong(&answer),
        &["error regions", "dfl-port.0", "region is disabled", "a programming failed"],
    );
    let fix = answer.json()[0]["fix"].as_str().unwrap().to_owned();
    let words: Vec<&str> = fix.split(' ').skip(1).collect();
    running.run(&words).ended(0);
    running.run(&doctor).ended(0);
}
