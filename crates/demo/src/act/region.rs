//! Act `region`: regions are programmed before a container starts, and cleaned after it ended.

mod tenant;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use fpga::id::{AfuId, InterfaceId};
use serde_json::json;

use super::Stage;
use super::common::{start_machine, stop_agent, tell_agent};
use crate::console::Console;
use crate::kubelet::{Kubelet, Node};
use crate::machine::{Machine, PATIENCE};
use crate::process::Process;
use crate::runtime::Runtime;
use tenant::{Tenant, Want};

const NLB0: AfuId = AfuId::new(0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b);
const NLB3: AfuId = AfuId::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);
/// The function whose bitstream is broken.
const DMA: AfuId = AfuId::new(0x331d_b30c_9885_41ea_9081_f88b_8f65_5caa);

/// The namespace that everything but the intruder runs in.
const NAMESPACE: &str = "default";

/// Everything that runs during the act.
struct Scene<'a> {
    stage: &'a Stage<'a>,
    console: &'a Console,
    // Dropped in this order: the machine's directory goes last.
    agent: Process,
    kubelet: Kubelet,
    machine: Machine,
    runtime: Runtime,
    regions: Regions,
}

/// The regions that the act is about.
#[derive(Clone, Copy)]
pub(super) struct Regions {
    /// All have this interface.
    pub(super) interface: InterfaceId,
    /// How many there are. With a single one no other can keep working when it fails.
    pub(super) count: usize,
}

impl Scene<'_> {
    fn resource(&self) -> String {
        format!("fpga.intel.com/region-{}", self.regions.interface)
    }

    fn programs(&self) -> anyhow::Result<PathBuf> {
        let nlb = std::fs::canonicalize(self.stage.binaries.path("nlb"))?;
        Ok(nlb.parent().context("nlb is in no directory")?.to_owned())
    }
}

/// Plays the act on a fresh machine and leaves nothing behind.
pub(super) async fn play(stage: &Stage<'_>) -> anyhow::Result<()> {
    let console = stage.console;
    let scene = set(stage, console).await?;
    first_tenant(&scene).await?;
    second_tenant(&scene).await?;
    intruder(&scene).await?;
    broken_bitstream(&scene).await?;
    console.text("SUCCESS");
    if stage.keep {
        super::common::keep(console, &scene.machine).await;
    }
    console.step("Everything is stopped and removed");
    let Scene { machine, kubelet, agent, .. } = scene;
    stop_agent(agent, &machine, &kubelet).await?;
    kubelet.stop().await;
    machine.stop().await?;
    console.text("agent, kubelet and emulator have ended, their files are gone");
    Ok(())
}

async fn set<'a>(stage: &'a Stage<'a>, console: &'a Console) -> anyhow::Result<Scene<'a>> {
    let machine = start_machine(stage, console).await?;
    let regions = regions(&machine)?;
    let interface = regions.interface;
    store(stage, console, &machine, interface).await?;
    console.step("The device plugin offers regions, which a runtime hook programs");
    console.note(
        "--mode=region: offer regions instead of loaded functions; the resource name is fpga.intel.com/region- and the
interface id. --store is the directory of bitstreams, --hook-path the program that loads them.
The agent writes a CDI spec for each region: a file that makes the container runtime run fpga-hook before a container
starts, to program the region, and after it has ended, to reset it.",
    );
    let kubelet = Kubelet::start(&machine.file("device-plugins"))
        .context("cannot start the stand-in kubelet")?;
    let agent = start_agent(stage, console, &machine, &[])?;
    let resource = format!("fpga.intel.com/region-{interface}");
    let node = kubelet.wait_for(PATIENCE, |n| n.allocatable(&resource) == regions.count).await;
    console.text(&agent.log().join("\n"));
    let node =
        node.with_context(|| format!("the kubelet never got {} of {resource}", regions.count))?;
    console.text(&node.to_string());
    let nlb = std::fs::canonicalize(stage.binaries.path("nlb"))?;
    let runtime = Runtime::choose(&machine, nlb.parent().unwrap_or(Path::new("/"))).await?;
    console.text(&runtime.describe());
    Ok(Scene { stage, console, machine, kubelet, agent, runtime, regions })
}

