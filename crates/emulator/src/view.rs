//! A root with only some of the device nodes, as a container has them: for machines where a process cannot make a
//! namespace of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A view that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine has no such node.
    #[error("{0}: no such device node")]
    NoDevice(PathBuf),
    /// A file operation failed.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

/// Makes `dir/sys`, which is all of `root/sys`, and `dir/dev` with `devices` alone. The nodes are hard links: the
/// same inodes, so that ioctls on them are answered. `dir` must be on the file system of `root`.
///
/// # Errors
/// [`Error`] with the path.
pub fn create(root: &Path, dir: &Path, devices: &[String]) -> Result<(), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |reason| Error::Io { path, reason }
    };
    let root = fs::canonicalize(root).map_err(io(root))?;
    let (dev, sys) = (dir.join("dev"), dir.join("sys"));
    fs::create_dir_all(dev.join("char")).map_err(io(&dev))?;
    symlink(root.join("sys"), &sys).map_err(io(&sys))?;
    for name in devices {
        let (from, to) = (root.join("dev").join(name), dev.join(name));
        if !from.is_file() || name.contains('/') {
            return Err(Error::NoDevice(from));
        }
        fs::hard_link(&from, &to).map_err(io(&to))?;
    }
    for entry in fs::read_dir(root.join("dev/char")).map_err(io(&root))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if target.file_name().is_some_and(|n| devices.iter().any(|d| n == d.as_str())) {
            let link = dev.join("char").join(entry.file_name());
            symlink(target, &link).map_err(io(&link))?;
        }
    }
    Ok(())
}
