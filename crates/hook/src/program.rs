//! The two programs that have the hook, and the command line of each.

use std::ffi::OsString;

use clap::{Args as _, Command, Error, FromArgMatches as _};

use crate::args::{Args, examples_and_codes};
use crate::trees::Trees;

/// A program that has the hook. Its help, its version and the lines that it prints go by that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `fpga-hook`.
    Hook,
    /// `fpgactl oci-hook`.
    Fpgactl,
}

impl Program {
    /// As it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hook => "fpga-hook",
            Self::Fpgactl => "fpgactl oci-hook",
        }
    }

    /// The hook's command alone. A runtime waits for it whenever it starts a container, and setting up all the other
    /// subcommands of `fpgactl` would take longer than reading a card.
    #[must_use]
    pub fn command(self) -> Command {
        let command = Args::augment_args(Command::new(self.name()));
        // The flags of the trees come with a description of their own.
        let (short, long) = (command.get_about().cloned(), command.get_long_about().cloned());
        let (short, long) = (short.unwrap_or_default(), long.unwrap_or_default());
        Trees::augment_args(command)
            .about(short)
            .long_about(long)
            .bin_name(self.name())
            .version(env!("CARGO_PKG_VERSION"))
            .after_help(examples_and_codes(self.name()))
    }

    /// Reads the words after the program's name. Where they are wrong, or ask for help or the version, that is printed
    /// and the process ends.
    pub(crate) fn parse(self, words: impl IntoIterator<Item = OsString>) -> (Args, Trees) {
        self.try_parse(words).unwrap_or_else(|error| error.exit())
    }

    /// Reads the words after the program's name.
    pub(crate) fn try_parse(
        self,
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<(Args, Trees), Error> {
        let mut command = self.command();
        let words = std::iter::once(self.name().into()).chain(words);
        let mut found = command.try_get_matches_from_mut(words)?;
        let mut read = || {
            Ok((Args::from_arg_matches_mut(&mut found)?, Trees::from_arg_matches_mut(&mut found)?))
        };
        read().map_err(|error: Error| error.format(&mut command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_line_is_consistent_and_goes_by_its_name() {
        for (program, name) in
            [(Program::Hook, "fpga-hook"), (Program::Fpgactl, "fpgactl oci-hook")]
        {
            let mut command = program.command();
            command.clone().debug_assert();
            assert_eq!(command.render_version(), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
            let help = command.render_long_help().to_string();
            assert!(help.starts_with("Program a container's regions before it starts"), "{help}");
            for part in [format!("Usage: {name} [OPTIONS]"), format!("\n  {name} < state.json\n")] {
                assert!(help.contains(&part), "{part:?} is not in {help}");
            }
        }
    }
}
