//! The kubelet, and what the host gives containers.

use super::{SOCKETS, Sound};

#[test]
fn a_kubelet_that_ended_is_found() {
    let mut sound = Sound::af();
    let socket = format!("{SOCKETS}/kubelet.sock");
    sound.kill(&socket);
    sound.finds(&["error kubelet", &socket, "no plugin can register", "nobody listens"]);
    sound.remove(&socket);
    sound.finds(&["error kubelet", &socket, "no plugin can register", "no such socket"]);
}

#[test]
fn a_kubelet_with_its_files_elsewhere_is_found() {
    let sound = Sound::af();
    std::fs::rename(sound.path(SOCKETS), sound.path("elsewhere")).unwrap();
    sound.finds(&["error kubelet", SOCKETS, "is not there", "has its files elsewhere"]);
    // The fix is to say where.
    let elsewhere = sound.path("elsewhere");
    let answer = sound.run(&["--socket-dir", elsewhere.to_str().unwrap()]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
}

#[test]
fn a_kubelet_that_does_not_tell_of_its_pods_is_found() {
    let mut sound = Sound::region();
    let socket = "var/lib/kubelet/pod-resources/kubelet.sock";
    sound.kill(socket);
    sound.finds(&["error kubelet", socket, "not cleaned", "nobody listens"]);
}

#[test]
fn a_directory_of_sockets_for_everybody_is_found() {
    let sound = Sound::af();
    sound.mode(SOCKETS, 0o777);
    sound.finds(&["error kubelet", SOCKETS, "mode 0777", "register a plugin"]);
}

#[test]
fn a_low_limit_of_locked_memory_is_found() {
    let sound = Sound::af();
    sound.write("proc/812/limits", "Max locked memory  65536  65536  bytes\n");
    sound.finds(&["warning limits", "containerd (812)", "65536 bytes", "CAP_IPC_LOCK"]);
}

#[test]
fn missing_huge_pages_are_found() {
    let sound = Sound::af();
    sound.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
    sound.finds(&["warning limits", "nr_hugepages", "no huge pages of 2 MiB"]);
}
