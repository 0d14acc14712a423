//! Levels, exit codes and forms.

use super::{CONTAINERD, Sound};
use crate::machine::Node;

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
