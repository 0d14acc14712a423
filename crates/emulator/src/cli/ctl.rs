//! `fpga-emulator ctl`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use fpga_emulator::ctl::{Answer, Client, Command, Fault, Status};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Socket of the emulator.
    #[arg(long)]
    socket: PathBuf,
    #[command(subcommand)]
    command: Verb,
}

/// Cards go by name, PCI address or number.
#[derive(Debug, Subcommand)]
enum Verb {
    /// What there is.
    Status,
    /// Latch port errors.
    PortError {
        card: String,
        port: usize,
        #[arg(value_parser = bits)]
        bits: u64,
    },
    /// Latch management engine errors.
    FmeError {
        card: String,
        #[arg(value_parser = bits)]
        bits: u64,
    },
    /// Set the temperature in degrees Celsius.
    Temperature { card: String, celsius: u8 },
    /// Set a port's power state: 0, 1, 2 or 6.
    PowerState { card: String, port: usize, state: u8 },
    /// Make reconfigurations fail: 1 operation, 2 CRC, 4 incompatible, 8 protocol, 16 FIFO; 0 ends it.
    PrError {
        card: String,
        #[arg(value_parser = bits)]
        bits: u64,
    },
    /// Time of a reconfiguration in milliseconds.
    PrTime { card: String, ms: u64 },
    /// Make reconfigurations never complete, or complete again.
    PrStall {
        card: String,
        #[arg(action = clap::ArgAction::Set)]
        on: bool,
    },
    /// Load a function without reconfiguration.
    Function { card: String, port: usize, afu: String },
    /// Make a function faulty: none, corrupt, hang, or clock (its clock generator does not lock).
    FunctionFault {
        card: String,
        port: usize,
        #[arg(value_parser = fault)]
        fault: Fault,
    },
    /// Pull a card out of its slot.
    Remove { card: String },
    /// Put it back.
    Insert { card: String },
    /// Unbind and bind its driver.
    Rebind { card: String },
    /// Make an attribute answer an error such as EIO, or its value again.
    AttributeError { path: PathBuf, error: Option<String> },
    /// Write to an attribute, with the kernel's answer.
    Write { path: PathBuf, text: String },
}

/// A number, hexadecimal with 0x.
fn bits(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|e| e.to_string())
}

fn fault(text: &str) -> Result<Fault, String> {
    match text {
        "none" => Ok(Fault::None),
        "corrupt" => Ok(Fault::Corrupt),
        "hang" => Ok(Fault::Hang),
        "clock" => Ok(Fault::Clock),
        _ => Err("must be none, corrupt, hang or clock".into()),
    }
}

impl From<Verb> for Command {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Status => Self::Status,
            Verb::PortError { card, port, bits } => Self::PortError { card, port, bits },
            Verb::FmeError { card, bits } => Self::FmeError { card, bits },
            Verb::Temperature { card, celsius } => Self::Temperature { card, celsius },
            Verb::PowerState { card, port, state } => Self::PowerState { card, port, state },
            Verb::PrError { card, bits } => Self::PrError { card, bits },
            Verb::PrTime { card, ms } => Self::PrTime { card, ms },
            Verb::PrStall { card, on } => Self::PrStall { card, on },
            Verb::Function { card, port, afu } => Self::Function { card, port, afu },
            Verb::FunctionFault { card, port, fault } => Self::FunctionFault { card, port, fault },
            Verb::Remove { card } => Self::Remove { card },
            Verb::Insert { card } => Self::Insert { card },
            Verb::Rebind { card } => Self::Rebind { card },
            Verb::AttributeError { path, error } => Self::AttributeError { path, error },
            Verb::Write { path, text } => Self::Write { path, text },
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result<()> {
    if let Answer::Status(status) =
        Client::connect(&arguments.socket)?.call(&arguments.command.into())?
    {
        super::print(&text(&status))?;
    }
    Ok(())
}

fn text(status: &Status) -> String {
    let mut lines = vec![format!("root {}", status.root.display())];
    for card in &status.cards {
        let fme = card.fme.as_deref().unwrap_or("-");
        let presence = if card.present { "present" } else { "gone" };
        lines.push(format!("{} {} {presence} {fme}", card.name, card.pci));
        for (number, port) in card.ports.iter().enumerate() {
            let node = port.node.as_deref().unwrap_or("-");
            let flags = [(port.disabled, " disabled"), (port.mapped, " mapped")];
            let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
            lines.push(format!("  port {number} {node} {}{flags}", port.afu_id));
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
