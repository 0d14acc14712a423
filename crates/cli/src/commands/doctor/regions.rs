//! What is loaded, and what is out of use.

use fpga::card::{Card, Function, Slot};
use fpga::program::is_programming;

use super::modules;
use super::survey::Survey;
use crate::commands::busy::is_busy_no_more;
use fpga_findings::Finding;

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    for card in &survey.inventory().cards {
        card.slots.iter().for_each(|slot| function(survey, card, slot, report));
        interfaces(survey, card, report);
        errors(card, report);
    }
}

fn function(survey: &Survey, card: &Card, slot: &Slot, report: &mut dyn FnMut(Finding)) {
    let (name, address) = (&slot.name, card.id);
    let recover = format!("fpgactl recover {address}");
    report(match &slot.function {
        Function::Loaded { afu_id } => {
            Finding::ok(name, format_args!("function {}", crate::output::function(*afu_id)))
        }
        Function::Busy if is_programming(&survey.root, card) => {
            Finding::ok(name, "its region is being programmed")
        }
        Function::Busy if is_busy_no_more(&survey.root, name) => {
            Finding::ok(name, "its region was programmed")
        }
        Function::Busy => Finding::error(name, "its region is disabled")
            .because("a programming failed; the driver keeps the region so until it is bound again")
            .fix(recover),
        Function::Crashed => Finding::error(name, "reads as all ones")
            .because("the card's firmware crashed, or its link is down")
            .fix(format_args!("{recover} --rescan")),
        Function::Absent => Finding::error(name, "shows no function")
            .because("no driver is bound to the port")
            .fix(format_args!("modprobe dfl-afu; {recover}")),
        Function::Anonymous => Finding::warning(name, "shows no function id, as with OFS")
            .because("what is loaded cannot be told: the port is offered in regiondevel mode only, and `fpgactl program` refuses it")
            .fix("kubectl annotate node NODE fpga.intel.com/device-plugin-mode=regiondevel"),
        Function::Unreadable => unreadable(card, name, &recover),
    });
}

/// The reason is among the card's problems.
fn unreadable(card: &Card, name: &str, recover: &str) -> Finding {
    let finding = "its function cannot be read";
    match card.problems.iter().find(|problem| problem.object.contains(name)) {
        Some(problem) if problem.is_of_permission() => Finding::unknown(name, finding)
            .because("this user may not read it")
            .fix("sudo fpgactl doctor --area regions"),
        Some(problem) => Finding::error(name, finding).because(&problem.message).fix(recover),
        None => Finding::error(name, finding).because("its id is malformed").fix(recover),
    }
}

fn interfaces(survey: &Survey, card: &Card, report: &mut dyn FnMut(Finding)) {
    let unbound = modules::unbound(&survey.root, card);
    for region in &card.regions {
        match region.interface_id {
            Some(id) if id.is_crash_marker() => report(
                Finding::error(&region.name, "its interface id reads as all ones")
                    .because("the card's firmware crashed, or its link is down")
                    .fix(format_args!("fpgactl recover {} --rescan", card.id)),
            ),
            Some(_) => {}
            None => report(
                Finding::error(&region.name, "does not tell its interface id")
                    .because("nobody can know which bitstreams fit, so the region is not offered")
                    .fix(modules::fix(&unbound)),
            ),
        }
    }
}

fn errors(card: &Card, report: &mut dyn FnMut(Finding)) {
    let slots = card.slots.iter().map(|slot| (&slot.name, &slot.errors));
    let all = std::iter::once((&card.name, &card.errors)).chain(slots);
    for (name, registers) in all.filter(|(_, registers)| !registers.is_empty()) {
        let names: Vec<_> = registers.iter().map(|register| register.name.as_str()).collect();
        report(
            Finding::warning(name, format_args!("errors are latched: {}", names.join(", ")))
                .because("an earlier user or the card itself went wrong; they stay until they are cleared")
                .fix(format_args!("fpgactl errors {name}; fpgactl errors {name} --clear")),
        );
    }
}
