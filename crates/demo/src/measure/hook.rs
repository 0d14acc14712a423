//! The runtime hook and the programming procedure, measured by a process whose ioctls the emulator
//! answers: the demo runs itself under `fpga-emulator exec` for that.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fpga::bitstream::Bitstream;
use fpga::id::{AfuId, InterfaceId};
use fpga::program::{Image, Options, Target, program, slot_by_name};
use fpga::root::Root;
use fpga::scan::scan;
use fpga::stack::intel::driver::Fme;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

use super::statistics::Samples;
use super::{Figure, nothing};
use crate::binaries::Binaries;
use crate::machine::Machine;

const NLB0: AfuId = AfuId::new(0xd842_4dc4_a4a3_c413_f89e_4336_83f9_040b);
pub(super) const NLB3: AfuId = AfuId::new(0xf7df_405c_bd7a_cf72_22f1_44b0_b93a_cd18);

/// Cold starts of the hook.
const STARTS: usize = 200;

/// Programmings in each way.
const PROGRAMMINGS: usize = 5;

/// Size of the bitstreams that the procedure is timed with.
const PAYLOAD: usize = 32 << 20;

/// How long the emulated card works on one, beyond the transfer. Between the half second and the few
/// seconds that people report of the PAC.
const PR_TIME: Duration = Duration::from_secs(2);

