//! Act `af`: a function that is already loaded is found, scheduled, allocated and used.

use std::collections::BTreeMap;
use std::process::Output;

use anyhow::{Context, bail, ensure};
use fpga::id::AfuId;
use fpga::root::Root;
use fpga::scan::scan;

use super::Stage;
use super::common::{keep, show, start_machine, stop_agent, tell_agent};
use crate::console::Console;
use crate::kubelet::{Kubelet, Node};
use crate::machine::{Machine, PATIENCE};
use crate::process::Process;

/// Native loopback in throughput mode, which the pod asks for.
const NLB3: AfuId = AfuId::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);

/// Exit code of a workload whose function is not there, as with OPAE's own samples.
const NOT_FOUND: i32 = 102;

/// Plays the act on a fresh machine and leaves nothing behind.
pub(super) async fn play(stage: &Stage<'_>) -> anyhow::Result<()> {
    let console = stage.console;
    let machine = start_machine(stage, console).await?;
    let kubelet = Kubelet::start(&machine.file("device-plugins"))
        .context("cannot start the stand-in kubelet")?;
    let (agent, node) = start_agent(stage, console, &machine, &kubelet).await?;
    let nodes = place_pod(console, &machine, &kubelet, &node).await?;
    run_pod(stage, console, &machine, &nodes).await?;
    if stage.keep {
        keep(console, &machine).await;
    }
    kubelet.release("test-fpga-region");
    console.step("Everything is stopped and removed");
    stop_agent(agent, &machine, &kubelet).await?;
    kubelet.stop().await;
    machine.stop().await?;
    console.text("agent, kubelet and emulator have ended, their files are gone");
    Ok(())
}

async fn start_agent(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    kubelet: &Kubelet,
) -> anyhow::Result<(Process, Node)> {
    console.step("The device plugin registers with the kubelet");
    console.note(
        "--mode=af: offer the functions that are loaded. The other options keep all files in the demo's directory
and switch off what the demo does not use. The kubelet is a stand-in that speaks the real protocol.",
    );
    let agent = tell_agent(stage, console, machine, &["--mode=af".to_owned()])?;
    let expected = functions_of(machine);
    let arrived = |node: &Node| expected.iter().all(|(name, &n)| node.allocatable(name) == n);
    let node = kubelet.wait_for(PATIENCE, arrived).await;
    console.text(&agent.log().join("\n"));
    let node =
        node.with_context(|| format!("the kubelet never got {expected:?} from the agent"))?;
    console.step("kubectl describe node");
    console.text(&node.to_string());
    console.note("A resource name is fpga.intel.com/af- and the AFU id; the number is how many ports have it loaded.");
    Ok((agent, node))
}

/// What the node should offer: loaded functions by resource name, from a scan of the demo's own.
fn functions_of(machine: &Machine) -> BTreeMap<String, usize> {
    let mut expected = BTreeMap::new();
    for (_, slot) in scan(&Root::at(machine.root())).slots() {
        if let Some(afu_id) = slot.afu_id() {
            *expected.entry(af_resource(afu_id)).or_default() += 1;
        }
    }
    expected
}

/// The resource of a loaded function, spelled here as a user's manifest spells it.
fn af_resource(afu_id: AfuId) -> String {
    format!("fpga.intel.com/af-{afu_id}")
}

async fn place_pod(
    console: &Console,
    machine: &Machine,
    kubelet: &Kubelet,
    node: &Node,
) -> anyhow::Result<Vec<String>> {
    let resource = af_resource(NLB3);
    console.step("A pod asks for native loopback, mode 3");
    console.note(
        "Native loopback (NLB) is a test function that reads memory and writes it back. Its modes are separate functions
with AFU ids of their own; f7df405c... is mode 3.",
    );
    console.text(&manifest(&resource));
    let free = node.allocatable(&resource);
    ensure!(free > 0, "0/1 nodes are available: insufficient {resource}");
    let requests = BTreeMap::from([(resource, 1)]);
    let responses = kubelet.allocate("test-fpga-region", &requests).await?;
    let devices = responses.iter().flat_map(|r| &r.devices);
    let mut nodes = Vec::new();
    for device in devices {
        console.text(&format!(
            "Allocate: {} as {} ({})",
            device.host_path, device.container_path, device.permissions
        ));
        let name = device.host_path.strip_prefix("/dev/").unwrap_or_default();
        ensure!(
            machine.root().join("dev").join(name).exists(),
            "{} is not a node of the machine",
            device.host_path
        );
        nodes.push(name.to_owned());
    }
    ensure!(
        nodes.len() == 1,
        "one port was asked for, {} nodes were given: {nodes:?}",
        nodes.len()
    );
    Ok(nodes)
}

/// The pod of the scenario. Where the admission webhook runs, its author writes the function's
/// friendly name (`fpga.intel.com/arria10-nlb3`) and the webhook makes this of it.
fn manifest(resource: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: test-fpga-region
spec:
  restartPolicy: Never
  containers:
  - name: test-container
    image: kube-fpga/nlb
    resources:
      limits:
        {resource}: 1"
    )
}

async fn run_pod(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    nodes: &[String],
) -> anyhow::Result<()> {
    console.step("The pod runs nlb3, which must succeed, then nlb0, which must fail");
    console.note(
        "Mode 0 is AFU d8424dc4..., which the pod did not ask for and its port does not hold.",
    );
    console.text(&format!("container: {}", machine.isolation()));
    let nlb3 = nlb(stage, console, machine, nodes, "3").await?;
    if !nlb3.status.success() {
        bail!("nlb3 failed: {}", String::from_utf8_lossy(&nlb3.stderr).trim());
    }
    let rows = String::from_utf8_lossy(&nlb3.stdout).contains("Cachelines");
    ensure!(rows, "nlb3 ended well without its table");
    console.text("nlb3 succeeded as expected");
    let nlb0 = nlb(stage, console, machine, nodes, "0").await?;
    let words = String::from_utf8_lossy(&nlb0.stderr);
    let absent = words.contains("Error: device enumeration failed.");
    if nlb0.status.code() != Some(NOT_FOUND) || !absent {
        bail!(
            "nlb0 should have found no function, it ended with {}: {}",
            nlb0.status,
            words.trim()
        );
    }
    console.text("nlb0 failed as expected");
    console.text("SUCCESS");
    Ok(())
}

async fn nlb(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    nodes: &[String],
    mode: &str,
) -> anyhow::Result<Output> {
    let program = stage.binaries.path("nlb");
    let mut arguments = vec!["--mode".to_owned(), mode.to_owned()];
    arguments.extend(machine.container_arguments());
    console.command(program, &arguments);
    let output = machine.run(nodes, program, &arguments).await?;
    show(console, &output);
    Ok(output)
}
