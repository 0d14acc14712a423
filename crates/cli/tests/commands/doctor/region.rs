//! What region mode needs: specs, the hook, bitstreams, grants.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;

use super::{CDI, GRANTS, HOOK, SOCKETS, STORE, Sound, only};
use crate::machine::{INTERFACE, NLB0, NLB3, Node, OTHER_INTERFACE};

const SPEC: &str = "run/cdi/intel.cdi.k8s.io-fpga-dfl-fme.0.json";

#[test]
fn a_region_without_a_spec_is_found() {
    let sound = Sound::region();
    sound.remove(SPEC);
    // Without a spec nothing but the operator tells the mode.
    only(&sound.wrong(&[]), &["unknown cdi", "run/cdi", "regiondevel"]);
    only(&sound.wrong(&["--mode", "region"]), &["error cdi", "dfl-port.0", "is in no CDI spec"]);
    assert_eq!(sound.wrong(&["--mode", "regiondevel"]), [""; 0]);
}

/// The resource's name says the mode, which needs neither spec nor hook.
#[test]
fn a_node_in_regiondevel_mode_is_known_by_its_resource() {
    let mut sound = Sound::bare(Node::preset("pac-a10"));
    sound.listen(&format!("{SOCKETS}/fpga.intel.com-regiondevel-{INTERFACE}.sock"));
    assert_eq!(sound.wrong(&[]), [""; 0]);
}

#[test]
fn a_spec_that_is_no_json_is_found() {
    let sound = Sound::region();
    sound.write(SPEC, "{\"cdiVersion\": ");
    let wrong = sound.wrong(&["--area", "cdi"]);
    assert!(wrong[0].contains(SPEC) && wrong[0].contains("EOF while parsing"), "{wrong:?}");
    assert_eq!(wrong.len(), 2, "the port is in no spec then: {wrong:?}");
}

/// The driver was loaded again and gave other numbers.
#[test]
fn a_spec_that_is_older_than_the_device_is_found() {
    let sound = Sound::region();
    let mut spec = sound.described();
    spec["devices"][0]["containerEdits"]["deviceNodes"][0]["minor"] = 77.into();
    sound.write(SPEC, &spec.to_string());
    sound.finds(&["error cdi", SPEC, "has the number", ":77 in the spec", "older than the device"]);
}

#[test]
fn a_spec_without_the_cleaning_is_found() {
    let sound = Sound::region();
    let mut spec = sound.described();
    spec["devices"][0]["containerEdits"]["hooks"].as_array_mut().unwrap().pop();
    sound.write(SPEC, &spec.to_string());
    sound.finds(&["error cdi", SPEC, "no hook at poststop", "leave its function behind"]);
}

#[test]
fn a_device_that_two_files_define_is_found() {
    let sound = Sound::region();
    sound.spec("intel.cdi.k8s.io-fpga-copy.json", &sound.described());
    sound.finds(&["error cdi", "intel.cdi.k8s.io/fpga=dfl-fme.0", "defined by two files", SPEC]);
}

#[test]
fn a_spec_of_intels_plugin_is_found() {
    let sound = Sound::region();
    let name = "intel.cdi.k8s.io-fpga-dfl-fme.0.yaml";
    sound.write(&format!("{CDI}/{name}"), "cdiVersion: 0.5.0\n");
    sound.finds(&["error cdi", name, "Intel's plugin"]);
}

#[test]
fn a_directory_of_specs_for_everybody_is_found() {
    let sound = Sound::region();
    sound.mode(CDI, 0o757);
    sound.finds(&["error cdi", CDI, "mode 0757", "give containers any device or hook"]);
}

#[test]
fn a_missing_hook_is_found_and_its_cure_works() {
    let sound = Sound::region();
    sound.remove(HOOK);
    sound.finds(&["error hook", HOOK, "the hook is not there", "not installed"]);
    let fix = sound.run(&["-q", "-o", "json"]).json()[0]["fix"].as_str().unwrap().to_owned();
    let words: Vec<&str> = fix.split(' ').skip(1).collect();
    sound.node.run(&words).ended(0);
    assert_eq!(sound.wrong(&[]), [""; 0]);
}

