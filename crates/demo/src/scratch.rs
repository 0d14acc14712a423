//! Temporary directories for trees of many small files.

use std::path::Path;

use tempfile::{Builder, TempDir};

/// A memory file system that every Linux machine has.
const MEMORY: &str = "/dev/shm";

/// Makes a directory, in memory where that is possible: on a busy disk an emulated attribute would take
/// longer to change than a card.
///
/// # Errors
/// When there is no place for temporary files at all.
pub fn directory(prefix: &str) -> std::io::Result<TempDir> {
    let mut builder = Builder::new();
    builder.prefix(prefix);
    if Path::new(MEMORY).is_dir()
        && let Ok(directory) = builder.tempdir_in(MEMORY)
    {
        return Ok(directory);
    }
    builder.tempdir()
}
