//! `fpga-emulator gbs`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fpga_emulator::card::afu;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::id::Guid;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Interface id of the regions that it fits.
    #[arg(long)]
    interface: Guid,
    /// Function: a UUID, or nlb0, nlb3, hello.
    #[arg(long, value_parser = function)]
    afu: Guid,
    /// Name in the metadata.
    #[arg(long, default_value = "emulated")]
    name: String,
    /// Bytes of payload.
    #[arg(long, default_value_t = 64 << 10)]
    size: usize,
    /// User clock in MHz: high and low frequency.
    #[arg(long, num_args = 2, value_names = ["HIGH", "LOW"])]
    clocks: Option<Vec<u32>>,
    /// File to write.
    #[arg(long, short)]
    output: PathBuf,
}

fn function(text: &str) -> Result<Guid, String> {
    afu::by_name(text).map_or_else(|| text.parse().map_err(|e| format!("{e}")), Ok)
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    let bitstream = Bitstream {
        interface: arguments.interface,
        function: arguments.afu,
        name: arguments.name,
        size: arguments.size,
        clocks: arguments.clocks.and_then(|c| Some((*c.first()?, *c.get(1)?))),
    };
    let bytes = bitstream.to_bytes()?;
    std::fs::write(&arguments.output, bytes).with_context(|| arguments.output.display().to_string())
}
