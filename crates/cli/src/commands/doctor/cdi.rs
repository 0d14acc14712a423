//! The CDI specs: by them a runtime gives a region to a container, and has it programmed.

use std::collections::BTreeMap;
use std::path::Path;

use fpga::card::{Card, DeviceNode as Node, Function, Inventory, Slot};
use fpga::names::{CDI_KIND, Mode};

use super::permissions;
use super::spec::{Device, DeviceNode, SpecFile};
use super::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

/// Stages at which the hook must run.
const STAGES: [&str; 2] = ["createRuntime", "poststop"];
/// Its specs are the agent's to write; it does so when it starts, and whenever one is changed.
const RESTART: &str = "kubectl get pods -A -o wide | grep fpga-agent; systemctl restart fpga-agent";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let (directory, files) = (survey.cdi_dir(), survey.specs());
    if let Some(finding) =
        permissions::of_directory(&directory, "give containers any device or hook")
    {
        report(finding);
    }
    conflicts(files, report);
    let mut sound = 0;
    for file in files {
        let findings = check(survey.inventory(), file);
        sound += usize::from(findings.is_empty());
        findings.into_iter().for_each(&mut *report);
    }
    if sound > 0 {
        report(Finding::ok(directory.display(), format_args!("{sound} specs")));
    }
    let by_files = !survey.hook_files().is_empty() && files.is_empty();
    if survey.is_region() && !by_files {
        missing(survey, &directory, report);
    } else if survey.mode().is_none() && survey.offers_regions() {
        report(
            Finding::unknown(
                directory.display(),
                "regions are offered, but there is no spec and no hook",
            )
            .because("that is right only in regiondevel mode with --regiondevel-name shared")
            .fix(format_args!("fpgactl doctor --mode {}", Mode::Region)),
        );
    }
}

/// A slot that is in no spec is given to no container.
fn missing(survey: &Survey, directory: &Path, report: &mut dyn FnMut(Finding)) {
    let specs = survey.specs().iter().filter_map(|file| file.spec.as_ref().ok());
    let nodes: Vec<&str> = specs
        .flat_map(|spec| &spec.devices)
        .flat_map(|device| &device.container_edits.device_nodes)
        .filter_map(|node| node.path.rsplit('/').next())
        .collect();
    let is_offered = |slot: &Slot| slot.region.is_some() && slot.function != Function::Anonymous;
    for (_, slot) in survey.inventory().slots().filter(|(_, slot)| is_offered(slot)) {
        if !nodes.contains(&slot.name.as_str()) {
            report(
                Finding::error(&slot.name, "is in no CDI spec, so that no container gets it")
                    .because(format_args!(
                        "the agent has not written one to {}",
                        directory.display()
                    ))
                    .fix(RESTART),
            );
        }
    }
}

/// A device that two files define is none: the runtime refuses it.
fn conflicts(files: &[SpecFile], report: &mut dyn FnMut(Finding)) {
    let mut defined: BTreeMap<&str, &Path> = BTreeMap::new();
    for file in files {
        for device in file.spec.iter().flat_map(|spec| &spec.devices) {
            if let Some(first) = defined.insert(&device.name, &file.path) {
                report(
                    Finding::error(
                        format_args!("{CDI_KIND}={}", device.name),
                        format_args!(
                            "is defined by two files: {} and {}",
                            first.display(),
                            file.path.display()
                        ),
                    )
                    .because("a runtime takes none of them, and no container with it starts")
                    .fix(format_args!("rm {}", word(&file.path))),
                );
            }
        }
    }
}

fn check(inventory: &Inventory, file: &SpecFile) -> Vec<Finding> {
    let path = file.path.display();
    let spec = match &file.spec {
        Ok(spec) => spec,
        Err(error) => {
            return vec![
                Finding::error(&path, "runtimes cannot use it, or take another one for it")
                    .because(error)
                    .fix(format_args!("rm {}; {RESTART}", word(&file.path))),
            ];
        }
    };
    if spec.kind != CDI_KIND {
        return vec![
            Finding::error(&path, format_args!("is of kind {:?} and not {CDI_KIND}", spec.kind))
                .because("somebody changed it")
                .fix(format_args!("rm {}; {RESTART}", word(&file.path))),
        ];
    }
    let devices = spec.devices.iter();
    devices.filter_map(|device| wrong(inventory, file, device)).collect()
}

fn wrong(inventory: &Inventory, file: &SpecFile, device: &Device) -> Option<Finding> {
    let (path, edits) = (file.path.display(), &device.container_edits);
    let stages: Vec<&str> = edits.hooks.iter().map(|hook| hook.hook_name.as_str()).collect();
    if let Some(stage) = STAGES.into_iter().find(|stage| !stages.contains(stage)) {
        return Some(
            Finding::error(&path, format_args!("{}: has no hook at {stage}", device.name))
                .because("a container would start without being programmed, or leave its function behind")
                .fix(format_args!("rm {}; {RESTART}", word(&file.path))),
        );
    }
    let (node, why) =
        edits.device_nodes.iter().find_map(|node| Some((node, stale(inventory, node)?)))?;
    Some(
        Finding::error(&path, format_args!("{}: {} {why}", device.name, node.path))
            .because(
                "the spec is older than the device: a container would get another one, or none",
            )
            .fix(format_args!("rm {}; {RESTART}", word(&file.path))),
    )
}

/// Why a container would get another device than it should.
fn stale(inventory: &Inventory, node: &DeviceNode) -> Option<String> {
    let name = node.path.rsplit('/').next()?;
    let Some(found) = find(inventory, name) else {
        return Some("is not there any more".to_owned());
    };
    let (number, major, minor) = (found.number?, node.major?, node.minor?);
    ((number.major, number.minor) != (major, minor))
        .then(|| format!("has the number {number}, and {major}:{minor} in the spec"))
}

fn find<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a Node> {
    inventory.cards.iter().flat_map(Card::nodes).find(|node| node.name == name)
}
