//! A pod's container in region mode, and what it leaves on the cards.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use anyhow::Context;
use fpga::card::Function;
use fpga::id::{AfuId, CardId};
use fpga::root::Root;
use fpga::scan::scan;

use super::Scene;
use crate::bundle::{Bundle, Container};
use crate::machine::Machine;
use crate::runtime::Outcome;

/// A function that a container wants, and the mode in which it runs `nlb`.
pub(super) struct Want {
    afu_id: AfuId,
    nlb_mode: &'static str,
}

impl Want {
    pub(super) const fn run(afu_id: AfuId, nlb_mode: &'static str) -> Self {
        Self { afu_id, nlb_mode }
    }
}

/// A pod with one container.
pub(super) struct Tenant<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) wants: &'a [Want],
}

impl Tenant<'_> {
    /// Allocates one region for each want and runs the container, from its creation to its end.
    pub(super) async fn run(&self, scene: &Scene<'_>) -> anyhow::Result<Outcome> {
        let requests = BTreeMap::from([(scene.resource(), self.wants.len())]);
        let responses = scene.kubelet.allocate(self.name, &requests).await?;
        let container = self.container(scene)?;
        for variable in &container.env {
            scene.console.text(variable);
        }
        let devices = responses.iter().flat_map(|r| &r.cdi_devices);
        for device in devices {
            scene.console.text(&format!("Allocate: CDI device {}", device.name));
        }
        let directory = scene.machine.file(self.name);
        let cdi = scene.machine.file("cdi");
        let bundle = Bundle::write(&directory, &container, &scene.programs()?, &responses, &cdi)?;
        scene.console.text(&format!("$ sh -c '{}'", container.script));
        let outcome = scene.runtime.run(&scene.machine, &bundle).await?;
        scene.console.text(&outcome.words);
        Ok(outcome)
    }

    /// The environment is what the admission webhook makes of the functions' friendly names.
    fn container(&self, scene: &Scene<'_>) -> anyhow::Result<Container> {
        let programs = scene.runtime.programs(&scene.programs()?);
        let nodes = scene.machine.container_arguments().join(" ");
        let numbered = self.wants.iter().zip(1..);
        let env = numbered.flat_map(|(want, n)| {
            [
                format!("FPGA_REGION_{n}={}", scene.regions.interface),
                format!("FPGA_AFU_{n}={}", want.afu_id),
            ]
        });
        let runs = self.wants.iter().map(|want| {
            format!("{programs}/nlb --mode {} {nodes}", want.nlb_mode).trim().to_owned()
        });
        Ok(Container {
            id: self.name.to_owned(),
            namespace: self.namespace.to_owned(),
            env: env.collect(),
            script: runs.collect::<Vec<_>>().join(" && "),
        })
    }
}

/// Registers of the functions' work area (data/status addresses, sizes, control: 0x110 to 0x17f) that are not zero.
/// The emulator keeps a port's registers in the file that is its node.
pub(super) fn left_registers(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for (_, slot) in scan(&Root::at(machine.root())).slots() {
        let path = machine.root().join("dev").join(&slot.name);
        let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
        for offset in (0x110..0x180).step_by(8) {
            let mut word = [0; 8];
            file.read_exact_at(&mut word, offset)?;
            if word != [0; 8] {
                left.push(format!("{} {offset:#x} = {:#x}", slot.name, u64::from_le_bytes(word)));
            }
        }
    }
    Ok(left)
}

/// The card with a port whose function cannot be read since its programming failed.
pub(super) fn disabled_card(machine: &Machine) -> anyhow::Result<CardId> {
    let inventory = scan(&Root::at(machine.root()));
    let disabled = |f: &Function| matches!(f, Function::Busy | Function::Unreadable);
    let found = inventory.slots().find(|(_, slot)| disabled(&slot.function));
    Ok(found.context("no card is disabled")?.0.id)
}