#[test]
fn a_hook_that_is_not_executable_is_found() {
    let sound = Sound::region();
    sound.mode(HOOK, 0o644);
    sound.finds(&["error hook", HOOK, "is no program", "mode 0644: it is not executable"]);
}

#[test]
fn a_hook_that_others_may_change_is_found() {
    let sound = Sound::region();
    sound.mode(HOOK, 0o775);
    sound.finds(&["error hook", HOOK, "mode 0775", "have root run what they like"]);
}

#[test]
fn a_hook_of_another_build_is_found() {
    let sound = Sound::region();
    let mut bytes = fs::read(sound.path(HOOK)).unwrap();
    let mark = concat!("[kube-fpga hook ", env!("CARGO_PKG_VERSION"), "]").as_bytes();
    let place = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
    bytes[place + mark.len() - 2] = b'9';
    fs::write(sound.path(HOOK), &bytes).unwrap();
    sound.finds(&["warning hook", HOOK, "is of version", "9", "was not updated"]);
    bytes[place] = b'(';
    fs::write(sound.path(HOOK), &bytes).unwrap();
    sound.finds(&["warning hook", HOOK, "another program than the hook"]);
}

#[test]
fn a_hook_that_is_a_script_for_nothing_is_found() {
    let sound = Sound::region();
    fs::write(sound.path(HOOK), "not a program").unwrap();
    sound.finds(&["error hook", HOOK, "is no program of this machine"]);
}

/// Built for another distribution than the host's, as an image may have it.
#[test]
fn a_hook_that_lacks_its_loader_is_found() {
    let sound = Sound::region();
    let bytes = fs::read(sound.path(HOOK)).unwrap();
    let is_dynamic = bytes.windows(4).any(|window| window == b"/ld-");
    for directory in ["lib64", "lib"] {
        fs::remove_dir_all(sound.path(directory)).unwrap();
    }
    if is_dynamic {
        sound.finds(&["error hook", HOOK, "cannot run: it needs /lib", "another C library"]);
    } else {
        assert_eq!(sound.wrong(&[]), [""; 0]);
    }
}

#[test]
fn intels_hook_beside_ours_is_found() {
    let sound = Sound::region();
    let hook = "etc/containers/oci/hooks.d/fpga.json";
    sound.write(hook, r#"{"hook": "/opt/intel/fpga-sw/intel-fpga-crihook"}"#);
    sound.finds(&["warning hook", hook, "Intel's hook runs as well", "granted or not"]);
}

#[test]
fn a_store_without_bitstreams_is_found() {
    let sound = Sound::region();
    fs::remove_dir_all(sound.path(STORE)).unwrap();
    let wrong = sound.wrong(&["--area", "store"]);
    only(&wrong, &["error store", STORE, "there is no bitstream"]);
}

#[test]
fn a_bitstream_under_a_wrong_name_is_found() {
    let sound = Sound::region();
    let dir = format!("{STORE}/{INTERFACE}");
    fs::copy(sound.path(&format!("{dir}/{NLB3}.gbs")), sound.path(&format!("{dir}/{NLB0}.gbs")))
        .unwrap();
    sound.finds(&["error store", NLB0, "cannot be programmed", "is misnamed"]);
}

/// What is proposed removes the file that is meant, whatever its name makes of a command line.
#[test]
fn a_file_with_a_hostile_name_is_removed_by_its_cure_and_nothing_else_is() {
    let names: [&[u8]; 7] = [
        b"a b.gbs",
        b"$(touch x).gbs",
        b"`touch x`.gbs",
        b"it's.gbs",
        b"-rf.gbs",
        b"x\ny.gbs",
        b"a;touch x.gbs",
    ];
    for name in names {
        let sound = Sound::region();
        let good = sound.path(&format!("{STORE}/{INTERFACE}/{NLB3}.gbs"));
        let bad = good.with_file_name(OsStr::from_bytes(name));
        fs::copy(&good, &bad).unwrap();
        let findings = sound.run(&["--area", "store", "-q", "-o", "json"]).ended(4).json();
        let fix = findings[0]["fix"].as_str().unwrap().to_owned();
        let remove = fix.split("; fpgactl").next().unwrap();
        let directory = sound.dir("empty");
        // As POSIX has it since 2024, and bash before.
        let shell = if fix.contains("$'") { "bash" } else { "sh" };
        let run =
            Command::new(shell).args(["-c", remove]).current_dir(&directory).output().unwrap();
        assert!(run.status.success(), "{fix}: {run:?}");
        assert!(!bad.exists() && good.exists(), "{fix}");
        assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "{fix}");
    }
}

