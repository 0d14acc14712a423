//! Reading what a runtime hands over: JSON of bounded length.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::failure::{Code, Failure};

/// Linux' `O_NONBLOCK`, without which opening a FIFO waits for somebody to write to it.
const O_NONBLOCK: i32 = 0o4000;

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

/// Opens a regular file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}
