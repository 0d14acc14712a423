//! Reading what a runtime hands over: JSON of bounded length.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::failure::{Code, Failure};

/// All of `source`, which must be no longer than `limit` bytes.
pub(super) fn read(source: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, Failure> {
    let fail = |message: String| Failure::new(Code::Input, message).of(what);
    let mut text = Vec::new();
    source.take(limit + 1).read_to_end(&mut text).map_err(|error| fail(error.to_string()))?;
    if text.len() as u64 > limit {
        return Err(fail(format!("longer than {limit} bytes")));
    }
    Ok(text)
}

/// Opens a regular file. Anything else is not even opened: with a FIFO that would wait for somebody to
/// write to it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)
}
