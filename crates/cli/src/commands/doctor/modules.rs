//! The parts of a driver that program a card, and the modules that they come in.

use fpga::card::Card;
use fpga::root::Root;
use fpga::stack::Unbound;
use fpga_findings::Finding;

/// The parts that no driver is bound to; none of a card that its users program.
pub(super) fn unbound(root: &Root, card: &Card) -> Unbound {
    let programmer = card.driver.stack().programmer();
    programmer.map(|programmer| programmer.unbound(root, card)).unwrap_or_default()
}

/// What binds them.
pub(super) fn fix(unbound: &Unbound) -> String {
    match unbound.modules.as_slice() {
        [] => "dmesg | grep -i -e dfl -e fpga".to_owned(),
        missing => format!("modprobe -a {}", missing.join(" ")),
    }
}

/// That the card cannot be programmed, if a part is unbound.
pub(super) fn finding(unbound: &Unbound, card: &Card) -> Option<Finding> {
    if unbound.devices.is_empty() {
        return None;
    }
    let what = format!("no driver is bound to {}", unbound.devices.join(", "));
    let cause = match unbound.modules.as_slice() {
        [] => "the driver refused them: the kernel's log says why".to_owned(),
        missing => format!("modules that are not loaded: {}", missing.join(", ")),
    };
    let object = format!("{} ({})", card.id, card.name);
    let finding = Finding::error(object, format!("cannot be programmed: {what}"));
    Some(finding.because(cause).fix(fix(unbound)))
}
