//! `fpga-agent` on real uevents, with the stand-in kubelet in the guest. Its rescans are set to hours: what it notices,
//! the kernel has told it.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fpga_demo::kubelet::{Kubelet, Node as Offered, What};
use fpga_demo::process::Process;

use super::Case;
use super::machines::{self, NLB3, machine, pac};
use crate::guest::{Node, PATIENCE, eventually};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "agent/offers",
        about: "ports are offered by the function that is in them, cards with one and two ports",
        machine: || machine(&[pac(&[NLB3, machines::NLB0]), pac(&[NLB3])]),
        play: |node| play(offers(node)),
    },
    Case {
        name: "agent/unplug-replug",
        about: "a card that is removed from the bus and found again, by uevents",
        machine: machines::two,
        play: |node| play(unplug(node)),
    },
    Case {
        name: "agent/rebind",
        about: "a driver that is unbound and bound, by uevents",
        machine: machines::two,
        play: |node| play(rebind(node)),
    },
    Case {
        name: "agent/card-torn-out",
        about: "the emulator is killed and started again: the cards vanish and return, by uevents",
        machine: machines::one,
        play: |node| play(torn_out(node)),
    },
    Case {
        name: "agent/reprogrammed",
        about: "a port that is reprogrammed moves to the other function's resource, by inotify",
        machine: machines::two,
        play: |node| play(reprogrammed(node)),
    },
    Case {
        name: "agent/port-error",
        about: "errors of a port make its device unhealthy until they are cleared",
        machine: machines::two,
        play: |node| play(port_error(node)),
    },
    Case {
        name: "agent/too-hot",
        about: "a card that is too hot is unhealthy until it has cooled down",
        machine: machines::two,
        play: |node| play(too_hot(node)),
    },
    Case {
        name: "agent/failed-programming",
        about: "a region that a failed programming disabled is unhealthy until it is recovered",
        machine: machines::two,
        play: |node| play(failed(node)),
    },
    Case {
        name: "agent/during-programming",
        about: "what is asked of the agent while a card is programmed is answered, and then the outcome is shown",
        machine: machines::two,
        play: |node| play(during_programming(node)),
    },
];

const AF_NLB0: &str = "fpga.intel.com/af-d8424dc4a4a3c413f89e433683f9040b";
const AF_NLB3: &str = "fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18";

/// Runs a case that needs the stand-in kubelet.
pub(super) fn play(case: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(case)
}

/// A kubelet and an agent.
pub(super) struct Scene {
    pub(super) kubelet: Kubelet,
    pub(super) agent: Process,
}

impl Scene {
    pub(super) fn start(node: &Node, flags: &[&str]) -> anyhow::Result<Self> {
        let kubelet = Kubelet::start(&node.file("plugins"))?;
        let path = |name: &str| node.file(name).display().to_string();
        let mut command = node.command("fpga-agent");
        command.args(["--rescan-interval", "12h", "--health-interval", "300ms"]);
        command.args(["--socket-dir", &path("plugins"), "--cdi-dir", &path("cdi")]);
        command.args(["--grants-file", &path("grants.json"), "--pod-resources-socket", "none"]);
        command.args(["--health-address", "none"]).args(flags);
        let agent = Process::start(tokio::process::Command::from(command))?;
        Ok(Self { kubelet, agent })
    }

    /// Waits until so many devices of a resource can be given to containers.
    pub(super) async fn allocatable(&self, resource: &str, count: usize) -> anyhow::Result<()> {
        self.until(|node| node.allocatable(resource) == count)
            .await
            .with_context(|| format!("{count} of {resource} were never allocatable"))
    }

    async fn until(&self, condition: impl Fn(&Offered) -> bool) -> anyhow::Result<()> {
        match self.kubelet.wait_for(PATIENCE, condition).await {
            Some(_) => Ok(()),
            None => anyhow::bail!("{:?}\n{}", self.kubelet.node(), self.agent.log().join("\n")),
        }
    }

