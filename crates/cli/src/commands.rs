//! The subcommands, one file each.

use fpga::card::{Card, Function, Inventory, Region, Slot};
use fpga::id::InterfaceId;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::stack;
use fpga_hook::Program;

use crate::args::{Args, Command};
use crate::output;
use crate::status::Status;

pub(crate) mod bitstream;
mod busy;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod errors;
pub(crate) mod install_host;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod port;
pub(crate) mod program;
pub(crate) mod recover;
pub(crate) mod reset;
pub(crate) mod show;
pub(crate) mod target;
pub(crate) mod watch;

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let trees = &args.trees;
    let root = trees.root();
    match &args.command {
        Command::List(args) => list::run(args, &root, &scan(&root)),
        Command::Show(args) => show::run(args, &root, scan(&root)),
        Command::Watch(args) => watch::run(args, &root),
        Command::Doctor(args) => doctor::run(args, trees),
        Command::Errors(args) => errors::run(args, &root),
        Command::Program(args) => program::run(args, &root),
        Command::Reset(args) => reset::run(args, &root),
        Command::Recover(args) => recover::run(args, &root),
        Command::Port(args) => port::run(args, &root),
        Command::Bitstream(args) => bitstream::run(args),
        Command::InstallHost(args) => install_host::run(args),
        Command::OciHook(args) => Ok(Status::Hook(fpga_hook::run(Program::Fpgactl, args, &root))),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}

/// What to say on stderr about an inventory that was shown, and how that ends the command.
fn conclude(root: &Root, inventory: &Inventory) -> Status {
    let out_of_use = inventory.cards.iter().flat_map(|card| out_of_use(root, card));
    let problems: Vec<String> =
        inventory.all_problems().map(ToString::to_string).chain(out_of_use).collect();
    for problem in &problems {
        output::complain(problem);
    }
    match (problems.is_empty(), inventory.cards.is_empty()) {
        (false, _) => Status::Diagnosed,
        (true, false) => Status::Sound,
        (true, true) => {
            output::complain(why_nothing(root, inventory));
            Status::Nothing
        }
    }
}

/// What of a card cannot be used though everything of it was read.
fn out_of_use(root: &Root, card: &Card) -> Vec<String> {
    let address = card.id;
    let slot = |slot: &Slot| {
        let what = match slot.function {
            // The problem that it was read with is among the card's.
            Function::Loaded { .. } | Function::Unreadable => return None,
            // That is how the card was made.
            Function::Anonymous => return None,
            Function::Busy if !busy::is_disabled(root, card, slot) => return None,
            Function::Busy => "its region is disabled since programming failed",
            Function::Crashed => "reads as all ones: the card does not answer",
            Function::Absent => "no driver is bound to the port",
        };
        Some(format!("{}: {what}: run `fpgactl recover {address}`", slot.name))
    };
    if card.slots.is_empty() {
        return vec![format!("{address}: the card shows no port")];
    }
    let crashed = |region: &&Region| region.interface_id.is_some_and(InterfaceId::is_crash_marker);
    let regions = card.regions.iter().filter(crashed);
    let regions =
        regions.map(|region| format!("{}: its interface id reads as all ones", region.name));
    card.slots.iter().filter_map(slot).chain(regions).collect()
}

fn why_nothing(root: &Root, inventory: &Inventory) -> String {
    if !root.sys().is_dir() {
        return format!(
            "{}: there is no such directory, or this user may not look into it",
            root.sys().display()
        );
    }
    let names: Vec<_> = inventory.drivers.iter().map(|driver| driver.as_str()).collect();
    if names.is_empty() {
        let classes = stack::classes(root);
        let classes: Vec<_> = classes.iter().map(|class| class.display().to_string()).collect();
        return format!(
            "no FPGA driver is loaded: neither {} exists; `modprobe dfl-pci` loads the in-tree one",
            classes.join(" nor ")
        );
    }
    format!(
        "no FPGA card: the driver is loaded ({}) but has bound to none; \
         `lspci -nn` shows what is plugged in, `dmesg` why it was refused",
        names.join(", ")
    )
}
