//! Bitstream files and the store of them, from outside.
// Clippy exempts tests but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod aocx;
mod corpus;
mod gbs;
mod install;
mod list;
mod open;
mod store;

use fpga::bitstream::{Contents, ParseError};
use fpga_emulator::bitstream_writer as writer;

/// Region of the Arria 10 PAC, and the two loopback functions, as in the field.
const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

fn parse(bytes: &[u8]) -> Result<Contents, ParseError> {
    Contents::parse(&bytes)
}

/// What is wrong with `bytes`, in words.
fn fault(bytes: &[u8]) -> String {
    parse(bytes).unwrap_err().to_string()
}

fn good_gbs() -> Vec<u8> {
    writer::gbs(&writer::metadata(INTERFACE, NLB0), b"image")
}

fn good_aocx() -> Vec<u8> {
    writer::aocx(HASH, &good_gbs())
}
