//! What a runtime hands over: the state on standard input, and `config.json` in the bundle that it names.

use std::io::Read;

use fpga::files;

use crate::failure::{Code, Failure};

mod allocation;
mod annotations;
mod config;
mod object;
mod state;

pub(crate) use allocation::Allocation;
pub(crate) use annotations::{Annotations, devices, namespace, pod};
pub(crate) use config::Config;
pub(crate) use state::State;

/// All of `source`, which must be no longer than `limit` bytes.
fn read(source: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, Failure> {
    files::read_from(source, limit)
        .map_err(|error| Failure::new(Code::Input, error.to_string()).of(what))
}
