//! Opening below a directory without ever following a symbolic link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstatat};

/// Opens the root itself, which may be reached through links: the administrator chose it.
pub(super) fn open_root(root: &Path) -> io::Result<OwnedFd> {
    Ok(open(root, directory_flags(), Mode::empty())?)
}

/// Opens the file `relative`, some names below `root`, for reading. A symbolic link on the way gives
/// `ELOOP`.
pub(super) fn open_file(root: &impl AsFd, relative: &Path) -> io::Result<File> {
    match open_by_kernel(root, relative) {
        // Linux before 5.6, and system call filters that are older than that.
        Err(Errno::ENOSYS | Errno::EPERM) => open_by_steps(root, relative),
        other => other,
    }
    .map(File::from)
    .map_err(io::Error::from)
}

/// Opens the directory `name` in `parent`.
pub(super) fn open_directory(parent: &impl AsFd, name: &str) -> io::Result<OwnedFd> {
    Ok(step(parent, Path::new(name), directory_flags())?)
}

fn open_by_kernel(root: &impl AsFd, relative: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    openat2(root, relative, OpenHow::new().flags(file_flags()).resolve(resolve))
}

/// The same with a system call for each name.
fn open_by_steps(root: &impl AsFd, relative: &Path) -> Result<OwnedFd, Errno> {
    let mut names = relative.components().peekable();
    let mut directory: Option<OwnedFd> = None;
    while let Some(component) = names.next() {
        let Component::Normal(name) = component else { return Err(Errno::EXDEV) };
        let flags = if names.peek().is_some() { directory_flags() } else { file_flags() };
        let next = match &directory {
            None => step(root, Path::new(name), flags),
            Some(parent) => step(parent, Path::new(name), flags),
        }?;
        directory = Some(next);
    }
    directory.ok_or(Errno::ENOENT)
}

/// `O_DIRECTORY` with `O_NOFOLLOW` answers `ENOTDIR` for a link: that is told apart from a file.
fn step(parent: &impl AsFd, name: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat(parent, name, flags | OFlag::O_NOFOLLOW, Mode::empty()).map_err(|errno| {
        let link = errno == Errno::ENOTDIR
            && fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
                .is_ok_and(|status| status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFLNK.bits());
        if link { Errno::ELOOP } else { errno }
    })
}

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

/// Without `O_NONBLOCK`, opening a FIFO would wait for somebody to write to it.
fn file_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Open = fn(&OwnedFd, &Path) -> Result<OwnedFd, Errno>;

    /// Both ways in: a kernel with openat2 would otherwise never run the other one.
    const WAYS: [Open; 2] = [open_by_kernel, open_by_steps];

    #[test]
    fn files_below_the_root_open() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/b"), "x").unwrap();
        let root = open_root(dir.path()).unwrap();
        for open in WAYS {
            assert!(open(&root, Path::new("a/b")).is_ok());
            assert_eq!(open(&root, Path::new("a/c")).unwrap_err(), Errno::ENOENT);
            assert_eq!(open(&root, Path::new("a/b/c")).unwrap_err(), Errno::ENOTDIR);
        }
    }

    #[test]
    fn links_are_not_followed_wherever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/b"), "x").unwrap();
        symlink("b", dir.path().join("a/link")).unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        let root = open_root(dir.path()).unwrap();
        for open in WAYS {
            for path in ["a/link", "link/b"] {
                assert_eq!(open(&root, Path::new(path)).unwrap_err(), Errno::ELOOP, "{path}");
            }
        }
    }

    #[test]
    fn nothing_above_the_root_opens() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::write(dir.path().join("b"), "x").unwrap();
        let root = open_root(&dir.path().join("root")).unwrap();
        for open in WAYS {
            for path in ["../b", "/etc/hostname"] {
                assert_eq!(open(&root, Path::new(path)).unwrap_err(), Errno::EXDEV, "{path}");
            }
        }
    }
}