/// Starts a machine and measures inside.
pub(super) async fn run(binaries: &Binaries) -> anyhow::Result<Vec<Figure>> {
    let machine = Machine::start(binaries, "pac-a10").await?;
    let mut control = fpga_emulator::ctl::Client::connect(machine.socket())?;
    let card = control.status()?.cards.first().context("a machine without cards")?.name.clone();
    control.pr_time(&card, PR_TIME)?;
    bitstreams(binaries, &machine).await?;
    let own = std::env::current_exe()?;
    let mut inner = tokio::process::Command::new(binaries.path("fpga-emulator"));
    inner.arg("exec").arg("--socket").arg(machine.socket()).arg("--").arg(own);
    inner.arg("measure-inside").arg(machine.file(""));
    inner.args(["fpga-hook", "fpga-programmer"].map(|name| binaries.path(name)));
    let output = inner.output().await?;
    ensure!(
        output.status.success(),
        "measuring inside failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    machine.stop().await?;
    Ok(serde_json::from_slice::<Vec<Figure>>(&output.stdout)?)
}

/// `nlb_mode_0.gbs` and `nlb_mode_3.gbs` of 32 MiB, and in the store a 64 MiB one of mode 0 and a small one
/// of mode 3, which is loaded.
async fn bitstreams(binaries: &Binaries, machine: &Machine) -> anyhow::Result<()> {
    let interface = interface(&Root::at(machine.root()))?;
    let store = machine.file("store").join(interface.to_string());
    std::fs::create_dir_all(&store)?;
    for (file, afu_id, size) in [
        (machine.file("nlb_mode_0.gbs"), NLB0, PAYLOAD),
        (machine.file("nlb_mode_3.gbs"), NLB3, PAYLOAD),
        (store.join(format!("{NLB0}.gbs")), NLB0, 64 << 20),
        (store.join(format!("{NLB3}.gbs")), NLB3, 64 << 10),
    ] {
        let mut gbs = tokio::process::Command::new(binaries.path("fpga-emulator"));
        gbs.arg("gbs").args(["--interface", &interface.to_string(), "--afu", &afu_id.to_string()]);
        let status =
            gbs.args(["--size", &size.to_string()]).arg("--output").arg(&file).status().await?;
        ensure!(status.success(), "fpga-emulator gbs ended with {status}");
    }
    Ok(())
}

fn interface(root: &Root) -> anyhow::Result<InterfaceId> {
    let inventory = scan(root);
    let card = inventory.cards.first().context("a machine without cards")?;
    card.regions.first().and_then(|r| r.interface_id).context("a card without a region")
}

/// What runs under `exec`; prints its figures as JSON.
///
/// # Errors
/// When a program does not do what is being measured.
pub fn inside(directory: &Path, hook: &Path, programmer: &Path) -> anyhow::Result<()> {
    // In memory, as `/run` is: on a disk its flushes would be what is measured.
    let ledger = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let root = Root::at(directory.join("root")).with_ledger(ledger.path());
    let mut figures = programming(directory, &root)?;
    let loaded = Hook::new(directory, &root, hook, NLB3)?;
    let mut starts = Samples::default();
    for _ in 0..STARTS {
        starts.add(loaded.time()?);
    }
    figures.push(Figure::new("hook_loaded_wall_ms", starts.median_ms(), "ms (median of 200)"));
    figures.extend(owned(directory, &loaded)?);
    figures.push(super::programmer::run(directory, &root, programmer)?);
    figures.push(Figure::new("hook_rss_kib", loaded.peak_kib("VmHWM")?, "KiB"));
    // What the hook allocates; the file that it maps is in the page cache once, whoever maps it.
    let big = Hook::new(directory, &root, hook, NLB0)?;
    figures.push(Figure::new("hook_64mib_rss_kib", big.peak_kib("VmHWM")?, "KiB"));
    loaded.time()?;
    figures.push(Figure::new("hook_64mib_anonymous_kib", big.peak_kib("RssAnon")?, "KiB"));
    writeln!(io::stdout(), "{}", serde_json::to_string(&figures)?)?;
    Ok(())
}

/// A further run for a container that has its region, against a process that does nothing, in turn.
fn owned(directory: &Path, loaded: &Hook) -> anyhow::Result<Vec<Figure>> {
    let (mut owned, mut nothing) = (Samples::default(), Samples::default());
    let hook = Hook { container: Some("measured".to_owned()), ..loaded.clone() };
    let Some(empty) = nothing::write(&directory.join("nothing"))? else { return Ok(Vec::new()) };
    let empty = Hook { program: empty, ..hook.clone() };
    hook.time()?;
    for _ in 0..STARTS {
        owned.add(hook.time()?);
        nothing.add(empty.time()?);
    }
    let ratio = owned.median_ms() / nothing.median_ms();
    Ok(vec![
        Figure::new("hook_owned_wall_ms", owned.median_ms(), "ms (median of 200)"),
        Figure::new(
            "hook_owned_over_nothing",
            ratio,
            "times a static process that does nothing (medians of 200)",
        ),
    ])
}

/// The whole procedure against the ioctl alone, in turn.
fn programming(directory: &Path, root: &Root) -> anyhow::Result<Vec<Figure>> {
    let inventory = scan(root);
    let (card, slot) = slot_by_name(&inventory, "dfl-port.0").context("no dfl-port.0")?;
    let target = Target::new(root, card, slot);
    let files = ["nlb_mode_0.gbs", "nlb_mode_3.gbs"].map(|name| directory.join(name));
    let (mut whole, mut raw) = (Samples::default(), Samples::default());
    for round in 0..PROGRAMMINGS {
        let (first, second) = (&files[round % 2], &files[(round + 1) % 2]);
        let begin = Instant::now();
        let bitstream = Bitstream::open(first)?;
        let payload = bitstream.payload()?;
        let image = Image::new(&bitstream, &payload)?;
        program(&target, &image, &Options { reprogram: true, ..Options::default() }, &mut ())?;
        whole.add(begin.elapsed());

        let bitstream = Bitstream::open(second)?;
        let payload = bitstream.payload()?;
        let fme = Fme::open(root.node(&card.name))?;
        let begin = Instant::now();
        fme.port_pr(slot.number, &payload)?;
        raw.add(begin.elapsed());
    }
    let overhead = (whole.median_ms() / raw.median_ms() - 1.0) * 100.0;
    Ok(vec![
        Figure::new("program_ms", whole.median_ms(), "ms (median of 5, 32 MiB)"),
        Figure::new("program_overhead_pct", overhead, "% over the ioctl (medians of 5, 32 MiB)"),
    ])
}

/// Containers that are about to start, one after the other, as the hook sees them.
#[derive(Clone)]
struct Hook {
    program: PathBuf,
    arguments: Vec<String>,
    bundle: PathBuf,
    /// The id of the container, if it is always the same.
    container: Option<String>,
}

/// A process that has ended before the next container needs its region.
const ENDED: u32 = u32::MAX;

impl Hook {
    fn new(directory: &Path, root: &Root, hook: &Path, afu_id: AfuId) -> anyhow::Result<Self> {
        let interface = interface(root)?;
        let inventory = scan(root);
        let (_, slot) = slot_by_name(&inventory, "dfl-port.0").context("no dfl-port.0")?;
        let number = slot.nodes[0].number.context("a port without a number")?;
        let bundle = directory.join(format!("bundle-{afu_id}"));
        std::fs::create_dir_all(&bundle)?;
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {"env": [format!("FPGA_REGION_1={interface}"), format!("FPGA_AFU_1={afu_id}")]},
            "linux": {"devices": [
                {"path": "/dev/dfl-port.0", "type": "c", "major": number.major, "minor": number.minor},
            ]},
        });
        std::fs::write(bundle.join("config.json"), config.to_string())?;
        let grants = json!({"version": 1, "namespaces": {"default": [{"interfaceId": interface, "afuId": afu_id}]}});
        let grants_file = bundle.join("grants.json");
        std::fs::write(&grants_file, grants.to_string())?;
        let path = |p: &Path| p.display().to_string();
        Ok(Self {
            program: hook.to_owned(),
            arguments: vec![
                "oci-hook".to_owned(),
                "--root".to_owned(),
                path(&directory.join("root")),
                "--ledger".to_owned(),
                path(root.ledger().directory()),
                "--store".to_owned(),
                path(&directory.join("store")),
                "--grants".to_owned(),
                path(&grants_file),
            ],
            bundle,
            container: None,
        })
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(command.spawn()?)
    }

    /// Hands over the state of a container. Unless one is named, no earlier run was for it: for one of those there is
    /// nothing to do.
    fn feed(&self, child: &mut Child) -> anyhow::Result<()> {
        let mut stdin = child.stdin.take().context("no standard input")?;
        let id = self.container.clone().unwrap_or_else(|| format!("measured-{}", child.id()));
        let state = json!({
            "ociVersion": "1.0.2", "id": id, "status": "creating", "pid": ENDED,
            "bundle": self.bundle, "annotations": {"io.kubernetes.cri.sandbox-namespace": "default"},
        });
        match stdin.write_all(state.to_string().as_bytes()) {
            // A process that does nothing does not read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// From before fork to after the end.
    fn time(&self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let mut child = self.spawn()?;
        self.feed(&mut child)?;
        let status = child.wait()?;
        ensure!(status.success(), "the hook ended with {status}");
        Ok(begin.elapsed())
    }

    /// A line of the hook's `/proc/PID/status` at the moment it ends, in KiB. (The maximum that wait4(2)
    /// reports counts the parent's memory too, from before exec.)
    fn peak_kib(&self, line: &str) -> anyhow::Result<f64> {
        let mut child = self.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT)?;
        self.feed(&mut child)?;
        loop {
            match waitpid(pid, Some(WaitPidFlag::__WALL))? {
                WaitStatus::PtraceEvent(_, _, event)
                    if event == ptrace::Event::PTRACE_EVENT_EXIT as i32 =>
                {
                    break;
                }
                WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None)?,
                WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
                other => bail!("the hook ended unseen: {other:?}"),
            }
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        ptrace::detach(pid, None)?;
        let ended = child.wait()?;
        ensure!(ended.success(), "the hook ended with {ended}");
        super::agent::kib(&status, line)
    }
}
