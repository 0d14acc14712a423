//! The emulator's writer of bitstream files, under the name by which tests call it.

pub(crate) use fpga_emulator::bitstream_writer::*;
