//! The programs whose command lines `fpgactl` knows: their help is also there as manual pages and completions.

use clap::{Command, CommandFactory as _, ValueEnum};

use crate::args::Args;

/// One of the programs.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Documented {
    #[default]
    Fpgactl,
    FpgaHook,
}

impl Documented {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fpgactl => "fpgactl",
            Self::FpgaHook => "fpga-hook",
        }
    }

    pub(crate) fn command(self) -> Command {
        match self {
            Self::Fpgactl => Args::command(),
            Self::FpgaHook => fpga_hook::Program::Hook.command(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_commands() {
        for program in Documented::value_variants() {
            assert_eq!(program.command().get_name(), program.name());
            let word = program.to_possible_value().unwrap();
            assert_eq!(word.get_name(), program.name());
        }
    }
}
