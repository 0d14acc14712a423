//! `fpgactl bitstream`: files, and the node's store of them.

use clap::{Args as ClapArgs, Subcommand};
use fpga::store::Store;

use crate::status::Status;

mod info;
mod install;
mod list;
mod verify;

/// Look at bitstream files, and keep the node's store of them
///
/// The store is where programs and the runtime hook find a function: STORE/<interface id>/<AFU id>.gbs, and
/// STORE/<interface id>/<hash>.aocx for OpenCL.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Info(info::Args),
    Install(install::Args),
    List(list::Args),
    Verify(verify::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    match &args.verb {
        Verb::Info(args) => info::run(args),
        Verb::Install(args) => install::run(args),
        Verb::List(args) => list::run(args),
        Verb::Verify(args) => verify::run(args),
    }
}

/// What to say of an empty store.
fn nothing(store: &Store) -> String {
    format!(
        "{}: no bitstream is installed there; `fpgactl bitstream install` does that",
        store.root().display()
    )
}
