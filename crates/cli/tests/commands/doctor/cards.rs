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

/// A device of the engine loses its driver, and what the driver made with it.
fn unbind(sound: &Sound, device: &str, driver: &str, class: &str) {
    let directory = sound.node.attribute("dfl-fme.0", device);
    fs::remove_file(directory.join("driver")).unwrap();
    fs::remove_dir_all(directory.join(class)).unwrap();
    fs::remove_dir_all(sound.path("sys/bus/platform/drivers").join(driver)).unwrap();
}

/// The modules that only programming needs are missing, one, another or all of them.
#[test]
fn unbound_parts_of_the_engine_are_found_with_their_modules() {
    let parts = || {
        let sound = Sound::af();
        let engine = sound.node.attribute("dfl-fme.0", "");
        let names: Vec<_> = fs::read_dir(engine).unwrap().map(|e| e.unwrap().file_name()).collect();
        let name = |prefix: &str| {
            let mut names = names.iter().filter_map(|name| name.to_str());
            names.find(|name| name.starts_with(prefix)).unwrap().to_owned()
        };
        let parts = ["dfl-fme-mgr", "dfl-fme-bridge", "dfl-fme-region"];
        let devices = parts.map(|part| name(&format!("{part}.")));
        (sound, devices)
    };
    let (sound, [manager, bridge, region]) = parts();
    unbind(&sound, &bridge, "dfl-fme-bridge", "fpga_bridge");
    let answer = sound.run(&["-q", "-o", "json"]).ended(4);
    only(&wrong(&answer), &["error driver", CARD, &bridge, "not loaded: dfl-fme-br"]);
    assert_eq!(answer.json()[0]["fix"], "modprobe -a dfl-fme-br");

    // A region is not bound before there is a manager, whichever module it has.
    let (sound, _) = parts();
    unbind(&sound, &manager, "dfl-fme-mgr", "fpga_manager");
    let directory = sound.node.attribute("dfl-fme.0", &region);
    fs::remove_file(directory.join("driver")).unwrap();
    fs::remove_dir_all(directory.join("fpga_region")).unwrap();
    let answer = sound.run(&["-q", "-o", "json"]).ended(4);
    let found = wrong(&answer);
    assert_eq!(found.len(), 2, "{found:#?}");
    for word in ["error driver", &manager, &region, "not loaded: dfl-fme-mgr"] {
        assert!(found[0].contains(word), "{found:#?}");
    }
    assert!(found[1].starts_with(&format!("error regions: {region}")), "{found:#?}");
    for finding in answer.json().as_array().unwrap() {
        assert_eq!(finding["fix"], "modprobe -a dfl-fme-mgr", "{finding}");
    }

    // Loaded, and refused: loading it once more is no cure.
    let (sound, _) = parts();
    unbind(&sound, &manager, "dfl-fme-mgr", "fpga_manager");
    fs::create_dir(sound.path("sys/bus/platform/drivers/dfl-fme-mgr")).unwrap();
    let answer = sound.run(&["-q", "-o", "json"]).ended(4);
    only(&wrong(&answer), &["error driver", &manager, "the driver refused"]);
    assert!(!answer.stdout.contains("modprobe"), "{answer:?}");
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

/// OFS has such ports: no driver can be loaded that would help.
#[test]
fn a_port_that_shows_no_id_is_explained() {
    let sound = Sound::region();
    fs::remove_file(sound.node.attribute("dfl-port.0", "afu_id")).unwrap();
    let answer = sound.run(&["-q", "-o", "json"]).ended(9);
    only(&wrong(&answer), &["warning regions", "dfl-port.0", "as with OFS", "regiondevel"]);
    for cure in ["modprobe", "recover"] {
        assert!(!answer.stdout.contains(cure), "{answer:?}");
    }
    // In region mode there is no spec of it.
    sound.remove("run/cdi/intel.cdi.k8s.io-fpga-dfl-fme.0.json");
    let answer = sound.run(&["-q", "-o", "json", "--mode", "region", "--area", "cdi"]).ended(0);
    assert_eq!(wrong(&answer), [""; 0]);
}

/// What root could read says nothing of the card.
#[test]
fn what_this_user_may_not_read_is_undetermined() {
    let running = Running::preset("pac-a10");
    let doctor = ["doctor", "-q", "-o", "json", "--area", "driver", "--area", "regions"];
    for (attribute, found) in [
        ("dfl-port.0/afu_id", vec!["unknown driver: dfl-port.0", "unknown regions: dfl-port.0"]),
        ("dfl-fme.0/errors/fme_errors", vec!["unknown driver: dfl-fme.0/errors"]),
    ] {
        let fail = |error: Option<&str>| {
            let path = format!("sys/bus/platform/devices/{attribute}").into();
            running.control(&Command::AttributeError { path, error: error.map(str::to_owned) });
        };
        fail(Some("EACCES"));
        let answer = running.run(&doctor).ended(10);
        let lines = wrong(&answer);
        assert_eq!(lines.len(), found.len(), "{lines:#?}");
        for (line, start) in lines.iter().zip(found) {
            assert!(line.starts_with(start) && line.contains("this user may not"), "{line}");
        }
        for finding in answer.json().as_array().unwrap() {
            assert!(finding["fix"].as_str().unwrap().starts_with("sudo fpgactl"), "{finding}");
        }
        fail(Some("EIO"));
        let lines = wrong(&running.run(&doctor).ended(4));
        assert!(lines.iter().all(|line| line.starts_with("error ")), "{lines:#?}");
        fail(None);
    }
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
