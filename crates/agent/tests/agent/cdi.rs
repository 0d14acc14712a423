//! CDI specs of the real binary. Fault 8: a write failure is only logged, specs are never refreshed or
//! cleaned, and have neither args[0] nor a timeout.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use fpga_demo::kubelet::{AllocationError, Kubelet};
use kubelet_api::v1beta1::ContainerAllocateResponse;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde_json::{Value, json};

use crate::node::{AF_NLB3, LIMIT, Node, REGION, allocatable, cards, eventually, one_card, remove};

const SPEC: &str = "intel.cdi.k8s.io-fpga-dfl-fme.0.json";

fn spec(node: &Node, device: &str) -> PathBuf {
    node.cdi().join(format!("intel.cdi.k8s.io-fpga-{device}.json"))
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn names(node: &Node) -> Vec<String> {
    let entries = std::fs::read_dir(node.cdi()).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn allocate(
    kubelet: &Kubelet,
    pod: &str,
) -> Result<ContainerAllocateResponse, AllocationError> {
    let given = kubelet.allocate(pod, &BTreeMap::from([(REGION.to_owned(), 1)])).await?;
    Ok(given.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_region_has_a_complete_spec_before_the_kubelet_hears_of_it() {
    let node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb0", "nlb3"])]));
    let kubelet = node.kubelet();
    let mut agent = node.agent(&[
        "--mode",
        "region",
        "--hook-path",
        "/opt/fpga/fpgactl",
        "--hook-timeout",
        "1m",
        "--store",
        "/srv/fpga",
        "--hook-arg=--verbose",
    ]);
    allocatable(&kubelet, REGION, 3).await;
    let devices = ["dfl-fme.0", "dfl-fme.1-port0", "dfl-fme.1-port1"];
    assert_eq!(
        names(&node),
        devices.map(|device| spec(&node, device).file_name().unwrap().to_str().unwrap().to_owned())
    );

    let found = read(&spec(&node, "dfl-fme.1-port1"));
    assert_eq!(
        (&found["cdiVersion"], &found["kind"]),
        (&json!("0.5.0"), &json!("intel.cdi.k8s.io/fpga"))
    );
    let device = &found["devices"][0];
    assert_eq!(device["name"], "dfl-fme.1-port1");
    let edits = &device["containerEdits"];
    assert_eq!(edits["deviceNodes"].as_array().unwrap().len(), 1);
    assert_eq!(edits["deviceNodes"][0]["path"], "/dev/dfl-port.2");
    assert_eq!(edits["deviceNodes"][0]["type"], "c");
    let results = node.file("run/hook-results");
    let grants = node.file("run/grants.json");
    for (hook, stage) in [(0, "createRuntime"), (1, "poststop")] {
        let args = [
            "fpgactl",
            "oci-hook",
            "--stage",
            stage,
            "--device",
            "0000-20-00-0-slot1",
            "--use",
            "region",
            "--grants",
            grants.to_str().unwrap(),
            "--results",
            results.to_str().unwrap(),
            "--store",
            "/srv/fpga",
            "--timeout",
            "60000ms",
            "--verbose",
        ];
        assert_eq!(
            edits["hooks"][hook],
            json!({ "hookName": stage, "path": "/opt/fpga/fpgactl", "args": args, "timeout": 70 })
        );
    }

    let given = allocate(&kubelet, "pod").await.unwrap();
    let id = given.cdi_devices[0].name.strip_prefix("intel.cdi.k8s.io/fpga=").unwrap();
    assert!(devices.contains(&id), "{id}");
    assert_eq!(given.devices.len(), 1);
    agent.wait_for_line("CDI spec written", LIMIT).await.unwrap();
    // They are there for containers that the kubelet restarts while the agent is away.
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    assert_eq!(names(&node).len(), 3);
}

#[tokio::test]
async fn a_spec_goes_with_its_card_and_comes_back_with_it() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--mode", "region", "--keep-vanished", "none"]);
    allocatable(&kubelet, REGION, 2).await;
    node.change(|host| host.remove(1));
    eventually("its spec is removed", || names(&node) == [SPEC]).await;
    allocatable(&kubelet, REGION, 1).await;
    node.change(|host| host.insert(1));
    allocatable(&kubelet, REGION, 2).await;
    assert_eq!(names(&node).len(), 2);
}

#[tokio::test]
async fn specs_go_when_the_mode_has_none() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let agent = node.agent(&["--mode", "region"]);
    allocatable(&kubelet, REGION, 1).await;
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    std::fs::write(node.cdi().join("nvidia.yaml"), "theirs").unwrap();
    for arguments in [["--mode", "af"], ["--mode", "regiondevel"]] {
        std::fs::write(node.cdi().join(SPEC), "stale").unwrap();
        let agent = node.agent(&arguments);
        eventually("the specs are removed", || names(&node) == ["nvidia.yaml"]).await;
        assert!(agent.terminate(LIMIT).await.unwrap().success());
    }
    assert_eq!(kubelet.node().allocatable(AF_NLB3), 0);
}

#[tokio::test]
async fn a_reboot_or_a_hand_that_empties_the_directory_is_made_good() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&["--mode", "region"]);
    allocatable(&kubelet, REGION, 1).await;
    let right = read(&node.cdi().join(SPEC));
    let is_right = || {
        std::fs::read(node.cdi().join(SPEC))
            .is_ok_and(|t| serde_json::from_slice::<Value>(&t).is_ok_and(|found| found == right))
    };
    std::fs::rename(node.cdi(), node.file("aside")).unwrap();
    eventually("the directory is filled again", is_right).await;
    std::fs::write(node.cdi().join(SPEC), "{}").unwrap();
    eventually("the spec is mended", is_right).await;
    remove(&node.cdi());
    std::fs::create_dir_all(node.cdi()).unwrap();
    eventually("the directory that was made anew is filled", is_right).await;
}

