//! Levels, exit codes and forms.

use fpga_emulator::machine::Machine;
use fpga_emulator::tree;
use serde_json::json;

use super::{CONTAINERD, SOCKETS, Sound};
use crate::machine::{INTERFACE, Node};

#[test]
fn nothing_is_wrong_with_sound_nodes() {
    for sound in [Sound::region(), Sound::af()] {
        let answer = sound.run(&[]).ended(0);
        assert!(answer.stdout.starts_with("LEVEL   AREA "), "{answer:?}");
        assert!(answer.stdout.ends_with("\nnothing is wrong\n"), "{answer:?}");
        assert_eq!(
            answer.stdout.matches("\nok ").count() + 2,
            answer.stdout.lines().count(),
            "{answer:?}"
        );
        let answer = sound.run(&["-q"]).ended(0);
        assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("nothing is wrong\n", ""));
        assert_eq!(sound.run(&["-q", "-o", "json"]).ended(0).stdout, "[]\n");
    }
}

/// A node of a cluster for trying things out: the kernel has no card, and everything else is about the emulator's.
#[test]
fn nothing_is_wrong_with_emulated_cards() {
    const EMULATOR: &str = "run/kube-fpga-emulator";
    let mut sound = Sound::bare(Node::bare());
    sound.dir(EMULATOR);
    let node = sound.path(&format!("{EMULATOR}/node"));
    tree::create(&Machine::preset("pac-a10").unwrap(), &node).unwrap();
    sound.listen(&format!("{SOCKETS}/fpga.intel.com-region-{INTERFACE}.sock"));
    sound.install_store();
    sound.write(
        "opt/kube-fpga-emulator/oci-hook",
        "#!/bin/sh\nexec fpga-emulator exec -- fpga-hook\n",
    );
    sound.mode("opt/kube-fpga-emulator/oci-hook", 0o755);
    let hook = |stage: &str| {
        json!({
            "hookName": stage, "path": "/opt/kube-fpga-emulator/oci-hook", "timeout": 40,
            "args": ["oci-hook", "oci-hook", "--stage", stage],
        })
    };
    let number = std::fs::read_to_string(node.join("sys/bus/platform/devices/dfl-port.0/dev"));
    let number = number.unwrap();
    let (major, minor) = number.trim().split_once(':').unwrap();
    let port = json!({
        "path": "/dev/dfl-port.0", "hostPath": "/dev/dfl-port.0", "type": "c",
        "major": major.parse::<u32>().unwrap(), "minor": minor.parse::<u32>().unwrap(),
        "permissions": "rw",
    });
    let edits = json!({
        "deviceNodes": [port], "hooks": [hook("createRuntime"), hook("poststop")],
    });
    let spec = json!({
        "cdiVersion": "0.5.0", "kind": "intel.cdi.k8s.io/fpga",
        "devices": [{ "name": "dfl-fme.0", "containerEdits": edits }],
    });
    sound.spec("intel.cdi.k8s.io-fpga-dfl-fme.0.json", &spec);
    let answer = sound.run(&[]).ended(0);
    assert!(answer.stdout.contains("the cards are emulated"), "{answer:?}");
    assert!(answer.stdout.contains("a script, which runs the hook"), "{answer:?}");
    // What is wrong with them is found as on a real card.
    let afu_id = node.join("sys/bus/platform/devices/dfl-port.0/afu_id");
    std::fs::write(afu_id, "f".repeat(32)).unwrap();
    sound.finds(&["error regions", "dfl-port.0", "all ones"]);
}

/// Several cards of both drivers.
#[test]
fn nothing_is_wrong_with_many_cards() {
    let mut sound = Sound::bare(Node::preset("mixed"));
    sound.listen(
        "var/lib/kubelet/device-plugins/fpga.intel.com-af-f7df405cbd7acf7222f144b0b93acd18.sock",
    );
    sound.run(&["--area", "driver", "--area", "nodes", "--area", "sockets"]).ended(0);
}

#[test]
fn the_worst_level_is_the_exit_code() {
    let sound = Sound::region();
    sound.write(CONTAINERD, "");
    let answer = sound.run(&["-q"]).ended(10);
    assert!(answer.stdout.ends_with("\n0 errors, 0 warnings, 1 undetermined\n"), "{answer:?}");
    sound.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
    sound.run(&[]).ended(9);
    sound.mode("run/cdi", 0o777);
    let answer = sound.run(&[]).ended(4);
    assert!(answer.stdout.ends_with("\n1 error, 1 warning, 1 undetermined\n"), "{answer:?}");
}

#[test]
fn a_finding_has_its_cause_and_its_cure_below_it() {
    let sound = Sound::af();
    sound.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
    let answer = sound.run(&["--area", "limits", "-q"]).ended(9);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{answer:?}");
    assert!(lines[1].starts_with("warning   limits "), "{answer:?}");
    assert!(lines[2].starts_with("          why: OPAE"), "{answer:?}");
    assert!(lines[3].starts_with("          fix: sysctl"), "{answer:?}");
}

#[test]
fn one_area_can_be_asked_for() {
    let sound = Sound::af();
    sound.mode("var/lib/kubelet/device-plugins", 0o777);
    sound.run(&["--area", "driver"]).ended(0);
    let findings = sound.run(&["--area", "kubelet", "-o", "json"]).ended(4).json();
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["area"] == "kubelet"));
    sound.run(&["--area", "moon"]).ended(2);
}