    /// Waits for the first list that comes after `since` and has so many healthy devices of the resource; how
    /// long after.
    async fn healthy_since(
        &self,
        since: Instant,
        resource: &str,
        count: usize,
    ) -> anyhow::Result<Duration> {
        let is_it = |event: &fpga_demo::kubelet::Event| match &event.what {
            What::List(devices) => {
                event.at >= since
                    && event.resource == resource
                    && devices.iter().filter(|d| d.health == kubelet_api::HEALTHY).count() == count
            }
            _ => false,
        };
        let events =
            self.kubelet.wait_for_events(PATIENCE, |events| events.iter().any(is_it)).await;
        let events = events.with_context(|| {
            format!("no list with {count} of {resource}:\n{}", self.agent.log().join("\n"))
        })?;
        let event = events.iter().find(|event| is_it(event)).context("the event is gone")?;
        Ok(event.at - since)
    }

    /// Ends the agent and sees that it ended well.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let status = self.agent.terminate(PATIENCE).await?;
        ensure!(status.success(), "fpga-agent ended with {status}");
        Ok(())
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

async fn offers(node: &Node) -> anyhow::Result<()> {
    let scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    scene.allocatable(AF_NLB0, 1).await?;
    let request = [(AF_NLB0.to_owned(), 1)].into();
    let responses = scene.kubelet.allocate("pod", &request).await?;
    let nodes: Vec<_> =
        responses.iter().flat_map(|r| &r.devices).map(|d| d.host_path.clone()).collect();
    ensure!(nodes == ["/dev/dfl-port.1"], "the container was given {nodes:?}");
    scene.stop().await
}

/// Takes a card away and brings it back by two writes to sysfs, and tells how soon the kubelet knew.
async fn away_and_back(node: &Node, away: (&str, &str), back: (&str, &str)) -> anyhow::Result<()> {
    let scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    let start = Instant::now();
    node.write(away.0, away.1)?;
    let gone = scene.healthy_since(start, AF_NLB3, 1).await?;
    let start = Instant::now();
    node.write(back.0, back.1)?;
    let returned = scene.healthy_since(start, AF_NLB3, 2).await?;
    node.note(format!(
        "from the write to sysfs to the kubelet: gone after {}, back after {}",
        milliseconds(gone),
        milliseconds(returned)
    ))?;
    scene.stop().await
}

async fn unplug(node: &Node) -> anyhow::Result<()> {
    let remove = format!("/sys/bus/pci/devices/{}/remove", node.card(1)?.id);
    away_and_back(node, (&remove, "1"), ("/sys/bus/pci/rescan", "1")).await
}

async fn rebind(node: &Node) -> anyhow::Result<()> {
    let address = node.card(1)?.id.to_string();
    let driver = |name: &str| format!("/sys/bus/pci/drivers/dfl-pci/{name}");
    away_and_back(node, (&driver("unbind"), &address), (&driver("bind"), &address)).await
}

async fn torn_out(node: &Node) -> anyhow::Result<()> {
    let scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 1).await?;
    let start = Instant::now();
    node.kill_emulator()?;
    let gone = scene.healthy_since(start, AF_NLB3, 0).await?;
    eventually("its nodes are gone", || !std::fs::exists("/dev/dfl-fme.0").unwrap_or(true))?;
    node.start_emulator()?;
    let start = Instant::now();
    node.attach_cards()?;
    let returned = scene.healthy_since(start, AF_NLB3, 1).await?;
    node.note(format!(
        "from the kill to the kubelet: gone after {}; back after {}",
        milliseconds(gone),
        milliseconds(returned)
    ))?;
    scene.stop().await
}

async fn reprogrammed(node: &Node) -> anyhow::Result<()> {
    let scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    let file = node.gbs("nlb0", machines::INTERFACE, machines::NLB0, 4096)?;
    node.fpgactl(&["program", &file, "dfl-port.1"])?.ended(0)?;
    scene.allocatable(AF_NLB0, 1).await?;
    scene.allocatable(AF_NLB3, 1).await?;
    scene.stop().await
}

