//! Act `webhook`: a pod asks for a function by its friendly name. The real admission webhook replaces it by a region and
//! the order to program it; the real agent reads from the same objects what is granted.

mod cluster;
mod pod;

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use fpga::id::AfuId;
use serde_json::{Value, json};

use super::Stage;
use super::common::{start_machine, stop_agent};
use super::region::{Regions, install, make, regions, start_agent};
use crate::admission::Verdict;
use crate::bundle::{Bundle, Container};
use crate::console::Console;
use crate::kubelet::Kubelet;
use crate::machine::{Machine, PATIENCE};
use crate::runtime::Runtime;
use cluster::Cluster;

const NLB0: AfuId = AfuId::new(0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b);
const NLB3: AfuId = AfuId::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);

/// The namespace that the functions are granted to.
const NAMESPACE: &str = "default";

/// Plays the act on a fresh machine and leaves nothing behind.
pub(super) async fn play(stage: &Stage<'_>) -> anyhow::Result<()> {
    let console = stage.console;
    let machine = start_machine(stage, console).await?;
    let regions = regions(&machine)?;
    console.step("An API server, with a function granted to a namespace");
    console.note(
        "An AcceleratorFunction gives a function a friendly name and lets the pods of its namespace ask for it.
The API server is a stand-in that speaks the real protocol.",
    );
    let mut cluster = Cluster::start(console, &machine, regions.interface).await?;
    console.step("The admission webhook makes its certificate and gives it to the API server");
    console.note("--mode=orchestrated: an object without a mode means that the function is programmed for each container.");
    cluster.start_webhook(stage, console).await?;

    console.step("The device plugin offers regions and reads the grants");
    let file = make(stage, &machine, regions.interface, "nlb_mode_3", NLB3).await?;
    install(stage, console, &machine, &file).await?;
    let kubelet = Kubelet::start(&machine.file("device-plugins"))
        .context("cannot start the stand-in kubelet")?;
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let agent = start_agent(stage, console, &machine, &[kubeconfig])?;
    let resource = format!("fpga.intel.com/region-{}", regions.interface);
    let node = kubelet.wait_for(PATIENCE, |n| n.allocatable(&resource) == regions.count).await;
    node.with_context(|| format!("the kubelet never got {} of {resource}", regions.count))?;
    cluster.node_has(&resource, regions.count);
    cluster.wait_until_ready(console).await?;
    wait_for_grant(&machine).await?;

    let admitted = admit(console, &cluster, &resource).await?;
    run(stage, console, &machine, &kubelet, &admitted).await?;
    refuse(console, &cluster, regions).await?;
    if stage.keep {
        super::common::keep(console, &machine).await;
    }
    console.step("Everything is stopped and removed");
    stop_agent(agent, &machine, &kubelet).await?;
    kubelet.stop().await;
    cluster.stop().await?;
    machine.stop().await?;
    console
        .text("agent, webhook, kubelet, API server and emulator have ended, their files are gone");
    Ok(())
}

/// Waits until the agent has written the grant that the object is.
async fn wait_for_grant(machine: &Machine) -> anyhow::Result<()> {
    let begin = std::time::Instant::now();
    let path = machine.file("grants.json");
    while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&NLB3.to_string())) {
        ensure!(begin.elapsed() < PATIENCE, "the agent never wrote the grant of {NLB3}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn admit(console: &Console, cluster: &Cluster, resource: &str) -> anyhow::Result<Value> {
    console.step("A pod asks for arria10-nlb3");
    console.text(pod::MANIFEST);
    let pod = pod::read(pod::MANIFEST)?;
    let pod = match cluster.webhook()?.ask(NAMESPACE, &pod).await? {
        Verdict::Allowed { pod, warnings } => {
            for warning in warnings {
                console.text(&format!("Warning: {warning}"));
            }
            pod
        }
        Verdict::Refused(message) => bail!("the pod was refused: {message}"),
    };
    console.text("\nwhat the admission webhook makes of it:");
    let container = &pod["spec"]["containers"][0];
    let shown = json!({ "resources": container["resources"], "env": container["env"] });
    console.text(&serde_saphyr::to_string(&shown)?);
    let requests = pod::requests(&pod)?;
    let expected = BTreeMap::from([(resource.to_owned(), 1)]);
    ensure!(requests == expected, "the pod asks for {requests:?}, not for {expected:?}");
    Ok(pod)
}

async fn run(
    stage: &Stage<'_>,
    console: &Console,
    machine: &Machine,
    kubelet: &Kubelet,
    pod: &Value,
) -> anyhow::Result<()> {
    console.step("The pod runs nlb3, which must succeed, then nlb0, which must fail");
    let nlb = std::fs::canonicalize(stage.binaries.path("nlb"))?;
    let programs = nlb.parent().context("nlb is in no directory")?;
    let runtime = Runtime::choose(machine, programs).await?;
    console.text(&runtime.describe());
    let responses = kubelet.allocate(pod::NAME, &pod::requests(pod)?).await?;
    for device in responses.iter().flat_map(|r| &r.cdi_devices) {
        console.text(&format!("Allocate: CDI device {}", device.name));
    }
    let nodes = machine.container_arguments().join(" ");
    let at = runtime.programs(programs);
    let container = Container {
        id: pod::NAME.to_owned(),
        namespace: NAMESPACE.to_owned(),
        env: pod::environment(pod),
        script: format!("{at}/nlb --mode 3 {nodes} && ! {at}/nlb --mode 0 {nodes} && echo SUCCESS"),
    };
    let directory = machine.file(pod::NAME);
    let cdi = machine.file("cdi");
    let bundle = Bundle::write(&directory, &container, programs, &responses, &cdi)?;
    console.text(&format!("$ sh -c '{}'", container.script));
    let outcome = runtime.run(machine, &bundle).await?;
    console.text(&outcome.words);
    ensure!(outcome.success(), "the container failed: {}", outcome.words.trim());
    ensure!(outcome.words.contains("SUCCESS"), "nlb0 did not fail as it must");
    kubelet.release(pod::NAME);
    Ok(())
}

async fn refuse(console: &Console, cluster: &Cluster, regions: Regions) -> anyhow::Result<()> {
    console.step("Pods that bypass the objects are refused");
    let smuggler = pod::smuggler(regions.interface, NLB0);
    for (title, namespace, manifest) in [
        ("a pod that sets FPGA_AFU_1 itself:", NAMESPACE, smuggler.as_str()),
        ("the first pod in a namespace without a grant:", "elsewhere", pod::MANIFEST),
    ] {
        console.text(title);
        if namespace == NAMESPACE {
            console.text(manifest);
        }
        match cluster.webhook()?.ask(namespace, &pod::read(manifest)?).await? {
            Verdict::Allowed { pod, .. } => bail!("the pod was let through: {pod}"),
            Verdict::Refused(message) => console.text(&format!(
                "Error from server: admission webhook \"{}\" denied the request: {message}\n",
                cluster::WEBHOOK
            )),
        }
    }
    console.text("refused as expected");
    Ok(())
}