#[test]
fn a_link_in_the_store_is_found() {
    let sound = Sound::region();
    symlink("/etc/shadow", sound.path(&format!("{STORE}/{INTERFACE}/{NLB0}.gbs"))).unwrap();
    sound.finds(&["error store", NLB0, "symbolic link"]);
}

#[test]
fn a_store_that_others_may_change_is_found() {
    let sound = Sound::region();
    sound.mode(&format!("{STORE}/{INTERFACE}"), 0o777);
    sound.finds(&["error store", INTERFACE, "mode 0777", "choose what is programmed"]);
}

#[test]
fn bitstreams_for_other_cards_are_found() {
    let sound = Sound::region();
    sound.node.gbs("other.gbs", OTHER_INTERFACE, NLB3);
    let store = sound.path(STORE);
    let args = ["bitstream", "install", "--store", store.to_str().unwrap(), "other.gbs"];
    sound.node.run(&args).ended(0);
    sound.finds(&["warning store", OTHER_INTERFACE, "fits no region of this node"]);
}

#[test]
fn missing_grants_are_found() {
    let sound = Sound::region();
    sound.remove(GRANTS);
    sound.finds(&["error grants", GRANTS, "no container is programmed", "has not written it"]);
}

#[test]
fn grants_that_others_may_change_are_found() {
    let sound = Sound::region();
    sound.mode(GRANTS, 0o666);
    sound.finds(&["error grants", GRANTS, "is not believed", "mode 0666"]);
}

#[test]
fn malformed_grants_are_found() {
    let sound = Sound::region();
    sound.write(GRANTS, r#"{"version": 9, "namespaces": {}}"#);
    sound.finds(&["error grants", GRANTS, "is not understood", "version 9"]);
}

#[test]
fn a_granted_function_that_is_not_installed_is_found() {
    let sound = Sound::region();
    let grant = |afu| json!({"interfaceId": INTERFACE, "afuId": afu});
    let grants = json!({"version": 1, "namespaces": {"vision": [grant(NLB3), grant(NLB0)]}});
    sound.write(GRANTS, &grants.to_string());
    sound.finds(&[
        "warning grants",
        NLB0,
        "granted to vision, and is not installed",
        "does not start",
    ]);
}

/// The agent tells the hook by its arguments, and the doctor reads them there.
#[test]
fn the_hooks_own_arguments_say_where_things_are() {
    let sound = Sound::region();
    fs::rename(sound.path(STORE), sound.path("mnt")).unwrap();
    let mut spec = sound.described();
    let hooks = spec["devices"][0]["containerEdits"]["hooks"].as_array_mut().unwrap();
    for hook in hooks {
        hook["args"].as_array_mut().unwrap().extend(["--store".into(), "/mnt".into()]);
    }
    sound.write(SPEC, &spec.to_string());
    assert_eq!(sound.wrong(&[]), [""; 0]);
    let hooks = spec["devices"][0]["containerEdits"]["hooks"].as_array_mut().unwrap();
    hooks[0]["args"].as_array_mut().unwrap().push("--allow-any".into());
    sound.write(SPEC, &spec.to_string());
    sound.finds(&["warning grants", "every namespace may have everything", "--allow-any"]);
}
