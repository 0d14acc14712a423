//! The configuration of container runtimes.

use super::{CONTAINERD, HOOK, Sound};

const V2: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n";
const CRIO: &str = "etc/crio/crio.conf";

#[test]
fn containerd_with_cdi_switched_off_is_found() {
    let sound = Sound::region();
    sound.write(CONTAINERD, &format!("{V2}  enable_cdi = false\n"));
    sound.finds(&["error runtime", CONTAINERD, "CDI is switched off", "enable_cdi is false"]);
    sound.write(CONTAINERD, &format!("{V2}  enable_cdi = true\n"));
    assert_eq!(sound.wrong(&[]), [""; 0]);
}

/// What it does then depends on its version, which no file tells.
#[test]
fn containerd_that_does_not_say_is_not_judged() {
    let sound = Sound::region();
    for text in [V2, ""] {
        sound.write(CONTAINERD, text);
        sound.finds(&["unknown runtime", CONTAINERD, "does not say whether CDI is on", "1.7"]);
    }
    sound.remove(CONTAINERD);
    sound.finds(&["unknown runtime", CONTAINERD, "does not say whether CDI is on"]);
}

#[test]
fn what_containerd_imports_comes_after() {
    let sound = Sound::region();
    sound.write(CONTAINERD, "version = 3\nimports = ['conf.d/*.toml']\n");
    sound.write(
        "etc/containerd/conf.d/fpga.toml",
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\nenable_cdi = false\n",
    );
    sound.finds(&["error runtime", CONTAINERD, "CDI is switched off"]);
    sound.write(CONTAINERD, "version = 3\nimports = ['/etc/*/x.toml']\n");
    sound.finds(&["unknown runtime", CONTAINERD, "/etc/*/x.toml", "not followed"]);
}

#[test]
fn containerd_that_looks_elsewhere_is_found() {
    let sound = Sound::region();
    sound.write(
        CONTAINERD,
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\ncdi_spec_dirs = ['/etc/cdi']\n",
    );
    sound.finds(&["error runtime", CONTAINERD, "does not look for CDI specs in", "/etc/cdi"]);
}

#[test]
fn a_configuration_that_is_no_toml_is_found() {
    let sound = Sound::region();
    sound.write(CONTAINERD, "version = \n");
    sound.finds(&["error runtime", CONTAINERD, "containerd cannot read it"]);
}

/// A FIFO would hold up whoever opens it.
#[test]
fn a_configuration_that_is_no_file_holds_nobody_up() {
    let sound = Sound::region();
    sound.remove(CONTAINERD);
    let status = std::process::Command::new("mkfifo").arg(sound.path(CONTAINERD)).status().unwrap();
    assert!(status.success());
    sound.finds(&["error runtime", CONTAINERD, "not a regular file"]);
}

#[test]
fn a_runtime_that_does_not_run_is_found() {
    let mut sound = Sound::region();
    sound.kill("run/containerd/containerd.sock");
    sound.finds(&["error runtime", "containerd.sock", "nobody listens on the runtime's socket"]);
    sound.remove("run/containerd/containerd.sock");
    sound.finds(&["unknown runtime", "none of the sockets that are known"]);
}

#[test]
fn k3s_has_its_files_elsewhere() {
    let mut sound = Sound::region();
    sound.kill("run/containerd/containerd.sock");
    sound.remove("run/containerd/containerd.sock");
    sound.listen("run/k3s/containerd/containerd.sock");
    let config = "var/lib/rancher/k3s/agent/etc/containerd/config.toml";
    sound.write(config, "version = 3\n");
    assert_eq!(sound.wrong(&[]), [""; 0]);
    sound.write(config, &format!("{V2}  enable_cdi = false\n"));
    sound.finds(&["error runtime", config, "switched off"]);
}

/// A node with CRI-O in containerd's place.
fn crio() -> Sound {
    let mut sound = Sound::region();
    sound.kill("run/containerd/containerd.sock");
    sound.remove("run/containerd/containerd.sock");
    sound.listen("run/crio/crio.sock");
    sound.write(CRIO, "[crio.runtime]\n");
    sound
}

#[test]
fn crio_looks_for_specs_where_it_is_told() {
    let sound = crio();
    assert_eq!(sound.wrong(&[]), [""; 0]);
    sound.write("etc/crio/crio.conf.d/50-a.conf", "[crio.runtime]\ncdi_spec_dirs = ['/etc/cdi']\n");
    sound.finds(&["error runtime", CRIO, "CRI-O does not look for CDI specs in", "/etc/cdi"]);
    sound.write(
        "etc/crio/crio.conf.d/60-b.conf",
        "[crio.runtime]\ncdi_spec_dirs = ['/var/run/cdi']\n",
    );
    assert_eq!(sound.wrong(&[]), [""; 0]);
}

/// Without CDI the hook is found by a file, in a directory that CRI-O must be told of.
#[test]
fn crio_that_does_not_look_for_hooks_is_found() {
    let sound = crio();
    sound.remove("run/cdi/intel.cdi.k8s.io-fpga-dfl-fme.0.json");
    let (bin, hooks) = (sound.path(HOOK), sound.path("etc/containers/oci/hooks.d"));
    let bin = bin.parent().unwrap().to_str().unwrap();
    let args = ["install-host", "--bin-dir", bin, "--hooks-dir", hooks.to_str().unwrap()];
    let hook = format!("/{HOOK}");
    sound.node.run(&[&args[..], &["--hook-path", &hook]].concat()).ended(0);
    sound.finds(&["error runtime", CRIO, "does not look for hooks in", "without being programmed"]);
    sound.write(CRIO, "[crio.runtime]\nhooks_dir = ['/etc/containers/oci/hooks.d']\n");
    assert_eq!(sound.wrong(&[]), [""; 0]);
}

#[test]
fn cri_dockerd_has_no_cdi() {
    let mut sound = Sound::region();
    sound.kill("run/containerd/containerd.sock");
    sound.remove("run/containerd/containerd.sock");
    sound.listen("run/cri-dockerd.sock");
    sound.finds(&["error runtime", "cri-dockerd gives containers no CDI devices"]);
}
