//! Reading what a runtime hands over: JSON of bounded length.

use std::io::Read;

use fpga::files;

use super::failure::{Code, Failure};

/// All of `source`, which must be no longer than `limit` bytes.
pub(super) fn read(source: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, Failure> {
    files::read_from(source, limit)
        .map_err(|error| Failure::new(Code::Input, error.to_string()).of(what))
}
