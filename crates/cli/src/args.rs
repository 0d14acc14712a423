//! The command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args as ClapArgs, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use fpga::store::{DEFAULT_ROOT, Store};
use fpga_hook::Trees;

use crate::commands::{
    bitstream, completions, doctor, errors, install_host, list, man, port, program, recover, reset,
    show, watch,
};
use crate::status;

/// Shows, programs and recovers the FPGA cards of a node
#[derive(Debug, Parser)]
#[command(version, after_help = status::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) trees: Trees,
}

impl Args {
    /// What was typed. Ends the program where it is wrong, or asks for help.
    pub(crate) fn from_environment() -> Self {
        let mut command = Self::command();
        let matches = command.get_matches_mut();
        let mut args = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        // A variable without a value is one that is not set; whoever typed it meant something.
        let is_empty = |path: &PathBuf| path.as_os_str().is_empty();
        let (root, ledger) = (&args.trees.root, args.trees.ledger.as_ref());
        for (name, is_empty) in [("root", is_empty(root)), ("ledger", ledger.is_some_and(is_empty))]
        {
            if is_empty && matches.value_source(name) == Some(ValueSource::CommandLine) {
                let reason = format!("--{name} is empty: expected a directory");
                command.error(ErrorKind::InvalidValue, reason).exit();
            }
        }
        if is_empty(root) {
            args.trees.root = "/".into();
        }
        args
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    Watch(watch::Args),
    Errors(errors::Args),
    Doctor(Box<doctor::Args>),
    Program(program::Args),
    Reset(reset::Args),
    Recover(recover::Args),
    Port(port::Args),
    Bitstream(bitstream::Args),
    InstallHost(install_host::Args),
    OciHook(fpga_hook::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Where the bitstreams are.
#[derive(Debug, ClapArgs)]
pub(crate) struct StoreArgs {
    /// Where the bitstreams are installed
    #[arg(long, value_name = "DIR", default_value = DEFAULT_ROOT)]
    store: PathBuf,
}

impl StoreArgs {
    pub(crate) fn open(&self) -> Store {
        Store::new(&self.store)
    }
}

#[cfg(test)]
mod tests {
    use fpga::root::Root;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn each_tree_can_be_elsewhere() {
        let root = |args: &[&str]| {
            Args::try_parse_from([&["fpgactl", "list"], args].concat()).unwrap().trees.root()
        };
        assert_eq!(root(&["--root", "/t"]), Root::at("/t"));
        let own = |sys, dev| Root::new(sys, dev).with_ledger("/t/run/kube-fpga/ledger");
        assert_eq!(root(&["--root", "/t", "--sysfs", "/s"]), own("/s", "/t/dev"));
        assert_eq!(root(&["--root", "/t", "--devfs", "/d"]), own("/t/sys", "/d"));
        let elsewhere = root(&["--root", "/t", "--ledger", "/l"]);
        assert_eq!(elsewhere, Root::at("/t").with_ledger("/l"));
    }
}