async fn port_error(node: &Node) -> anyhow::Result<()> {
    let mut scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    // A page fault of the function.
    node.emulator()?.port_error("card1", 0, 1 << 48)?;
    scene.allocatable(AF_NLB3, 1).await?;
    scene.agent.wait_for_line("reason=port_error", PATIENCE).await?;
    node.fpgactl(&["errors", "--clear"])?.ended(0)?;
    scene.allocatable(AF_NLB3, 2).await?;
    scene.stop().await
}

async fn too_hot(node: &Node) -> anyhow::Result<()> {
    let mut scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    node.emulator()?.temperature("card0", 95)?;
    scene.allocatable(AF_NLB3, 1).await?;
    scene.agent.wait_for_line("reason=temperature", PATIENCE).await?;
    node.emulator()?.temperature("card0", 50)?;
    scene.allocatable(AF_NLB3, 2).await?;
    scene.stop().await
}

async fn failed(node: &Node) -> anyhow::Result<()> {
    let scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    let file = node.gbs("nlb0", machines::INTERFACE, machines::NLB0, 4096)?;
    node.emulator()?.pr_error("card0", 2)?;
    node.fpgactl(&["program", &file, "dfl-port.0"])?.ended(8)?;
    scene.allocatable(AF_NLB3, 1).await?;
    ensure!(scene.kubelet.node().capacity(AF_NLB3) == 2, "the device was withdrawn");
    node.emulator()?.pr_error("card0", 0)?;
    node.fpgactl(&["recover", "dfl-port.0"])?.ended(0)?;
    scene.allocatable(AF_NLB3, 2).await?;
    scene.stop().await
}

/// The guest has one processor, which the kernel keeps to itself while it programs a card: nobody else runs until the card
/// is done. So what is asked meanwhile has to wait; what can be seen is that nothing is lost and nobody confused by it.
async fn during_programming(node: &Node) -> anyhow::Result<()> {
    let scene = Scene::start(node, &[])?;
    scene.allocatable(AF_NLB3, 2).await?;
    let before = scene.kubelet.events().len();
    let file = node.gbs("nlb0", machines::INTERFACE, machines::NLB0, 4096)?;
    node.emulator()?.pr_time("card1", Duration::from_secs(1))?;
    let mut fpgactl = node.command("fpgactl");
    fpgactl.args(["program", &file, "dfl-port.1"]);
    let mut programming = Process::start(tokio::process::Command::from(fpgactl))?;
    programming.wait_for_line("programming 4.00 KiB", PATIENCE).await?;
    let programming_since = Instant::now();
    // The other card is given away and taken back all the time until the outcome is shown.
    let (mut answers, mut longest) = (0, Duration::ZERO);
    let request = [(AF_NLB3.to_owned(), 1)].into();
    while scene.kubelet.node().allocatable(AF_NLB0) == 0 {
        let start = Instant::now();
        let responses = scene.kubelet.allocate("pod", &request).await?;
        let given: Vec<_> =
            responses.iter().flat_map(|r| &r.devices).map(|d| d.host_path.as_str()).collect();
        ensure!(given.len() == 1, "the container was given {given:?}");
        scene.kubelet.release("pod");
        longest = longest.max(start.elapsed());
        answers += 1;
        ensure!(programming_since.elapsed() < PATIENCE, "the outcome was never shown");
        // One that does not yield would keep the lists from being read.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    node.note(format!(
        "{answers} times Allocate during a programming of 1 s, answered after {} at most",
        milliseconds(longest)
    ))?;
    // And then the outcome is shown, without a rescan, and no plugin went away meanwhile.
    scene.allocatable(AF_NLB0, 1).await?;
    scene.allocatable(AF_NLB3, 1).await?;
    let events = scene.kubelet.events();
    let gone: Vec<_> = events.iter().skip(before).filter(|e| e.what == What::Gone).collect();
    ensure!(gone.is_empty(), "plugins went away: {gone:?}");
    scene.stop().await
}
