//! The agent: how fast it is there, how fast it follows, what it costs while nothing happens.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fpga_emulator::machine::Machine;
use fpga_emulator::tree;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::process::Command;

use super::Figure;
use super::statistics::Samples;
use crate::binaries::Binaries;
use crate::kubelet::{Event, Kubelet, What};
use crate::machine::PATIENCE;
use crate::process::Process;

/// Repetitions of the start.
const STARTS: usize = 21;

/// Repetitions of the change.
const CHANGES: usize = 50;

/// Repetitions of the hand-over.
const HANDOVERS: usize = 20;

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(60);

/// A node with a tree of files, a stand-in kubelet and a real agent.
struct Node {
    directory: tempfile::TempDir,
    kubelet: Kubelet,
}

impl Node {
    fn new(machine: &Machine) -> anyhow::Result<Self> {
        let directory = crate::scratch::directory("fpga-measure-")?;
        tree::create(machine, &directory.path().join("root"))?;
        let kubelet = Kubelet::start(&directory.path().join("device-plugins"))?;
        Ok(Self { directory, kubelet })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the agent with its defaults but for the paths.
    fn start_agent(&self, binaries: &Binaries) -> anyhow::Result<Process> {
        Ok(Process::start(self.agent(binaries))?)
    }

    fn agent(&self, binaries: &Binaries) -> Command {
        let mut command = Command::new(binaries.path("fpga-agent"));
        command
            .arg("--root")
            .arg(self.path("root"))
            .arg("--socket-dir")
            .arg(self.path("device-plugins"));
        command.arg("--cdi-dir").arg(self.path("cdi")).args(["--health-address", "127.0.0.1:0"]);
        command.arg("--hook-results").arg(self.path("hook-results"));
        command.arg("--pod-resources-socket").arg(self.path("pod-resources.sock"));
        command.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    /// Waits until as many devices as `count` can be allocated in all.
    async fn wait_for_devices(&self, count: usize) -> anyhow::Result<()> {
        let total =
            |n: &crate::kubelet::Node| n.resources.values().map(|r| r.allocatable()).sum::<usize>();
        let node = self.kubelet.wait_for(PATIENCE, |n| total(n) == count).await;
        node.map(drop).with_context(|| format!("the agent never offered {count} devices"))
    }
}

/// From exec of the agent to the kubelet's Register, and to the first list.
pub(super) async fn start(binaries: &Binaries) -> anyhow::Result<Vec<Figure>> {
    let node = Node::new(&Machine::cards(1, 1)?)?;
    let (mut register, mut list) = (Samples::default(), Samples::default());
    for _ in 0..STARTS {
        let seen = node.kubelet.events().len();
        let begin = Instant::now();
        let agent = node.start_agent(binaries)?;
        let listed =
            |events: &[Event]| events[seen..].iter().any(|e| matches!(e.what, What::List(_)));
        let events = node
            .kubelet
            .wait_for_events(PATIENCE, listed)
            .await
            .context("the agent never sent a list")?;
        for event in &events[seen..] {
            match event.what {
                What::Registered { .. } => register.add(event.at - begin),
                What::List(_) => list.add(event.at - begin),
                What::Gone => {}
            }
        }
        ensure!(agent.terminate(PATIENCE).await?.success(), "fpga-agent failed");
        let gone = |events: &[Event]| events[seen..].iter().any(|e| e.what == What::Gone);
        node.kubelet
            .wait_for_events(PATIENCE, gone)
            .await
            .context("the kubelet never lost the agent")?;
    }
    Ok(vec![
        Figure::new("agent_start_to_register_ms", register.median_ms(), "ms (median of 21)"),
        Figure::new("agent_start_to_list_ms", list.median_ms(), "ms (median of 21)"),
    ])
}

/// How a serving agent ends while another one stands by.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Term,
}

/// From the end of an agent to the first list of the one that stood by: for so long the kubelet has no devices to give.
pub(super) async fn handover(binaries: &Binaries) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for end in [End::Kill, End::Term] {
        let word = match end {
            End::Kill => "kill",
            End::Term => "term",
        };
        let (gone, taken) = handovers(binaries, end).await?;
        let unit = format!("ms (median of {HANDOVERS})");
        let mut figure = |name: &str, value: f64| {
            figures.push(Figure::new(&format!("agent_{word}_to_{name}_ms"), value, &unit));
        };
        figure("register", gone.median_ms());
        figure("list", taken.median_ms());
    }
    Ok(figures)
}

/// From the signal to Register, and to the first list.
async fn handovers(binaries: &Binaries, end: End) -> anyhow::Result<(Samples, Samples)> {
    let node = Node::new(&Machine::cards(1, 1)?)?;
    let _server = node.kubelet.serve_pod_resources(&node.path("pod-resources.sock"))?;
    let start = || {
        let mut command = node.agent(binaries);
        command.arg("--lock-file").arg(node.path("agent.lock"));
        Process::start(command)
    };
    let (mut register, mut list) = (Samples::default(), Samples::default());
    let mut serving = start()?;
    node.wait_for_devices(1).await?;
    for _ in 0..HANDOVERS {
        let mut next = start()?;
        next.wait_for_line("standing by", PATIENCE).await?;
        // Its own start is over.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let seen = node.kubelet.events().len();
        let begin = Instant::now();
        match end {
            End::Kill => drop(serving),
            End::Term => ensure!(serving.terminate(PATIENCE).await?.success(), "fpga-agent failed"),
        }
        let listed =
            |events: &[Event]| events[seen..].iter().any(|e| matches!(e.what, What::List(_)));
        let events = node.kubelet.wait_for_events(PATIENCE, listed).await;
        let events = events.context("the second agent never took over")?;
        for event in &events[seen..] {
            match event.what {
                What::Registered { .. } => register.add(event.at - begin),
                What::List(_) => list.add(event.at - begin),
                What::Gone => {}
            }
        }
        serving = next;
    }
    ensure!(serving.terminate(PATIENCE).await?.success(), "fpga-agent failed");
    Ok((register, list))
}