/// The regions of the interface that the one with [`NLB3`] loaded has.
pub(super) fn regions(machine: &Machine) -> anyhow::Result<Regions> {
    let inventory = fpga::scan::scan(&fpga::root::Root::at(machine.root()));
    let all = || inventory.slots().map(|(card, slot)| (card.interface_id(slot), slot.afu_id()));
    let loaded = all().find(|(_, afu)| *afu == Some(NLB3)).and_then(|(interface, _)| interface);
    let interface = loaded.with_context(|| format!("no region has {NLB3} loaded"))?;
    Ok(Regions { interface, count: all().filter(|(i, _)| *i == Some(interface)).count() })
}

/// Makes bitstreams, installs them, and says who may have them.
async fn store(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    interface: InterfaceId,
) -> anyhow::Result<()> {
    console.step("Bitstreams are installed and granted to a namespace");
    console.note(
        "A bitstream, here a GBS file, holds a function for the regions of one interface id. The store names the file
<interface id>/<AFU id>.gbs. The payload of \"broken\" is damaged on purpose.",
    );
    for (name, afu_id) in [("nlb_mode_0", NLB0), ("nlb_mode_3", NLB3), ("broken", DMA)] {
        let file = make(stage, machine, interface, name, afu_id).await?;
        if afu_id == DMA {
            spoil(&file)?;
        }
        install(stage, console, machine, &file).await?;
    }
    let grants = [NLB0, NLB3, DMA].map(|afu_id| json!({"interfaceId": interface, "afuId": afu_id}));
    let grants = json!({"version": 1, "namespaces": {NAMESPACE: grants}});
    std::fs::write(machine.file("grants.json"), grants.to_string())?;
    console.text(&format!("grants: {grants}"));
    console.note(
        "Grants are the functions that the pods of a namespace may have programmed. On a cluster fpga-agent writes this
file from the AcceleratorFunction objects.",
    );
    Ok(())
}

/// Makes the bitstream of a function.
pub(super) async fn make(
    stage: &Stage<'_>,
    machine: &Machine,
    interface: InterfaceId,
    name: &str,
    afu_id: AfuId,
) -> anyhow::Result<PathBuf> {
    let file = machine.file(&format!("{name}.gbs"));
    let mut gbs = tokio::process::Command::new(stage.binaries.path("fpga-emulator"));
    gbs.args(["gbs", "--interface", &interface.to_string(), "--afu", &afu_id.to_string()]);
    let output = gbs.args(["--name", name, "--output"]).arg(&file).output().await?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "fpga-emulator gbs: {}", words.trim());
    Ok(file)
}

/// Installs a bitstream in the machine's store.
pub(super) async fn install(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    file: &Path,
) -> anyhow::Result<()> {
    let fpgactl = stage.binaries.path("fpgactl");
    let (store, file) = (machine.file("store").display().to_string(), file.display().to_string());
    let arguments = ["bitstream", "install", "--store", &store, &file].map(str::to_owned);
    console.command(fpgactl, &arguments);
    let output = tokio::process::Command::new(fpgactl).args(&arguments).output().await?;
    super::common::show(console, &output);
    ensure!(output.status.success(), "fpgactl bitstream install ended with {}", output.status);
    Ok(())
}

/// Changes a byte of the payload: the header still promises the function, the card will refuse it.
fn spoil(file: &Path) -> anyhow::Result<()> {
    /// Magic numbers and the length of the metadata.
    const HEADER: usize = 20;
    let mut bytes = std::fs::read(file)?;
    let length = bytes.get(16..HEADER).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let payload = HEADER + usize::try_from(length.context("a bitstream without a header")?)?;
    *bytes.get_mut(payload).context("a bitstream without a payload")? ^= 0xff;
    Ok(std::fs::write(file, bytes)?)
}

pub(super) fn start_agent(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    further: &[String],
) -> anyhow::Result<Process> {
    let flag = |name: &str, file: &str| format!("--{name}={}", machine.file(file).display());
    let hook = std::fs::canonicalize(stage.binaries.path("fpga-hook"))?;
    let mut flags = vec![
        "--mode=region".to_owned(),
        flag("store", "store"),
        format!("--hook-path={}", hook.display()),
    ];
    flags.extend_from_slice(further);
    tell_agent(stage, console, machine, &flags)
}

