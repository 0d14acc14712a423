//! `fpgactl man`: the programs' help as manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as ClapArgs, Command, ValueEnum as _};
use clap_mangen::Man;
use fpga::files;

use crate::documented::Documented;
use crate::output;
use crate::status::Status;

/// Write the manual pages of fpgactl and fpga-hook
///
/// There is a page for each of the two programs and for each command of fpgactl.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl man ~/.local/share/man/man1
  sudo fpgactl man /usr/local/share/man/man1
  fpgactl man pages && man pages/fpgactl-doctor.1")]
pub(crate) struct Args {
    /// Directory for the pages; made if it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    files::make_directories(&args.directory)
        .with_context(|| args.directory.display().to_string())?;
    for program in Documented::value_variants() {
        let mut command = program.command().disable_help_subcommand(true);
        command.build();
        for (name, page) in pages(&command)? {
            let path = args.directory.join(name);
            files::replace(&path, &page, 0o644).with_context(|| path.display().to_string())?;
            output::text(&format!("{}: written\n", path.display()))?;
        }
    }
    Ok(Status::Sound)
}

/// File names and contents of the pages of a command and those below it.
fn pages(command: &Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut pages = vec![(man.get_filename(), page)];
    for below in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.extend(self::pages(below)?);
    }
    Ok(pages)
}
