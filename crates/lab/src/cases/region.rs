//! Region mode: a container's region is programmed by the hook through the real fme-mgr before it starts.

use std::path::Path;

use anyhow::{Context, ensure};
use fpga_demo::bundle::{Bundle, Container};
use fpga_demo::runtime::run_hooks;
use serde_json::json;
use tokio::process::Command;

use super::Case;
use super::agent::{Scene, play};
use super::machines::{self, INTERFACE, NLB0, NLB3};
use crate::guest::{Node, PATIENCE};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "region/hook-programs",
        about: "a container gets a region with the function that it asks for, and the next finds it clean",
        machine: machines::two,
        play: |node| play(programs(node)),
    },
    Case {
        name: "region/no-grant",
        about: "a namespace without a grant has nothing programmed",
        machine: machines::one,
        play: |node| play(no_grant(node)),
    },
    Case {
        name: "region/card-refuses",
        about: "a container whose function the card refuses is not started; the region is unhealthy, and recovered",
        machine: machines::two,
        play: |node| play(card_refuses(node)),
    },
];

const REGION: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";

/// Installs both functions and grants them to the namespace `default`.
fn prepare(node: &Node) -> anyhow::Result<()> {
    let store = node.file("store").display().to_string();
    for (name, afu) in [("nlb0", NLB0), ("nlb3", NLB3)] {
        let file = node.gbs(name, INTERFACE, afu, 64 << 10)?;
        node.fpgactl(&["bitstream", "install", "--store", &store, &file])?.ended(0)?;
    }
    let grant = |afu| json!({"interfaceId": INTERFACE, "afuId": afu});
    let grants = json!({"version": 1, "namespaces": {"default": [grant(NLB0), grant(NLB3)]}});
    Ok(std::fs::write(node.file("grants.json"), grants.to_string())?)
}

async fn start(node: &Node, count: usize) -> anyhow::Result<Scene> {
    prepare(node)?;
    let store = node.file("store").display().to_string();
    let hook = node.program("fpgactl").display().to_string();
    let scene = Scene::start(node, &["--mode", "region", "--store", &store, "--hook-path", &hook])?;
    scene.allocatable(REGION, count).await?;
    Ok(scene)
}

/// A container of `namespace` that wants `afu`, with a region allocated.
async fn container(
    node: &Node,
    scene: &Scene,
    id: &str,
    namespace: &str,
    afu: &str,
) -> anyhow::Result<Bundle> {
    let responses = scene.kubelet.allocate(id, &[(REGION.to_owned(), 1)].into()).await?;
    let container = Container {
        id: id.to_owned(),
        namespace: namespace.to_owned(),
        env: vec![format!("FPGA_REGION_1={INTERFACE}"), format!("FPGA_AFU_1={afu}")],
        script: "true".to_owned(),
    };
    let nlb = node.program("nlb");
    let programs = nlb.parent().unwrap_or(Path::new("/"));
    Bundle::write(&node.file(id), &container, programs, &responses, &node.file("cdi"))
}

async fn hooks(bundle: &Bundle, stage: &str, status: &str) -> anyhow::Result<()> {
    run_hooks(bundle, stage, status, &|path, arguments| {
        let mut command = Command::new(path);
        command.args(arguments);
        command
    })
    .await
}

async fn programs(node: &Node) -> anyhow::Result<()> {
    let scene = start(node, 2).await?;
    for (id, afu, mode) in [("first", NLB0, "0"), ("second", NLB3, "3"), ("third", NLB0, "0")] {
        let bundle = container(node, &scene, id, "default", afu).await?;
        hooks(&bundle, "createRuntime", "creating").await?;
        let [port] = &bundle.nodes()[..] else {
            anyhow::bail!("the container was given {:?}", bundle.nodes())
        };
        let shown = std::fs::read_to_string(format!("/sys/bus/platform/devices/{port}/afu_id"))?;
        ensure!(shown.trim() == afu, "{port} shows {shown}, and {afu} was asked for");
        // The workload sees the container's nodes and no others.
        let dev = node.file(&format!("{id}-dev"));
        std::fs::create_dir(&dev)?;
        std::os::unix::fs::symlink(Path::new("/dev").join(port), dev.join(port))?;
        let dev = dev.display().to_string();
        node.run("nlb", &["--mode", mode, "--devfs", &dev])?.ended(0)?;
        hooks(&bundle, "poststop", "stopped").await?;
        scene.kubelet.release(id);
    }
    scene.stop().await
}

async fn no_grant(node: &Node) -> anyhow::Result<()> {
    let scene = start(node, 1).await?;
    let bundle = container(node, &scene, "intruder", "elsewhere", NLB0).await?;
    let refused = hooks(&bundle, "createRuntime", "creating").await;
    let words = format!("{:#}", refused.err().context("the container was started")?);
    ensure!(words.contains("not granted"), "{words}");
    let shown = std::fs::read_to_string("/sys/bus/platform/devices/dfl-port.0/afu_id")?;
    ensure!(shown.trim() == NLB3, "the region was programmed: {shown}");
    scene.stop().await
}

async fn card_refuses(node: &Node) -> anyhow::Result<()> {
    let mut scene = start(node, 2).await?;
    for card in ["card0", "card1"] {
        node.emulator()?.pr_error(card, 2)?;
    }
    let bundle = container(node, &scene, "unlucky", "default", NLB0).await?;
    let refused = hooks(&bundle, "createRuntime", "creating").await;
    let words = format!("{:#}", refused.err().context("the container was started")?);
    ensure!(words.contains("reconfig CRC error"), "{words}");
    scene.allocatable(REGION, 1).await?;
    scene.agent.wait_for_line("reason=programming_failed", PATIENCE).await?;
    for card in ["card0", "card1"] {
        node.emulator()?.pr_error(card, 0)?;
    }
    let [port] = &bundle.nodes()[..] else {
        anyhow::bail!("the container was given {:?}", bundle.nodes())
    };
    node.fpgactl(&["recover", port])?.ended(0)?;
    scene.allocatable(REGION, 2).await?;
    scene.stop().await
}
