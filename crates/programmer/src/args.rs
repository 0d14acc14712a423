//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as _, Command, CommandFactory as _, FromArgMatches as _, Parser};
use fpga::{grants, store};
use fpga_hook::{Blank, Trees};

use crate::DEFAULT_SOCKET;

/// Prepare and clean a node's regions for processes of root that ask on a unix socket
///
/// It is the only part of kube-fpga that opens cards for others. It needs the cards' device nodes and nothing else: at
/// start it leaves the network. Requests and answers are lines of JSON; the verbs are prepare, clean and status. The
/// runtime hook remains the last check before a container starts, and finds its work done.
#[derive(Debug, Parser)]
#[command(name = "fpga-programmer", version, after_help = EXAMPLES)]
pub struct Args {
    /// Socket to listen on; another instance that has it is waited for
    #[arg(long, value_name = "FILE", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Directory of the bitstreams
    #[arg(long, value_name = "DIR", default_value = store::DEFAULT_ROOT)]
    pub store: PathBuf,
    /// File that says which functions each namespace may have programmed
    #[arg(long, value_name = "FILE", default_value = grants::DEFAULT_PATH)]
    pub grants: PathBuf,
    /// Allow every namespace every function in the store, without a file of grants
    #[arg(long, conflicts_with = "grants")]
    pub allow_any: bool,
    /// Function that a region gets after its owner has ended; once for each interface id
    #[arg(long, value_name = "INTERFACE=AFU")]
    pub blank: Vec<Blank>,
    /// Stay in the network instead of leaving it, which takes root
    #[arg(long)]
    pub keep_network: bool,
    /// Print what the programmer at the socket knows, and end: 0 if it answers, else 1
    #[arg(long)]
    pub status: bool,
    /// Where the kernel's trees are.
    #[command(flatten)]
    pub trees: Trees,
}

const EXAMPLES: &str = "\
Examples:
  fpga-programmer
  fpga-programmer --socket /run/kube-fpga/programmer.sock --store /srv/intel.com/fpga
  fpga-programmer --status";

/// The command, for its help and for documents made of it.
#[must_use]
pub fn command() -> Command {
    // The flags of the trees come with a description of their own.
    let bare = Args::command();
    let (short, long) = (bare.get_about().cloned(), bare.get_long_about().cloned());
    Args::augment_args(Command::new("fpga-programmer"))
        .about(short.unwrap_or_default())
        .long_about(long.unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXAMPLES)
}

impl Args {
    /// Reads a command line, whose first word is the program's name. Where it is wrong, or asks for help or the version,
    /// that is printed and the process ends.
    #[must_use]
    pub fn parse_line(line: impl IntoIterator<Item = OsString>) -> Self {
        let matches = command().get_matches_from(line);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        let help = command().render_long_help().to_string();
        assert!(help.starts_with("Prepare and clean a node's regions"), "{help}");
    }
}
