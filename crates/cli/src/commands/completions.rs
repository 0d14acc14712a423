//! `fpgactl completions`: scripts that complete words on a shell's command line.

use clap::Args as ClapArgs;
use clap_complete::{Shell, generate};

use crate::documented::Documented;
use crate::output;
use crate::status::Status;

/// Print the completions of a program for a shell
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  source <(fpgactl completions bash)
  fpgactl completions bash > ~/.local/share/bash-completion/completions/fpgactl
  fpgactl completions zsh > ~/.zfunc/_fpgactl
  fpgactl completions fish > ~/.config/fish/completions/fpgactl.fish")]
pub(crate) struct Args {
    /// The shell that reads them
    shell: Shell,
    /// The program whose words are completed
    #[arg(value_enum, default_value_t)]
    program: Documented,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    let name = args.program.name();
    generate(args.shell, &mut args.program.command(), name, &mut script);
    output::text(&String::from_utf8(script)?)?;
    Ok(Status::Sound)
}
