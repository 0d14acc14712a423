//! A view in which the emulated machine is at the usual places: `/sys` and `/dev`.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::Devices;

/// A view that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or a sandbox forbids it.
    #[error("no namespace of our own ({0}): use a view directory instead (fpga-emulator view)")]
    Forbidden(Errno),
    /// The machine has no such node.
    #[error("{0}: no such device node")]
    NoDevice(String),
    /// A step failed.
    #[error("{what}: {reason}")]
    Step {
        /// What was tried.
        what: String,
        /// Why it failed.
        reason: std::io::Error,
    },
}

/// The real machine's control groups stay where they are, for container runtimes.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Nodes of the real `/dev` that every program may need.
const USUAL: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "ptmx"];
const USUAL_DIRECTORIES: [&str; 2] = ["pts", "shm"];

fn step<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |e| Error::Step { what, reason: e.into() }
}

/// Enters the view. This process must have one thread.
pub(super) fn enter(root: &Path, devices: &Devices) -> Result<(), Error> {
    let names = names(root, devices)?;
    isolate()?;
    // The emulated tree may itself be below /dev or /sys, which are covered soon: hold on to it.
    let sys = File::open(root.join("sys")).map_err(step("opening the emulated sys"))?;
    let cgroups = File::open(CGROUPS).ok();
    let scratch = Path::new("/sys");
    mount(Some("tmpfs"), scratch, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .map_err(step("mounting a tmpfs"))?;
    let dev = scratch.join("dev");
    fs::create_dir_all(dev.join("char")).map_err(step("making dev"))?;
    usual(&dev)?;
    for name in &names {
        bind_file(&root.join("dev").join(name), &dev.join(name))?;
    }
    numbers(root, &dev, &names)?;
    bind(&dev, Path::new("/dev"))?;
    bind(&opened(&sys), Path::new("/sys"))?;
    match cgroups {
        Some(cgroups) => bind(&opened(&cgroups), Path::new(CGROUPS)),
        None => Ok(()),
    }
}

/// A path to what is open, wherever it was and whatever covers that place now.
fn opened(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn names(root: &Path, devices: &Devices) -> Result<Vec<String>, Error> {
    let entries =
        fs::read_dir(root.join("dev")).map_err(step(format!("{}/dev", root.display())))?;
    let files = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_file()));
    let all: Vec<String> = files.filter_map(|e| e.file_name().into_string().ok()).collect();
    match devices {
        Devices::All => Ok(all),
        Devices::Only(names) => match names.iter().find(|n| !all.contains(n)) {
            Some(missing) => Err(Error::NoDevice(missing.clone())),
            None => Ok(names.clone()),
        },
    }
}

/// A mount namespace of our own; for that an unprivileged process needs a user namespace too.
fn isolate() -> Result<(), Error> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() && unshare(CloneFlags::CLONE_NEWNS).is_ok() {
        return mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )
        .map_err(step("making the mounts private"));
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(Error::Forbidden)?;
    fs::write("/proc/self/setgroups", "deny").map_err(step("setgroups"))?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1")).map_err(step("uid_map"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1")).map_err(step("gid_map"))
}

fn bind(from: &Path, to: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, None::<&str>, flags, None::<&str>).map_err(step(format!(
        "binding {} at {}",
        from.display(),
        to.display()
    )))
}

fn bind_file(from: &Path, to: &Path) -> Result<(), Error> {
    File::create(to).map_err(step(format!("making {}", to.display())))?;
    bind(from, to)
}

fn usual(dev: &Path) -> Result<(), Error> {
    for name in USUAL {
        let from = Path::new("/dev").join(name);
        if from.exists() {
            bind_file(&from, &dev.join(name))?;
        }
    }
    for name in USUAL_DIRECTORIES {
        let (from, to) = (Path::new("/dev").join(name), dev.join(name));
        if from.is_dir() {
            fs::create_dir(&to).map_err(step(format!("making {}", to.display())))?;
            bind(&from, &to)?;
        }
    }
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    links.into_iter().try_for_each(|(name, target)| {
        symlink(target, dev.join(name)).map_err(step(format!("linking {name}")))
    })
}

/// `/dev/char` for the nodes that are there.
fn numbers(root: &Path, dev: &Path, names: &[String]) -> Result<(), Error> {
    for entry in fs::read_dir(root.join("dev/char")).map_err(step("reading dev/char"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if target.file_name().is_some_and(|n| names.iter().any(|d| n == d.as_str())) {
            symlink(&target, dev.join("char").join(entry.file_name()))
                .map_err(step("linking dev/char"))?;
        }
    }
    Ok(())
}
