//! The subcommands, one file each.

use fpga::board::{Inventory, Problem};
use fpga::root::Root;

use crate::args::{Args, Command};
use crate::status::Status;

pub(crate) mod list;
pub(crate) mod show;

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let root = args.trees.root();
    let inventory = fpga::scan::scan(&root);
    match &args.command {
        Command::List(args) => list::run(args, &root, &inventory),
        Command::Show(args) => show::run(args, &root, inventory),
    }
}

/// What to say on stderr about an inventory that was shown, and how that ends the command.
fn conclude(root: &Root, inventory: &Inventory) -> Status {
    let problems: Vec<&Problem> = inventory.all_problems().collect();
    for problem in &problems {
        eprintln!("fpgactl: {problem}");
    }
    match (problems.is_empty(), inventory.boards.is_empty()) {
        (false, _) => Status::Diagnosed,
        (true, false) => Status::Sound,
        (true, true) => {
            eprintln!("fpgactl: {}", why_nothing(root, inventory));
            Status::Nothing
        }
    }
}

fn why_nothing(root: &Root, inventory: &Inventory) -> String {
    let names: Vec<_> = inventory.drivers.iter().map(|driver| driver.as_str()).collect();
    if names.is_empty() {
        return format!(
            "no FPGA driver is loaded: neither {} nor {} exists; `modprobe dfl-pci` loads the in-tree one",
            root.dfl_class().display(),
            root.opae_class().display()
        );
    }
    format!(
        "no FPGA card: the driver is loaded ({}) but has bound to none; \
         `lspci -nn` shows what is plugged in, `dmesg` why it was refused",
        names.join(", ")
    )
}
