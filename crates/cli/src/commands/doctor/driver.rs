//! The kernel's drivers: is one there, and has it bound to every card that is plugged in?

use fpga::card::{Card, Driver, Inventory, Problem};
use fpga::stack::{self, Plugged, plugged};

use super::modules;
use super::survey::Survey;
use fpga_findings::Finding;

/// The in-tree driver of the PCI cards.
const DFL_PCI: &str = "dfl-pci";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let inventory = survey.inventory();
    if let Some(directory) = &survey.emulated {
        report(Finding::ok(directory.display(), "the cards are emulated: these are checked"));
    }
    let cards = plugged(&survey.root);
    for driver in &inventory.drivers {
        let count = inventory.cards.iter().filter(|card| card.driver == *driver).count();
        if count > 0 {
            report(Finding::ok(driver, format_args!("loaded, with {count} of the cards")));
        }
    }
    for card in &cards {
        examine(card, inventory, report);
    }
    if inventory.drivers.is_empty() {
        report(no_driver(survey, &cards));
    } else if inventory.cards.is_empty() && cards.is_empty() {
        report(no_card(inventory));
    }
    if inventory.drivers.contains(&Driver::Dfl)
        && !survey.root.pci_driver(DFL_PCI).exists()
        && !inventory.cards.iter().any(|card| card.driver == Driver::Dfl)
    {
        report(
            Finding::error(DFL_PCI, "the framework is loaded, but not the driver of PCI cards")
                .because("fpga_region alone binds to no card")
                .fix("modprobe dfl-pci"),
        );
    }
    inventory.problems.iter().for_each(|problem| report(half_shown(problem)));
    for card in &inventory.cards {
        let unbound = modules::unbound(&survey.root, card);
        modules::finding(&unbound, card).into_iter().for_each(&mut *report);
        // What an unbound part does not show it shows as soon as it is bound.
        let others = card.problems.iter().filter(|problem| !unbound.explains(problem));
        others.for_each(|problem| report(half_shown(problem)));
        parts(survey, card, report);
    }
}

fn half_shown(problem: &Problem) -> Finding {
    let (object, message) = (&problem.object, &problem.message);
    if problem.is_of_permission() {
        return Finding::unknown(object, message)
            .because("this user may not read it")
            .fix("sudo fpgactl doctor --area driver");
    }
    Finding::error(object, message)
        .because("the driver does not show it, or shows it half")
        .fix("dmesg | grep -i -e dfl -e fpga")
}

fn examine(card: &Plugged, inventory: &Inventory, report: &mut dyn FnMut(Finding)) {
    let (address, model) = (card.pci.address, card.model);
    if inventory.cards.iter().any(|card| card.id == address.into()) {
        return;
    }
    report(match card.driver.as_deref() {
        None if inventory.drivers.is_empty() => {
            Finding::error(address, format_args!("{model}: no driver is bound to the card"))
                .because("no FPGA driver is loaded")
                .fix("modprobe dfl-pci")
        }
        None => Finding::error(address, format_args!("{model}: no driver is bound to the card"))
            .because("it was unbound, or its driver refused it or does not know it")
            .fix(format_args!("fpgactl recover {address}")),
        Some(driver @ (DFL_PCI | "intel-fpga-pci")) => {
            Finding::error(address, format_args!("{model}: {driver} shows no management engine"))
                .because("the driver of the engine is not loaded, or the card does not answer it")
                .fix("modprobe dfl-fme; dmesg | grep -i -e dfl -e fpga")
        }
        Some(driver) => Finding::warning(address, format_args!("{model}: {driver} has the card"))
            .because("no FPGA driver can have it as well")
            .fix(format_args!(
                "echo {address} > /sys/bus/pci/drivers/{driver}/unbind; \
                 echo > /sys/bus/pci/devices/{address}/driver_override; fpgactl recover {address}"
            )),
    });
}

fn no_driver(survey: &Survey, cards: &[Plugged]) -> Finding {
    if !survey.root.sys().is_dir() {
        return Finding::error(survey.root.sys().display(), "there is no such directory")
            .because(
                "--root or FPGA_ROOT names another directory than the one that holds sys/ and dev/",
            )
            .fix("fpgactl --root DIR doctor");
    }
    let classes = stack::classes(&survey.root);
    let classes: Vec<_> = classes.iter().map(|class| class.display().to_string()).collect();
    let (first, others) = classes.split_first().expect("every stack has a class");
    let finding = Finding::error(first, "no FPGA driver is loaded")
        .because(format_args!("neither it nor {} exists", others.join(" nor ")));
    match cards {
        [] => finding.fix("lspci -nn -d ::1200; modprobe dfl-pci"),
        _ => finding.fix("modprobe dfl-pci"),
    }
}

fn no_card(inventory: &Inventory) -> Finding {
    let names: Vec<_> = inventory.drivers.iter().map(|driver| driver.as_str()).collect();
    Finding::error(names.join(", "), "the driver is loaded, but there is no card")
        .because("none is plugged in, or the driver refused it")
        .fix("lspci -nn; dmesg | grep -i -e dfl -e fpga")
}

/// What a card lacks because a part of the driver does.
fn parts(survey: &Survey, card: &Card, report: &mut dyn FnMut(Finding)) {
    let address = card.id;
    if card.slots.is_empty() {
        let released = card.slots_num.is_some_and(|number| number > 0);
        let cause = if released {
            "its ports are released, or their driver is not loaded"
        } else {
            "the driver of ports is not loaded"
        };
        report(
            Finding::error(address, "the card shows no port")
                .because(cause)
                .fix(format_args!("modprobe dfl-afu; fpgactl port assign {address} 0")),
        );
    }
    // Some cards have none, and work in af mode.
    if card.regions.is_empty() && survey.is_region() {
        report(
            Finding::warning(address, "the card shows no region, so that it cannot be programmed")
                .because("the driver of regions is not loaded, or the card has none")
                .fix("modprobe dfl-fme-region"),
        );
    }
}
