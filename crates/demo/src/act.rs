//! The demo's acts, one file each.

pub mod af;
mod common;
pub mod region;
pub mod webhook;

use std::fmt;

/// What an act is given: where to print, the machine to emulate, the binaries, what to do at the end.
#[derive(Debug)]
pub struct Stage<'a> {
    /// Where the act is printed.
    pub console: &'a crate::console::Console,
    /// The shipped binaries.
    pub binaries: &'a crate::binaries::Binaries,
    /// Preset of the emulated machine.
    pub preset: &'a str,
    /// Leave everything running until Ctrl-C when the act is over.
    pub keep: bool,
}

/// Names of the acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Act {
    /// A pod gets a function that is loaded.
    Af,
    /// A hook programs a function into a region before the container starts.
    Region,
    /// A pod asks for a function by its friendly name.
    Webhook,
}

impl Act {
    /// Every act, in the order of the demo.
    pub const ALL: [Act; 3] = [Act::Af, Act::Region, Act::Webhook];

    /// Plays the act.
    ///
    /// # Errors
    /// The first step that did not go as it must, with the reason.
    pub async fn play(self, stage: &Stage<'_>) -> anyhow::Result<()> {
        match self {
            Act::Af => af::play(stage).await,
            Act::Region => region::play(stage).await,
            Act::Webhook => webhook::play(stage).await,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::Af => "af",
            Act::Region => "region",
            Act::Webhook => "webhook",
        })
    }
}
