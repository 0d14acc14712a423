//! The programmer, measured from a request on its socket to its answer.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use fpga::bitstream::ImageId;
use fpga::id::DeviceId;
use fpga::ledger::{Kind, Owner};
use fpga::names::Use;
use fpga::root::Root;
use fpga::scan::scan;
use fpga_programmer::Client;
use fpga_programmer::message::{Answer, Clean, Device, Leftover, Prepare, Promised, Request};

use super::Figure;
use super::hook::NLB3;
use super::statistics::Samples;

/// Preparations.
const ROUNDS: usize = 200;
/// Only against hanging forever.
const LIMIT: Duration = Duration::from_secs(60);

/// Claims that have the loaded function prepared, one after the other.
pub(super) fn run(directory: &Path, root: &Root, program: &Path) -> anyhow::Result<Figure> {
    let socket = directory.join("programmer.sock");
    let mut programmer = Command::new(program);
    programmer.args(["--keep-network", "--allow-any", "--socket"]).arg(&socket);
    programmer.arg("--root").arg(directory.join("root"));
    programmer.arg("--ledger").arg(root.ledger().directory());
    programmer.arg("--store").arg(directory.join("store")).stderr(Stdio::null());
    let _programmer = Running(programmer.spawn()?);
    let client = Client::new(socket);
    let begin = Instant::now();
    while client.call(&Request::Status {}, LIMIT).is_err() {
        ensure!(begin.elapsed() < LIMIT, "the programmer does not answer");
        std::thread::sleep(Duration::from_millis(5));
    }
    let inventory = scan(root);
    let (card, slot) = inventory.slots().next().context("a machine without slots")?;
    let device = DeviceId { card: card.id, slot: Some(slot.number) };
    let interface_id = card.interface_id(slot).context("a slot without a region")?;
    let mut times = Samples::default();
    for round in 0..ROUNDS {
        let owner = Owner { kind: Kind::Claim, ..Owner::container(format!("claim-{round}"), None) };
        let prepare = Request::Prepare(Prepare {
            owner: owner.clone(),
            namespace: "default".to_owned(),
            devices: vec![Device { device, usage: Use::Region }],
            promises: vec![Promised { interface_id, image: ImageId::Afu(NLB3) }],
            timeout_ms: 10_000,
        });
        let begin = Instant::now();
        done(client.call(&prepare, LIMIT)?)?;
        times.add(begin.elapsed());
        let what = Leftover::Owner(owner);
        done(client.call(&Request::Clean(Clean { what, timeout_ms: 10_000 }), LIMIT)?)?;
    }
    Ok(Figure::new("programmer_prepare_ms", times.median_ms(), "ms (median of 200)"))
}

fn done(answer: Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Done(_) => Ok(()),
        other => bail!("the programmer answers {other:?}"),
    }
}

/// Is killed at the end, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
