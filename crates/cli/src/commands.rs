//! The subcommands, one file each.

use fpga::board::{Inventory, Problem};
use fpga::root::Root;
use fpga::scan::scan;
use fpga_hook::Program;

use crate::args::{Args, Command};
use crate::status::Status;

pub(crate) mod bitstream;
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
