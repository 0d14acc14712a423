//! Wrong command lines, wrong surroundings, second agents and ends.

use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use tokio::process::Command;

use crate::node::{AF_NLB0, AF_NLB3, LIMIT, Node, allocatable, cards, eventually, one_card};

async fn output(mut command: Command) -> Output {
    tokio::time::timeout(LIMIT, command.kill_on_drop(true).output())
        .await
        .expect("it did not end")
        .unwrap()
}

/// The exit code and what was said last.
async fn failure(command: Command) -> (i32, String) {
    let output = output(command).await;
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text.lines().last().unwrap_or_default().to_owned())
}

/// Upstream: TestNewDevicePlugin*/unparsable.
#[tokio::test]
async fn an_unknown_mode_is_a_usage_error_of_one_line() {
    let node = Node::new(&one_card());
    let output = output(node.command(&["-mode", "x"])).await;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "fpga-agent: unknown mode \"x\": expected one of af, region, regiondevel\n");
    let (code, line) = failure(node.command(&["--naming", "x"])).await;
    assert_eq!(
        (code, line.as_str()),
        (2, "fpga-agent: unknown naming \"x\": expected one of plain, encoded")
    );
}

#[tokio::test]
async fn an_unreadable_root_is_named() {
    let node = Node::new(&one_card());
    let (code, line) = failure(node.command(&["--sysfs", "/nonexistent/sys"])).await;
    assert_eq!(code, 1);
    assert_eq!(
        line,
        "fpga-agent: cannot read /nonexistent/sys: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn a_health_address_in_use_is_named() {
    let node = Node::new(&one_card());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, line) = failure(node.command(&["--health-address", &address])).await;
    assert_eq!(code, 1);
    assert_eq!(
        line,
        format!("fpga-agent: --health-address {address}: Address already in use (os error 98)")
    );
}

/// Upstream takes a second plugin for a reason to end, and waits a second to find out.
#[tokio::test]
async fn a_second_agent_says_so_and_takes_nothing() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let first = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    let mut second = node.agent(&[]);
    let line = second.wait_for_line("is already in use by another plugin", LIMIT).await.unwrap();
    assert!(line.contains(node.socket(AF_NLB3).to_str().unwrap()), "{line}");
    assert!(second.terminate(LIMIT).await.unwrap().success());

    assert!(node.socket(AF_NLB3).exists());
    assert_eq!(kubelet.node().allocatable(AF_NLB3), 1);
    assert_eq!(kubelet.events().len(), 2, "{:?}", kubelet.events());

    // When the first goes, a second one takes over by itself.
    let mut second = node.agent(&[]);
    second.wait_for_line("is already in use by another plugin", LIMIT).await.unwrap();
    assert!(first.terminate(LIMIT).await.unwrap().success());
    second.wait_for_line("device-plugin registered", LIMIT).await.unwrap();
    allocatable(&kubelet, AF_NLB3, 1).await;
}

/// The path of a unix socket has at most 107 bytes. Only the resources whose names do not fit suffer.
#[tokio::test]
async fn a_socket_path_that_is_too_long_is_named_and_harms_no_other() {
    let node = Node::new(&one_card());
    // The encoded name needs 13 bytes more than the plain one's.
    let name_length = "/fpga.intel.com-af-f7df405cbd7acf7222f144b0b93acd18.sock".len();
    let room = 107 - name_length - node.file("").as_os_str().len();
    let directory = node.file(&"d".repeat(room));
    let directory = directory.to_str().unwrap();
    let kubelet = fpga_demo::kubelet::Kubelet::start(std::path::Path::new(directory)).unwrap();
    let command = |naming| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-agent"));
        command.arg("--root").arg(node.root()).args([
            "--socket-dir",
            directory,
            "--naming",
            naming,
        ]);
        command.args(["--health-address", "none", "--hook-results", "none"]);
        command.arg("--cdi-dir").arg(node.cdi());
        command
    };
    let fits = fpga_demo::process::Process::start(command("plain")).unwrap();
    allocatable(&kubelet, AF_NLB3, 1).await;
    let mut too_long = fpga_demo::process::Process::start(command("encoded")).unwrap();
    let line = too_long.wait_for_line("cannot be offered", LIMIT).await.unwrap();
    for part in ["fpga.intel.com/af-695.f7d.", "a unix socket can have 107", "--socket-dir"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(too_long.terminate(LIMIT).await.unwrap().success());
    assert!(fits.terminate(LIMIT).await.unwrap().success());
}

/// Upstream dies of SIGTERM and leaves its sockets behind.
#[tokio::test]
async fn sigterm_and_sigint_remove_the_sockets() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"])]));
    let kubelet = node.kubelet();
    let agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB0, 1).await;
    allocatable(&kubelet, AF_NLB3, 1).await;
    assert_eq!(node.plugin_sockets().len(), 2);
    assert_eq!(agent.terminate(LIMIT).await.unwrap().code(), Some(0));
    assert!(node.plugin_sockets().is_empty());
    // The kubelet still counts the devices, so that an update of the agent disturbs no scheduler.
    allocatable(&kubelet, AF_NLB3, 0).await;
    assert_eq!(kubelet.node().capacity(AF_NLB3), 1);

    let mut agent = node.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    allocatable(&kubelet, AF_NLB3, 1).await;
    let pid = nix::unistd::Pid::from_raw(agent.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let status = tokio::time::timeout(LIMIT, agent.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(node.plugin_sockets().is_empty());
}

#[tokio::test]
async fn sockets_of_a_killed_agent_are_taken_over() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    kill(agent.pid(), Signal::SIGKILL).unwrap();
    allocatable(&kubelet, AF_NLB3, 0).await;
    assert!(node.socket(AF_NLB3).exists());
    let _next = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
}

#[tokio::test]
async fn a_file_in_the_way_harms_no_other_resource() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"])]));
    let kubelet = node.kubelet();
    std::fs::write(node.socket(AF_NLB0), "precious").unwrap();
    let mut agent = node.agent(&[]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    agent.wait_for_line("is in the way: it is not a socket", LIMIT).await.unwrap();
    assert_eq!(std::fs::read_to_string(node.socket(AF_NLB0)).unwrap(), "precious");
    std::fs::remove_file(node.socket(AF_NLB0)).unwrap();
    allocatable(&kubelet, AF_NLB0, 1).await;
}

#[tokio::test]
async fn flags_of_klog_are_accepted_with_a_word() {
    let node = Node::new(&one_card());
    let mut agent = node.agent(&["-logtostderr", "-stderrthreshold=2", "-v=1"]);
    let line = agent.wait_for_line("flags without effect", LIMIT).await.unwrap();
    assert!(line.contains("-logtostderr -stderrthreshold=2"), "{line}");
    agent.wait_for_line("FPGA device plugin started in af mode", LIMIT).await.unwrap();
}

#[tokio::test]
async fn log_lines_can_be_json() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let mut agent = node.agent(&["--log-format", "json"]);
    allocatable(&kubelet, AF_NLB3, 1).await;
    let line = agent.wait_for_line("device-plugin registered", LIMIT).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["span"]["resource"], AF_NLB3);
    eventually("all lines are JSON", || {
        agent.log().iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    })
    .await;
}
