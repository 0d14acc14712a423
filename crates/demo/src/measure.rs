//! `fpga-demo measure`: figures of the real binaries, one `name<TAB>value<TAB>unit` line each.

mod agent;
mod hook;
mod nothing;
mod programmer;
mod statistics;
mod webhook;

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub use hook::inside;

use crate::binaries::Binaries;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured, with the unit in the name as it is quoted in the documentation.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Unit, and how the value was taken where that matters.
    pub unit: String,
}

impl Figure {
    fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.to_owned(), value, unit: unit.to_owned() }
    }
}

/// Measures everything and prints each figure as it is known.
///
/// # Errors
/// When a program does not do what is being measured.
pub async fn run(binaries: &Binaries) -> anyhow::Result<()> {
    let print = |figures: Vec<Figure>| -> anyhow::Result<()> {
        for Figure { name, value, unit } in figures {
            writeln!(io::stdout(), "{name}\t{value:.3}\t{unit}").context("writing to stdout")?;
        }
        Ok(())
    };
    print(agent::start(binaries).await?)?;
    print(agent::change(binaries).await?)?;
    print(agent::handover(binaries).await?)?;
    print(hook::run(binaries).await?)?;
    print(webhook::run(binaries).await?)?;
    print(agent::idle(binaries).await?)
}