/// From a changed attribute in sysfs to the list in the kubelet's hands.
pub(super) async fn change(binaries: &Binaries) -> anyhow::Result<Vec<Figure>> {
    let node = Node::new(&Machine::cards(2, 1)?)?;
    let agent = node.start_agent(binaries)?;
    node.wait_for_devices(2).await?;
    let attribute = second_port(&node.path("root"))?;
    let (loaded, other) = (std::fs::read_to_string(&attribute)?, format!("{:032x}\n", 1));
    let resource = format!("fpga.intel.com/af-{}", loaded.trim());
    let mut samples = Samples::default();
    for n in 0..CHANGES {
        let (value, devices) = if n % 2 == 0 { (&other, 1) } else { (&loaded, 2) };
        let seen = node.kubelet.events().len();
        let begin = Instant::now();
        replace(&attribute, value)?;
        let is_new = |e: &Event| {
            e.resource == resource && matches!(&e.what, What::List(l) if l.len() == devices)
        };
        let events = node
            .kubelet
            .wait_for_events(PATIENCE, |events| events[seen..].iter().any(is_new))
            .await;
        let events = events.context("the agent never sent the changed list")?;
        let event =
            events[seen..].iter().find(|e| is_new(e)).context("the changed list is gone")?;
        samples.add(event.at - begin);
        // The other resource comes or goes after this one's list: the next change finds quiet.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(agent.terminate(PATIENCE).await?.success(), "fpga-agent failed");
    Ok(vec![
        Figure::new("change_to_list_ms", samples.median_ms(), "ms (median of 50)"),
        Figure::new("change_to_list_worst_ms", samples.worst_ms(), "ms (worst of 50)"),
    ])
}

/// Memory after a minute in which nothing happens, and the processor time that the minute took.
pub(super) async fn idle(binaries: &Binaries) -> anyhow::Result<Vec<Figure>> {
    let (one, eight) = (Node::new(&Machine::cards(1, 1)?)?, Node::new(&Machine::cards(8, 1)?)?);
    let agents = (one.start_agent(binaries)?, eight.start_agent(binaries)?);
    one.wait_for_devices(1).await?;
    eight.wait_for_devices(8).await?;
    // The start's own work is over when its last thread has nothing left to do.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = (cpu_time(agents.0.pid())?, cpu_time(agents.1.pid())?);
    tokio::time::sleep(IDLE).await;
    let spent = (cpu_time(agents.0.pid())? - before.0, cpu_time(agents.1.pid())? - before.1);
    let memory = (resident_kib(agents.0.pid())?, resident_kib(agents.1.pid())?);
    for agent in [agents.0, agents.1] {
        ensure!(agent.terminate(PATIENCE).await?.success(), "fpga-agent failed");
    }
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    Ok(vec![
        Figure::new("agent_rss_kib_1card", memory.0, "KiB"),
        Figure::new("agent_rss_kib_8cards", memory.1, "KiB"),
        Figure::new("agent_idle_cpu_ms_1card", ms(spent.0), "ms in 60 s"),
        Figure::new("agent_idle_cpu_ms_8cards", ms(spent.1), "ms in 60 s"),
    ])
}

/// `afu_id` of the port with the highest number.
fn second_port(root: &Path) -> anyhow::Result<PathBuf> {
    let inventory = fpga::scan::scan(&fpga::root::Root::at(root));
    let names = inventory.slots().map(|(_, slot)| &slot.name);
    let name = names.max().context("no port in the tree")?;
    let link = root.join("sys/bus/platform/devices").join(name);
    Ok(std::fs::canonicalize(link)?.join("afu_id"))
}

/// Gives an attribute a new value as the kernel does: a reader sees the old one or the new one.
fn replace(attribute: &Path, value: &str) -> anyhow::Result<()> {
    let temporary = attribute.with_extension("new");
    std::fs::write(&temporary, value)?;
    Ok(std::fs::rename(&temporary, attribute)?)
}

/// Processor time of all threads of a process, ended ones included, to the nanosecond.
pub(super) fn cpu_time(pid: Pid) -> anyhow::Result<Duration> {
    Ok(Duration::from(clock_gettime(clock_getcpuclockid(pid)?)?))
}

/// `VmRSS` of a process.
pub(super) fn resident_kib(pid: Pid) -> anyhow::Result<f64> {
    kib(&std::fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS")
}

/// A line of `/proc/PID/status` that is in kB.
pub(super) fn kib(status: &str, name: &str) -> anyhow::Result<f64> {
    let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    let line = line.with_context(|| format!("no {name} in a process's status"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
