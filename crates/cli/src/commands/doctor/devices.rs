//! The device nodes: what a container is given, and what programs a card.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fpga::card::{DeviceNode, DeviceNumber};

use super::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

/// Read and write permission of everybody.
const EVERYBODY: u32 = 0o006;

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let mut count = 0;
    for card in &survey.inventory().cards {
        for node in card.nodes() {
            match check(survey, node, card.management.as_ref() == Some(node)) {
                Some(finding) => report(finding),
                None => count += 1,
            }
        }
    }
    if count > 0 {
        report(Finding::ok(
            survey.root.dev().display(),
            format_args!("{count} nodes, as sysfs has them"),
        ));
    }
}

/// What is wrong with a node.
fn check(survey: &Survey, node: &DeviceNode, is_management: bool) -> Option<Finding> {
    let path = survey.root.node(&node.name);
    let Some(number) = node.number else {
        return Some(
            Finding::error(&node.name, "sysfs does not tell its number")
                .because("the device has no node")
                .fix("dmesg | grep -i -e dfl -e fpga"),
        );
    };
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some(
                Finding::error(path.display(), "there is no such device node")
                    .because("udev has not made it, or the directory is not the node's own")
                    .fix(format_args!(
                        "udevadm trigger --action=add /sys/dev/char/{number}; udevadm settle"
                    )),
            );
        }
        Err(error) => {
            let fix = "sudo fpgactl doctor --area nodes";
            return Some(Finding::unknown(path.display(), error).fix(fix));
        }
    };
    match DeviceNumber::of(&metadata) {
        Some(found) if found == number => exposed(&path, &metadata).filter(|_| is_management),
        Some(found) => Some(
            Finding::error(
                path.display(),
                format_args!("its number is {found}, sysfs says {number}"),
            )
            .because("an earlier device left it: a container would get another device")
            .fix(remake(number, &path)),
        ),
        None if is_emulated(survey, number, &metadata) => None,
        None => Some(
            Finding::error(path.display(), "is no device node")
                .because("somebody made a file of that name before there was a device")
                .fix(remake(number, &path)),
        ),
    }
}

fn remake(number: DeviceNumber, path: &Path) -> String {
    format!("rm -r {}; udevadm trigger --action=add /sys/dev/char/{number}", word(path))
}

/// Who can open the management node can program the card.
fn exposed(path: &Path, metadata: &Metadata) -> Option<Finding> {
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & EVERYBODY != 0).then(|| {
        Finding::warning(
            path.display(),
            format_args!("mode {mode:04o}: everybody may program the card"),
        )
        .because("the management node is root's alone, unless a udev rule says otherwise")
        .fix(format_args!("chmod o-rw {}; grep -rn -e fme -e fpga /etc/udev/rules.d", word(path)))
    })
}

/// The trees of the emulator are no kernel's, and have plain files for nodes, found by number too.
fn is_emulated(survey: &Survey, number: DeviceNumber, metadata: &Metadata) -> bool {
    let by_number = survey.root.dev().join("char").join(number.to_string());
    !survey.root.is_kernel()
        && metadata.is_file()
        && fs::metadata(by_number)
            .is_ok_and(|other| (other.dev(), other.ino()) == (metadata.dev(), metadata.ino()))
}