async fn first_tenant(scene: &Scene<'_>) -> anyhow::Result<()> {
    let (title, wants): (_, &[Want]) = if scene.regions.count > 1 {
        let title =
            "A container asks for two regions: nlb3, which is loaded, and nlb0, which is not";
        (title, &[Want::run(NLB3, "3"), Want::run(NLB0, "0")])
    } else {
        ("A container asks for the region with nlb0, which is not loaded", &[Want::run(NLB0, "0")])
    };
    scene.console.step(title);
    scene.console.note(
        "FPGA_REGION_n and FPGA_AFU_n are what to program; on a cluster the admission webhook writes them.
A region's CDI device is called after the card's management node: FME is the FPGA management engine. The container
gets the node of its port only.",
    );
    let outcome = Tenant { name: "first", namespace: NAMESPACE, wants }.run(scene).await?;
    if !outcome.success() {
        bail!("the container should have run what it asked for: {}", outcome.words.trim());
    }
    scene.console.text("succeeded as expected");
    scene.kubelet.release("first");
    Ok(())
}

async fn second_tenant(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.console.step("The next container finds the regions reset");
    let registers = tenant::left_registers(&scene.machine)?;
    scene.console.text(&format!(
        "work registers of the functions that are not zero after the first container: {}",
        registers.len()
    ));
    ensure!(registers.is_empty(), "the last tenant left {registers:?}");
    let wants: &[Want] = if scene.regions.count > 1 {
        &[Want::run(NLB0, "0"), Want::run(NLB0, "0")]
    } else {
        &[Want::run(NLB3, "3")]
    };
    let outcome = Tenant { name: "second", namespace: NAMESPACE, wants }.run(scene).await?;
    ensure!(outcome.success(), "the second tenant's container failed: {}", outcome.words.trim());
    scene.console.text("succeeded as expected");
    scene.kubelet.release("second");
    Ok(())
}

async fn intruder(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.console.step("A pod of a namespace without a grant is refused");
    let tenant =
        Tenant { name: "intruder", namespace: "elsewhere", wants: &[Want::run(NLB3, "3")] };
    let outcome = tenant.run(scene).await?;
    ensure!(outcome.status.is_none(), "the container was started");
    scene.console.text("not started, as expected");
    scene.kubelet.release("intruder");
    Ok(())
}

async fn broken_bitstream(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene
        .console
        .step("A broken bitstream: the container does not start, other cards keep working");
    let tenant = Tenant { name: "unlucky", namespace: NAMESPACE, wants: &[Want::run(DMA, "3")] };
    let outcome = tenant.run(scene).await?;
    ensure!(
        outcome.status.is_none(),
        "the container was started with a function that it did not ask for"
    );
    ensure!(outcome.words.contains("CRC"), "the reason is not named: {}", outcome.words.trim());
    scene.console.text("not started, as expected");
    if scene.regions.count > 1 {
        let wants = &[Want::run(NLB3, "3")];
        let outcome = Tenant { name: "other", namespace: NAMESPACE, wants }.run(scene).await?;
        ensure!(outcome.success(), "the other card does not work: {}", outcome.words.trim());
        scene.console.text("nlb3 on another card succeeded as expected");
    }
    scene.kubelet.release("unlucky");
    scene.kubelet.release("other");
    recover(scene).await
}

/// The card whose programming failed is bound to its driver again.
async fn recover(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.console.step("The failed card is recovered");
    scene.console.note(
        "After a failed reconfiguration the driver keeps the region disabled: one device less is allocatable. `fpgactl
recover` binds the driver to the card again.",
    );
    let resource = scene.resource();
    let sick = |node: &Node| node.capacity(&resource) - node.allocatable(&resource) == 1;
    let node = scene
        .kubelet
        .wait_for(PATIENCE, sick)
        .await
        .context("no region is unhealthy after the failure")?;
    scene.console.text(&node.to_string());
    let card = tenant::disabled_card(&scene.machine)?.to_string();
    let arguments = ["recover".to_owned(), card];
    let fpgactl = scene.stage.binaries.path("fpgactl");
    scene.console.command(fpgactl, &arguments);
    let output = scene.machine.node_command(fpgactl, &arguments).output().await?;
    super::common::show(scene.console, &output);
    ensure!(output.status.success(), "fpgactl recover ended with {}", output.status);
    let well = |node: &Node| node.allocatable(&resource) == scene.regions.count;
    let node =
        scene.kubelet.wait_for(PATIENCE, well).await.context("the region did not come back")?;
    scene.console.text(&node.to_string());
    Ok(())
}