/// A container's bind mount goes on showing the directory that was removed on the host. Here a descriptor
/// stands for the mount: both lead to the directory whatever becomes of its name.
#[tokio::test]
async fn a_mounted_directory_that_was_removed_on_the_host_ends_the_agent() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    std::fs::create_dir(node.cdi()).unwrap();
    let mount = std::fs::File::open(node.cdi()).unwrap();
    fcntl(&mount, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mounted = format!("/proc/self/fd/{}", mount.as_raw_fd());
    let mut agent = node.agent(&["--mode", "region", "--cdi-dir", &mounted]);
    allocatable(&kubelet, REGION, 1).await;
    assert!(node.cdi().join(SPEC).is_file());
    remove(&node.cdi());
    std::fs::create_dir_all(node.cdi()).unwrap();
    agent.wait_for_line("this directory was removed on the host", LIMIT).await.unwrap();
    assert_eq!(agent.terminate(LIMIT).await.unwrap().code(), Some(1));
    assert_eq!(names(&node), [""; 0], "nothing is written elsewhere");
}

/// Upstream logs it and lets the container start without its region being programmed.
#[tokio::test]
async fn without_its_spec_no_region_is_given() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    // No file can take this place.
    std::fs::create_dir_all(node.cdi().join(SPEC).join("full")).unwrap();
    let mut agent = node.agent(&["--mode", "region"]);
    allocatable(&kubelet, REGION, 1).await;
    agent.wait_for_line("cannot be given to a container: CDI spec", LIMIT).await.unwrap();
    let Err(AllocationError::Refused { status, .. }) = allocate(&kubelet, "pod").await else {
        panic!("the region was given")
    };
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(status.message().contains(SPEC), "{}", status.message());
    std::fs::remove_dir_all(node.cdi().join(SPEC)).unwrap();
    allocate(&kubelet, "pod").await.unwrap();
    assert!(node.cdi().join(SPEC).is_file());
}

#[tokio::test]
async fn programming_can_be_left_to_hooks_d_or_to_nobody() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    for (word, annotated) in [("hooks.d", true), ("none", false)] {
        let mut agent = node.agent(&["--mode", "region", "--programming", word]);
        agent.wait_for_line("device-plugin registered", LIMIT).await.unwrap();
        allocatable(&kubelet, REGION, 1).await;
        let given = allocate(&kubelet, "pod").await.unwrap();
        kubelet.release("pod");
        assert_eq!(given.annotations.contains_key("com.intel.fpga.mode"), annotated, "{word}");
        assert!(given.cdi_devices.is_empty(), "{word}");
        assert!(names(&node).is_empty(), "{word}");
        let warned =
            agent.log().iter().any(|line| line.contains("with the function that is in them"));
        assert_eq!(warned, !annotated, "{word}");
        assert!(agent.terminate(LIMIT).await.unwrap().success());
    }
}
